"""A guard over disks that answer, fail, hang and change, without a kernel."""

from __future__ import annotations

import _thread
import threading
import time
from typing import TYPE_CHECKING, Any

from fence_pr import state_file
from fence_pr.errors import AnotherDisk, DeviceRefused, FenceError, Notice, PathFailure
from fence_pr.guard.attached import Attached
from fence_pr.guard.main import Guard
from fence_pr.guard.options import parse
from fence_pr.guard.reaction import Reactor
from fence_pr.guard.threads import Threads
from fence_pr.guard.watched_disk import Surroundings
from fence_pr.keys import Registrant
from fence_pr.storage.device import MULTIPATH, SCSI, Device
from fence_pr.storage.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fence_pr.guard.watched_disk import GuardedDisk
    from fence_pr.storage.disk import Watch

OWN, OTHER, WERO = 0x2A, 0x2B, 3
A, B = "naa.a", "naa.b"
SECONDS = 30.0
QUICK = ("--confirm-after=0", "--interval=0.01", "--path-interval=0.01", "--unreadable-after=60")


class Storage(Attached):
    """Disks by identity and paths by device node. failing: device node → what its commands raise, or wait for."""

    def __init__(self) -> None:
        self.snapshots: dict[str, Snapshot] = {}
        self.paths: dict[str, list[str]] = {}
        self.failing: dict[str, FenceError | threading.Event] = {}
        self.after_keys: Callable[[], None] = lambda: None
        self.registers: list[tuple[str, int, int]] = []
        # Device node → what it answers to each REGISTER in turn, None if it was carried out; afterwards it always is.
        self.answers: dict[str, list[FenceError | None]] = {}
        self.elsewhere: set[str] = set()  # device nodes that lead to other disks than they seem to
        self.opened = 0
        # Device node → the keys with which this node is registered over it, or why it does not tell, or until when.
        self.nexus: dict[str, tuple[int, ...] | FenceError | threading.Event | None] = {}
        self.asked: list[str] = []
        # Identity → whether the key is a former session's, or why nobody tells, or until when.
        self.stale: dict[str, bool | FenceError | threading.Event] = {}
        self.unheeded: set[str] = set()  # identities
        self.views: dict[str, Snapshot] = {}  # device node → what it tells instead of the truth

    def add(self, identity: str, *nodes: str, keys: tuple[int, ...] = (OWN, OTHER), kind: int = WERO) -> None:
        self.paths[identity] = list(nodes)
        self.set(identity, keys, kind)

    def set(self, identity: str, keys: tuple[int, ...], kind: int = WERO) -> None:
        self.snapshots[identity] = Snapshot(1, keys, kind, 0)

    def seen(self, way: Device) -> Snapshot:
        return self.views.get(way.node) or self.snapshots[way.identity]

    def locate(self, identity: str) -> Device:
        nodes = self.paths.get(identity)
        if not nodes:
            raise DeviceRefused("wwid-unknown", identity)
        if len(nodes) == 1:
            return Device(identity, nodes[0], identity, SCSI)
        return Device(identity, "/dev/dm-0", identity, MULTIPATH, tuple(nodes))

    def open(self, way: Device, watch: Watch) -> Any:
        self.answer(way.node) if isinstance(self.failing.get(way.node), PathFailure) else None
        return FakeDisk(self, way, watch)

    def trouble(self, found: Device, watch: Watch, own_key: int) -> Notice | None:
        assert own_key in (OWN, OTHER)
        watch.announce(found.label(), "full status")
        told = self.stale.get(found.identity, False)
        if isinstance(told, threading.Event):
            assert told.wait(SECONDS)
            told = False
        watch.finished(found.label())
        if isinstance(told, FenceError):
            raise told
        code = "own-key-stale" if told else "own-key-unheeded" if found.identity in self.unheeded else ""
        return Notice(code, {"own_key": own_key}) if code else None

    def register(self, _watch: Watch, identity: str, path: str, old: int, new: int) -> None:
        assert path in self.paths[identity]
        self.registers.append((path, old, new))
        answers = self.answers.get(path)
        if answers and (failure := answers.pop(0)):
            raise failure

    def answer(self, node: str) -> None:
        fault = self.failing.get(node)
        if isinstance(fault, threading.Event):
            assert fault.wait(SECONDS)
        elif fault:
            raise fault


