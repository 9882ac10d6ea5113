"""A disk in memory at the level of `reservation.Disk`: for tests of whole actions without a kernel (`world`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fence_pr import pr_ioctl, status
from fence_pr.plan import Snapshot

from .lio import Lio

if TYPE_CHECKING:
    from collections.abc import Callable

    from fence_pr.device import Device

    Send = Callable[[Device, "Command"], "Snapshot | None"]


class Command(NamedTuple):
    """What an initiator sends: open, snapshot, register, reserve, preempt (with abort) or without, capabilities."""

    name: str
    arguments: tuple[int, ...] = ()


class Target(Lio):
    """A LUN of LIO whose methods raise what the agent's own layer would raise."""

    def snapshot(self) -> Snapshot:
        """READ KEYS and READ RESERVATION."""
        return Snapshot(self.generation, tuple(self.keys.values()), self.type, self.holder_key())

    def carry_out(self, nexus: str, command: Command) -> Snapshot | None:
        """The answer, None where there is only success. Raises ReservationError."""
        if command.name == "snapshot":
            return self.snapshot()
        if command.name not in ("open", "capabilities"):
            perform: Callable[..., None] = getattr(self, command.name)
            perform(nexus, *command.arguments)
        return None

    def register(self, nexus: str, key: int, listed: bool = False) -> None:
        """Whatever was registered; key 0 unregisters. listed: as `reservation.Disk.register`."""
        if listed:
            answer = self.call(nexus, "register", key, key)
            if not answer or key not in self.keys.values():
                return self._judge("register", answer)
        return self._judge("register", self.call(nexus, "register", 0, key, pr_ioctl.FLAG_IGNORE_KEY))

    def reserve(self, nexus: str, key: int, reservation_type: int) -> None:
        """Raises ReservationError."""
        self._judge("reserve", self.call(nexus, "reserve", key, reservation_type))

    def preempt(self, nexus: str, key: int, victim: int, reservation_type: int) -> None:
        """With abort, though nothing is in flight that could be aborted. Raises ReservationError."""
        self._judge("preempt-and-abort", self.call(nexus, "preempt_abort", key, victim, reservation_type))

    preempt_without_abort = preempt

    @staticmethod
    def _judge(operation: str, answer: int) -> None:
        if answer:
            raise status.failure("model", operation, answer)


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

    def register(self, key: int, *, listed: bool = False) -> None:
        """As `reservation.Disk.register`."""
        self._send(self.device, Command("register", (key, listed)))
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

    def cautions(self) -> list[str]:
        """As `reservation.Disk.cautions`."""
        return []

    def registered_as(self) -> int | None:
        """As `reservation.Disk.registered_as`."""
        return None

    def capabilities(self) -> pr_ioctl.Capabilities:
        """As `reservation.Disk.capabilities`."""
        self._send(self.device, Command("capabilities"))
        return pr_ioctl.Capabilities((1, 2, 3, 4, 5, 6), True)
