"""The rows: each a premise that is broken, told as a story, with what 0.1.0 and this version make of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.premises.bench import FAILED, JOINED, LIE, OUT, WARNED, Seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.premises.bench import Bench

SCSI, NVME, HOSTS = "scsi", "nvme", "hosts"
BLOCKED, RIGHT = "BLOCKED", "right"


@dataclass(frozen=True)
class Row:
    """A premise.

    name     short, unique
    premise  one sentence: the smallest input that breaks it
    story    plays it, and returns the answer that matters
    old, new what 0.1.0 makes of it, and this version: LIE, OUT and the like
    needs    SCSI, NVME (both in one guest), or HOSTS (a kernel for each node)
    """

    name: str
    premise: str
    story: Callable[[Bench], Seen]
    old: str
    new: str
    needs: str

    def verdict(self, seen: Seen) -> str:
        """What it comes to for whoever relies on the answer."""
        kind = seen.kind()
        if kind == self.new and kind not in (WARNED, LIE):
            return RIGHT
        return BLOCKED if kind == FAILED and self.new in (OUT, JOINED) else kind


STORIES: list[Row] = []


def row(
    name: str, premise: str, *, old: str, new: str, needs: str = SCSI
) -> Callable[[Callable[[Bench], Seen]], Callable[[Bench], Seen]]:
    """Make a row of a story."""

    def add(story: Callable[[Bench], Seen]) -> Callable[[Bench], Seen]:
        STORIES.append(Row(name, premise, story, old, new, needs))
        return story

    return add
