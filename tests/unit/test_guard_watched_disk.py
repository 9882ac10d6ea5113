"""The guard's loop over disks that answer, fail, hang and change, without a kernel."""

from __future__ import annotations

import errno
import threading
import time
from typing import TYPE_CHECKING

import pytest

from fence_pr import state_file
from fence_pr.errors import Conflict, FenceError, IncompleteAnswer, PathFailure
from fence_pr.guard.attached import locate, ways
from fence_pr.guard.systemd import ALIVE, READY
from fence_pr.keys import Registrant
from fence_pr.storage.device import MULTIPATH, SCSI, Device
from tests.unit.guarded import OTHER, OWN, SECONDS, A, B, Storage, World, noted, two_disks
from tests.unit.machine import Machine as Sysfs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def storage() -> Iterator[Storage]:
    """Two disks with one path each, on which this node is registered."""
    yield from two_disks()


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """What this node has noted: both disks."""
    return noted(tmp_path)


def test_before_the_first_on_there_is_nothing_to_do(storage: Storage, tmp_path: Path) -> None:
    storage.set(A, (OTHER,))
    world = World(str(tmp_path / "nothing"), storage)
    assert all(world.round() for _ in range(3))
    assert (world.done, world.said, world.disks()) == ([], [], {})
    assert world.told == ["nothing to watch before 'on' has run here", *[ALIVE] * 3]


def test_a_healthy_node_is_quiet(storage: Storage, folder: str) -> None:
    world = World(folder, storage)
    assert all(world.round() for _ in range(5))
    assert world.done == []
    assert all("watched, this node is registered with 0x2a" in text for text in world.said)
    assert storage.opened == 2, "device nodes stay open: opening costs more than reading"


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
    state_file.save(A, Registrant("n1", OWN), path)
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


def test_who_comes_back_first_after_a_loss_fences_nobody(storage: Storage, folder: str) -> None:
    """All registrations are lost, and one node runs 'on': the reservation that it takes keeps all others out."""
    world = World(folder, storage)
    world.round()
    storage.set(A, (), 0)
    world.round()
    storage.failing["/dev/sda"] = PathFailure("/dev/sda", "read keys", 1)  # the storage is not all there yet
    world.round()
    storage.failing.clear()
    storage.set(A, (OTHER,))
    for _ in range(2):
        world.round()
    assert world.done == []
    assert [text.partition(",")[0] for text in world.said[2:]] == [
        "naa.a (/dev/sda): this node's key 0x2a is gone",
        "naa.a (/dev/sda): this node's key 0x2a is gone since the target lost its registrations",
    ]
    anew = World(folder, storage)
    anew.round()
    assert anew.done == [], "neither by a guard that was started anew"


@pytest.mark.parametrize("seen", ["by the guard", "by 'on' alone", "by 'on' alone, and a guard that is started anew"])
def test_whoever_is_registered_again_after_a_loss_can_be_fenced(storage: Storage, folder: str, seen: str) -> None:
    world = World(folder, storage)
    storage.set(A, (), 0)
    world.round()
    storage.set(A, (OWN, OTHER))
    if seen == "by the guard":
        world.round()
    else:
        state_file.save(A, Registrant("n1", OWN), folder)
        world = World(folder, storage) if "anew" in seen else world
    storage.set(A, (OTHER,))
    world.round()
    assert len(world.done) == 1


@pytest.mark.parametrize("judged", ["by the path", "by the main thread"])
def test_an_on_that_comes_after_a_loss_while_the_missing_key_is_examined_is_no_fencing(
    storage: Storage, folder: str, judged: str
) -> None:
    """What was read before it says that the key is gone; 'on' has taken the note of the loss away since."""
    world = World(folder, storage)
    world.round()
    storage.set(A, (), 0)
    world.round()
    storage.set(A, (OTHER,))
    asked = storage.nexus["/dev/sda"] = threading.Event()
    world.guard.ask()
    until = time.monotonic() + SECONDS
    while not storage.asked:
        assert time.monotonic() < until
        time.sleep(0.001)
    storage.set(A, (OWN, OTHER))
    state_file.save(A, Registrant("n1", OWN), folder)
    if judged == "by the main thread":
        world.passed += 1
        world.guard.judge(paths=False)
    asked.set()
    world._wait(0)
    assert world.done == []
    storage.nexus.clear()
    world.round()
    storage.set(A, (OTHER,))
    world.round()
    assert len(world.done) == 1, "and then it is one"


