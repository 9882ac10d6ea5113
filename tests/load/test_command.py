"""The command that prints the table: which rows there are, and what is in one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.load import __main__ as command
from tests.load import measure

if TYPE_CHECKING:
    from tests.load.measure import Case


def cases(*arguments: str) -> list[Case]:
    return command._cases(command._parse(arguments))


def test_everything_is_measured_unless_rows_are_chosen() -> None:
    everything = cases()
    assert len(set(everything)) == len(everything)
    # Stores, loads and holders; then targets and abort modes, of fence_scsi all targets but one.
    assert len(everything) == 3 * 2 * 2 * (4 * 3 + 3)
    assert len(cases("--short")) == 4 * 3 + 3
    assert len(cases("--short", "--kernel", "7.2")) == 3 * 3 + 3


def test_rows_are_chosen() -> None:
    (case,) = cases("--short", "--target=nvmet", "--latency=20", "--agent=this", "--abort=require", "--holder=other")
    assert (case.target, case.milliseconds, case.load) == ("nvmet", 20, True)
    assert (case.holder, case.agent.name, case.abort) == ("other", "this", "require")
    assert len(cases("--short", "--target=lio", "--agent=fence_scsi", "--times=5")) == 5
    assert cases("--agent=fence_scsi", "--target=nvmet") == []
    with pytest.raises(SystemExit):
        cases("--agent=/nowhere")


def test_the_sentence_of_an_answer_is_shown_without_what_stands_before_it() -> None:
    said = {"returncode": 0, "stdout": "Success: Powered OFF\nmore\n", "stderr": "aside\n"}
    assert measure._verdict(said) == "Powered OFF"
    said = {"returncode": 1, "stdout": "", "stderr": "2026-01-01 10:00:00,1 ERROR: no\n\nFailed: a: b\n"}
    assert measure._verdict(said) == "no; a: b"


@pytest.mark.slow
@pytest.mark.xdist_group("load")
def test_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--short", "--target=lio", "--agent=this", "--agent=fence_scsi", "--holder=other"]) == 0
    _, _, *rows, end = capsys.readouterr().out.splitlines()
    assert len(rows) == 4
    for row in rows:
        assert re.match(r"lio +2 ms +yes +other +(this|fence_scsi) +(auto|never|require|-) ", row), row
        # LIO must not be told to abort: this agent refuses then.
        assert re.search(r" - +IN .*abort=require| 0 +out +Powered OFF$", row), row
        assert ("require" in row) == (" IN " in row)
    assert "in 0 a survivor was harmed; not measured: 0" in end
