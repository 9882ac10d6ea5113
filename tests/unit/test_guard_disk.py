"""The guard's loop over disks that answer, fail, hang and change, without a kernel."""

from __future__ import annotations

import _thread
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr import guard_disk, guard_reader, state
from fence_pr.device import MULTIPATH, NVME, SCSI, Device, Places
from fence_pr.errors import DeviceRefused, FenceError, IncompleteAnswer, PathFailure
from fence_pr.guard import Guard
from fence_pr.guard_disk import Surroundings, locate, refuse_another_disk, ways
from fence_pr.guard_notify import ALIVE, READY
from fence_pr.guard_options import parse
from fence_pr.guard_reaction import Reactor
from fence_pr.guard_returned import Outcome
from fence_pr.guard_threads import Threads
from fence_pr.keys import Registrant
from fence_pr.plan import Snapshot
from tests.unit.machine import Machine as Sysfs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fence_pr.reservation import Watch

OWN, OTHER, WERO = 0x2A, 0x2B, 3
A, B = "naa.a", "naa.b"
SECONDS = 30.0
QUICK = ("--confirm-after=0", "--interval=0.01", "--path-interval=0.01", "--unreadable-after=60")


class Storage:
    """Disks by identity and paths by device node. failing: device node → what its commands raise, or wait for."""

    def __init__(self) -> None:
        self.snapshots: dict[str, Snapshot] = {}
        self.paths: dict[str, list[str]] = {}
        self.failing: dict[str, FenceError | threading.Event] = {}
        self.after_keys: Callable[[], None] = lambda: None
        self.registers: list[tuple[str, int, int]] = []
        self.open = 0

    def add(self, identity: str, *nodes: str, keys: tuple[int, ...] = (OWN, OTHER), kind: int = WERO) -> None:
        self.paths[identity] = list(nodes)
        self.set(identity, keys, kind)

    def set(self, identity: str, keys: tuple[int, ...], kind: int = WERO) -> None:
        self.snapshots[identity] = Snapshot(1, keys, kind, 0)

    def locate(self, identity: str, _places: object = None) -> Device:
        nodes = self.paths.get(identity)
        if not nodes:
            raise DeviceRefused(identity, "no disk with this WWID")
        if len(nodes) == 1:
            return Device(identity, nodes[0], identity, SCSI)
        return Device(identity, "/dev/dm-0", identity, MULTIPATH, tuple(nodes))

    def answer(self, node: str) -> None:
        fault = self.failing.get(node)
        if isinstance(fault, threading.Event):
            assert fault.wait(SECONDS)
        elif fault:
            raise fault


class FakeDisk:
    """In place of reservation.Disk."""

    def __init__(self, storage: Storage, device: Device, watch: Watch) -> None:
        self._storage, self._device, self._watch = storage, device, watch
        storage.open += 1

    def keys(self) -> tuple[int, ...]:
        self._watch.announce(self._device.label(), "read keys")
        self._storage.answer(self._device.node)
        self._watch.finished(self._device.label())
        keys = self._storage.snapshots[self._device.identity].keys
        self._storage.after_keys()
        return keys

    def snapshot(self) -> Snapshot:
        self.keys()
        return self._storage.snapshots[self._device.identity]

    def close(self) -> None:
        self._storage.open -= 1


