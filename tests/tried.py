"""What the tests have tried, as numbers that add up over all processes of a test run and stand at its end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

PROPERTY = "tried"
STATES, MODEL_FAULTS, MUTANTS = "states", "faults in the model", "mutants"
INPUTS, FUZZED, CALLS = "inputs", "inputs by the fuzzer", "calls"
# What is counted, and in which words it is told.
WORDS = {
    STATES: "states of several nodes and their disks, in which every promise held",
    MODEL_FAULTS: "faults on the way to these states",
    MUTANTS: "dangerous changes of the code, each caught",
    INPUTS: "inputs of parsers, made by properties or kept",
    FUZZED: "inputs of parsers, made by a fuzzer",
    CALLS: "calls in hostile surroundings",
}


def count(item: pytest.Item, what: str, number: int) -> None:
    """The test that runs has tried so many. what: one of WORDS."""
    item.user_properties.append((PROPERTY, (what, number)))


def lines(properties: Iterable[tuple[str, object]]) -> list[str]:
    """A line for each kind, of all tests' properties together."""
    total: Counter[str] = Counter()
    for name, value in properties:
        if name == PROPERTY and isinstance(value, (list, tuple)):
            total[value[0]] += value[1]
    return [f"{total[what]:>12,}  {words}" for what, words in WORDS.items() if total[what]]
