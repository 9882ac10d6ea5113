"""All rows, in the order of the table."""

from __future__ import annotations

import re

from tests.premises import disks, limits, names, nexuses, passing, rules, signs, smaller
from tests.premises.elsewhere import ELSEWHERE, Elsewhere
from tests.premises.table import STORIES, Row

_ROOMS = (names, disks, nexuses, limits, passing, rules, signs, smaller)
ROWS = sorted(STORIES, key=lambda row: [room.__name__ for room in _ROOMS].index(row.story.__module__))


def _place(row: Row | Elsewhere) -> tuple[str, int]:
    found = re.match(r"([A-Z])(\d+)", row.name)
    assert found, row.name
    return found[1], int(found[2])


# With those that are not played.
TABLE: list[Row | Elsewhere] = sorted([*ROWS, *ELSEWHERE], key=_place)
