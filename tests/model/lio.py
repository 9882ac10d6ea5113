"""LIO's rules for SCSI persistent reservations, behind sd's ioctls (Linux 6.12 and later).

Where SPC-4 5.14 leaves a choice or LIO takes its own, LIO's way is modelled; `test_reality` compares both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fence_pr.storage.pr_ioctl import FLAG_IGNORE_KEY

from .unit import ALL_REGISTRANTS, CONFLICT, FORMER, INVALID, IO_ERROR, NOT_SUPPORTED, OK, SINGLE, TYPES, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable

# How the midlayer of Linux 6.1 hands them out.
STATUS_61 = {CONFLICT: 0x118, INVALID: 0x402}
_FOR_REGISTRANTS = ("preempt", "preempt_abort", "clear", "release")


class Lio(Unit):
    """A LUN of LIO.

    What it refuses to those that are not registered it decides by one mark for all sessions of an initiator over one
    port of the target: a registration that is added sets it, the end of any clears it. Which nexus has what key it
    knows beside that, and goes by it afterwards.
    """

    def can_write(self, nexus: str) -> bool:
        """As `Unit.can_write`."""
        return super().can_write(nexus) and not self._forgets(nexus)

    def call(self, nexus: str, name: str, *numbers: int) -> int:
        """As `Unit.call`."""
        if name in _FOR_REGISTRANTS and nexus not in self.attentions and self._forgets(nexus):
            return CONFLICT
        return super().call(nexus, name, *numbers)

    def _forgets(self, nexus: str) -> bool:
        return bool(self.type) and nexus in self.forgotten and _initiator(self.holder) != nexus

    def _forget(self, gone: Iterable[str]) -> None:
        super()._forget(gone := list(gone))
        self.forgotten |= {_initiator(it) for it in gone}
        self.forgotten &= {_initiator(it) for it in self.keys}

    def holder_key(self) -> int:
        """0 where all registrants hold."""
        return 0 if self.type in ALL_REGISTRANTS else self.keys.get(self.holder, 0)

    def _register(self, nexus: str, old: int, new: int, flags: int) -> int:
        if flags & ~FLAG_IGNORE_KEY:
            return NOT_SUPPORTED
        if not flags and old != self.keys.get(nexus, 0):
            return CONFLICT
        if new:
            self.forgotten -= set() if nexus in self.keys else {nexus}
            self.keys[nexus] = new
            self.generation += 1
        elif nexus in self.keys:
            self._forget([nexus])
        return OK

    def _reserve(self, nexus: str, key: int, reservation_type: int, flags: int) -> int:
        if flags:
            return NOT_SUPPORTED
        if nexus not in self.keys:
            return INVALID if reservation_type not in TYPES and not self.type else self._unregistered()
        if self.type in SINGLE and nexus != self.holder:
            return CONFLICT
        if reservation_type not in TYPES:
            return INVALID
        if self.keys[nexus] != key:
            return CONFLICT
        if not self.type:
            self._hold(nexus, reservation_type)
            return OK
        return OK if self._holds(nexus) and self.type == reservation_type else CONFLICT

    def _release(self, nexus: str, key: int, reservation_type: int, flags: int) -> int:
        if flags:
            return NOT_SUPPORTED
        if nexus not in self.keys:
            return self._unregistered()
        if not self.type or not self._holds(nexus):
            return OK
        if self.keys[nexus] != key or self.type != reservation_type:
            return CONFLICT
        self.type, self.holder = 0, ""
        return OK

    def _clear(self, nexus: str, key: int, flags: int) -> int:
        if flags:
            return NOT_SUPPORTED
        if nexus not in self.keys:
            return self._unregistered()
        if self.keys[nexus] != key:
            return CONFLICT
        self.keys.clear()
        self.type, self.holder, self.forgotten = 0, "", frozenset()
        self.generation += 1
        return OK

    def _preempt(self, nexus: str, key: int, victim: int, reservation_type: int, flags: int) -> int:
        if flags:
            return NOT_SUPPORTED
        if not self._registered_as(nexus, key):
            return CONFLICT
        if not victim and self.type not in ALL_REGISTRANTS:
            return INVALID
        all_registrants = self.type in ALL_REGISTRANTS
        named = list(self.keys) if all_registrants and not victim else self._with_key(victim)
        if not named:
            return CONFLICT
        takes_over = not victim or (self.type and self.keys[self.holder] == victim)
        if takes_over:
            if reservation_type not in TYPES:
                return INVALID
            self._hold(nexus, reservation_type)
        self._forget([it for it in named if it != nexus or not (takes_over or all_registrants)])
        self.generation += 1
        return OK

    def _holds(self, nexus: str) -> bool:
        return nexus == self.holder or self.type in ALL_REGISTRANTS

    def _unregistered(self) -> int:
        """LIO refuses a command for want of a registration in two ways."""
        return CONFLICT if self.type else IO_ERROR


class Lio61(Lio):
    """LIO and sd of Linux 6.1: other numbers for the same, and a preempt's type is checked first."""

    def call(self, nexus: str, name: str, *numbers: int) -> int:
        """As `Unit.call`."""
        status = super().call(nexus, name, *numbers)
        return STATUS_61.get(status, status)

    def _preempt(self, nexus: str, key: int, victim: int, reservation_type: int, flags: int) -> int:
        if not flags and reservation_type not in TYPES:
            return CONFLICT if self.type and nexus not in self.keys else INVALID
        return super()._preempt(nexus, key, victim, reservation_type, flags)


def _initiator(nexus: str) -> str:
    """The nexus by its present session, whichever it is."""
    return nexus.removesuffix(FORMER)
