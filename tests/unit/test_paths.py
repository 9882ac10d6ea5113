"""Multipath maps as disks: which command goes to which device node, and what dead paths change."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from fence_pr import pr_ioctl
from fence_pr.device import MULTIPATH, NVME, SCSI, Device
from fence_pr.errors import Conflict, NotPermitted, PathFailure
from fence_pr.parallel import Unanswered
from fence_pr.plan import Snapshot
from fence_pr.reservation import MultipathDisk, NvmeDisk, ScsiDisk, open_disk
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import Unwatched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REQUESTS = pr_ioctl.REQUESTS
NAMES = {getattr(REQUESTS, name): name for name in ("register", "reserve", "preempt", "preempt_abort", "read_keys")}
NAMES[REQUESTS.read_reservation] = "read_reservation"
DEAD = 0x10000


class Paths:
    """Device nodes sda, sdb, sdc that lead to one disk, and the map over them. Every ioctl is kept with its node.

    returns         (node, name of the ioctl) → what it returns, for ever; else 0
    hangs           nodes that do not answer anything until `release`
    conflicts_once  nodes whose next register is a reservation conflict
    """

    def __init__(self, folder: Path) -> None:
        for name in ("sda", "sdb", "sdc", "dm-0"):
            (folder / name).touch()
        self.sent: list[tuple[str, str]] = []
        self.returns: dict[tuple[str, str], int] = {}
        self.hangs: set[str] = set()
        self.conflicts_once: set[str] = set()
        self.release = threading.Event()
        nodes = tuple(str(folder / name) for name in ("sda", "sdb", "sdc"))
        self.device = Device("/dev/mapper/m", str(folder / "dm-0"), "naa.1", MULTIPATH, nodes, map_name="m")

    def ioctl(self, fd: int, request: int, buffer: bytearray, mutate: bool = True) -> int:
        """In place of fcntl.ioctl."""
        assert mutate
        node, name = os.path.basename(os.readlink(f"/proc/self/fd/{fd}")), NAMES[request]
        self.sent.append((node, name))
        if node in self.hangs:
            self.release.wait(10)
        if name == "register" and node in self.conflicts_once:
            self.conflicts_once.remove(node)
            return 0x18
        returned = next((self.returns[it] for it in ((node, name), (node, "*")) if it in self.returns), 0)
        if not returned and name == "read_keys":
            asked = fake_ioctl.ReadKeys.from_buffer(buffer)
            fake_ioctl.write_keys(asked.keys_ptr, [0xA, 0xA])
            asked.generation, asked.num_keys = 4, 2
        if not returned and name == "read_reservation":
            fake_ioctl.fill(buffer, fake_ioctl.ReadReservation(0xA, 4, 3))
        return returned

    def open(self, patience: float | None = None) -> MultipathDisk:
        """The map as a disk; what its opening sent is forgotten."""
        disk = open_disk(self.device, Unwatched(), patience)
        assert isinstance(disk, MultipathDisk)
        self.opening, self.sent = self.sent, []
        return disk

    def changes(self) -> list[tuple[str, str]]:
        """What was sent that changes the disk, in no order."""
        return sorted((node, name) for node, name in self.sent if not name.startswith("read"))


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    """All alive."""
    made = Paths(tmp_path)
    with patch.object(fcntl, "ioctl", made.ioctl):
        yield made
        made.release.set()


def test_a_map_is_read_through_one_path_and_registered_through_each(paths: Paths) -> None:
    disk = paths.open()
    assert {node for node, _ in paths.opening} == {"sda", "sdb", "sdc"}
    assert disk.snapshot() == Snapshot(4, (0xA, 0xA), 3, 0xA)
    assert len({node for node, _ in paths.sent}) == 1
    assert not disk.registered
    disk.register(0xA)
    assert paths.changes() == [("sda", "register"), ("sdb", "register"), ("sdc", "register")]
    assert disk.registered
    assert (disk.live_paths(), disk.dead_paths()) == (3, {})


@pytest.mark.promise(4)
@pytest.mark.parametrize(("abort", "name"), [(True, "preempt_abort"), (False, "preempt")])
def test_nothing_ever_goes_to_the_map_itself(paths: Paths, abort: bool, name: str) -> None:
    """It would drop the abort."""
    disk = paths.open()
    disk.snapshot()
    disk.register(0xA)
    disk.reserve(0xA, 3)
    disk.preempt(0xA, 0xB, 3, abort=abort)
    assert [it for it in paths.sent if it[1] in ("reserve", name)] == [("sda", "reserve"), ("sda", name)]
    assert "dm-0" not in {node for node, _ in [*paths.opening, *paths.sent]}


@pytest.mark.parametrize("dead", [["sda"], ["sdb"], ["sda", "sdc"]])
def test_a_path_that_is_dead_from_the_start_gets_no_command_and_is_named(paths: Paths, dead: list[str]) -> None:
    for node in dead:
        paths.returns[node, "*"] = DEAD
    disk = paths.open()
    disk.register(0xA)
    disk.preempt(0xA, 0xB, 3, abort=True)
    assert not {node for node, _ in paths.sent} & set(dead)
    assert {os.path.basename(path) for path in disk.dead_paths()} == set(dead)
    assert disk.live_paths() == 3 - len(dead)
    assert all("path" in why and path not in why for path, why in disk.dead_paths().items())


def test_a_path_that_is_gone_before_it_is_opened_is_a_dead_one(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "sdb").unlink()
    disk = paths.open()
    assert disk.live_paths() == 2
    ((path, why),) = disk.dead_paths().items()
    assert path.endswith("/sdb")
    assert "the device is gone" in why
    assert path not in why


@pytest.mark.promise(2, 6)
def test_a_path_that_does_not_answer_in_time_gets_no_other_command(paths: Paths) -> None:
    """A REGISTER stuck in its queue could be carried out after this node was fenced."""
    paths.hangs.add("sdb")
    started = time.monotonic()
    disk = paths.open(patience=0.2)
    assert time.monotonic() - started < 5
    disk.register(0xA)
    assert paths.changes() == [("sda", "register"), ("sdc", "register")]
    assert list(disk.dead_paths().values()) == ["no answer in time"]
    paths.release.set()


@pytest.mark.parametrize("name", ["reserve", "preempt_abort"])
def test_a_path_that_dies_under_way_is_left_and_the_next_takes_over(paths: Paths, name: str) -> None:
    disk = paths.open()
    paths.returns["sda", name] = DEAD
    commands: dict[str, Callable[[], None]] = {
        "reserve": lambda: disk.reserve(0xA, 3),
        "preempt_abort": lambda: disk.preempt(0xA, 0xB, 3, abort=True),
    }
    commands[name]()
    assert paths.changes() == [("sda", name), ("sdb", name)]
    assert disk.live_paths() == 2
    paths.sent.clear()
    disk.snapshot()
    assert {node for node, _ in paths.sent} == {"sdb"}


@pytest.mark.parametrize("bad", ["sda", "sdc"])
def test_a_path_that_dies_while_it_is_registered_does_not_keep_the_others_from_it(paths: Paths, bad: str) -> None:
    disk = paths.open()
    paths.returns[bad, "register"] = DEAD
    disk.register(0xA)
    assert len(paths.changes()) == 3
    assert disk.registered
    assert disk.live_paths() == 2


def test_a_path_without_registration_is_registered_beside_others_that_have_one(paths: Paths) -> None:
    disk = paths.open()
    paths.conflicts_once.add("sdb")
    disk.register(0xA, listed=True)
    assert paths.changes() == [(node, "register") for node in ("sda", "sdb", "sdb", "sdc")]
    assert disk.registered


def test_if_no_path_can_be_registered_the_map_can_still_be_asked(paths: Paths) -> None:
    disk = paths.open()
    for node in ("sda", "sdb", "sdc"):
        paths.returns[node, "register"] = DEAD
    with pytest.raises(PathFailure):
        disk.register(0xA)
    assert not disk.registered
    disk.snapshot()


def test_without_any_path_nothing_is_registered_and_nothing_read(paths: Paths) -> None:
    disk = paths.open()
    for node in ("sda", "sdb", "sdc"):
        paths.returns[node, "*"] = DEAD
    with pytest.raises(PathFailure):
        disk.snapshot()
    with pytest.raises(PathFailure):
        disk.register(0xA)
    assert not disk.registered
    with pytest.raises(PathFailure):
        paths.open()


@pytest.mark.promise(6)
def test_a_map_whose_paths_all_hang_is_a_failure_in_time(paths: Paths) -> None:
    paths.hangs.update(("sda", "sdb", "sdc"))
    with pytest.raises(Unanswered):
        paths.open(patience=0.2)


@pytest.mark.parametrize("bad", ["sda", "sdc"])
def test_an_answer_of_the_target_is_not_taken_for_a_dead_path(paths: Paths, bad: str) -> None:
    disk = paths.open()
    paths.returns[bad, "register"] = 0x18
    with pytest.raises(Conflict):
        disk.register(0xA)
    assert not disk.registered
    for node in ("sda", "sdb", "sdc"):
        paths.returns[node, "preempt_abort"] = 0x18
    with pytest.raises(Conflict):
        disk.preempt(0xA, 0xB, 3, abort=True)
    assert disk.dead_paths() == {}


@pytest.mark.promise(1, 2)
@pytest.mark.parametrize("refusal", [0x18, 0x118, 2])
@pytest.mark.parametrize("name", ["reserve", "preempt_abort"])
def test_a_path_that_returned_without_registration_is_passed_over_and_never_registered(
    paths: Paths, name: str, refusal: int
) -> None:
    disk = paths.open()
    paths.returns["sda", name] = refusal
    commands: dict[str, Callable[[], None]] = {
        "reserve": lambda: disk.reserve(0xA, 3),
        "preempt_abort": lambda: disk.preempt(0xA, 0xB, 3, abort=True),
    }
    commands[name]()
    assert set(paths.changes()) == {("sda", name), ("sdb", name)}
    assert (disk.live_paths(), disk.dead_paths()) == (3, {})


def test_a_refusal_is_told_although_the_other_paths_are_dead(paths: Paths) -> None:
    disk = paths.open()
    paths.returns.update({("sda", "preempt"): DEAD, ("sdb", "preempt"): 0x18, ("sdc", "preempt"): DEAD})
    with pytest.raises(Conflict):
        disk.preempt(0xA, 0xB, 3, abort=False)
    assert disk.live_paths() == 1


def test_a_path_that_may_not_be_used_is_a_failure_and_not_dead(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied_for_one(fd: int, request: int, buffer: bytearray, mutate: bool = True) -> int:
        if os.readlink(f"/proc/self/fd/{fd}").endswith("sdb"):
            raise PermissionError(1, "Operation not permitted")
        return paths.ioctl(fd, request, buffer, mutate)

    monkeypatch.setattr(fcntl, "ioctl", denied_for_one)
    with pytest.raises(NotPermitted):
        paths.open()


@pytest.mark.parametrize(("kind", "expected"), [(SCSI, ScsiDisk), (NVME, NvmeDisk)])
def test_each_kind_of_device_has_its_kind_of_disk(tmp_path: Path, kind: str, expected: type) -> None:
    (tmp_path / "node").touch()
    disk = open_disk(Device("d", str(tmp_path / "node"), "x", kind), Unwatched())
    assert type(disk) is expected
    assert (disk.live_paths(), disk.dead_paths(), disk.registered_as()) == (1, {}, None)