def test_a_loss_that_cannot_be_noted_is_said(storage: Storage, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    world = World(folder, storage)
    world.round()
    monkeypatch.setattr(state_file, "mark", full)
    storage.set(A, (), 0)
    world.round()
    assert any("cannot be noted: No space left on device" in text for text in world.said)
    storage.set(A, (OTHER,))
    world.round()
    assert world.done == []


def test_an_on_that_changes_the_key_is_no_fencing(storage: Storage, folder: str) -> None:
    """It removes the note, registers, and notes the new key; the guard looks at any moment."""
    world = World(folder, storage)
    world.round()
    state_file.forget(A, folder)
    storage.set(A, (0x77, OTHER))
    for disk in world.disks().values():  # a reading that began with the old note
        disk.ask(everybody=True)
    world._wait(0)
    world.round()
    state_file.save(A, Registrant("n1", 0x77), folder)
    world.round()
    assert world.done == []
    assert world.disks()[A].own_key == 0x77
    storage.set(A, (OTHER,))
    world.round()
    assert len(world.done) == 1


def test_a_note_that_is_removed_ends_the_watch(storage: Storage, folder: str) -> None:
    world = World(folder, storage)
    world.round()
    state_file.forget(A, folder)
    storage.set(A, (OTHER,))
    world.round()
    assert (world.done, list(world.disks())) == ([], [B])
    until = time.monotonic() + SECONDS
    while storage.opened > 1:
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


def test_systemd_is_not_kept_waiting_by_a_long_interval(
    storage: Storage, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(folder, storage, "--interval=10", "--unreadable-after=60")
    world.watchdog = 6.0
    signs_at: list[float] = []
    wait = time.sleep

    def sleep(seconds: float) -> None:
        wait(0.01)  # the threads read meanwhile
        world.passed += seconds
        signs_at.extend([world.passed] * (world.told.count(ALIVE) - len(signs_at)))

    monkeypatch.setattr("fence_pr.guard.main.time.sleep", sleep)
    for _ in range(2):
        assert world.guard.turn()
    assert all(later - sooner < 3 for sooner, later in zip([0.0, *signs_at], [*signs_at, world.passed])), signs_at


def test_a_thread_that_is_stuck_elsewhere_ends_the_sign_of_life(storage: Storage, folder: str) -> None:
    stuck = threading.Event()
    world = World(folder, storage)
    world.round()
    storage.after_keys = lambda: assert_set(stuck)
    world.guard.ask()
    world.passed = 6
    world.told.clear()
    try:
        world.guard.judge(paths=False)
        assert ALIVE not in world.told
    finally:
        stuck.set()
    world._wait(0)
    world.guard.judge(paths=False)
    assert ALIVE in world.told


def test_a_thread_that_waits_between_two_readings_is_not_stuck(storage: Storage, folder: str) -> None:
    stuck = threading.Event()
    world = World(folder, storage, "--confirm-after=10")
    world.round()
    storage.after_keys = lambda: assert_set(stuck)
    world.guard.ask()
    try:
        for passed, alive in ((6, True), (15, False)):
            world.passed = passed
            world.told.clear()
            world.guard.judge(paths=False)
            assert (ALIVE in world.told) == alive
    finally:
        stuck.set()
    world._wait(0)


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
def test_a_disk_without_an_answer_for_too_long_is_unreadable(storage: Storage, folder: str, kind: str) -> None:
    world = World(folder, storage, "--unreadable=stop", "--interval=10")
    if kind == "is not there":
        storage.paths[A] = []
    else:
        storage.failing["/dev/sda"] = threading.Event() if kind == "hangs" else PathFailure("/dev/sda", "read keys", 1)
    hanging = int(kind == "hangs")
    world.round(hanging=hanging)
    for passed in (10, 20, 30, 40, 50, 61):
        assert world.done == []
        world.passed = passed
        world.disks()[B].paths["/dev/sdb"].answered_at = world.now()
        world.guard.judge(paths=False)
    assert world.done == ["stop"]
    words = {"fails": "path failure", "hangs": "no answer to read keys", "is not there": "no disk with this WWID"}
    assert any("no complete answer for 61 s" in text and words[kind] in text for text in world.said)


def test_a_path_whose_turn_never_came_is_said(storage: Storage, folder: str) -> None:
    world = World(folder, storage)
    world.guard._follow_state_files()
    disk = world.disks()[A]
    disk.ask(everybody=True)
    disk.judge_silence(61.0)
    assert any("no complete answer for 61 s (/dev/sda: being asked)" in text for text in world.said)


@pytest.mark.parametrize("kind", ["answers", "hangs"])
def test_while_the_guard_stood_still_no_disk_was_silent(storage: Storage, folder: str, kind: str) -> None:
    world = World(folder, storage, "--unreadable=reboot")
    world.round()
    if kind == "hangs":
        storage.failing["/dev/sda"] = threading.Event()
    world.round(hanging=int(kind == "hangs"))
    world.passed = 61
    world.guard.judge(paths=False)
    assert world.done == []


def test_a_disk_for_which_there_is_no_thread_leaves_the_others_watched(storage: Storage, folder: str) -> None:
    world = World(folder, storage)
    world.no_thread = RuntimeError("can't start new thread")
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
    while storage.opened > 3:
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


CONFLICT, FAILURE = Conflict("/dev/sdc", "register", 0x18), PathFailure("/dev/sdc", "register", 1)


@pytest.mark.parametrize(
    ("answers", "asked", "words"),
    [
        # The path has no registration; it takes one.
        ([CONFLICT, None] * 3, 3, "/dev/sdc has returned without a registration: registered with 0x2a"),
        ([FAILURE] * 12, 3, "whether /dev/sdc is registered cannot be told: register: path failure"),
        (
            [CONFLICT] * 6,
            1,
            "/dev/sdc is not registered: register: reservation conflict (status 0x18); it is registered",
        ),
    ],
)
def test_a_path_that_is_lost_again_at_once_is_registered_again(
    storage: Storage, folder: str, answers: list[FenceError | None], asked: int, words: str
) -> None:
    """To the guard it looks as if nothing had changed; only what was refused stays refused."""
    storage.add(A, "/dev/sda", "/dev/sdc", keys=(OWN,))
    storage.answers["/dev/sdc"] = list(answers)
    world = World(folder, storage, "--returned-paths=register")
    for _ in range(3):
        world.guard._everybody_at = 0.0
        world.round()
    assert sum(words in text for text in world.said) == asked


def test_a_path_whose_witness_is_silent_is_not_registered(storage: Storage, folder: str) -> None:
    storage.add(A, "/dev/sda", "/dev/sdc", keys=(OWN,))
    storage.answers = {"/dev/sda": [None, FAILURE], "/dev/sdc": [CONFLICT]}
    world = World(folder, storage, "--returned-paths=register")
    world.round()
    assert any("/dev/sdc is not registered: /dev/sda could not be asked in time" in text for text in world.said)
    assert ("/dev/sdc", 0, OWN) not in storage.registers


def test_a_path_that_was_registered_as_this_node_was_fenced_is_unregistered(storage: Storage, folder: str) -> None:
    storage.add(A, "/dev/sda", "/dev/sdc", keys=(OWN,))
    storage.answers = {"/dev/sda": [None, None, CONFLICT], "/dev/sdc": [CONFLICT]}
    world = World(folder, storage, "--returned-paths=register")
    world.round()
    assert any("/dev/sdc was registered, and unregistered at once" in text for text in world.said)
    assert storage.registers[-1] == ("/dev/sdc", OWN, 0)


def test_a_key_that_none_of_the_paths_has_is_told(storage: Storage, folder: str) -> None:
    storage.add(A, "/dev/sda", "/dev/sdc", keys=(OWN,))
    storage.answers = {node: [Conflict(node, "register", 0x18)] for node in ("/dev/sda", "/dev/sdc")}
    world = World(folder, storage, "--returned-paths=register")
    world.round()
    assert any("key 0x2a is registered, but over none of this node's paths" in text for text in world.said)


def test_paths_of_which_none_answers_tell_nothing_of_the_key(storage: Storage, folder: str) -> None:
    storage.add(A, "/dev/sda", "/dev/sdc", keys=(OWN,))
    storage.answers = {"/dev/sda": [FAILURE] * 4, "/dev/sdc": [CONFLICT]}
    world = World(folder, storage, "--returned-paths=register")
    world.round()
    assert any("whether /dev/sda is registered cannot be told" in text for text in world.said)
    assert not any("over none of this node's paths" in text for text in world.said)


def test_without_a_thread_for_them_returned_paths_are_told_of(storage: Storage, folder: str) -> None:
    storage.add(A, "/dev/sda", "/dev/sdc", keys=(OWN,))
    world = World(folder, storage, "--returned-paths=register")
    everybody = world.guard.ask()
    world._wait(0)
    world.no_thread = RuntimeError("can't start new thread")
    assert world.guard.judge(paths=everybody)
    assert any("returned paths are not registered: no thread for it: no more threads" in text for text in world.said)
    assert storage.registers == []


def test_with_register_a_fenced_node_sends_nothing(storage: Storage, folder: str) -> None:
    storage.add(A, "/dev/sda", "/dev/sdc", keys=(OTHER,))
    world = World(folder, storage, "--returned-paths=register")
    for _ in range(3):
        world.guard._everybody_at = 0.0
        world.round()
    assert world.done
    assert storage.registers == []


def test_a_path_that_cannot_be_unregistered_reboots(storage: Storage, folder: str) -> None:
    storage.add(A, "/dev/sda", "/dev/sdc", keys=(OWN,))
    storage.answers = {"/dev/sda": [None, None, CONFLICT], "/dev/sdc": [CONFLICT, None, FAILURE]}
    world = World(folder, storage, "--returned-paths=register")
    world.round()
    (done,) = world.done
    assert "cannot be undone (/dev/sdc: register: path failure" in done


@pytest.mark.parametrize("spelling", ["naa.6001405aa", "eui.0011", "t10.ATA     DISK", "uuid.1-2"])
def test_a_disk_is_found_by_what_was_noted(tmp_path: Path, spelling: str) -> None:
    sysfs = Sysfs(tmp_path)
    node = sysfs.disk("sda", 0, spelling)
    found = locate(spelling, sysfs.places)
    assert (found.node, found.name, found.identity) == (node, spelling, spelling)
    with pytest.raises(FenceError, match="no disk with this WWID"):
        locate("naa.6001405bb", sysfs.places)


def test_a_link_to_another_disk_is_not_believed(tmp_path: Path) -> None:
    sysfs = Sysfs(tmp_path)
    sysfs.link("disk/by-id/wwn-0x6001405aa", sysfs.disk("sda", 0, "naa.6001405bb"))
    with pytest.raises(FenceError, match="leads to the disk naa"):
        locate("naa.6001405aa", sysfs.places)


def test_a_disk_without_identity_is_found_by_its_node(tmp_path: Path) -> None:
    sysfs = Sysfs(tmp_path)
    node = sysfs.disk("sda", 0)
    assert locate(node, sysfs.places).node == node


def test_the_paths_of_a_map_are_disks_of_their_own() -> None:
    mapped = Device("naa.1", "/dev/dm-0", "naa.1", MULTIPATH, ("/dev/sda", "/dev/sdb"))
    assert ways(mapped) == [Device("naa.1", node, "naa.1", SCSI) for node in ("/dev/sda", "/dev/sdb")]
    plain = Device("naa.1", "/dev/sda", "naa.1", SCSI)
    assert ways(plain) == [plain]


def test_a_disk_that_says_it_is_another_one_proves_nothing(storage: Storage, folder: str) -> None:
    world = World(folder, storage)
    world.round()
    storage.set(A, (OTHER,))
    storage.elsewhere.add("/dev/sda")
    assert all(world.round() for _ in range(3))
    assert world.done == []
    storage.elsewhere.clear()
    world.round()
    assert len(world.done) == 1
