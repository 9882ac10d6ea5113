"""What the agent makes of each number that the kernels in use return for the same answer."""

from __future__ import annotations

import pytest

from fence_pr.errors import Conflict
from fence_pr.storage import kernel_status, transient
from tests.model.kernel_answers import KERNELS, NVME, SCSI, Row, unclear

ROWS = [("SCSI", row) for row in SCSI] + [("NVMe", row) for row in NVME]


@pytest.mark.promise(5)
@pytest.mark.parametrize(("transport", "row"), ROWS, ids=lambda it: it.said if isinstance(it, Row) else it)
def test_the_agent_takes_each_number_for_what_was_answered_as_far_as_it_tells(transport: str, row: Row) -> None:
    assert len(row.returned) == len(row.taken_for) == len(KERNELS)
    found = tuple(kernel_status.explain(number)[0] for number in row.returned)
    assert found == row.taken_for, f"{transport}: {[hex(number) for number in row.returned]}"


@pytest.mark.promise(3)
@pytest.mark.parametrize("rows", [SCSI, NVME], ids=["SCSI", "NVMe"])
def test_nothing_but_a_conflict_is_taken_for_one(rows: tuple[Row, ...]) -> None:
    """One that is taken for something else costs a look at the disk; the other way round it would be a lost race."""
    assert rows[0].said == "reservation conflict"
    for row in rows[1:]:
        assert Conflict not in {kernel_status.explain(number)[0] for number in row.returned}, row.said


@pytest.mark.promise(4)
@pytest.mark.parametrize("versions", unclear())
def test_a_number_that_may_be_a_refusal_or_an_error_counts_as_unclear(versions: str) -> None:
    """So the disk itself is asked, or the second answer counts: `abort=auto` falls back on every kernel."""
    assert transient.is_unclear(kernel_status.failure("/dev/sdx", "preempt-and-abort", unclear()[versions]))
