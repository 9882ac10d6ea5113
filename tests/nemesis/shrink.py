"""The shortest round that still fails, from one that does. Pure but for what plays a round."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .plan import Round


def shrink(failing: Round, fails: Callable[[Round], bool]) -> Round:
    """Without every fault, and every disk, that it fails without as well. What happens by chance is not found so."""
    shorter = True
    while shorter:
        shorter = False
        for candidate in _shorter(failing):
            if fails(candidate):
                failing, shorter = candidate, True
                break
    return failing


def _shorter(it: Round) -> Iterator[Round]:
    """Each with one thing less."""
    for place in range(len(it.faults)):
        yield replace(it, faults=it.faults[:place] + it.faults[place + 1 :])
    for disk in it.disks if len(it.disks) > 1 else "":
        left = it.disks.replace(disk, "")
        faults = [replace(fault, disks=fault.disks.replace(disk, "")) for fault in it.faults]
        kept = tuple(new for old, new in zip(it.faults, faults) if new.disks or not old.disks)
        yield replace(it, disks=left, faults=kept)
