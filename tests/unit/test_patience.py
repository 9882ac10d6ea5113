"""What passes by itself is asked again while there is time; nothing else is. Pauses take no time here."""

from __future__ import annotations

import errno
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr.errors import AnotherDisk, Conflict, DeviceRefused, Invalid, NotPermitted, UnitAttention
from fence_pr.parallel import Unanswered
from fence_pr.storage import kernel_status, scsi, transient
from fence_pr.storage.device import MULTIPATH, SCSI, Device
from fence_pr.storage.transient import INITIATOR, TARGET
from tests.model.node import _Here
from tests.model.target import ModelDisk
from tests.model.world import World, problems

if TYPE_CHECKING:
    from pathlib import Path

    from fence_pr.errors import FenceError, ReservationError
    from tests.model.target import Command
    from tests.model.world import Fault

LIMIT = 20.0
TWO, THREE = ("n1", "n2"), ("n1", "n2", "n3")


def sense(key: int, code: int, qualifier: int) -> ReservationError:
    """A CHECK CONDITION through SG_IO."""
    failure = scsi.judge("/dev/sdx", "read keys", 2, 0, 0, bytes([0x72, key, code, qualifier, 0, 0, 0, 0]))
    assert failure
    return failure


def kernel(status: int) -> ReservationError:
    """What an ioctl returned."""
    return kernel_status.failure("/dev/sdx", "read keys", status)


def nvme(status: int) -> ReservationError:
    """What a controller answered."""
    return kernel_status.failure_of_nvme("/dev/nvme0n1", "reservation report", status)


BUSY, BECOMING_READY, CONNECTING = kernel(0x8), sense(2, 0x04, 0x01), kernel(-errno.EAGAIN)
LASTING = sense(4, 0x44, 0)

ROWS = [
    (TARGET, BUSY),
    (TARGET, kernel(0x28)),
    (TARGET, kernel(0x40)),
    (TARGET, BECOMING_READY),
    (TARGET, sense(2, 0x04, 0x0A)),
    (TARGET, sense(2, 0x04, 0x0B)),
    (TARGET, sense(2, 0x04, 0x0C)),
    (TARGET, sense(2, 0x04, 0x1B)),
    (TARGET, sense(6, 0x29, 0)),
    (TARGET, sense(0xB, 0x00, 0)),
    (TARGET, UnitAttention("/dev/sdx", "read keys", 2)),
    (TARGET, nvme(0x4082)),
    (TARGET, nvme(0x021)),
    (TARGET, nvme(0x022)),
    (TARGET, nvme(0x302)),
    (TARGET, nvme(0x303)),
    (INITIATOR, nvme(0x370)),
    (INITIATOR, nvme(0x371)),
    (INITIATOR, nvme(0x007)),
    (INITIATOR, CONNECTING),
    (INITIATOR, kernel(-errno.EINTR)),
    (INITIATOR, kernel(-errno.ENODEV)),
    (INITIATOR, kernel(-errno.ENOMEM)),
    (INITIATOR, kernel(-errno.ENFILE)),
    ("", kernel(-errno.EMFILE)),
    (INITIATOR, kernel(-errno.ENOLINK)),
    (INITIATOR, kernel(0x10000)),
    (INITIATOR, kernel(0xE0000)),
    (INITIATOR, kernel(0xF0000)),
    (INITIATOR, kernel(0x2)),
    (INITIATOR, kernel(0x8000002)),
    (INITIATOR, scsi.judge("/dev/sdx", "read keys", 0, 1, 0, b"")),
    ("", kernel(0x18)),
    ("", kernel(0x118)),
    ("", nvme(0x83)),
    ("", nvme(0x301)),
    ("", nvme(0x001)),
    ("", nvme(0x006)),
    ("", sense(2, 0x04, 0x02)),
    ("", sense(2, 0x04, 0x03)),
    ("", sense(2, 0x3A, 0)),
    ("", sense(5, 0x25, 0)),
    ("", sense(5, 0x20, 0)),
    ("", LASTING),
    ("", kernel(-errno.EIO)),
    ("", AnotherDisk("/dev/sdx", "identity", 0)),
    ("", NotPermitted("/dev/sdx", "open", -errno.EPERM)),
    ("", Invalid("/dev/sdx", "preempt", -errno.EINVAL)),
    ("", Unanswered()),
]


