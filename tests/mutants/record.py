"""What survives and is known: `survivors.txt`, anchored by the text of the code. A line that moves stays known.

An entry is a change, as it prints itself, and a line that says why nothing can notice it (`equivalent: `), or why
nothing does (`left: `). A line `complete: FILE` says that all changes of that file have been tried.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .changes import Change

TABLE = Path(__file__).parent / "survivors.txt"
EQUIVALENT, LEFT, COMPLETE = "equivalent: ", "left: ", "complete: "
SHORTEST_REASON = 10


class Known(NamedTuple):
    """anchor: as `Change` prints itself; why: a sentence; equivalent: whether no test can notice it."""

    anchor: str
    why: str
    equivalent: bool


class Record(NamedTuple):
    """entries: by their anchors; complete: files of lib whose survivors are all among them."""

    entries: dict[str, Known]
    complete: frozenset[str]

    def of(self, change: Change) -> Known | None:
        """What is known of a change."""
        return self.entries.get(str(change))


def load(text: str | None = None) -> Record:
    """The table. Raises ValueError for what is no entry."""
    head, *parts = (TABLE.read_text() if text is None else text).split("\n== ")
    complete = [line.removeprefix(COMPLETE) for line in head.splitlines() if line.startswith(COMPLETE)]
    return Record({it.anchor: it for it in map(_entry, parts)}, frozenset(complete))


def _entry(part: str) -> Known:
    lines = part.strip().splitlines()
    if len(lines) != 4 or lines[1][0] != "-" or lines[2][0] != "+":
        raise ValueError(f"no entry: {part}")
    kind = next((it for it in (EQUIVALENT, LEFT) if lines[3].startswith(it)), "")
    why = lines[3].removeprefix(kind)
    if not kind or len(why) < SHORTEST_REASON:
        raise ValueError(f"no reason: {part}")
    return Known("== " + "\n".join(lines[:3]), why, kind == EQUIVALENT)
