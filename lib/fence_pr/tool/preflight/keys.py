"""Scratch keys: registered for a test, and known again by their look, also by a run after one that was killed. Pure."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Five of the eight bytes; the agent's keys are hashes of 64 bits or small numbers, LVM's begin with 0x1000.
_BEGINNING = b"prflt"
_RUN_BYTES = 2
_SHIFT = 8 * (_RUN_BYTES + 1)
_NUMBERS = (1, 2, 3)


class ScratchKeys:
    """The keys of one run: of this node, of the other one, and another one of this node."""

    def __init__(self, run: bytes | None = None) -> None:
        run = run or os.urandom(_RUN_BYTES)
        own, other, second = (int.from_bytes(_BEGINNING + run + bytes([number]), "big") for number in _NUMBERS)
        self.own, self.other, self.second = own, other, second


def is_scratch(key: int) -> bool:
    """Whether a key is one of any run."""
    return key >> _SHIFT == int.from_bytes(_BEGINNING, "big") and key & 0xFF in _NUMBERS


def foreign(keys: Iterable[int]) -> list[int]:
    """Those that are no scratch keys, each once."""
    return sorted({key for key in keys if not is_scratch(key)})