class World:
    """A guard and what it did."""

    def __init__(self, folder: str, storage: Storage, *options: str) -> None:
        self.folder, self.storage = folder, storage
        self.done: list[str] = []
        self.said: list[str] = []
        self.told: list[str] = []
        self.watchdog = 1e-6  # a sign of life in each round
        settings = parse([*QUICK, *options])
        reactor = Reactor(settings.policy, self, self._say)  # type: ignore[arg-type]
        self.threads = Threads()
        around = Surroundings(settings, reactor, self._say, _thread.allocate_lock(), self.threads, folder)
        self.guard = Guard(around, self)  # type: ignore[arg-type]

    def reboot(self, why: str) -> str:
        self.done.append(f"reboot: {why}")
        return ""

    def stop_pacemaker(self) -> str:
        self.done.append("stop")
        return ""

    def tell(self, *assignments: str) -> None:
        self.told += assignments

    def status(self, text: str) -> None:
        self.told.append(text)

    def disks(self) -> dict[str, guard_disk.GuardedDisk]:
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

    def _say(self, _level: int, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """Two disks with one path each, on which this node is registered."""
    it = Storage()
    it.add(A, "/dev/sda")
    it.add(B, "/dev/sdb")

    def open_disk(device: Device, watch: Watch) -> FakeDisk:
        it.answer(device.node) if isinstance(it.failing.get(device.node), PathFailure) else None
        return FakeDisk(it, device, watch)

    for module in (guard_disk, guard_reader):
        monkeypatch.setattr(module, "open_disk", open_disk)
    monkeypatch.setattr(guard_disk, "locate", it.locate)
    monkeypatch.setattr(guard_disk, "refuse_another_disk", lambda *_: None)
    monkeypatch.setattr(guard_disk, "send_register", lambda _watch, *it_: it.registers.append(it_))
    yield it
    for fault in it.failing.values():
        if isinstance(fault, threading.Event):
            fault.set()


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """What this node has noted: both disks."""
    path = str(tmp_path / "run")
    for identity in (A, B):
        state.save(identity, Registrant("n1", OWN), path)
    return path


def test_before_the_first_on_there_is_nothing_to_do(storage: Storage, tmp_path: Path) -> None:
    storage.set(A, (OTHER,))
    world = World(str(tmp_path / "nothing"), storage)
    assert all(world.round() for _ in range(3))
    assert (world.done, world.said, world.disks()) == ([], [], {})
    assert world.told == ["nothing to watch before the action on", *[ALIVE] * 3]


def test_a_healthy_node_is_quiet(storage: Storage, folder: str) -> None:
    world = World(folder, storage)
    assert all(world.round() for _ in range(5))
    assert world.done == []
    assert all("watched, this node is registered with 0x2a" in text for text in world.said)
    assert storage.open == 2, "device nodes stay open: opening costs more than reading"


@pytest.mark.parametrize("gone_from", [A, B])
def test_a_key_that_is_gone_from_one_disk_reboots(storage: Storage, folder: str, gone_from: str) -> None:
    world = World(folder, storage)
    world.round()
    storage.set(gone_from, (OTHER,))
    world.round()
    (done,) = world.done
    assert done.startswith(f"reboot: pr_fence_guard: {gone_from} (/dev/sd")
    assert "0x2a is gone" in done


def test_the_on_that_comes_later_is_noticed(storage: Storage, tmp_path: Path) -> None:
    path = str(tmp_path / "run")
    world = World(path, storage)
    world.round()
    storage.set(A, (OTHER,))
    state.save(A, Registrant("n1", OWN), path)
    world.round()
    assert len(world.done) == 1


def test_a_key_that_is_gone_only_for_a_moment_is_no_fencing(storage: Storage, folder: str) -> None:
    """Other programs take their key away and put it back."""
    world = World(folder, storage)
    world.round()
    for reading in (1, 2):
        readings = iter(range(1, 10))

        def comes_back(at: int = reading, readings: Iterator[int] = readings) -> None:
            if next(readings) == at:
                storage.set(A, (OWN, OTHER))

        storage.set(A, (OTHER,))
        storage.after_keys = comes_back
        world.round()
        assert world.done == []


def test_where_nothing_is_reserved_nobody_was_fenced(storage: Storage, folder: str) -> None:
    world = World(folder, storage)
    storage.set(A, (), 0)
    world.round()
    assert world.done == []
    assert any("the target lost its registrations" in text for text in world.said)


def test_an_on_that_changes_the_key_is_no_fencing(storage: Storage, folder: str) -> None:
    """It removes the note, registers, and notes the new key; the guard looks at any moment."""
    world = World(folder, storage)
    world.round()
    state.forget(A, folder)
    storage.set(A, (0x77, OTHER))
    for disk in world.disks().values():  # a reading that began with the old note
        disk.ask(everybody=True)
    world._wait(0)
    world.round()
    state.save(A, Registrant("n1", 0x77), folder)
    world.round()
    assert world.done == []
    assert world.disks()[A].own == 0x77
    storage.set(A, (OTHER,))
    world.round()
    assert len(world.done) == 1


def test_a_note_that_is_removed_ends_the_watch(storage: Storage, folder: str) -> None:
    world = World(folder, storage)
    world.round()
    state.forget(A, folder)
    storage.set(A, (OTHER,))
    world.round()
    assert (world.done, list(world.disks())) == ([], [B])
    until = time.monotonic() + SECONDS
    while storage.open > 1:
        assert time.monotonic() < until, "its device node is closed"
        time.sleep(0.001)


@pytest.mark.parametrize("note", [b"nonsense", b""])
def test_a_damaged_note_is_said_once_and_not_acted_upon(storage: Storage, folder: str, note: bytes) -> None:
    with open(f"{folder}/{A}", "wb") as file:
        file.write(note)
    storage.set(A, (OTHER,))
    world = World(folder, storage)
    for _ in range(3):
        world.round()
    assert (world.done, list(world.disks())) == ([], [B])
    assert sum("damaged" in text for text in world.said) == 1


def test_an_unfinished_note_is_none(storage: Storage, folder: str) -> None:
    with open(f"{folder}/{A}.123~", "w", encoding="ascii") as file:
        file.write("key=0x1\nnode=n1\n")
    world = World(folder, storage)
    world.round()
    assert sorted(world.disks()) == [A, B]


def test_a_disk_that_hangs_holds_up_no_other_and_not_the_sign_of_life(storage: Storage, folder: str) -> None:
    world = World(folder, storage)
    world.round()
    storage.failing["/dev/sda"] = threading.Event()
    world.round(hanging=1)
    world.told.clear()
    storage.set(B, (OTHER,))
    world.round(hanging=1)
    assert [B in done for done in world.done] == [True]
    assert world.told == [ALIVE]


def test_a_disk_that_hangs_holds_up_no_other_in_the_turn_in_which_it_begins_to(storage: Storage, folder: str) -> None:
    world = World(folder, storage, "--interval=0.5")
    assert world.guard.turn()
    storage.failing["/dev/sda"] = threading.Event()
    storage.set(B, (OTHER,))
    assert world.guard.turn()
    assert [B in done for done in world.done] == [True]
    assert world.told.count(READY) == 1


def test_systemd_is_woken_up_no_more_often_than_it_needs(storage: Storage, folder: str) -> None:
    world = World(folder, storage)
    world.watchdog = 30.0
    for later, signs in ((0.0, 1), (7.0, 1), (7.6, 2)):
        world.guard._alive_at -= later
        world.round()
        world.guard._alive_at += later
        assert world.told.count(ALIVE) == signs


def test_a_thread_that_is_stuck_elsewhere_ends_the_sign_of_life(
    storage: Storage, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = threading.Event()
    world = World(folder, storage)
    world.round()
    storage.after_keys = lambda: assert_set(stuck)
    world.guard.ask()
    later = time.monotonic() + 6
    monkeypatch.setattr("fence_pr.guard.time.monotonic", lambda: later)
    world.told.clear()
    try:
        world.guard.judge(paths=False)
        assert ALIVE not in world.told
    finally:
        stuck.set()
    monkeypatch.undo()
    world._wait(0)
    world.guard.judge(paths=False)
    assert ALIVE in world.told


def assert_set(event: threading.Event) -> None:
    assert event.wait(SECONDS)


def test_a_mistake_in_a_thread_ends_the_guard_so_that_systemd_starts_it_anew(storage: Storage, folder: str) -> None:
    def mistake() -> None:
        raise ZeroDivisionError

    world = World(folder, storage)
    storage.after_keys = mistake
    assert not world.round()
    assert any("internal error" in text and "ZeroDivisionError" in text for text in world.said)


@pytest.mark.parametrize("fault", [PathFailure("/dev/sda", "read keys", 1), IncompleteAnswer("/dev/sda", "read", 0)])
def test_a_disk_that_cannot_be_read_is_not_gone(storage: Storage, folder: str, fault: FenceError) -> None:
    storage.set(A, (OTHER,))
    storage.failing["/dev/sda"] = fault
    world = World(folder, storage)
    for _ in range(3):
        world.round()
    assert world.done == []
    assert not any("fenced" in text for text in world.said)


@pytest.mark.parametrize("kind", ["fails", "hangs", "is not there"])
def test_a_disk_without_an_answer_for_too_long_is_unreadable(
    storage: Storage, folder: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(folder, storage, "--unreadable=stop", "--interval=10")
    if kind == "is not there":
        storage.paths[A] = []
    else:
        storage.failing["/dev/sda"] = threading.Event() if kind == "hangs" else PathFailure("/dev/sda", "read keys", 1)
    hanging = int(kind == "hangs")
    world.round(hanging=hanging)
    begun = time.monotonic()
    for passed in (10, 20, 30, 40, 50, 61):
        assert world.done == []
        now = begun + passed
        monkeypatch.setattr("fence_pr.guard.time.monotonic", partial(float, now))
        world.disks()[B].paths["/dev/sdb"].answered = now
        world.guard.judge(paths=False)
    assert world.done == ["stop"]
    words = {"fails": "path failure", "hangs": "no answer to read keys", "is not there": "no disk with this WWID"}
    assert any("no complete answer for 61 s" in text and words[kind] in text for text in world.said)


@pytest.mark.parametrize("kind", ["answers", "hangs"])
def test_while_the_guard_stood_still_no_disk_was_silent(
    storage: Storage, folder: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(folder, storage, "--unreadable=reboot")
    world.round()
    if kind == "hangs":
        storage.failing["/dev/sda"] = threading.Event()
    world.round(hanging=int(kind == "hangs"))
    later = time.monotonic() + 61
    monkeypatch.setattr("fence_pr.guard.time.monotonic", lambda: later)
    world.guard.judge(paths=False)
    assert world.done == []


def test_a_disk_for_which_there_is_no_thread_leaves_the_others_watched(
    storage: Storage, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(folder, storage)
    threads = iter([RuntimeError("can't start new thread")])
    start = _thread.start_new_thread

    def start_new_thread(*arguments: Any) -> int:
        if error := next(threads, None):
            raise error
        return start(*arguments)

    monkeypatch.setattr("fence_pr.guard_threads._thread.start_new_thread", start_new_thread)
    storage.set(B, (OTHER,))
    world.round()
    assert [B in done for done in world.done] == [True]
    storage.set(A, (OTHER,))
    world.round()
    assert any(A in done for done in world.done), "there is one by now"


def test_a_disk_that_can_be_read_again_is_said(storage: Storage, folder: str) -> None:
    world = World(folder, storage, "--unreadable-after=0.02")
    storage.failing["/dev/sda"] = PathFailure("/dev/sda", "read keys", 1)
    until = time.monotonic() + SECONDS
    while not any("no complete answer" in text for text in world.said):
        assert time.monotonic() < until
        world.round()
    del storage.failing["/dev/sda"]
    world.round()
    assert any("this node is registered (key 0x2a)" in text for text in world.said)


def test_another_path_answers_for_one_that_hangs(storage: Storage, folder: str) -> None:
    storage.add(A, "/dev/sda", "/dev/sdc")
    world = World(folder, storage, "--path-interval=3600")
    world.round()
    for node in ("/dev/sda", "/dev/sdc"):
        storage.failing[node] = threading.Event()
        world.round(hanging=1)
        world.round(hanging=1)
        storage.set(A, (OTHER,))
        until = time.monotonic() + SECONDS
        while not world.done:  # which path is asked first is up to which answered last
            assert time.monotonic() < until, f"{node} hangs"
            world.round(hanging=1)
        event = storage.failing.pop(node)
        assert isinstance(event, threading.Event)
        storage.set(A, (OWN, OTHER))
        event.set()
        world.round()
        world.done.clear()


def test_one_path_of_a_map_is_read_each_time_and_all_now_and_then(storage: Storage, folder: str) -> None:
    storage.add(A, "/dev/sda", "/dev/sdc", "/dev/sdd", keys=(OWN, OWN, OWN))
    world = World(folder, storage, "--path-interval=3600")
    world.round()
    readings: list[None] = []
    storage.after_keys = lambda: readings.append(None)
    world.round()
    assert len(readings) == 2, "one for each disk"
    world.guard._everybody_at = 0.0
    world.round()
    assert len(readings) == 2 + 4


def test_paths_come_and_go(storage: Storage, folder: str) -> None:
    world = World(folder, storage)
    world.round()
    storage.add(A, "/dev/sdc", "/dev/sdd", keys=(OWN, OWN))
    time.sleep(0.02)
    world.round()
    assert sorted(world.disks()[A].paths) == ["/dev/sdc", "/dev/sdd"]
    until = time.monotonic() + SECONDS
    while storage.open > 3:
        assert time.monotonic() < until, "what is gone is closed"
        time.sleep(0.001)


def test_a_path_without_registration_is_reported_once_and_nothing_is_sent(storage: Storage, folder: str) -> None:
    storage.add(A, "/dev/sda", "/dev/sdc", keys=(OWN, OTHER))
    world = World(folder, storage)
    for _ in range(3):
        world.guard._everybody_at = 0.0
        world.round()
    assert sum("2 paths answer, but this node is registered 1 times" in text for text in world.said) == 1
    assert storage.registers == []
    storage.set(A, (OWN, OWN, OTHER))
    world.guard._everybody_at = 0.0
    world.round()
    assert any("2 paths answer and are registered" in text for text in world.said)


def test_with_register_each_path_is_asked_once_for_each_change(storage: Storage, folder: str) -> None:
    storage.add(A, "/dev/sda", "/dev/sdc", keys=(OWN, OWN))
    world = World(folder, storage, "--returned-paths=register")
    for _ in range(3):
        world.guard._everybody_at = 0.0
        world.round()
    assert storage.registers == [("/dev/sda", OWN, OWN), ("/dev/sdc", OWN, OWN)]
    storage.set(A, (OWN,))
    world.guard._everybody_at = 0.0
    world.round()
    assert len(storage.registers) == 4


@pytest.mark.parametrize(
    ("outcome", "asked"),
    [
        (Outcome(registered=("/dev/sdc",), witnesses=("/dev/sda",)), 3),
        (Outcome(unknown=(("/dev/sdc", "it did not answer"),), witnesses=("/dev/sda",)), 3),
        (Outcome(refused=(("/dev/sdc", "conflict"),), witnesses=("/dev/sda",)), 1),
    ],
)
def test_a_path_that_is_lost_again_at_once_is_registered_again(
    storage: Storage, folder: str, monkeypatch: pytest.MonkeyPatch, outcome: Outcome, asked: int
) -> None:
    """To the guard it looks as if nothing had changed; only what was refused stays refused."""
    storage.add(A, "/dev/sda", "/dev/sdc", keys=(OWN,))
    calls: list[list[str]] = []

    def register_returned(paths: list[str], *_: object) -> Outcome:
        calls.append(paths)
        return outcome

    monkeypatch.setattr(guard_disk, "register_returned", register_returned)
    world = World(folder, storage, "--returned-paths=register")
    for _ in range(3):
        world.guard._everybody_at = 0.0
        world.round()
    assert len(calls) == asked


def test_with_register_a_fenced_node_sends_nothing(storage: Storage, folder: str) -> None:
    storage.add(A, "/dev/sda", "/dev/sdc", keys=(OTHER,))
    world = World(folder, storage, "--returned-paths=register")
    for _ in range(3):
        world.guard._everybody_at = 0.0
        world.round()
    assert world.done
    assert storage.registers == []


def test_a_path_that_cannot_be_unregistered_reboots(
    storage: Storage, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.add(A, "/dev/sda", "/dev/sdc", keys=(OWN,))
    outcome = Outcome(stuck=(("/dev/sdc", "path failure"),), witnesses=("/dev/sda",))
    monkeypatch.setattr(guard_disk, "register_returned", lambda *_: outcome)
    world = World(folder, storage, "--returned-paths=register")
    world.round()
    (done,) = world.done
    assert "cannot be undone (/dev/sdc: path failure)" in done


@pytest.mark.parametrize("spelling", ["naa.6001405aa", "eui.0011", "t10.ATA     DISK", "uuid.1-2"])
def test_a_disk_is_found_by_what_was_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str) -> None:
    sysfs = Sysfs(tmp_path)
    monkeypatch.setattr("fence_pr.device.os.stat", sysfs.stat)
    node = sysfs.disk("sda", 0, spelling)
    found = locate(spelling, sysfs.places)
    assert (found.node, found.name, found.identity) == (node, spelling, spelling)
    with pytest.raises(FenceError, match="no disk with this WWID"):
        locate("naa.6001405bb", sysfs.places)


def test_a_link_to_another_disk_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sysfs = Sysfs(tmp_path)
    monkeypatch.setattr("fence_pr.device.os.stat", sysfs.stat)
    sysfs.link("disk/by-id/wwn-0x6001405aa", sysfs.disk("sda", 0, "naa.6001405bb"))
    with pytest.raises(FenceError, match="leads to the disk naa"):
        locate("naa.6001405aa", sysfs.places)


def test_a_disk_without_identity_is_found_by_its_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sysfs = Sysfs(tmp_path)
    monkeypatch.setattr("fence_pr.device.os.stat", sysfs.stat)
    node = sysfs.disk("sda", 0)
    assert locate(node, sysfs.places).node == node


def test_the_paths_of_a_map_are_disks_of_their_own() -> None:
    mapped = Device("naa.1", "/dev/dm-0", "naa.1", MULTIPATH, ("/dev/sda", "/dev/sdb"))
    assert ways(mapped) == [Device("naa.1", node, "naa.1", SCSI) for node in ("/dev/sda", "/dev/sdb")]
    plain = Device("naa.1", "/dev/sda", "naa.1", SCSI)
    assert ways(plain) == [plain]


@pytest.mark.parametrize("kind", [SCSI, NVME])
def test_a_node_that_became_another_disk_proves_nothing(tmp_path: Path, kind: str) -> None:
    attribute = tmp_path / "block/sda" / ("wwid" if kind == NVME else "device/wwid")
    attribute.parent.mkdir(parents=True)
    attribute.write_text("naa.1\n")
    places = Places(sysfs=str(tmp_path))
    refuse_another_disk(Device("naa.1", "/dev/sda", "naa.1", kind), places)
    refuse_another_disk(Device("/dev/sda", "/dev/sda", "", kind), places)
    with pytest.raises(FenceError, match="another disk by now: naa"):
        refuse_another_disk(Device("naa.2", "/dev/sda", "naa.2", kind), places)
    attribute.unlink()
    with pytest.raises(FenceError, match="another disk by now: none"):
        refuse_another_disk(Device("naa.1", "/dev/sda", "naa.1", kind), places)
