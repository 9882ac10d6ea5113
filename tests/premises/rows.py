"""All rows, in the order of the table."""

from __future__ import annotations

from tests.premises import disks, limits, names, nexuses, passing, rules, signs
from tests.premises.table import STORIES

_ROOMS = (names, disks, nexuses, limits, passing, rules, signs)
ROWS = sorted(STORIES, key=lambda row: [room.__name__ for room in _ROOMS].index(row.story.__module__))
