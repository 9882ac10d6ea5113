"""A listed key may stand for a former session: whether it is this very nexus' is told, else asked by REGISTER."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import threading
import time
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from fence_pr.errors import AnotherDisk, DeviceFailure, FenceError, PathFailure, UnitAttention
from fence_pr.storage import full_status, inquiry, pr_ioctl, transport_id
from fence_pr.storage.device import MULTIPATH, SCSI, Device
from fence_pr.storage.full_status import Registration
from fence_pr.storage.inquiry import Designator
from fence_pr.storage.open import open_disk
from fence_pr.storage.scsi_disk import ScsiDisk
from tests.model.target import ModelDisk
from tests.model.world import World, problems, warnings
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import SG_IO, Answer, Unwatched
from tests.unit.page_83 import designator, page
from tests.unit.test_full_status import RECORDED, descriptor, status
from tests.unit.test_transport_id import iscsi, of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.model.target import Command

OWN, THEIRS = 0xA, 0xB
N1 = "iqn.2026-01.org.example:n1"
NOW, BEFORE, OTHER = (f"{N1},i,0x00023d0000{it:02d}" for it in (2, 1, 3))


def port(name: str) -> bytes:
    """The TransportID of an iSCSI session."""
    return iscsi(f"{name}\0".encode(), form=1)


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (port(NOW), NOW),
        (port(f"{N1.upper()},i,0x00023D000002"), NOW),
        (iscsi(f"{N1}\0".encode()), ""),  # the node, whichever session
        (port(f"{N1},i,0x"), ""),
        (iscsi(f"{NOW}\0".encode(), form=2), ""),
        (of(0, (8, "10000090fa123456")), "fc.10000090fa123456"),
        (of(6, (4, "500605b000000001")), "sas.500605b000000001"),
        (b"", ""),
    ],
)
def test_an_initiator_port_is_one_session(told: bytes, name: str) -> None:
    assert transport_id.port_of(told) == name


def test_what_lio_tells_of_sessions_and_of_its_own_ports() -> None:
    assert [(it.port, it.target_port) for it in full_status.parse("", RECORDED)] == [
        ("iqn.2026-01.lab.host:n1,i,0x00023d000012", 1),
        ("iqn.2026-01.lab.host:n2,i,0x00023d00000c", 2),
        ("iqn.2026-01.lab.host:n3,i,0x00023d000006", 3),
    ]


@pytest.mark.promise(3)
@pytest.mark.parametrize(
    ("own", "target_port", "described", "told"),
    [
        (NOW, 1, [(OWN, NOW, 1)], True),
        (NOW, 1, [(OWN, BEFORE, 1), (OWN, NOW, 1)], True),
        (NOW, 1, [(OWN, NOW, None)], True),
        (NOW, 0, [(OWN, NOW, None)], True),
        (NOW, 1, [(OWN, BEFORE, 1)], False),
        (NOW, 1, [(THEIRS, NOW, 1), (OWN, BEFORE, 1)], False),
        (NOW, 1, [(OWN, NOW, 2)], False),
        (NOW, 1, [(OWN, NOW, 0)], None),
        (NOW, 0, [(OWN, NOW, 2)], None),
        (NOW, 1, [(OWN, "", 1)], None),
        (NOW, 1, [(OWN, BEFORE, 1), (OWN, "", 1)], None),
        ("", 1, [(OWN, NOW, 1)], None),
        ("", 1, [(OWN, "", 1)], None),
        (NOW, 1, [], None),
    ],
    ids=[
        "this session",
        "a former one beside it",
        "all ports of the target",
        "all ports of the target, this one is unknown",
        "a former session",
        "another key",
        "another port of the target",
        "the target does not say which port",
        "nobody knows over which port",
        "no session is told",
        "one session is not told",
        "this node's port is unknown",
        "nothing is known",
        "the key is listed, and not described",
    ],
)
def test_whether_a_registration_is_this_nexus(
    own: str, target_port: int, described: list[tuple[int, str, int | None]], told: bool | None
) -> None:
    found = [Registration(key, N1, False, name, number) for key, name, number in described]
    listed = [it.key for it in found] or [OWN]
    assert full_status.tells(found, listed, OWN, own, target_port) is told


@pytest.mark.parametrize(
    ("found", "number"),
    [
        ([Designator(0, 3, bytes(16)), Designator(1, 4, b"\0\0\1\2")], 0x102),
        ([Designator(1, 4, b"\0\0\0\1"), Designator(1, 4, b"\0\0\0\2")], 0),
        ([Designator(0, 4, b"\0\0\0\1"), Designator(1, 5, b"\0\0\0\1")], 0),
        ([Designator(1, 4, b"")], 0),
        ([], 0),
    ],
)
def test_over_which_port_the_target_was_asked(found: list[Designator], number: int) -> None:
    assert inquiry.target_port(found) == number


class Target:
    """A LUN that tells `full`, lists OWN and THEIRS, and has the nexuses of `own` registered with OWN.

    ports   node → its initiator port; the number of the target's port is 1
    sent    every command but reads and INQUIRY, with its node
    """

    def __init__(self, folder: Path, full: Answer, own: set[str], ports: dict[str, str]) -> None:
        self.folder, self.full, self.own, self.ports = folder, full, own, ports
        self.sent: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    def ioctl(self, fd: int, request: int, buffer: bytearray, _mutate: bool = True) -> int:
        """In place of fcntl.ioctl."""
        node = os.path.basename(os.readlink(f"/proc/self/fd/{fd}"))
        with self._lock:
            if request == SG_IO:
                fake_ioctl.send(buffer, lambda command, _room: self._scsi(node, command))
            elif request == pr_ioctl.REQUESTS.read_keys:
                asked = fake_ioctl.ReadKeys.from_buffer(buffer)
                fake_ioctl.write_keys(asked.keys_ptr, [OWN, THEIRS])
                asked.num_keys = 2
            elif request == pr_ioctl.REQUESTS.read_reservation:
                fake_ioctl.fill(buffer, fake_ioctl.ReadReservation(OWN, 1, 3))
            else:
                registers = request == pr_ioctl.REQUESTS.register
                self.sent.append((node, "register" if registers else "preempt"))
                return 0 if node in self.own else 0x18
            return 0

    def _scsi(self, node: str, command: bytes) -> Answer:
        if command[0] == 0x12:
            return Answer(page(designator(3, bytes(16)), designator(4, struct.pack(">I", 1), association=1)))
        self.sent.append((node, "full status"))
        return self.full

    def preempts(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
        """What is sent when this node fences: whether it may, and the preempt."""
        nodes = sorted(self.ports)
        for it in (*nodes, "dm-0"):
            (self.folder / it).touch()
        monkeypatch.setattr(ScsiDisk, "own_port", lambda it: self.ports[os.path.basename(it.device.node)])
        paths = tuple(str(self.folder / it) for it in nodes)
        device = Device("m", str(self.folder / "dm-0"), "", MULTIPATH, paths)
        if len(nodes) == 1:
            device = Device("d", paths[0], "", SCSI)
        with patch.object(fcntl, "ioctl", self.ioctl):
            disk = open_disk(device, Unwatched())
            disk.snapshot()
            if not disk.tells_registered(OWN):
                disk.ask_registered(OWN)
            disk.preempt(OWN, THEIRS, 3, abort=False)
            disk.close()
        return self.sent


def told(*ports: str) -> Answer:
    """READ FULL STATUS: OWN over these, and THEIRS."""
    return Answer(status(*(descriptor(OWN, port(it)) for it in ports), descriptor(THEIRS, port(OTHER))))


UNTOLD = Answer(status=2, sense=bytes([0x72, 5, 0x20, 0, 0, 0, 0, 0]))


@pytest.mark.promise(3)
@pytest.mark.parametrize(
    ("full", "own", "sent"),
    [
        (told(NOW), {"sda"}, [("sda", "full status"), ("sda", "preempt")]),
        (UNTOLD, {"sda"}, [("sda", "full status"), ("sda", "register"), ("sda", "preempt")]),
        (told(BEFORE), {"sda"}, [("sda", "full status"), ("sda", "register"), ("sda", "preempt")]),
    ],
    ids=["told", "not told", "told otherwise, and it is wrong"],
)
def test_no_register_where_the_target_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: Answer, own: set[str], sent: list[tuple[str, str]]
) -> None:
    assert Target(tmp_path, full, own, {"sda": NOW}).preempts(monkeypatch) == sent


@pytest.mark.promise(3)
@pytest.mark.parametrize(
    ("full", "sent"),
    [
        (told(OTHER), [("sda", "full status"), ("sdb", "preempt")]),
        (UNTOLD, [("sda", "full status"), ("sda", "register"), ("sdb", "register"), ("sdb", "preempt")]),
    ],
    ids=["told", "not told"],
)
def test_over_a_map_the_preempt_takes_the_path_that_was_proved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: Answer, sent: list[tuple[str, str]]
) -> None:
    assert Target(tmp_path, full, {"sdb"}, {"sda": NOW, "sdb": OTHER}).preempts(monkeypatch) == sent


def anew(world: World, *disks: int, node: str = "n1") -> None:
    """The node's sessions to these disks are new ones."""
    for number in disks:
        assert world.targets[number].lose_session(node)


