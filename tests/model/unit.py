"""A logical unit in memory: who is registered, what is reserved, and who may do what. `lio` and `nvmet` are targets.

A nexus is a string: on SCSI one path of a node to the unit, on NVMe one host.
"""

from __future__ import annotations

import abc
import errno
from typing import TYPE_CHECKING

from fence_pr.storage import pr_ioctl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

# What a reservation ioctl returns, on Linux 6.12 and later.
OK, IO_ERROR, CONFLICT = 0, 0x2, 0x18
PATH_FAILED = 0x10000
INVALID, NOT_SUPPORTED = -errno.EINVAL, -errno.EOPNOTSUPP

TYPES = range(pr_ioctl.WRITE_EXCLUSIVE, pr_ioctl.EXCLUSIVE_ACCESS_ALL_REGS + 1)
SINGLE = (pr_ioctl.WRITE_EXCLUSIVE, pr_ioctl.EXCLUSIVE_ACCESS)
EXCLUSIVE_ACCESS = (
    pr_ioctl.EXCLUSIVE_ACCESS,
    pr_ioctl.EXCLUSIVE_ACCESS_REG_ONLY,
    pr_ioctl.EXCLUSIVE_ACCESS_ALL_REGS,
)
ALL_REGISTRANTS = (pr_ioctl.WRITE_EXCLUSIVE_ALL_REGS, pr_ioctl.EXCLUSIVE_ACCESS_ALL_REGS)
FORMER = " before"  # a nexus whose session has been made anew
NUMBERS = {"register": 3, "reserve": 3, "release": 3, "preempt": 4, "preempt_abort": 4, "clear": 2, "reset": 0}


class Unit(abc.ABC):
    """The state, and what follows from it whatever the target.

    keys        nexus → key
    type        the reservation in force, enum pr_type; 0: none
    holder      the nexus that made the reservation, also where the type makes all registrants holders; "": none
    generation  PRGENERATION: counts what changes registrations
    attentions  the nexuses that have a unit attention pending: their next change is refused, and told so
    forgotten   the nexuses, whichever session it is, of which LIO has forgotten that they are registered (`lio`)
    accepted    the nexuses of which the target has accepted a write that it has not carried out yet
    """

    def __init__(self) -> None:
        self.keys: dict[str, int] = {}
        self.type = 0
        self.holder = ""
        self.generation = 0
        self.attentions: frozenset[str] = frozenset()
        self.accepted: frozenset[str] = frozenset()
        self.forgotten: frozenset[str] = frozenset()

    def copy(self) -> Self:
        """An equal unit that changes by itself."""
        other = type(self)()
        other.keys, other.type, other.holder = dict(self.keys), self.type, self.holder
        other.generation, other.attentions, other.accepted = self.generation, self.attentions, self.accepted
        other.forgotten = self.forgotten
        return other

    def frozen(self) -> tuple[object, ...]:
        """Everything that a later command can depend on, but for the generation, which only counts."""
        # Who inherits a reservation that all hold depends on the order of registration, and nothing else does.
        keys = self.keys.items() if self.type in ALL_REGISTRANTS else sorted(self.keys.items())
        return tuple(keys), self.type, self.holder, self.attentions, self.accepted, self.forgotten

    def can_write(self, nexus: str) -> bool:
        """Whether the target accepts this nexus' writes (SPC-4 table 51)."""
        if not self.type or nexus == self.holder:
            return True
        return nexus in self.keys and self.type not in SINGLE

    def can_read(self, nexus: str) -> bool:
        """Whether the target accepts this nexus' reads."""
        return self.type not in EXCLUSIVE_ACCESS or self.can_write(nexus)

    def call(self, nexus: str, name: str, *numbers: int) -> int:
        """One ioctl of linux/pr.h, called as the lab's nodes call it: 0, or a positive status, or minus an errno."""
        if nexus in self.attentions:
            self.attentions -= {nexus}
            return IO_ERROR
        padded = (*numbers, *[0] * (NUMBERS[name] - len(numbers)))
        status: int = getattr(self, f"_{name}")(nexus, *padded)
        return status

    @abc.abstractmethod
    def holder_key(self) -> int:
        """The holder's key as the target reports it, 0 for none."""

    def restart(self, nexuses: Iterable[str]) -> None:
        """With everything kept (APTPL): those connected get a unit attention, which kernels before 6.9 pass on."""
        self.attentions = frozenset(nexuses)

    def lose_session(self, nexus: str) -> bool:
        """The nexus is made anew, and is another to the target, which keeps the old one's registration; if it has one.

        That is what a new iSCSI session with another identifier leads to.
        """
        if nexus not in self.keys:
            return False
        gone = f"{nexus}{FORMER}"
        self.keys = {gone if name == nexus else name: key for name, key in self.keys.items()}
        self.holder = gone if self.holder == nexus else self.holder
        return True

    def lose_everything(self) -> None:
        """Restart with nothing kept."""
        self.keys.clear()
        self.type, self.holder, self.generation, self.forgotten = 0, "", 0, frozenset()

    def _preempt_abort(self, nexus: str, *numbers: int) -> int:
        before = set(self.keys)
        status = self.call(nexus, "preempt", *numbers)
        self.accepted -= before - self.keys.keys()
        return status

    def _reset(self, nexus: str) -> int:
        """LOGICAL UNIT RESET (SAM-5 7.7): whoever sends it, and even without a registration."""
        self.accepted = frozenset()
        self.attentions |= self.keys.keys() - {nexus}
        return OK

    def _registered_as(self, nexus: str, key: int) -> bool:
        return nexus in self.keys and self.keys[nexus] == key

    def _with_key(self, key: int) -> list[str]:
        return [nexus for nexus, registered in self.keys.items() if registered == key]

    def _hold(self, nexus: str, reservation_type: int) -> None:
        self.type, self.holder = reservation_type, nexus

    def _forget(self, gone: Iterable[str]) -> None:
        """Registrations end, and with the holder's its reservation; one that all hold ends with the last of them."""
        for nexus in gone:
            del self.keys[nexus]
        if self.holder in self.keys:
            return
        heirs = list(self.keys) if self.type in ALL_REGISTRANTS else []
        self.type, self.holder = (self.type, heirs[0]) if heirs else (0, "")