@pytest.mark.parametrize(("whose", "failure"), ROWS, ids=lambda it: it if isinstance(it, str) else str(it))
def test_the_table(whose: str, failure: FenceError) -> None:
    assert transient.whose(failure) == whose


def slept(world: World) -> float:
    """How long n1 has paused."""
    return sum(world.nodes["n1"].slept)


def passing(world: World, failure: FenceError, seconds: float, *names: str) -> Fault:
    """It is the answer to commands of these names, to all if there is none, until n1 has paused for so long."""

    def fault(command: Command) -> None:
        if slept(world) < seconds and (not names or command.name in names):
            raise failure

    return fault


def two_disks(folder: Path, names: tuple[str, ...] = TWO) -> World:
    """n1 and n2 are registered."""
    world = World(folder, 2, names)
    world.register("n1", "n2")
    return world


@pytest.mark.promise(6)
@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize(
    "failure", [BUSY, BECOMING_READY, CONNECTING, nvme(0x303), nvme(0x370), kernel(0x10000)], ids=str
)
def test_what_passes_in_two_seconds_costs_no_fencing(tmp_path: Path, failure: FenceError, at: int) -> None:
    """Nobody had to call again. It is asked at once, then after a growing pause, and the log is told once."""
    world = two_disks(tmp_path, THREE)
    world.faults[at] = passing(world, failure, 2.0)
    report = world.run("n1", "off", "n2", limit=LIMIT)
    assert (report.verdict, report.warnings) == ("Powered OFF", ())
    assert [world.members(number) for number in (0, 1)] == [{"n1"}, {"n1"}]
    assert world.nodes["n1"].slept[:5] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0])
    assert sum("this may pass" in it for it in world.nodes["n1"].said) == 1


@pytest.mark.promise(3, 6)
@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize(
    ("failure", "names", "least", "most"),
    [(BUSY, TWO, 8.5, 10), (BUSY, THREE, 8.5, 10), (CONNECTING, TWO, 8.5, 10), (CONNECTING, THREE, 2, 3)],
    ids=str,
)
def test_until_the_first_preempt_it_takes_half_of_the_limit_and_ends_untouched(
    tmp_path: Path, failure: FenceError, names: tuple[str, ...], least: float, most: float, at: int
) -> None:
    """What the own paths lack another node may have: where there is one it must have its turn."""
    world = two_disks(tmp_path, names)
    world.faults[at] = passing(world, failure, 1000.0)
    before = world.state()
    report = world.run("n1", "off", "n2", limit=LIMIT)
    assert not report.ok
    assert (world.state(), world.changes()) == (before, [])
    assert "nothing was changed on any disk" in problems(report)
    assert least <= slept(world) <= most


@pytest.mark.promise(6)
@pytest.mark.parametrize("action", ["off", "on"])
@pytest.mark.parametrize("failure", [BUSY, CONNECTING, kernel(0x2)], ids=str)
def test_a_reserve_is_sent_again_too(tmp_path: Path, failure: FenceError, action: str) -> None:
    """Where nothing is reserved: the holder has left."""
    world = World(tmp_path, 2, THREE)
    world.register("n1", "n2", reserved=0)
    world.faults[0] = passing(world, failure, 2.0, "reserve")
    assert world.run("n1", action, {"off": "n2", "on": "n1"}[action], limit=LIMIT).ok


@pytest.mark.promise(3, 6)
@pytest.mark.parametrize("failure", [BUSY, CONNECTING], ids=str)
def test_after_the_first_preempt_it_is_finished_while_there_is_time(tmp_path: Path, failure: FenceError) -> None:
    world = two_disks(tmp_path)
    world.faults[1] = passing(world, failure, 14.0, "preempt")
    report = world.run("n1", "off", "n2", limit=LIMIT)
    assert report.verdict == "Powered OFF"
    assert 14 <= slept(world) <= 18


