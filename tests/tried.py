"""What the tests have tried, as numbers that add up over all processes of a test run and stand at its end.

The counts travel in the properties of each test's report: whichever process ran it, the one that writes the summary has
them all.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest

PROPERTY, FAULT = "tried", "fault"
STATES, WITH_AN_END, COARSE = "states", "states with an end to check", "coarse states"
MODEL_FAULTS, MUTANTS = "faults in the model", "mutants"
INPUTS, FUZZED, CALLS = "inputs", "inputs by the fuzzer", "calls"
# What is counted, and in which words it is told.
WORDS = {
    STATES: "states of several nodes and their disks, in which the promises held that each state can break",
    WITH_AN_END: "of these in scenarios that say what must hold at their end as well (promise 3, or 7)",
    COARSE: "of these in scenarios where a read of a SCSI disk is one command",
    MODEL_FAULTS: "faults on the way to these states",
    MUTANTS: "dangerous changes of the code, each caught",
    INPUTS: "inputs of parsers, made by properties or kept",
    FUZZED: "inputs of parsers, made by a fuzzer",
    CALLS: "calls in hostile surroundings",
}


def count(item: pytest.Item, what: str, number: int) -> None:
    """The test that runs has tried so many. what: one of WORDS."""
    item.user_properties.append((PROPERTY, (what, number)))


class Faults:
    """What a test counts faults on a real kernel with."""

    def __init__(self, item: pytest.Item, kernel: str) -> None:
        self._properties, self._kernel = item.user_properties, kernel

    @contextmanager
    def injected(self, kind: str, *, loaded: bool = False) -> Iterator[None]:
        """A fault of this kind; survived if the block ends without an exception. loaded: while all nodes wrote."""
        survived = False
        try:
            yield
            survived = True
        finally:
            self._properties.append((FAULT, (kind, self._kernel, survived, loaded)))


def lines(properties: Iterable[tuple[str, object]]) -> list[str]:
    """A line for each kind, of all tests' properties together."""
    total: Counter[str] = Counter()
    injected: Counter[tuple[str, str]] = Counter()
    survived: Counter[tuple[str, str]] = Counter()
    under_load = 0
    for name, value in properties:
        if name == PROPERTY and isinstance(value, (list, tuple)):
            total[value[0]] += value[1]
        if name == FAULT and isinstance(value, (list, tuple)):
            kind, kernel, well, loaded = value
            injected[kind, kernel] += 1
            survived[kind, kernel] += bool(well)
            under_load += bool(loaded)
    told = [f"{total[what]:>12,}  {words}" for what, words in WORDS.items() if total[what]]
    return [*told, *_of_faults(injected, survived, under_load)]


def _of_faults(injected: Counter[tuple[str, str]], survived: Counter[tuple[str, str]], under_load: int) -> list[str]:
    if not injected:
        return []
    lost = injected.total() - survived.total()
    writing = f", {under_load} of them while all nodes wrote" if under_load else ""
    came_of_it = f"{lost} NOT SURVIVED" if lost else "all survived"
    told = [f"{injected.total():>12,}  faults on real kernels{writing}, {came_of_it}:"]
    for kind in sorted({kind for kind, _ in injected}):
        of_kind = [(kernel, number) for (it, kernel), number in sorted(injected.items()) if it == kind]
        told.append(f"{'':14}{kind}: " + ", ".join(f"{number} on {kernel}" for kernel, number in of_kind))
        told += [
            f"{'':14}  NOT SURVIVED: {number - survived[kind, kernel]} on {kernel}"
            for kernel, number in of_kind
            if number > survived[kind, kernel]
        ]
    return told
