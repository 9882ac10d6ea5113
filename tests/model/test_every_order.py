"""Every order of what several nodes do at once, with everything that may go wrong: the promises hold in each.

`python3 -m tests.model` shows the numbers of states. With --long there are more: some of those are part of CI, all with
FENCE_PR_LONG=1.
"""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING

import pytest

from tests import seed, tried
from tests.model.larger import at_random, long, slow
from tests.model.mutants import MUTANTS, Mutant
from tests.model.proof import by_name
from tests.model.scenarios import elsewhere, short
from tests.model.search import Result, Search

if TYPE_CHECKING:
    from tests.model.scenario import Scenario

WALKS = 40
# What takes twenty seconds or more is left to CI, and one that differs from another by its type alone to the long form.
FOR_CI = {
    "n1 fences n2: 2 SCSI, type 3, two faults": pytest.mark.slow,
    "n1 fences n2: 2 SCSI, type 5, two faults": pytest.mark.long,
    "n1 and n2 come up together: a map": pytest.mark.slow,
    "n2 comes back while n1 fences it: over a new session": pytest.mark.slow,
    "on takes a key that arrives late for an older one": pytest.mark.slow,
}


def marks(name: str) -> list[pytest.MarkDecorator]:
    """Of the scenario, or the change of the code, that is called so."""
    return [FOR_CI[name]] if name in FOR_CI else []


def at_its_end(scenario: Scenario) -> list[int]:
    """The promises that its end is held to, as what checks it says: those that a single state cannot break."""
    return [int(it) for it in re.findall(r"[Pp]romise (\d+)", scenario.check.__doc__ or "")]


def promised(scenario: Scenario) -> list[pytest.MarkDecorator]:
    """Beside those that each of its states is held to."""
    of_paths = [12] if scenario.name in {it.name for it in elsewhere()} else []
    return [pytest.mark.promise(*at_its_end(scenario), *of_paths)]


SHORT = [
    pytest.param(scenario, id=scenario.name, marks=[*marks(scenario.name), *promised(scenario)]) for scenario in short()
]
LARGER = [
    pytest.param(scenario, id=scenario.name, marks=[mark, *promised(scenario)])
    for scenarios, mark in ((slow(), pytest.mark.slow), (long(), pytest.mark.long))
    for scenario in scenarios
]


def named(scenario: Scenario) -> str:
    """For the test's name."""
    return scenario.name


def look(scenario: Scenario, result: Result, request: pytest.FixtureRequest) -> None:
    """Fail with the way to a broken promise, if there is one."""
    tried.count(request.node, tried.STATES, result.states)
    tried.count(request.node, tried.WITH_AN_END, result.states if at_its_end(scenario) else 0)
    tried.count(request.node, tried.COARSE, 0 if scenario.exact else result.states)
    tried.count(request.node, tried.MODEL_FAULTS, sum(result.faults.values()))
    if result.violation:
        pytest.fail(str(result.violation), pytrace=False)
    assert result.ends


@pytest.mark.promise(1, 2, 4, 9)
@pytest.mark.parametrize("scenario", SHORT)
def test_the_promises_hold_in_every_order(scenario: Scenario, request: pytest.FixtureRequest) -> None:
    look(scenario, Search(scenario).explore(), request)


@pytest.mark.promise(1, 2, 4, 9)
@pytest.mark.parametrize("scenario", LARGER)
def test_the_promises_hold_in_every_order_of_more(scenario: Scenario, request: pytest.FixtureRequest) -> None:
    look(scenario, Search(scenario).explore(), request)


@pytest.mark.promise(1, 2, 4, 9)
@pytest.mark.parametrize("scenario", at_random(), ids=named)
def test_the_promises_hold_in_orders_at_random(scenario: Scenario, request: pytest.FixtureRequest) -> None:
    look(scenario, Search(scenario).sample(seed.number("walks"), WALKS), request)


@pytest.mark.parametrize("mutant", [pytest.param(it, id=it.sentence, marks=marks(it.sentence)) for it in MUTANTS])
def test_the_explorer_catches(mutant: Mutant, request: pytest.FixtureRequest) -> None:
    with mutant.installed():
        violation = Search(by_name(mutant.scenario)).explore().violation
    assert violation, f"survives: {mutant.sentence}"
    assert any(it.startswith(f"promise {mutant.promise}:") for it in violation.broken), str(violation)
    tried.count(request.node, tried.MUTANTS, 1)


def test_the_hole_is_closed() -> None:
    """A REGISTER that is repeated blindly brings a fenced node back, and nothing excuses that any more."""
    name = "n2 comes back while n1 fences it"
    assert not Search(by_name(name)).explore().violation
    (mutant,) = [it for it in MUTANTS if it.sentence == "on repeats a REGISTER whose answer was lost"]
    assert mutant.scenario == name
    with mutant.installed():
        violation = Search(by_name(name)).explore().violation
    assert violation
    assert violation.broken == ("promise 1: n2 was called off, but can write to disk 1",)
    assert [it for it in violation.events if "register(0, n2, 0)" in it] == [
        "n2: on n2: disk 1: register(0, n2, 0) → carried out, but a path failure is answered",
        "n2: on n2: disk 1: register(0, n2, 0) → ok",
    ]


def test_a_mutant_is_gone_when_it_is_done() -> None:
    mutant = MUTANTS[0]
    with mutant.installed():
        assert Search(by_name(mutant.scenario)).explore().violation
    assert not Search(by_name(mutant.scenario)).explore().violation


def test_a_mutant_that_does_not_fit_the_code_any_more_is_an_error() -> None:
    (change,) = MUTANTS[0].changes
    stale = MUTANTS[0]._replace(changes=(change._replace(before="no such text"),))
    with pytest.raises(ValueError, match="no such text"), stale.installed():
        pass


def test_what_breaks_a_promise_is_told_step_by_step() -> None:
    (mutant,) = [it for it in MUTANTS if it.sentence == "off has no arbiter: all disks at once"]
    with mutant.installed():
        violation = Search(by_name(mutant.scenario)).explore().violation
    assert violation
    told = str(violation).splitlines()
    assert (
        told[1]
        == "  start: disk 1: n1, n2, n3 registered, type 3 held by n1; disk 2: n1, n2, n3 registered, type 3 held by n1"
    )
    assert "n1: off n2: disk 1: preempt_abort(n1, n2, 3, 0) → ok" in violation.events
    assert "n2: off n1: disk 2: preempt_abort(n2, n1, 3, 0) → ok" in violation.events
    assert told[-1].startswith("  => promise 3: ")


def test_the_same_seed_gives_the_same_walks() -> None:
    scenario = at_random()[0]
    first, second = (Search(scenario).sample(7, 3)._replace(seconds=0.0) for _ in range(2))
    assert first == second
    assert Search(scenario).sample(8, 3)._replace(seconds=0.0) != first


def test_no_descriptor_of_the_process_that_explores_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the code are the site's: what is open here by the same numbers depends on who started this process."""
    asked: list[object] = []

    def refuse(descriptor: object, *_: object) -> None:
        asked.append(descriptor)
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    for name in ("fstat", "readlink"):
        monkeypatch.setattr(os, name, refuse)
    for scenario in short():
        Search(scenario).sample(seed.number("walks"), 1)
    assert not asked