@pytest.mark.promise(6)
@pytest.mark.parametrize("waiting", [{}, {"power_wait": 5.0}, {"settle_time": 5.0}])
@pytest.mark.parametrize("command", ["preempt", "snapshot"])
def test_no_pause_leaves_less_than_the_proof_needs(tmp_path: Path, command: str, waiting: dict[str, Any]) -> None:
    """And what the limit was extended for is still there."""
    world = two_disks(tmp_path)

    def fault(sent: Command) -> None:
        if sent.name == command and (0, "preempt") in world.changes():
            raise BUSY

    world.faults[1] = fault
    report = world.run("n1", "off", "n2", limit=LIMIT + sum(waiting.values()), **waiting)
    assert not report.ok
    assert "is fenced on only 1 of 2 disks" in problems(report)
    assert 16.5 <= slept(world) <= 0.9 * LIMIT


@pytest.mark.promise(3)
@pytest.mark.parametrize("command", ["open", "snapshot", "preempt"])
@pytest.mark.parametrize("failure", [Conflict("/dev/sdx", "x", 0x18), LASTING], ids=str)
def test_a_conflict_and_what_stays_are_not_waited_for(tmp_path: Path, failure: FenceError, command: str) -> None:
    world = two_disks(tmp_path)
    world.faults[0] = passing(world, failure, 1000.0, command)
    assert not world.run("n1", "off", "n2", limit=LIMIT).ok
    assert world.nodes["n1"].slept == []
    assert world.changes() == []


@pytest.mark.promise(6)
def test_the_proof_is_asked_for_again(tmp_path: Path) -> None:
    world = two_disks(tmp_path)

    def fault(_: Command) -> None:
        if (1, "preempt") in world.changes() and slept(world) < 2:
            raise BUSY

    world.faults[0] = fault
    assert world.run("n1", "off", "n2", limit=LIMIT).verdict == "Powered OFF"


@pytest.mark.promise(6)
@pytest.mark.parametrize("waiting", [{"power_wait": 30.0}, {"settle_time": 30.0}])
def test_the_proof_is_asked_for_again_however_long_what_was_accepted_is_waited_for(
    tmp_path: Path, waiting: dict[str, Any]
) -> None:
    """The limit was extended for that."""
    world = two_disks(tmp_path)

    def fault(_: Command) -> None:
        if 30 <= slept(world) < 32:
            raise BUSY

    world.faults[0] = fault
    limit = LIMIT + sum(waiting.values())
    assert world.run("n1", "off", "n2", limit=limit, abort="never", **waiting).verdict == "Powered OFF"


@pytest.mark.promise(9)
@pytest.mark.parametrize("action", ["status", "monitor", "list-status", "validate-all"])
@pytest.mark.parametrize(("failure", "most"), [(BUSY, 10), (CONNECTING, 3)], ids=str)
def test_whoever_only_reads_asks_again_too(tmp_path: Path, action: str, failure: FenceError, most: float) -> None:
    world = two_disks(tmp_path, THREE)
    world.faults[1] = passing(world, failure, 1.0)
    assert world.run("n1", action, "n2", limit=LIMIT).ok
    world.faults[1] = passing(world, failure, 1000.0)
    world.nodes["n1"].slept.clear()
    assert not world.run("n1", action, "n2", limit=LIMIT).ok
    assert most * 0.7 <= slept(world) <= most


@pytest.mark.promise(6)
def test_on_asks_again_what_it_reads(tmp_path: Path) -> None:
    """No other node can do it."""
    world = World(tmp_path, 2, THREE)
    world.faults[0] = passing(world, CONNECTING, 8.0, "snapshot")
    world.faults[1] = passing(world, CONNECTING, 8.0)
    assert world.run("n1", "on", "n1", limit=LIMIT).ok


@pytest.mark.parametrize("name", ["register", "reserve"])
def test_on_waits_for_a_busy_target(tmp_path: Path, name: str) -> None:
    world = World(tmp_path)
    world.faults[0] = passing(world, BUSY, 5, name)
    assert world.run("n1", "on", "n1", limit=LIMIT).ok
    world.faults[0] = passing(world, BUSY, 1000, "register")
    already = slept(world)
    assert "SCSI status busy" in problems(world.run("n1", "on", "n1", limit=LIMIT))
    assert slept(world) - already <= LIMIT / 2


