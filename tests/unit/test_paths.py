"""Multipath maps as disks: which command goes to which device node, and what dead paths change."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from fence_pr.errors import AnotherDisk, Conflict, IncompleteAnswer, NotPermitted, PathFailure, ReservationError
from fence_pr.parallel import Patience, Unanswered
from fence_pr.storage import pr_ioctl
from fence_pr.storage.device import MULTIPATH, NVME, SCSI, Device
from fence_pr.storage.multipath_disk import MultipathDisk
from fence_pr.storage.nvme_disk import NvmeDisk
from fence_pr.storage.open import open_disk
from fence_pr.storage.scsi_disk import ScsiDisk
from fence_pr.storage.snapshot import Snapshot
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import SG_IO, Answer, Unwatched
from tests.unit.page_83 import of_naa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REQUESTS = pr_ioctl.REQUESTS
NAMES = {getattr(REQUESTS, name): name for name in ("register", "reserve", "preempt", "preempt_abort", "read_keys")}
NAMES[REQUESTS.read_reservation] = "read_reservation"
READS = ("inquiry", "read_keys", "read_reservation")
DEAD = 0x10000
NO_CONNECTION = 1  # the kernel's host byte
WWID, OTHER = "naa.6001405aaaaaaaaaaaaaaaaaaaaaaaaa", "naa.6001405bbbbbbbbbbbbbbbbbbbbbbbbb"
TARGET_GONE = bytes([0x72, 5, 0x25, 0, 0, 0, 0, 0])
ILLEGAL_REQUEST = bytes([0x72, 5, 0x24, 0, 0, 0, 0, 0])
HARDWARE_ERROR = bytes([0x72, 4, 0x44, 0, 0, 0, 0, 0])
TRANSITION = bytes([0x72, 2, 0x04, 0x0A, 0, 0, 0, 0])


class Paths:
    """Device nodes sda, sdb, sdc that lead to one disk, and the map over them. Every ioctl is kept with its node.

    returns         (node, name of the ioctl) → what it returns, for ever; else 0
    hangs           nodes that do not answer anything until `release`
    conflicts_once  nodes whose next register is a reservation conflict
    identities      node → the disk that it says it is; else WWID
    keys            node → what is registered there; else 0xA twice
    until           node → (number of reads, what is registered there until then)
    restless        node that tells other keys each time
    generations     node → PRgeneration; else 4
    sense           node → sense data that it answers every question for its identity with
    """

    def __init__(self, folder: Path) -> None:
        for name in ("sda", "sdb", "sdc", "dm-0"):
            (folder / name).touch()
        self.sent: list[tuple[str, str]] = []
        self.returns: dict[tuple[str, str], int] = {}
        self.hangs: set[str] = set()
        self.conflicts_once: set[str] = set()
        self.identities: dict[str, str] = {}
        self.keys: dict[str, list[int]] = {}
        self.sense: dict[str, bytes] = {}
        self.until: dict[str, tuple[int, list[int]]] = {}
        self.restless = ""
        self.generations: dict[str, int] = {}
        self.release = threading.Event()
        nodes = tuple(str(folder / name) for name in ("sda", "sdb", "sdc"))
        self.device = Device("/dev/mapper/m", str(folder / "dm-0"), WWID, MULTIPATH, nodes, map_name="m")

    def ioctl(self, fd: int, request: int, buffer: bytearray, mutate: bool = True) -> int:
        """In place of fcntl.ioctl."""
        assert mutate
        node, name = os.path.basename(os.readlink(f"/proc/self/fd/{fd}")), NAMES.get(request, "inquiry")
        self.sent.append((node, name))
        if node in self.hangs:
            self.release.wait(10)
        if name == "register" and node in self.conflicts_once:
            self.conflicts_once.remove(node)
            return 0x18
        if request == SG_IO:
            fake_ioctl.send(buffer, lambda command, room: self._scsi(node, command, room))
            return 0
        returned = next((self.returns[it] for it in ((node, name), (node, "*")) if it in self.returns), 0)
        if not returned and name == "read_keys":
            asked = fake_ioctl.ReadKeys.from_buffer(buffer)
            keys = self._listed(node)
            fake_ioctl.write_keys(asked.keys_ptr, keys)
            asked.generation, asked.num_keys = self.generations.get(node, 4), len(keys)
        if not returned and name == "read_reservation":
            fake_ioctl.fill(buffer, fake_ioctl.ReadReservation(0xA, 4, 3))
        return returned

    def _listed(self, node: str) -> list[int]:
        reads = self.sent.count((node, "read_keys"))
        if node == self.restless:
            return [0x100 + reads]
        most, before = self.until.get(node, (0, []))
        return before if reads <= most else self.keys.get(node, [0xA, 0xA])

    def _scsi(self, node: str, command: bytes, room: int) -> Answer:
        if command[0] == fake_ioctl.PERSISTENT_RESERVE_OUT:  # once more what the kernel could not explain
            return Answer(status=2, sense=HARDWARE_ERROR)
        return self._identify(node, room)

    def _identify(self, node: str, room: int) -> Answer:
        if self.returns.get((node, "*")) == DEAD:
            return Answer(host=NO_CONNECTION)
        if node in self.sense:
            return Answer(status=2, sense=self.sense[node])
        return Answer(of_naa(self.identities.get(node, WWID))[:room])

    def open(self, seconds: float | None = None) -> MultipathDisk:
        """The map as a disk; what its opening sent is forgotten."""
        until = time.monotonic() + (seconds or 0.0)
        patience = None if seconds is None else Patience(until)
        disk = open_disk(self.device, Unwatched(), patience)
        assert isinstance(disk, MultipathDisk)
        self.opening, self.sent = self.sent, []
        return disk

    def changes(self) -> list[tuple[str, str]]:
        """What was sent that changes the disk, in no order."""
        return sorted((node, name) for node, name in self.sent if name not in READS)


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    """All alive."""
    made = Paths(tmp_path)
    with patch.object(fcntl, "ioctl", made.ioctl):
        yield made
        made.release.set()


def test_a_map_is_opened_read_and_registered_through_each_path(paths: Paths) -> None:
    disk = paths.open()
    assert sorted(paths.opening) == [("sda", "inquiry"), ("sdb", "inquiry"), ("sdc", "inquiry")]
    assert disk.snapshot() == Snapshot(4, (0xA, 0xA), 3, 0xA)
    for node in ("sda", "sdb", "sdc"):
        assert [it for it in paths.sent if it[0] == node] == [(node, "read_reservation"), (node, "read_keys")]
    assert not disk.registered
    paths.keys = dict.fromkeys(("sda", "sdb", "sdc"), [0xA] * 3)
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
    assert all(path not in why.what() for path, why in disk.dead_paths().items())
    assert {why.code for why in disk.dead_paths().values()} == {"path-failure"}


def test_a_path_that_is_gone_before_it_is_opened_is_a_dead_one(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "sdb").unlink()
    disk = paths.open()
    assert disk.live_paths() == 2
    ((path, why),) = disk.dead_paths().items()
    assert path.endswith("/sdb")
    assert "the device is gone" in why.what()
    assert path not in why.what()


@pytest.mark.promise(2, 6)
def test_a_path_that_does_not_answer_in_time_gets_no_other_command(paths: Paths) -> None:
    """A REGISTER stuck in its queue could be carried out after this node was fenced."""
    paths.hangs.add("sdb")
    started = time.monotonic()
    disk = paths.open(seconds=0.2)
    assert time.monotonic() - started < 5
    disk.register(0xA)
    assert paths.changes() == [("sda", "register"), ("sdc", "register")]
    assert [why.code for why in disk.dead_paths().values()] == ["no-answer-in-time"]
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
    assert {node for node, _ in paths.sent} == {"sdb", "sdc"}


def test_a_path_that_dies_while_it_is_registered_does_not_keep_the_others_from_it(paths: Paths) -> None:
    disk = paths.open()
    paths.returns["sdc", "register"] = DEAD
    disk.register(0xA)
    assert paths.changes() == [(node, "register") for node in ("sda", "sdb", "sdc")]
    assert disk.registered
    assert disk.live_paths() == 2


def test_where_the_first_path_dies_while_it_is_registered_the_disk_is_read_before_another_one_is(paths: Paths) -> None:
    """It may have been registered nevertheless, and the node be fenced by then."""
    disk = paths.open()
    paths.returns["sda", "register"] = DEAD
    with pytest.raises(PathFailure):
        disk.register(0xA)
    assert paths.changes() == [("sda", "register")]
    assert (disk.registered, disk.joined, disk.live_paths()) == (False, True, 2)
    disk.snapshot()
    disk.register(0xA, listed=True)
    assert paths.changes() == [(node, "register") for node in ("sda", "sdb", "sdc")]
    assert disk.registered


def test_a_path_without_registration_is_registered_beside_others_that_have_one(paths: Paths) -> None:
    disk = paths.open()
    disk.snapshot()
    paths.conflicts_once.add("sdb")
    # As before where one path is without; then one more.
    paths.until = dict.fromkeys(("sda", "sdb", "sdc"), (2, [0xA] * 2))
    paths.keys = dict.fromkeys(("sda", "sdb", "sdc"), [0xA] * 3)
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
        paths.open(seconds=0.2)


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


@pytest.mark.promise(1, 5)
def test_a_path_that_leads_to_another_disk_is_named_and_gets_no_other_command(paths: Paths) -> None:
    paths.identities["sdb"] = OTHER
    disk = paths.open()
    disk.snapshot()
    disk.register(0xA)
    assert "sdb" not in {node for node, _ in paths.sent}
    ((path, why),) = disk.dead_paths().items()
    assert path.endswith("/sdb")
    assert f"leads to another disk: asked who it is it says {OTHER}, and the kernel has {WWID}" in str(why)
    assert disk.live_paths() == 2


@pytest.mark.promise(1, 5)
def test_a_map_all_of_whose_paths_lead_elsewhere_is_refused(paths: Paths) -> None:
    paths.identities = dict.fromkeys(("sda", "sdb"), OTHER)
    paths.returns["sdc", "*"] = DEAD
    with pytest.raises(AnotherDisk, match=f"it says {OTHER}"):
        paths.open()


@pytest.mark.parametrize("sense", [TARGET_GONE, ILLEGAL_REQUEST, HARDWARE_ERROR, TRANSITION])
def test_a_path_whose_answer_is_an_error_is_a_dead_one(paths: Paths, sense: bytes) -> None:
    """Also one that lost its LUN: the others know the disk."""
    paths.sense["sdb"] = sense
    disk = paths.open()
    assert [os.path.basename(path) for path in disk.dead_paths()] == ["sdb"]
    paths.sense = dict.fromkeys(("sda", "sdb", "sdc"), sense)
    with pytest.raises(ReservationError):
        paths.open()


@pytest.mark.parametrize("bad", ["sda", "sdb"])
def test_a_path_that_refuses_to_be_read_is_a_dead_one(paths: Paths, bad: str) -> None:
    """As one in standby does, which still says who it is."""
    paths.returns[bad, "read_reservation"] = 0x18
    disk = paths.open()
    assert disk.snapshot() == Snapshot(4, (0xA, 0xA), 3, 0xA)
    assert [os.path.basename(path) for path in disk.dead_paths()] == [bad]
    disk.register(0xA)
    assert bad not in {node for node, name in paths.changes()}


@pytest.mark.promise(2, 6)
@pytest.mark.parametrize("bad", ["sda", "sdb"])
def test_a_path_that_hangs_after_it_was_opened_is_no_witness(paths: Paths, bad: str) -> None:
    disk = paths.open(seconds=0.2)
    paths.hangs.add(bad)
    started = time.monotonic()
    assert disk.snapshot().keys == (0xA, 0xA)
    assert time.monotonic() - started < 5
    assert [os.path.basename(path) for path in disk.dead_paths()] == [bad]
    paths.release.set()


@pytest.mark.promise(2)
def test_nothing_is_registered_before_every_path_was_read(paths: Paths) -> None:
    paths.returns["sdb", "read_keys"] = 0x18
    disk = paths.open()
    disk.register(0xA)
    assert paths.changes() == [("sda", "register"), ("sdc", "register")]


@pytest.mark.promise(1, 5)
@pytest.mark.parametrize("keys", [[], [0xA], [0xA, 0xB], [0xA, 0xA, 0xA], [0xB, 0xB]])
@pytest.mark.parametrize("other", ["sda", "sdb", "sdc"])
def test_paths_that_tell_different_keys_refuse_the_map(paths: Paths, keys: list[int], other: str) -> None:
    """Two disks say that they are one, or one does not share reservations between its ports."""
    paths.keys[other] = keys
    disk = paths.open()
    with pytest.raises(IncompleteAnswer) as refused:
        disk.snapshot()
    said = str(refused.value)
    assert "two paths lead to two disks, or to one that does not share reservations between its ports" in said
    assert "registered keys: 0xa, 0xa; reservation: write exclusive, registrants only" in said
    assert f"/{other}: registered keys: {', '.join(map(hex, keys)) or 'none'}" in said
    assert disk.dead_paths() == {}


@pytest.mark.promise(1)
def test_the_order_of_the_keys_and_the_generation_contradict_nothing(paths: Paths) -> None:
    paths.keys = {"sda": [0xA, 0xB], "sdb": [0xB, 0xA], "sdc": [0xA, 0xB]}
    paths.generations = {"sda": 1, "sdb": 2}
    assert paths.open().snapshot().keys in ((0xA, 0xB), (0xB, 0xA))


def test_a_change_between_two_readings_is_no_contradiction(paths: Paths) -> None:
    """sda was read before, the others after it."""
    paths.until["sda"] = (1, [0xA, 0xB])
    paths.keys = {node: [0xA] for node in ("sda", "sdb", "sdc")}
    disk = paths.open()
    assert disk.snapshot().keys == (0xA,)
    assert disk.dead_paths() == {}


@pytest.mark.promise(1, 5)
def test_a_witness_that_never_stands_still_is_no_witness(paths: Paths) -> None:
    paths.restless = "sda"
    with pytest.raises(IncompleteAnswer, match="registrations changed during each of 20 reads over several paths"):
        paths.open().snapshot()


@pytest.mark.promise(1)
def test_before_a_proof_every_path_is_asked_again_who_the_disk_is(paths: Paths) -> None:
    disk = paths.open()
    disk.snapshot()
    paths.sent.clear()
    disk.confirm_identity()
    assert sorted(paths.sent) == [("sda", "inquiry"), ("sdb", "inquiry"), ("sdc", "inquiry")]
    paths.identities["sda"] = OTHER
    disk.confirm_identity()
    assert [os.path.basename(path) for path in disk.dead_paths()] == ["sda"]
    paths.identities = dict.fromkeys(("sda", "sdb", "sdc"), OTHER)
    with pytest.raises(AnotherDisk):
        disk.confirm_identity()


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


@pytest.mark.parametrize("seconds", [None, 5.0])
@pytest.mark.parametrize("dead", [["sdb"], ["sda", "sdb"]])
def test_a_dead_path_that_answers_again_is_used_again(paths: Paths, dead: list[str], seconds: float | None) -> None:
    """But not one that leads to another disk by then, nor one that is still dead."""
    paths.returns = {(node, "*"): DEAD for node in dead}
    disk = paths.open(seconds)
    assert (disk.live_paths(), len(disk.away())) == (3 - len(dead), len(dead))
    disk.away(again=True)
    assert disk.live_paths() == 3 - len(dead)
    paths.returns, paths.identities = {}, {"sda": OTHER} if "sda" in dead else {}
    disk.away(again=True)
    assert disk.live_paths() == (2 if "sda" in dead else 3)
    assert [os.path.basename(path) for path in disk.dead_paths()] == (["sda"] if "sda" in dead else [])
    disk.register(0xA, listed=True)
    assert ("sdb", "register") in paths.changes()
    disk.close()
