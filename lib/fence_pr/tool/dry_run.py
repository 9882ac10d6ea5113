"""Disks on which the steps of an action are only imagined: they are read, and tell what they would tell after a step.

So the action that runs on them is the real one, and takes its own decisions. What no reading can tell, but the action
would find out by a command that changes nothing but the generation, is told as a step.
"""

from __future__ import annotations

from ..actions.job import Job
from ..errors import Notice
from ..storage.device import NVME
from ..storage.disk import Disk
from ..storage.snapshot import WRITE_EXCLUSIVE_ALL_REGS, Snapshot
from .reading import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..parallel import Patience
    from ..storage.device import Device
    from ..storage.disk import Judge, Path, Watch
    from ..storage.pr_ioctl import Capabilities

_LONGEST_PAUSE_SECONDS = 1.0


class DryDisk(Disk):
    """An open disk that is only read. say: told of what would be asked of it beside the steps."""

    def __init__(self, disk: Disk, say: Callable[[Notice], None]) -> None:
        super().__init__(disk.device)
        self._disk, self._say = disk, say
        self._imagined: Snapshot | None = None
        self._own_key = 0
        self._told: bool | None = None

    def snapshot(self) -> Snapshot:
        return self._imagined or self._disk.snapshot()

    def keys(self) -> tuple[int, ...]:
        return self.snapshot().keys

    def confirm_identity(self) -> None:
        self._disk.confirm_identity()

    def close(self) -> None:
        self._disk.close()

    def register(
        self,
        key: int,
        *,
        listed: bool = False,  # noqa: ARG002 - the snapshot tells
        former: Sequence[int] = (),
        judge: Judge | None = None,
    ) -> None:
        """A former key of this node's is replaced where the target tells that it is this node's."""
        now = self.snapshot()
        replaced = {it for it in (*former, *self._registered_as()) if it != key and it in now.keys}
        for old in replaced if judge else ():
            judge(old)  # type: ignore[misc]
        keys = [key if it in replaced else it for it in now.keys]
        keys += [key] * (0 if key in keys else self.live_paths())
        self._imagined = Snapshot(now.generation + 1, tuple(keys), now.type, now.holder)
        self._own_key, self.registered = key, True

    def _registered_as(self) -> tuple[int, ...]:
        old = self._disk.registered_as()
        return (old,) if old else ()

    def tells_registered(self, key: int) -> bool | None:
        self._told = True if key == self._own_key else self._disk.tells_registered(key)
        return self._told

    def ask_registered(self, key: int) -> None:
        """By REGISTER from the key to itself, which targets count: so it is not sent."""
        code = "nexus-told-otherwise" if self._told is False else "nexus-asked-by-register"
        self._say(Notice(code, {"disk": self.device.label(), "own_key": key}))

    def reserve(self, own_key: int, reservation_type: int) -> None:
        now = self.snapshot()
        holder = 0 if reservation_type >= WRITE_EXCLUSIVE_ALL_REGS else own_key
        self._imagined = Snapshot(now.generation, now.keys, reservation_type, holder)

    def preempt(self, own_key: int, victim: int, reservation_type: int, *, abort: bool) -> None:  # noqa: ARG002
        now = self.snapshot()
        keys = tuple(it for it in now.keys if it != victim)
        type_, holder = (reservation_type, own_key) if now.holder == victim else (now.type, now.holder)
        self._imagined = Snapshot(now.generation + 1, keys, type_, holder)

    def capabilities(self) -> Capabilities:
        return self._disk.capabilities()

    def abort_harm(self) -> Notice | None:
        return self._disk.abort_harm()

    def paths(self) -> Sequence[Path]:
        """None: through a path disks can be changed."""
        return []

    def live_paths(self) -> int:
        return self._disk.live_paths()

    def dead_paths(self) -> dict[str, Notice]:
        return self._disk.dead_paths()

    def registered_as(self) -> int | None:
        return self._own_key or self._disk.registered_as()

    def nexus_keys(self, absent: int) -> tuple[int, ...] | None:
        """On SCSI that is asked by REGISTER."""
        return self._disk.nexus_keys(absent) if self.device.kind == NVME else None

    def hosts(self) -> dict[int, frozenset[str]] | None:
        told = self._disk.hosts()
        if told is None or self._imagined is None:
            return told
        left = {key: hosts for key, hosts in told.items() if key in self._imagined.keys}
        own_hosts = self.own_hosts()
        return {**left, self._own_key: own_hosts} if self._own_key and own_hosts else left

    def own_hosts(self) -> frozenset[str]:
        return self._disk.own_hosts()

    def own_ports(self) -> frozenset[str]:
        return self._disk.own_ports()

    def warnings(self) -> list[Notice]:
        return self._disk.warnings()


class DryNode(Reader):
    """This machine, whose disks are only read. say: told of what would be asked of a disk beside the steps."""

    say: Callable[[Notice], None]

    def open(self, found: Device, watch: Watch, patience: Patience | None) -> Disk:
        """As `ThisNode.open`."""
        return DryDisk(super().open(found, watch, patience), self.say)

    def tell_multipathd(self, map_name: str, own_key: int, _warn: object) -> None:  # type: ignore[override]
        """It is only said that it would be told."""
        self.say(Notice("multipathd-told", {"disk": map_name, "own_key": own_key}))

    def is_starting(self) -> bool:
        """Nobody waits for disks that may come."""
        return False


class DryJob(Job):
    """A request whose waiting is left out; what is asked again is asked after a pause as always."""

    def wait(self, seconds: float) -> None:
        self.time.has_waited(seconds)