class FakeDisk:
    """In place of disk.Disk."""

    def __init__(self, storage: Storage, device: Device, watch: Watch) -> None:
        self._storage, self._device, self._watch = storage, device, watch
        storage.opened += 1

    def keys(self) -> tuple[int, ...]:
        self._watch.announce(self._device.label(), "read keys")
        self._storage.answer(self._device.node)
        self._watch.finished(self._device.label())
        keys = self._storage.seen(self._device).keys
        self._storage.after_keys()
        return keys

    def snapshot(self) -> Snapshot:
        self.keys()
        return self._storage.seen(self._device)

    def confirm_identity(self) -> None:
        if self._device.node in self._storage.elsewhere:
            raise AnotherDisk(self._device.node, "identity", 0)

    def nexus_keys(self, absent: int) -> tuple[int, ...] | None:
        assert absent not in self._storage.snapshots[self._device.identity].keys
        self._watch.announce(self._device.label(), "register")
        self._storage.asked.append(self._device.node)
        told = self._storage.nexus.get(self._device.node, ())
        if isinstance(told, threading.Event):
            assert told.wait(SECONDS)
            told = None
        if isinstance(told, FenceError):
            raise told
        self._watch.finished(self._device.label())
        return told

    def close(self) -> None:
        self._storage.opened -= 1


class World:
    """A guard and what it did."""

    def __init__(self, folder: str, storage: Storage, *options: str) -> None:
        self.folder, self.storage = folder, storage
        self.done: list[str] = []
        self.done_at = 0.0  # when the first reboot was asked for, of time.monotonic()
        self.said: list[str] = []
        self.levels: dict[str, int] = {}  # code → level at which it was last said
        self.told: list[str] = []
        self.watchdog = 1e-6  # a sign of life in each round
        settings = parse([*QUICK, *options])
        reactor = Reactor(settings.policy, self, self._say)  # type: ignore[arg-type]
        self.threads = Threads(self._start_thread)
        self.no_thread: RuntimeError | None = None  # why the next one cannot be started
        self.passed = 0.0  # seconds that only this world's clock has seen
        around = Surroundings(
            settings, reactor, self._say, _thread.allocate_lock(), self.threads, folder, storage, self.now
        )
        self.guard = Guard(around, self)  # type: ignore[arg-type]

    def now(self) -> float:
        return time.monotonic() + self.passed

    def _start_thread(self, run: Callable[[], None], arguments: tuple[()]) -> int:
        failure, self.no_thread = self.no_thread, None
        if failure:
            raise failure
        return _thread.start_new_thread(run, arguments)

    def reboot(self, why: str) -> None:
        self.done_at = self.done_at or time.monotonic()
        self.done.append(f"reboot: {why}")

    def stop_pacemaker(self) -> None:
        self.done.append("stop")

    def tell(self, *assignments: str) -> None:
        self.told += assignments

    def status(self, text: str) -> None:
        self.told.append(text)

    def disks(self) -> dict[str, GuardedDisk]:
        return self.guard._disks

    def round(self, *, hanging: int = 0) -> bool:
        """One turn of the loop, waiting until all threads but `hanging` are done; whether the guard goes on."""
        everybody = self.guard.ask()
        self._wait(hanging)
        goes_on = self.guard.judge(paths=everybody)
        self._wait(hanging)
        return goes_on

    def _wait(self, hanging: int) -> None:
        until = time.monotonic() + SECONDS
        while sum(bool(worker.busy_since) for disk in self.disks().values() for worker in disk.workers()) > hanging:
            assert time.monotonic() < until
            self.threads.relieve()
            time.sleep(0.001)

    def _say(self, level: int, notice: Notice) -> None:
        self.said.append(str(notice))
        self.levels[notice.code] = level


def two_disks() -> Iterator[Storage]:
    """Two disks with one path each, on which this node is registered; what hangs ends with the test."""
    it = Storage()
    it.add(A, "/dev/sda")
    it.add(B, "/dev/sdb")
    yield it
    for fault in (*it.failing.values(), *it.nexus.values()):
        if isinstance(fault, threading.Event):
            fault.set()


def noted(tmp_path: Path) -> str:
    """The folder of what this node has noted: both disks."""
    path = str(tmp_path / "run")
    for identity in (A, B):
        state_file.save(identity, Registrant("n1", OWN), path)
    return path
