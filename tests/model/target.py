"""A disk in memory at the level of `disk.Disk`: for tests of whole actions without a kernel (`world`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fence_pr.errors import Conflict, DeviceFailure, FenceError, Notice, ReservationError
from fence_pr.storage import kernel_status, pr_ioctl, unit_reset
from fence_pr.storage.snapshot import Snapshot

from .lio import Lio
from .unit import ALL_REGISTRANTS, FORMER, SINGLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fence_pr.storage.device import Device
    from fence_pr.storage.disk import Judge

    Answer = Snapshot | str | int | dict[int, frozenset[str]] | None
    Send = Callable[[Device, "Command"], Answer]


class Command(NamedTuple):
    """What an initiator sends: open, snapshot, identify, inquiry, register, replace (a key of its own), reserve,
    preempt (with abort) or without, reset, capabilities.
    """

    name: str
    arguments: tuple[int, ...] = ()


class Target(Lio):
    """A LUN of LIO whose methods raise what the agent's own layer would raise.

    harm     by what sign `disk.Disk.abort_harm` finds out that an abort does harm; "" if it does not
    tells    whether `disk.Disk.hosts` finds anything out, tells_nexus: `tells_registered`
    host_of  nexus → node, where the nexus is not called like its node
    """

    harm = ""
    tells, tells_nexus = False, True

    def __init__(self) -> None:
        super().__init__()
        self.host_of: dict[str, str] = {}

    def snapshot(self) -> Snapshot:
        """READ KEYS and READ RESERVATION."""
        return Snapshot(self.generation, tuple(self.keys.values()), self.type, self.holder_key())

    def carry_out(self, nexus: str, command: Command) -> Answer:
        """The answer, None where there is only success. Raises ReservationError."""
        if command.name == "snapshot":
            return self.snapshot()
        if command.name == "inquiry":
            return self.harm
        if command.name == "own hosts":
            return f"iqn.{nexus}" if self.tells else ""
        if command.name == "tells registered":
            return self.keys.get(nexus) == command.arguments[0] if self.tells_nexus else None
        if command.name == "depends on":
            return bool(self.harm) and self.keys.get(f"{nexus}{FORMER}") == command.arguments[0]
        if command.name == "nexus keys":
            return self.keys.get(nexus)
        if command.name == "hosts":
            return self.hosts() if self.tells else None
        if command.name == "register":
            return self._join(nexus, *command.arguments)
        if command.name not in ("open", "identify", "capabilities", "written"):
            perform: Callable[..., None] = getattr(self, command.name)
            perform(nexus, *command.arguments)
        return None

    def hosts(self) -> dict[int, frozenset[str]]:
        """READ FULL STATUS."""
        return {
            key: frozenset(
                f"iqn.{self.host_of.get(nexus, nexus.removesuffix(FORMER))}"
                for nexus, it in self.keys.items()
                if it == key
            )
            for key in set(self.keys.values())
        }

    def register(self, nexus: str, key: int) -> None:
        """Before a test begins: whatever was registered; key 0 unregisters."""
        self._judge("register", self.call(nexus, "register", 0, key, pr_ioctl.FLAG_IGNORE_KEY))

    def _join(self, nexus: str, key: int, listed: int) -> int | None:
        """As `disk.Disk.register`; where the nexus has another key that one, and nothing is changed."""
        if listed:
            answer = self.call(nexus, "register", key, key)
            if not answer or key not in self.keys.values():
                return self._judge("register", answer)
        answer = self.call(nexus, "register", 0, key)
        if not answer or nexus not in self.keys or self.keys[nexus] == key:
            return self._judge("register", answer if self.keys.get(nexus) != key else 0)
        return self.keys[nexus]

    def heeded(self, nexus: str, key: int) -> None:
        """As `scsi_disk.ScsiDisk` asks LIO."""
        if self.harm and self.type and self.type not in ALL_REGISTRANTS and self.holder_key() != key:
            another = next(it for it in SINGLE if it != self.type)
            self._judge("release", self.call(nexus, "release", key, another))

    def renew(self, nexus: str, key: int) -> None:
        """End the nexus' registration and add it again. Raises ReservationError."""
        self.replace(nexus, key, 0)
        self._judge("register", self.call(nexus, "register", 0, key))

    def replace(self, nexus: str, old: int, key: int) -> None:
        """A key of this nexus by another. Raises ReservationError."""
        self._judge("register", self.call(nexus, "register", old, key))

    def reserve(self, nexus: str, key: int, reservation_type: int) -> None:
        """Raises ReservationError."""
        self._judge("reserve", self.call(nexus, "reserve", key, reservation_type))

    def preempt(self, nexus: str, key: int, victim: int, reservation_type: int) -> None:
        """With abort, though nothing is in flight that could be aborted. Raises ReservationError."""
        self._judge("preempt-and-abort", self.call(nexus, "preempt_abort", key, victim, reservation_type))

    preempt_without_abort = preempt

    def clear(self, nexus: str, key: int) -> None:
        """Raises ReservationError."""
        self._judge("clear", self.call(nexus, "clear", key))

    def release(self, nexus: str, key: int, reservation_type: int) -> None:
        """Raises ReservationError."""
        self._judge("release", self.call(nexus, "release", key, reservation_type))

    def reset(self, nexus: str) -> None:
        """LOGICAL UNIT RESET."""
        self._judge(unit_reset.OPERATION, self.call(nexus, "reset"))

    @staticmethod
    def _judge(operation: str, answer: int) -> None:
        if answer:
            raise kernel_status.failure("model", operation, answer)