@pytest.mark.promise(3, 5)
@pytest.mark.parametrize("disk", [0, 1, 2])
@pytest.mark.parametrize("tells", [True, None])
def test_a_node_that_cannot_finish_does_not_begin_and_the_other_wins(
    tmp_path: Path, disk: int, tells: bool | None
) -> None:
    world = World(tmp_path, 3)
    world.register("n1", "n2")
    for target in world.targets:
        target.tells_nexus = bool(tells)
    anew(world, disk)
    report = world.run("n1", "off", "n2")
    assert not report.ok
    assert [name for _, name in world.changes() if name != "replace"] == []
    said = problems(report)
    assert f"{world.devices[disk].name}: this node's key 0x{world.keys['n1']:x} is registered, but not for" in said
    assert "run 'on' here (stonith_admin --unfence=NODE)" in said
    assert "nothing was changed on any disk" in said
    assert world.run("n2", "off", "n1").ok
    assert [world.members(number) for number in range(3)] == [{"n2"}] * 3


@pytest.mark.promise(1)
def test_a_node_that_is_out_already_is_proved_out_whatever_the_session(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.register("n1")
    anew(world, 0, 1)
    assert world.run("n1", "off", "n2").verdict == "Already OFF"
    assert world.changes() == []


def test_where_only_another_disk_is_left_to_be_fenced_the_session_to_the_first_does_not_matter(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    world.targets[0].register("n2", 0)
    anew(world, 0)
    assert world.run("n1", "off", "n2").ok


@pytest.mark.promise(3)
@pytest.mark.parametrize("failure", [DeviceFailure, PathFailure])
@pytest.mark.parametrize("name", ["tells registered", "replace"])
def test_what_is_no_conflict_keeps_nobody_from_fencing(tmp_path: Path, failure: type, name: str) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    world.targets[1].tells_nexus = False

    def fault(command: Command) -> None:
        if command.name == name:
            raise failure("/dev/sdx", "register", 2)

    world.faults = {0: fault, 1: fault}
    assert world.run("n1", "off", "n2").ok


@pytest.mark.promise(3, 6)
def test_a_driver_that_takes_the_question_for_a_lost_path_is_asked_by_register_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, 2, ("n1", "n2"))
    world.register("n1", "n2")

    def fault(command: Command) -> None:
        if command.name == "tells registered":
            raise PathFailure("/dev/sdx", "full status", 0x70000)

    world.faults = {0: fault, 1: fault}
    assert world.run("n1", "off", "n2", limit=20.0).verdict == "Powered OFF"
    assert [name for _, name in world.changes()][:2] == ["replace", "replace"]
    assert world.nodes["n1"].slept == [0.0]


def test_what_passes_by_itself_is_asked_again(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    world.targets[1].tells_nexus = False
    anew(world, 1)
    failed: list[Command] = []

    def once(command: Command) -> None:
        if command.name == "replace" and not failed:
            failed.append(command)
            raise UnitAttention("/dev/sdx", "register", 2)

    world.faults[1] = once
    assert "is registered, but not for" in problems(world.run("n1", "off", "n2", threads=True, limit=8.0))
    assert failed
    assert world.members() == {"n1", "n2"}


def test_a_target_that_never_says_whose_registrations_these_are_keeps_nobody_from_fencing(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")
    release = threading.Event()

    def fault(command: Command) -> None:
        if command.name == "tells registered":
            release.wait(10)

    world.faults[0] = fault
    report = world.run("n1", "off", "n2", threads=True, limit=2.0)
    release.set()
    assert report.ok


@pytest.mark.promise(3)
def test_a_node_that_is_fenced_while_it_asks_hears_that_and_nothing_else(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")
    world.targets[0].tells_nexus = False

    def fault(command: Command) -> None:
        if command.name == "replace":
            world.targets[0].preempt("n2", world.keys["n2"], world.keys["n1"], 3)

    world.faults[0] = fault
    report = world.run("n1", "off", "n2")
    assert "is not registered; it was fenced, or 'on' has not run here" in problems(report)
    assert (0, "replace") in world.changes()
    assert world.members() == {"n2"}


def test_monitor_fails_where_this_node_can_neither_write_nor_fence(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    for name in ("n1", "n2"):
        assert world.run(name, "on", name).ok
    anew(world, 1)
    report = world.run("n1", "monitor")
    assert f"{world.devices[1].name}: this node's key" in problems(report)
    assert "run 'on' here" in problems(report)
    assert world.run("n1", "on", "n1").ok
    assert world.run("n1", "monitor").ok


def test_monitor_after_a_reboot_waits_for_on(tmp_path: Path) -> None:
    """The fence device must start before the cluster lets the node in."""
    world = World(tmp_path)
    world.register("n1", "n2")
    anew(world, 0)
    report = world.run("n1", "monitor")
    assert report.ok
    assert "registered for a former session of this node only" in "".join(warnings(report))


def test_monitor_asks_by_register_only_what_the_target_has_told_against_this_node(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")
    world.targets[0].tells_nexus = False
    anew(world, 0)
    assert world.run("n1", "monitor").ok
    assert world.changes() == []


@pytest.mark.promise(3, 6)
@pytest.mark.parametrize("returns_after", [1, 3, None])
def test_a_registered_path_that_is_away_for_a_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, returns_after: int | None
) -> None:
    """The map's other path never was registered. Not waited for: what stays away, as it leads to another disk."""
    world = World(tmp_path, 2)
    world.register("n1", "n2", "n3")
    anew(world, 1)
    looks = 0

    def away(disk: ModelDisk, *, again: bool = False) -> list[FenceError]:
        nonlocal looks
        looks += again
        target = world.targets[1]
        if looks == returns_after and "n1 before" in target.keys:
            target.keys = {name.partition(" ")[0]: key for name, key in target.keys.items()}
            target.holder = target.holder.partition(" ")[0]
        return [] if disk.device is world.devices[0] else [PathFailure("/dev/sdq", "open", -errno.ENXIO)]

    monkeypatch.setattr(ModelDisk, "away", away)
    report = world.run("n1", "off", "n2", limit=20.0)
    assert report.ok == (returns_after is not None), problems(report)
    if returns_after:
        assert looks == returns_after
        assert world.members(0) == world.members(1) == {"n1", "n3"}
    else:
        assert "is registered, but not for this node" in problems(report)
        assert 1 <= sum(world.nodes["n1"].slept) <= 3, "with three nodes another one has its turn"
        assert {name for _, name in world.changes()} == {"replace"}, "which changes nothing"


@pytest.mark.promise(3)
@pytest.mark.parametrize("failing", ["replace", "snapshot"])
def test_what_was_refused_is_not_begun_because_the_question_fails_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    anew(world, 1)
    gone = PathFailure("/dev/sdq", "open", -errno.ENXIO)
    monkeypatch.setattr(ModelDisk, "away", lambda it, **_: [gone] if it.device is world.devices[1] else [])
    asked: list[str] = []

    def fault(command: Command) -> None:
        asked.append(command.name)
        if asked.count("replace") > 1 and command.name == failing:
            raise DeviceFailure("/dev/sdx", failing, 2)

    world.faults[1] = fault
    report = world.run("n1", "off", "n2", limit=20.0)
    assert "is registered, but not for this node" in problems(report)
    assert world.members(0) == {"n1", "n2"}


@pytest.mark.promise(3, 6)
def test_what_is_not_known_in_time_to_finish_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path comes back late, and the target is slow to say whose registration that is."""
    world = World(tmp_path)
    world.register("n2", "n1")
    anew(world, 0)
    looks = 0

    def away(_: ModelDisk, *, again: bool = False) -> list[FenceError]:
        nonlocal looks
        looks += again
        if again:
            time.sleep(1.2)
            world.targets[0].keys["n1"] = world.targets[0].keys.pop("n1 before")
        return [PathFailure("/dev/sdq", "open", -errno.ENXIO)]

    def fault(command: Command) -> None:
        if looks and command.name == "tells registered":
            time.sleep(0.4)

    monkeypatch.setattr(ModelDisk, "away", away)
    monkeypatch.setattr(ModelDisk, "live_paths", lambda _: 2)
    world.faults[0] = fault
    report = world.run("n1", "off", "n2", threads=True, limit=2.0)
    assert looks == 1
    assert "is registered, but not for this node" in problems(report)
    assert world.members() == {"n1", "n2"}


@pytest.mark.promise(3, 6)
@pytest.mark.parametrize("lasting", [0, 1])
def test_where_one_map_is_refused_for_good_no_other_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lasting: int
) -> None:
    """The call fails whatever becomes of the other one: time that the next node could use."""
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    anew(world, 0)
    anew(world, 1)
    found = {world.devices[lasting]: AnotherDisk("/dev/sdq", "identify", 0)}
    gone = PathFailure("/dev/sdr", "open", -errno.ENXIO)
    monkeypatch.setattr(ModelDisk, "away", lambda it, **_: [found.get(it.device, gone)])
    assert not world.run("n1", "off", "n2", limit=20.0).ok
    assert world.nodes["n1"].slept == []


@pytest.mark.promise(3)
def test_a_map_whose_other_path_leads_elsewhere_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")
    anew(world, 0)
    elsewhere = AnotherDisk("/dev/sdq", "identify", 0)
    monkeypatch.setattr(ModelDisk, "away", lambda _, **__: [elsewhere])
    assert not world.run("n1", "off", "n2").ok
    assert world.nodes["n1"].slept == []
