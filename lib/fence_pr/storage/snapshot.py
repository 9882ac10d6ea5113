"""What a disk says of its reservations at one moment: registrations, holder, and one of six types. Pure."""

from __future__ import annotations

from ..record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

# enum pr_type
WRITE_EXCLUSIVE = 1
EXCLUSIVE_ACCESS = 2
WRITE_EXCLUSIVE_REG_ONLY = 3
EXCLUSIVE_ACCESS_REG_ONLY = 4
WRITE_EXCLUSIVE_ALL_REGS = 5
EXCLUSIVE_ACCESS_ALL_REGS = 6

TYPE_NAMES = {
    WRITE_EXCLUSIVE: "write exclusive",
    EXCLUSIVE_ACCESS: "exclusive access",
    WRITE_EXCLUSIVE_REG_ONLY: "write exclusive, registrants only",
    EXCLUSIVE_ACCESS_REG_ONLY: "exclusive access, registrants only",
    WRITE_EXCLUSIVE_ALL_REGS: "write exclusive, all registrants",
    EXCLUSIVE_ACCESS_ALL_REGS: "exclusive access, all registrants",
}
SINGLE_HOLDER_TYPES = (WRITE_EXCLUSIVE, EXCLUSIVE_ACCESS)

_GENERATIONS = 1 << 32

ON, OFF, UNPROVED = "ON", "OFF", "UNKNOWN"


class Snapshot(Record):
    """A disk's reservation state at one moment.

    keys    every registration, one a nexus: complete, or there would be no snapshot
    type    the reservation in force, enum pr_type; 0: none
    holder  its key; 0 if none, and under all-registrants types on SCSI
    """

    generation: int
    keys: tuple[int, ...]
    type: int
    holder: int

    def only_grew_to(self, later: Snapshot, ours: Collection[int] = (), own: int = 0) -> bool:
        """Whether until `later` registrations only came, and nothing else was counted: then none was removed meanwhile,
        not even one that neither reading shows. Otherwise nobody knows: others' changes are counted, too.

        own  how often this node has registered a key of `ours` meanwhile in place of itself or of another one of them;
             a target may count that, or may not
        """
        new = [_alike(key, ours) for key in later.keys]
        for key in (_alike(it, ours) for it in self.keys):
            if key not in new:
                return False
            new.remove(key)
        return 0 <= (later.generation - self.generation - len(new)) % _GENERATIONS <= own

    def count(self, keys: Collection[int]) -> int:
        """How many registrations there are with any of these keys."""
        return sum(it in keys for it in self.keys)

    def type_name(self) -> str:
        """The reservation's type in words."""
        return TYPE_NAMES.get(self.type, f"type {self.type}") if self.type else "none"

    def state_of(self, key: int) -> str:
        """ON: registered. OFF: proved shut out. UNKNOWN: not registered, but nothing is reserved, so it can write."""
        if key in self.keys:
            return ON
        if 0 in self.keys:  # an NVMe host without a proper key: nobody knows whose, and it can write
            return UNPROVED
        return OFF if self.type else UNPROVED

    def told(self) -> dict[str, Any]:
        """What the disk says, as a field of a notice."""
        code = "disk-says" if self.keys else "disk-says-nothing-registered"
        return {"code": code, "keys": self.keys, "type": self.type_name()}


def _alike(key: int, ours: Collection[int]) -> int:
    return -1 if key in ours else key
