"""The promises hold behind the numbers of the kernels in use that the lab has not, in every order, with faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fence_pr.storage import transient
from tests.model import old_kernels
from tests.model.kernel_answers import KERNELS, unclear
from tests.model.search import Search
from tests.model.test_every_order import look, promised

if TYPE_CHECKING:
    from tests.model.scenario import Scenario


SHORT, LONG = (
    [pytest.param(scenario, id=scenario.name, marks=promised(scenario)) for scenario in scenarios]
    for scenarios in (old_kernels.short(), old_kernels.long())
)


@pytest.mark.promise(1, 2, 4, 9)
@pytest.mark.parametrize("scenario", SHORT)
def test_the_promises_hold_behind_their_answers(scenario: Scenario, request: pytest.FixtureRequest) -> None:
    look(scenario, Search(scenario).explore(), request)


@pytest.mark.long
@pytest.mark.promise(1, 2, 4, 9)
@pytest.mark.parametrize("scenario", LONG)
def test_a_node_that_comes_back_stays_out(scenario: Scenario, request: pytest.FixtureRequest) -> None:
    look(scenario, Search(scenario).explore(), request)


@pytest.mark.promise(7)
@pytest.mark.parametrize("versions", unclear())
def test_who_waits_for_a_clear_refusal_of_the_abort_never_fences(
    versions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the scenarios do go through these answers."""
    monkeypatch.setattr(transient, "is_unclear", lambda _: False)
    (scenario,) = (it for it in old_kernels.short() if it.name == f"Linux {versions}, SCSI: no abort, n1 fences n2")
    violation = Search(scenario).explore().violation
    assert violation
    assert violation.broken == ("promise 7: program 1 does not get where it should",)


def test_every_kernel_is_replayed_but_those_that_answer_as_another() -> None:
    names = {it.name.partition(",")[0].removeprefix("Linux ") for it in old_kernels.short()}
    assert names == {it.versions for it in KERNELS}