@pytest.mark.promise(6)
def test_on_asks_again_after_it_has_waited_as_the_options_ask_for(tmp_path: Path) -> None:
    world = World(tmp_path, 2, THREE)

    def fault(_: Command) -> None:
        if 30 <= slept(world) < 32:
            raise BUSY

    world.faults[0] = fault
    assert world.run("n1", "on", "n1", limit=LIMIT + 30, power_wait=30.0).ok


def test_what_is_opened_again_is_let_go_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, closed = two_disks(tmp_path), list[object]()
    monkeypatch.setattr(ModelDisk, "close", lambda disk: closed.append(disk.device))
    world.faults[1] = passing(world, BUSY, 1.0, "snapshot")
    assert world.run("n1", "off", "n2", limit=LIMIT).ok
    assert closed == [world.devices[1]] * 4


@pytest.mark.promise(3, 6)
@pytest.mark.parametrize("seconds", [0.7, 10.0])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_disk_that_answers_late_is_waited_for_half_of_the_limit(tmp_path: Path, at: int, seconds: float) -> None:
    """None can be left out: this node must be able to finish on each."""
    world = World(tmp_path, 3, TWO)
    world.register("n1", "n2")
    answers = threading.Event()
    if seconds < 2:
        threading.Timer(seconds, answers.set).start()

    def late(_: Command) -> None:
        answers.wait(10)

    world.faults[at] = late
    started = time.monotonic()
    report = world.run("n1", "off", "n2", threads=True, limit=2.0)
    took = time.monotonic() - started
    answers.set()
    assert report.ok == (seconds < 2)
    assert took < 1.8
    assert world.members(at) == ({"n1"} if report.ok else {"n1", "n2"})
    assert world.changes() == ([(number, "preempt") for number in range(3)] if report.ok else [])


@pytest.mark.parametrize("attempts", [1, 3, 4])
def test_each_attempt_at_on_looks_the_disks_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempts: int) -> None:
    """A disk that appears while the machine starts."""
    world, find = World(tmp_path, 2), _Here.find

    def found(here: _Here, name: str) -> Device:
        if name == world.devices[1].name and slept(world) < 2.5:
            raise DeviceRefused("device-missing", name)
        return find(here, name)

    monkeypatch.setattr(_Here, "find", found)
    report = world.run("n1", "on", "n1", attempts=attempts, attempt_sleep=1.0)
    assert report.ok == (attempts == 4)
    assert world.members(0) == world.members(1) == ({"n1"} if report.ok else set())
    assert report.ok or "no such device" in problems(report)


def test_what_is_unfenced_already_is_left_alone_in_the_next_attempt(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.faults[1] = passing(world, LASTING, 0.5)
    assert world.run("n1", "on", "n1", attempts=2, attempt_sleep=1.0).ok
    assert [number for number, name in world.changes() if name == "register"] == [0, 1]


@pytest.mark.promise(5, 6)
@pytest.mark.parametrize("missing", [False, True])
def test_attempts_end_while_there_is_time_to_say_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: bool
) -> None:
    """Else the answer would be that there was none, and which disk it was nobody would know."""
    world = World(tmp_path, 2)
    world.faults[1] = passing(world, LASTING, 100)

    def found(_: _Here, name: str) -> Device:
        raise DeviceRefused("device-missing", name)

    if missing:
        monkeypatch.setattr(_Here, "find", found)
    report = world.run("n1", "on", "n1", attempts=20, attempt_sleep=5.0, limit=LIMIT)
    assert ("no such device" if missing else "additional sense 44/00") in problems(report)
    assert slept(world) == 15.0
    assert world.run("n1", "on", "n1", attempts=20, attempt_sleep=5.0).ok == (not missing)


