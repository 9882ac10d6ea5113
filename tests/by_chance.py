"""Of tests that differ in little, CI runs one: another one in each run, as the run's seed will have it (`tests.seed`).

`@pytest.mark.by_chance("milliseconds", ...)`: of the variants of a test that differ in these parameters alone, one; all
of them with FENCE_PR_LONG=1. weight=N: how often it is this one, beside the others.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

MARK = "by_chance"
LONG = "FENCE_PR_LONG"
_ADDRESS = re.compile(" at 0x[0-9a-f]+")


def add_marker(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", f"{MARK}(name, ..., weight=1): of these variants one in each run; all in {LONG}=1"
    )


def left_out(items: list[pytest.Item]) -> list[pytest.Item]:
    """Those of the items whose turn it is not. One that is named alone, as for a repetition, is alone in its group."""
    if os.environ.get(LONG) == "1":
        return []
    from tests import seed  # a plugin of pytest, which must be the first to import it

    groups: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker(MARK):
            groups[_group(item)].append(item)
    unwanted = []
    for name, variants in groups.items():
        (chosen,) = seed.chance(name).choices(variants, [_weight(it) for it in variants])
        unwanted += [it for it in variants if it is not chosen]
    return unwanted


def _group(item: pytest.Item) -> str:
    """What it has in common with its variants, in the same words in each process."""
    names = {name for mark in item.iter_markers(MARK) for name in mark.args}
    parameters: dict[str, object] = item.callspec.params  # type: ignore[attr-defined]
    others = sorted((name, repr(value)) for name, value in parameters.items() if name not in names)
    return f"{item.nodeid.partition('[')[0]} {_ADDRESS.sub('', str(others))}"


def _weight(item: pytest.Item) -> int:
    product = 1
    for mark in item.iter_markers(MARK):
        product *= int(mark.kwargs.get("weight", 1))
    return product
