"""A path of a map that answers wrongly, or not at all, at any moment: it is dead, named and passed over."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from fence_pr.errors import DeviceFailure, Invalid, PathFailure, ReservationError
from fence_pr.parallel import Patience, in_time
from fence_pr.storage import kernel_status, scsi
from fence_pr.storage.scsi_disk import ScsiDisk
from tests.unit.test_paths import Paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from fence_pr.storage.multipath_disk import MultipathDisk

SECONDS = 0.2


@pytest.fixture(name="paths")
def living_paths(tmp_path: Path) -> Iterator[Paths]:
    """All alive."""
    made = Paths(tmp_path)
    with patch.object(fcntl, "ioctl", made.ioctl):
        yield made
        made.release.set()


def sense(key: int, code: int, qualifier: int) -> ReservationError:
    failure = scsi.judge("/dev/sda", "read", 2, 0, 0, bytes([0x72, key, code, qualifier, 0, 0, 0, 0]))
    assert failure
    return failure


def status(number: int) -> ReservationError:
    return kernel_status.failure("/dev/sda", "read", number)


ANSWERS = {
    "unmapped LUN": sense(5, 0x25, 0),
    "BUSY": status(0x8),
    "TASK SET FULL": status(0x28),
    "becoming ready": sense(2, 0x04, 0x01),
    "ALUA transition": sense(2, 0x04, 0x0A),
    "hardware error": sense(4, 0x44, 0),
    "no connection": status(0x10000),
    "gone": status(-19),
    "an error without its reason": status(0x2),
}
MOMENTS: dict[str, tuple[str, Callable[[MultipathDisk], object]]] = {
    "identity": ("confirm_identity", lambda disk: disk.confirm_identity()),
    "snapshot": ("snapshot", lambda disk: disk.snapshot()),
    "keys": ("keys", lambda disk: disk.keys()),
    "hosts": ("hosts", lambda disk: disk.hosts()),
    "harm of an abort": ("abort_harm", lambda disk: disk.abort_harm()),
    "reserve": ("reserve", lambda disk: disk.reserve(0xA, 3)),
    "preempt": ("preempt", lambda disk: disk.preempt(0xA, 0xB, 3, abort=False)),
    "preempt and abort": ("preempt", lambda disk: disk.preempt(0xA, 0xB, 3, abort=True)),
}


def answering(paths: Paths, method: str, failure: ReservationError, *nodes: str) -> AbstractContextManager[object]:
    """The paths at these nodes answer with this failure."""
    method_of_all = getattr(ScsiDisk, method)

    def asked(path: ScsiDisk, *values: object, **named: object) -> object:
        node = os.path.basename(path.device.node)
        if node in nodes:
            raise failure
        paths.sent.append((node, method))
        return {} if method == "hosts" else method_of_all(path, *values, **named)

    return patch.object(ScsiDisk, method, asked)


@pytest.mark.promise(6)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_any_answer_at_any_moment_is_passed_over(paths: Paths, moment: str, answer: str) -> None:
    """The first path, then the first two; with none left the answer is told."""
    method, ask = MOMENTS[moment]
    for wrong in (("sda",), ("sda", "sdb")):
        disk = paths.open(seconds=SECONDS * 10)
        with answering(paths, method, ANSWERS[answer], *wrong):
            ask(disk)
        assert (wrong[-1], method) not in paths.sent
        assert ("sdc", method) in paths.sent or wrong == ("sda",)
        refused = method in ("reserve", "preempt") and not isinstance(ANSWERS[answer], PathFailure)
        if isinstance(ANSWERS[answer], Invalid):
            refused = method not in ("snapshot", "confirm_identity")
        dead = {os.path.basename(node): why for node, why in disk.dead_paths().items()}
        assert dead == ({} if refused else dict.fromkeys(wrong, ANSWERS[answer].notice()))
    disk = paths.open(seconds=SECONDS * 10)
    with answering(paths, method, ANSWERS[answer], "sda", "sdb", "sdc"), pytest.raises(ReservationError) as raised:
        ask(disk)
    assert raised.value is ANSWERS[answer]
    assert disk.live_paths() >= 1  # to be asked again


@pytest.mark.promise(6)
@pytest.mark.parametrize("name", ["keys", "capabilities"])
def test_a_question_that_hangs_on_one_path_is_asked_of_the_next(paths: Paths, name: str) -> None:
    disk = paths.open(seconds=SECONDS)
    paths.hangs.add("sda")
    try:
        getattr(disk, name)()
    except ReservationError:
        assert name == "capabilities"  # nothing sensible is answered here
    assert [os.path.basename(it) for it in disk.dead_paths()] == ["sda"]


@pytest.mark.promise(6)
def test_a_witness_that_hangs_is_passed_over(paths: Paths) -> None:
    """Where paths tell different things the first is asked alone, before and after the others."""
    paths.until["sdb"] = (1, [0xB])
    disk = paths.open(seconds=SECONDS)
    alone = [("sda", "read_reservation"), ("sda", "read_keys")] * 2
    original = paths.ioctl

    def hang_the_second_time(fd: int, request: int, buffer: bytearray, mutate: bool = True) -> int:
        if [it for it in paths.sent if it[0] == "sda"] == alone[:2]:
            paths.hangs.add("sda")
        return original(fd, request, buffer, mutate)

    with patch.object(fcntl, "ioctl", hang_the_second_time):
        assert disk.snapshot().keys == (0xA, 0xA)
    assert [os.path.basename(it) for it in disk.dead_paths()] == ["sda"]


@pytest.mark.promise(4, 6)
@pytest.mark.parametrize(("abort", "operation"), [(True, "preempt-and-abort"), (False, "preempt")])
def test_a_preempt_that_hangs_is_given_up_and_nothing_more_is_sent_before_the_disk_is_read(
    paths: Paths, abort: bool, operation: str
) -> None:
    """It may yet be carried out. Whoever asked reads the disk over another path, and then sends it over that."""
    disk = paths.open(seconds=SECONDS)
    paths.hangs.add("sda")
    with pytest.raises(PathFailure) as raised:
        disk.preempt(0xA, 0xB, 3, abort=abort)
    assert raised.value.operation == operation
    assert [node for node, _ in paths.changes()] == ["sda"]
    assert disk.snapshot().keys == (0xA, 0xA)
    disk.preempt(0xA, 0xB, 3, abort=abort)
    assert [node for node, _ in paths.changes()] == ["sda", "sdb"]


@pytest.mark.promise(6)
def test_the_last_path_is_waited_for(paths: Paths) -> None:
    """There is nothing else to ask, and whoever waits for the answer ends that in time."""
    disk = paths.open(seconds=SECONDS)
    for node in ("sda", "sdb"):
        paths.returns[node, "*"] = 0x10000
    disk.snapshot()
    paths.hangs.add("sdc")
    threading.Timer(3 * SECONDS, paths.release.set).start()
    disk.preempt(0xA, 0xB, 3, abort=True)
    assert disk.live_paths() == 1


@pytest.mark.promise(4)
def test_an_abort_that_every_path_refuses_is_a_refusal(paths: Paths) -> None:
    for node in ("sda", "sdb", "sdc"):
        paths.returns[node, "preempt_abort"] = 0x402
    disk = paths.open()
    with pytest.raises(Invalid):
        disk.preempt(0xA, 0xB, 3, abort=True)
    assert disk.live_paths() == 3
    del paths.returns["sdc", "preempt_abort"]
    disk.preempt(0xA, 0xB, 3, abort=True)


@pytest.mark.promise(3)
def test_a_path_that_cannot_tell_whether_this_node_is_registered_is_no_dead_one(paths: Paths) -> None:
    """LIO answers so where it cannot write its registrations down; on every path."""
    disk = paths.open(seconds=SECONDS)
    for node in ("sda", "sdb", "sdc"):
        paths.returns[node, "register"] = 2
    with pytest.raises(DeviceFailure):
        disk.ask_registered(0xA)
    assert {node for node, _ in paths.changes()} == {"sda"}
    assert disk.unwritten(0xA)
    assert disk.live_paths() == 3
    paths.returns.update(dict.fromkeys([("sda", "register"), ("sdb", "register")], 0x18))
    del paths.returns["sdc", "register"]
    disk.ask_registered(0xA)
    paths.sent.clear()
    disk.preempt(0xA, 0xB, 3, abort=True)
    assert paths.changes() == [("sdc", "preempt_abort")]


def test_a_map_that_loses_a_path_between_the_reading_and_the_preempt(paths: Paths) -> None:
    disk = paths.open()
    disk.snapshot()
    paths.returns["sda", "*"] = 0x10000
    disk.preempt(0xA, 0xB, 3, abort=True)
    assert [node for node, name in paths.sent if name == "preempt_abort"] == ["sda", "sdb"]
    assert [os.path.basename(it) for it in disk.dead_paths()] == ["sda"]
    disk.snapshot()
    assert ("sda", "read_keys") not in paths.sent[-4:]


@pytest.mark.promise(6)
def test_a_question_that_was_given_up_buries_a_path_while_another_question_waits_for_it(paths: Paths) -> None:
    """Its thread goes on. Both give the same path up at about the same moment, and neither may lose another by that."""
    for _ in range(6):
        paths.hangs.clear()
        disk = paths.open(seconds=SECONDS)
        disk.snapshot()
        paths.hangs.add("sda")
        in_time(lambda it: it.keys(), disk, Patience(time.monotonic() + SECONDS))
        assert disk.snapshot().keys == (0xA, 0xA)
        assert "sda" in map(os.path.basename, disk.dead_paths())
        assert disk.live_paths() >= 1


@pytest.mark.promise(6)
def test_what_is_away_for_a_moment_on_every_path_may_be_back_on_any(paths: Paths) -> None:
    """Both ports of an array change their state; then one of them is active, not always the one that was asked last."""
    disk = paths.open(seconds=SECONDS * 10)
    away = dict.fromkeys([(node, "preempt_abort") for node in ("sda", "sdb", "sdc")], 0x10000)
    paths.returns.update(away)
    with pytest.raises(PathFailure):
        disk.preempt(0xA, 0xB, 3, abort=True)
    del paths.returns["sda", "preempt_abort"]
    paths.returns["sdb", "*"] = paths.returns["sdc", "*"] = 0x10000
    assert disk.snapshot().keys == (0xA, 0xA)
    disk.preempt(0xA, 0xB, 3, abort=True)
    assert sorted(os.path.basename(it) for it in disk.dead_paths()) == ["sdb", "sdc"]
