"""A storage target in memory, by the rules of SPC-4 5.14 as LIO keeps them, and disks as an initiator sees them.

A nexus is a string: in these models the node's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fence_pr import pr_ioctl
from fence_pr.errors import Conflict
from fence_pr.plan import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from fence_pr.device import Device

    Send = Callable[[Device, "Command"], "Snapshot | None"]

ALL_REGISTRANTS = (pr_ioctl.WRITE_EXCLUSIVE_ALL_REGS, pr_ioctl.EXCLUSIVE_ACCESS_ALL_REGS)


class Command(NamedTuple):
    """What an initiator sends: open, snapshot, register, reserve, preempt (with abort) or without, capabilities."""

    name: str
    arguments: tuple[int, ...] = ()


class Target:
    """One logical unit: who is registered, what is reserved. holder: "" where all registrants hold."""

    def __init__(self) -> None:
        self.generation = 0
        self.keys: dict[str, int] = {}
        self.type = 0
        self.holder = ""

    def copy(self) -> Target:
        """An equal target that changes by itself."""
        other = Target()
        other.generation, other.keys = self.generation, dict(self.keys)
        other.type, other.holder = self.type, self.holder
        return other

    def frozen(self) -> tuple[object, ...]:
        """Everything a later command can depend on, but for the generation, which only counts."""
        return tuple(sorted(self.keys.items())), self.type, self.holder

    def can_write(self, nexus: str) -> bool:
        """Whether the target accepts this nexus' writes."""
        if not self.type or nexus == self.holder:
            return True
        single = self.type in (pr_ioctl.WRITE_EXCLUSIVE, pr_ioctl.EXCLUSIVE_ACCESS)
        return nexus in self.keys and not single

    def snapshot(self) -> Snapshot:
        """READ KEYS and READ RESERVATION."""
        return Snapshot(self.generation, tuple(self.keys.values()), self.type, self.keys.get(self.holder, 0))

    def carry_out(self, nexus: str, command: Command) -> Snapshot | None:
        """The answer, None where there is only success. Raises Conflict."""
        if command.name == "snapshot":
            return self.snapshot()
        if command.name not in ("open", "capabilities"):
            perform: Callable[..., None] = getattr(self, command.name)
            perform(nexus, *command.arguments)
        return None

    def register(self, nexus: str, key: int) -> None:
        """REGISTER AND IGNORE EXISTING KEY; key 0 unregisters."""
        self.generation += 1
        if key:
            self.keys[nexus] = key
        else:
            self._forget([nexus])

    def reserve(self, nexus: str, key: int, reservation_type: int) -> None:
        """RESERVE. Raises Conflict."""
        self._must_be_registered(nexus, key, "reserve")
        if not self.type:
            self._hold(nexus, reservation_type)
        elif self.type != reservation_type or self.holder not in ("", nexus):
            raise conflict("reserve")

    def preempt(self, nexus: str, key: int, victim: int, reservation_type: int) -> None:
        """PREEMPT AND ABORT. Raises Conflict."""
        self._must_be_registered(nexus, key, "preempt-and-abort")
        everybody = self.type in ALL_REGISTRANTS and victim == 0
        gone = [other for other, registered in self.keys.items() if everybody or registered == victim]
        if not gone:
            raise conflict("preempt-and-abort")
        self.generation += 1
        if everybody or (self.holder and self.holder in gone):
            self._hold(nexus, reservation_type)
        self._forget([other for other in gone if other != nexus])

    preempt_without_abort = preempt

    def _must_be_registered(self, nexus: str, key: int, operation: str) -> None:
        if self.keys.get(nexus, 0) != key or not key:
            raise conflict(operation)

    def _hold(self, nexus: str, reservation_type: int) -> None:
        self.type, self.holder = reservation_type, "" if reservation_type in ALL_REGISTRANTS else nexus

    def _forget(self, gone: list[str]) -> None:
        for nexus in gone:
            self.keys.pop(nexus, None)
        if self.holder in gone or not self.keys:
            self.type, self.holder = 0, ""


def conflict(operation: str) -> Conflict:
    """As the kernel gives it."""
    return Conflict("model", operation, 0x18)


class ModelDisk:
    """A disk with the interface of `reservation.Disk`, each command of which goes to `send`.

    send    called with the device and the command, gives what `Target.carry_out` gives; may raise in its place
    """

    def __init__(self, device: Device, send: Send) -> None:
        self.device, self.registered, self._send = device, False, send

    def snapshot(self) -> Snapshot:
        """As `reservation.Disk.snapshot`."""
        answer = self._send(self.device, Command("snapshot"))
        assert answer is not None
        return answer

    def register(self, key: int) -> None:
        """As `reservation.Disk.register`."""
        self._send(self.device, Command("register", (key,)))
        self.registered = True

    def reserve(self, own: int, reservation_type: int) -> None:
        """As `reservation.Disk.reserve`."""
        self._send(self.device, Command("reserve", (own, reservation_type)))

    def preempt(self, own: int, victim: int, reservation_type: int, *, abort: bool) -> None:
        """As `reservation.Disk.preempt`; nothing is in flight in the model that could be aborted."""
        name = "preempt" if abort else "preempt_without_abort"
        self._send(self.device, Command(name, (own, victim, reservation_type)))

    def live_paths(self) -> int:
        """As `reservation.Disk.live_paths`."""
        return 1

    def dead_paths(self) -> dict[str, str]:
        """As `reservation.Disk.dead_paths`."""
        return {}

    def registered_as(self) -> int | None:
        """As `reservation.Disk.registered_as`."""
        return None

    def capabilities(self) -> pr_ioctl.Capabilities:
        """As `reservation.Disk.capabilities`."""
        self._send(self.device, Command("capabilities"))
        return pr_ioctl.Capabilities((1, 2, 3, 4, 5, 6), True)
