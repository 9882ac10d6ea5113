"""Rounds of the nemesis, others at each run: this agent breaks nothing, and agents that are broken are caught."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from tests import seed
from tests.lab.plugin import NEWEST, or_not_covered, parameter
from tests.nemesis import agents, checker, plan
from tests.nemesis.__main__ import Arena

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS, ROUNDS_LONG = 4, 200
pytestmark = pytest.mark.parametrize("kernel", [parameter(NEWEST, pytest.mark.slow, group="nemesis-")], indirect=True)


class RoundLost(UserWarning):
    """Told at the end of the run: a guest that is silent for long is seen about once in a hundred rounds."""


@pytest.fixture
def arena(kernel: str, request: pytest.FixtureRequest) -> Iterator[Arena]:
    """For the agent that the test asks for."""
    made = or_not_covered(lambda: Arena(agents.by_name(request.param)))
    assert made.kernel == kernel
    yield made
    made.stop()


@pytest.mark.promise(1, 3, 4, 6, 7)
@pytest.mark.parametrize("arena", ["this"], indirect=True)
@pytest.mark.parametrize("rounds", [ROUNDS, pytest.param(ROUNDS_LONG, marks=pytest.mark.long)])
def test_this_agent_breaks_no_promise(arena: Arena, rounds: int) -> None:
    first = seed.number("nemesis")
    for number in range(first, first + rounds):
        it = plan.draw(number)
        end = arena.play(it)
        if end is None:
            warnings.warn(
                RoundLost(f"the lab failed in seed {number}, which is played again in another guest"), stacklevel=1
            )
            end = arena.play(it)
        again = f"python3 -m tests.nemesis --rounds 1 --seed {number}"
        assert end, f"the lab failed; {again}"
        assert not end[1], f"{it}\n{end[1]}\n{again}"


@pytest.mark.parametrize(
    ("arena", "kinds"),
    [
        ("liar", {checker.LATE_WRITE, checker.TWO_WINNERS}),
        pytest.param("first-disk", {checker.LATE_WRITE}, marks=pytest.mark.long),
        pytest.param("comes-back", {checker.TWO_WINNERS}, marks=pytest.mark.long),
    ],
    indirect=["arena"],
)
def test_a_broken_agent_is_caught(arena: Arena, kinds: set[str], request: pytest.FixtureRequest) -> None:
    control = request.node.callspec.params["arena"]
    first = seed.number(control)
    for number in range(first, first + agents.CONTROLS[control]):
        end = arena.play(plan.draw(number))
        if end and kinds & {it.kind for it in end[1]}:
            return
    pytest.fail(f"not caught, from seed {first} on")