class ModelDisk:
    """A disk with the interface of `disk.Disk`, each command of which goes to `send`.

    send    called with the device and the command, gives what `Target.carry_out` gives; may raise in its place
    """

    def __init__(self, device: Device, send: Send) -> None:
        self.device, self.registered, self.aborted, self._send = device, False, True, send
        self.removed: frozenset[int] = frozenset()
        self.joined = False
        self._last: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        """As `disk.Disk.snapshot`."""
        answer = self._send(self.device, Command("snapshot"))
        assert isinstance(answer, Snapshot)
        self._last = answer
        return answer

    def confirm_identity(self) -> None:
        """As `disk.Disk.confirm_identity`."""
        self._send(self.device, Command("identify"))

    def register(
        self, key: int, *, listed: bool = False, former: Sequence[int] = (), judge: Judge | None = None
    ) -> None:
        """As `disk.Disk.register`."""
        assert judge
        assert key not in former
        if not listed and any(self._is_changed(it, key, judge) for it in former):
            self.registered = True
            return
        before, self.joined = self.joined, True
        try:
            old = self._send(self.device, Command("register", (key, listed)))
        except ReservationError as error:
            self.joined = before if kernel_status.was_not_carried_out(error, nvme=False) else True
            raise
        if isinstance(old, int):
            judge(old)
            self._send(self.device, Command("replace", (old, key)))
        self.registered = True

    def _is_changed(self, old: int, key: int, judge: Judge) -> bool:
        """As `single_path.SinglePath` does it."""
        if not self._last or old not in self._last.keys:
            return False
        self.joined = True
        try:
            self._send(self.device, Command("replace", (old, old)))
        except Conflict:
            if {old, key}.intersection(self.snapshot().keys):
                return False
            raise
        judge(old)
        self._send(self.device, Command("replace", (old, key)))
        return True

    def tells_registered(self, key: int) -> bool | None:
        """As `disk.Disk.tells_registered`."""
        told = self._send(self.device, Command("tells registered", (key,)))
        assert told is None or isinstance(told, bool)
        return told

    def ask_registered(self, key: int) -> None:
        """As `disk.Disk.ask_registered`."""
        self._send(self.device, Command("replace", (key, key)))

    def ask_heeded(self, own_key: int) -> None:
        """As `disk.Disk.ask_heeded`."""
        self._send(self.device, Command("heeded", (own_key,)))

    def depends_on(self, key: int) -> bool:
        """As `disk.Path.depends_on`."""
        return bool(self._send(self.device, Command("depends on", (key,))))

    def renew(self, own_key: int) -> None:
        """As `disk.Path.renew`."""
        self._send(self.device, Command("renew", (own_key,)))

    def reserve(self, own_key: int, reservation_type: int) -> None:
        """As `disk.Disk.reserve`."""
        self._send(self.device, Command("reserve", (own_key, reservation_type)))

    def preempt(self, own_key: int, victim: int, reservation_type: int, *, abort: bool) -> None:
        """As `disk.Disk.preempt`; nothing is in flight in the model that could be aborted."""
        name = "preempt" if abort else "preempt_without_abort"
        self._send(self.device, Command(name, (own_key, victim, reservation_type)))

    def paths(self) -> list[ModelDisk]:
        """As `disk.Disk.paths`."""
        return [self]

    def change(self, old: int, key: int) -> None:
        """As `single_path.SinglePath.change`."""
        self._send(self.device, Command("replace", (old, key)))

    def carry_out(self, operation: str, _command: object, *values: int) -> None:
        """As `single_path.SinglePath.carry_out`."""
        names = {"unregister": "replace", unit_reset.OPERATION: "reset"}
        more = (0,) if operation == "unregister" else ()
        self._send(self.device, Command(names.get(operation, operation), (*values, *more)))

    def abort_harm(self) -> Notice | None:
        """As `disk.Disk.abort_harm`."""
        sign = self._send(self.device, Command("inquiry"))
        return Notice("abort-harm-of-lio", {"sign": sign}) if sign else None

    def unwritten(self, own_key: int) -> Notice | None:
        """As `disk.Disk.unwritten`."""
        try:
            self._send(self.device, Command("written", (own_key,)))
        except DeviceFailure as failure:
            return failure.notice()
        return None

    def close(self) -> None:
        """As `disk.Disk.close`."""

    def live_paths(self) -> int:
        """As `disk.Disk.live_paths`."""
        return 1

    def dead_paths(self) -> dict[str, Notice]:
        """As `disk.Disk.dead_paths`."""
        return {}

    def away(self, *, again: bool = False) -> list[FenceError]:  # noqa: ARG002 - as there
        """As `disk.Disk.away`."""
        return []

    def warnings(self) -> list[Notice]:
        """As `disk.Disk.warnings`."""
        return []

    def registered_as(self) -> int | None:
        """As `disk.Disk.registered_as`."""
        return None

    def nexus_keys(self, absent: int) -> tuple[int, ...] | None:
        """As `disk.Disk.nexus_keys`."""
        found = self._send(self.device, Command("nexus keys", (absent,)))
        return (found,) if isinstance(found, int) else ()

    def hosts(self) -> dict[int, frozenset[str]] | None:
        """As `disk.Disk.hosts`."""
        told = self._send(self.device, Command("hosts"))
        assert told is None or isinstance(told, dict)
        return told

    def own_hosts(self) -> frozenset[str]:
        """As `disk.Disk.own_hosts`."""
        told = self._send(self.device, Command("own hosts"))
        assert isinstance(told, str)
        return frozenset({told} if told else ())

    def own_ports(self) -> frozenset[str]:
        """As `disk.Disk.own_ports`."""
        return frozenset()

    def capabilities(self) -> pr_ioctl.Capabilities:
        """As `disk.Disk.capabilities`."""
        self._send(self.device, Command("capabilities"))
        return pr_ioctl.Capabilities((1, 2, 3, 4, 5, 6), True)