def test_a_map_that_is_made_of_the_paths_between_two_attempts_is_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, find, opened = World(tmp_path, 2), _Here.find, []
    world.faults[1] = passing(world, LASTING, 0.5)

    def found(here: _Here, name: str) -> Device:
        one = find(here, name)
        is_map = one == world.devices[0] and slept(world)
        return Device(name, "/dev/dm-0", one.identity, MULTIPATH, ("/dev/sda", "/dev/sdb")) if is_map else one

    def opening(here: _Here, found: Device, *_: object) -> ModelDisk:
        opened.append((found.name, found.kind))
        return ModelDisk(find(here, found.name), here._send)

    monkeypatch.setattr(_Here, "find", found)
    monkeypatch.setattr(_Here, "open", opening)
    monkeypatch.setattr(_Here, "tell_multipathd", lambda *_: None)
    assert world.run("n1", "on", "n1", attempts=3, attempt_sleep=1.0).ok
    assert [kind for name, kind in opened if name == world.devices[0].name] == [SCSI, MULTIPATH]


def test_the_words(tmp_path: Path) -> None:
    world = two_disks(tmp_path)
    world.faults[0] = passing(world, BUSY, 0.1)
    assert world.run("n1", "off", "n2", limit=LIMIT).ok
    told = next(it for it in world.nodes["n1"].said if "this may pass" in it)
    assert told == "/dev/sdx: read keys: SCSI status busy (status 0x8); this may pass: it is tried again for a while"


@pytest.mark.promise(6)
@pytest.mark.parametrize("begun", [False, True])
def test_the_answer_comes_in_time_with_sixteen_disks_in_every_state_at_once(tmp_path: Path, begun: bool) -> None:
    """From the start, or from the first preempt on. Here pauses take their time."""
    world = World(tmp_path, 16, TWO)
    world.register("n1", "n2")
    world.nodes["n1"].sleep = time.sleep
    end = threading.Event()
    answers = [BUSY, BECOMING_READY, CONNECTING, kernel(0x10000), LASTING, Conflict("/dev/sdx", "x", 0x18), kernel(0x2)]

    def state(number: int) -> Fault:
        def fault(command: Command) -> None:
            if begun and (0, "preempt") not in world.changes():
                return
            if number % 8 == 7 and not begun:
                end.wait(10)
            elif number % 8 < 7 and not (begun and command.name == "open"):
                raise answers[number % 8]

        return fault

    world.faults.update({number: state(number) for number in range(1, 16)})
    started = time.monotonic()
    report = world.run("n1", "off", "n2", threads=True, limit=3.0)
    took = time.monotonic() - started
    end.set()
    assert took < 3
    assert not report.ok
    if begun:
        assert [number for number in range(16) if world.members(number) == {"n1"}] == [0, 7, 15]
    else:
        assert world.changes() == []
    named = [it for it in report.disks if it.problem]
    assert len(named) == (13 if begun else 15)


@pytest.mark.promise(6)
@pytest.mark.parametrize("failing", [(0,), (1,), (0, 2), (0, 1, 2)])
def test_all_that_fail_are_asked_again_after_one_pause(tmp_path: Path, failing: tuple[int, ...]) -> None:
    """Not one after the other: with many disks there would not be time for all."""
    world = World(tmp_path, 3)
    world.register("n1", "n2")
    left = dict.fromkeys(failing, 1)

    def fault(number: int) -> Fault:
        def once(sent: Command) -> None:
            if sent.name == "snapshot" and left[number]:
                left[number] -= 1
                raise BUSY

        return once

    world.faults.update({number: fault(number) for number in failing})
    assert world.run("n1", "status", "n2", limit=LIMIT).ok
    assert len(world.nodes["n1"].slept) == 1


@pytest.mark.promise(6)
def test_the_pauses_before_the_proof_grow(tmp_path: Path) -> None:
    """Each is twice the one before, up to a second: a target that is busy is not kept busy."""
    world = World(tmp_path)
    world.register("n1")
    asked: list[str] = []

    def fault(sent: Command) -> None:
        asked.append(sent.name)
        if sent.name == "snapshot" and 1 < asked.count("snapshot") <= 6:
            raise BUSY

    world.faults[0] = fault
    assert world.run("n1", "off", "n2", limit=LIMIT).verdict == "Already OFF"
    assert [it for it in world.nodes["n1"].slept if it] == [0.1, 0.2, 0.4, 0.8, 1.0]
    assert sum("busy" in it.lower() for it in world.nodes["n1"].said) == 1
