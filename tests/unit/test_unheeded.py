"""LIO lists a registration and does not go by it: who asks, who does not begin, and how 'on' mends it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from fence_pr.errors import Conflict, DeviceFailure, Notice, PathFailure
from fence_pr.storage import pr_ioctl
from fence_pr.storage.device import MULTIPATH, SCSI, Device
from fence_pr.storage.open import open_disk
from fence_pr.storage.scsi_disk import ScsiDisk
from tests.model.target import ModelDisk
from tests.model.unit import FORMER
from tests.model.world import World, problems, warnings
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import SG_IO, Answer, Unwatched
from tests.unit.page_83 import designator, page
from tests.unit.test_full_status import descriptor, status
from tests.unit.test_own_nexus import BEFORE, N1, NOW, OTHER, port

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.model.target import Command

OWN, FORMER_KEY, THEIRS = 0xA, 0xC, 0xB
OLD_KEY = 0x77
WORDS = "is registered, and the target refuses this node as if it were not"


class Lun:
    """Answers as a LUN that THEIRS holds, or another key. unheeded: the nodes that it does not go by.

    sent  every command that could change something: node, name, numbers
    """

    def __init__(self, folder: Path, vendor: str = "LIO-ORG", kind: int = 3, holder: int = THEIRS) -> None:
        self.folder, self.vendor, self.kind, self.holder = folder, vendor, kind, holder
        self.unheeded: set[str] = set()
        self.described = status(descriptor(OWN, port(NOW)), descriptor(FORMER_KEY, port(BEFORE)))
        self.sent: list[tuple[str, str, tuple[int, ...]]] = []

    def ioctl(self, node: str, request: int, buffer: bytearray) -> int:
        """One ioctl over a path."""
        if request == SG_IO:
            fake_ioctl.send(buffer, self._scsi)
        elif request == pr_ioctl.REQUESTS.read_keys:
            asked = fake_ioctl.ReadKeys.from_buffer(buffer)
            keys = [OWN, FORMER_KEY, THEIRS]
            fake_ioctl.write_keys(asked.keys_ptr, keys)
            asked.num_keys = len(keys)
        elif request == pr_ioctl.REQUESTS.read_reservation:
            fake_ioctl.fill(buffer, fake_ioctl.ReadReservation(self.holder, 1, self.kind))
        elif request == pr_ioctl.REQUESTS.release:
            self.sent.append((node, "release", struct.unpack("=QII", buffer)))
            return 0x18 if node in self.unheeded else 0
        else:
            assert request == pr_ioctl.REQUESTS.register
            self.sent.append((node, "register", struct.unpack("=QQI4x", buffer)))
        return 0

    def _scsi(self, command: bytes, _room: int) -> Answer:
        if command[0] != 0x12:
            return Answer(self.described)
        if not command[1]:
            return Answer(struct.pack("8x8s20x", self.vendor.encode()))
        return Answer(page(designator(3, bytes(16)), designator(4, struct.pack(">I", 1), association=1)))


def opened(lun: Lun, monkeypatch: pytest.MonkeyPatch, nodes: Sequence[str] = ("sda",)) -> ScsiDisk:
    """The LUN as a disk that has been read; with several paths as a map."""
    import fcntl
    import os

    for it in (*nodes, "dm-0"):
        (lun.folder / it).touch()
    monkeypatch.setattr(ScsiDisk, "own_port", lambda _: NOW)
    monkeypatch.setattr(ScsiDisk, "own_hosts", lambda _: frozenset({N1}))

    def ioctl(fd: int, request: int, buffer: bytearray, _mutate: bool = True) -> int:
        return lun.ioctl(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")), request, buffer)

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    paths = tuple(str(lun.folder / it) for it in nodes)
    device = Device("d", paths[0], "", SCSI)
    if len(nodes) > 1:
        device = Device("m", str(lun.folder / "dm-0"), "", MULTIPATH, paths)
    disk = open_disk(device, Unwatched())
    disk.snapshot()
    return disk  # type: ignore[return-value]


@pytest.mark.promise(2, 3)
@pytest.mark.parametrize(("kind", "asked"), [(1, 2), (2, 1), (3, 1), (4, 1)])
def test_lio_is_asked_by_a_release_of_a_type_that_is_not_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: int, asked: int
) -> None:
    lun = Lun(tmp_path, kind=kind)
    disk = opened(lun, monkeypatch)
    disk.ask_heeded(OWN)
    lun.unheeded = {"sda"}
    with pytest.raises(Conflict):
        disk.ask_heeded(OWN)
    assert lun.sent == [("sda", "release", (OWN, asked, 0))] * 2


@pytest.mark.promise(2)
@pytest.mark.parametrize(
    "lun",
    [{"vendor": "ACME"}, {"kind": 0, "holder": 0}, {"kind": 5, "holder": 0}, {"kind": 6, "holder": 0}, {"holder": OWN}],
    ids=["not LIO", "nothing is reserved", "all hold", "all hold exclusively", "this node holds"],
)
def test_nobody_else_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lun: dict[str, int | str]) -> None:
    it = Lun(tmp_path, **lun)  # type: ignore[arg-type]
    opened(it, monkeypatch).ask_heeded(OWN)
    assert it.sent == []


@pytest.mark.promise(3)
def test_over_a_map_one_path_that_is_heeded_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lun = Lun(tmp_path)
    disk = opened(lun, monkeypatch, ("sda", "sdb"))
    lun.unheeded = {"sda"}
    disk.ask_heeded(OWN)
    assert [node for node, _, _ in lun.sent] == ["sda", "sdb"]
    lun.unheeded = {"sda", "sdb"}
    with pytest.raises(Conflict):
        disk.ask_heeded(OWN)


@pytest.mark.parametrize(
    ("described", "depends"),
    [
        (descriptor(FORMER_KEY, port(BEFORE)), True),
        (struct.pack(">Q4xBB4xHI", FORMER_KEY, 0, 3, 1, len(port(BEFORE))) + port(BEFORE), True),
        (struct.pack(">Q4xBB4xHI", FORMER_KEY, 0, 3, 2, len(port(BEFORE))) + port(BEFORE), False),
        (descriptor(FORMER_KEY, port(OTHER.replace(N1, "iqn.2026-01.org.example:n2"))), False),
        (descriptor(THEIRS, port(BEFORE)), False),
    ],
    ids=["a former session, all ports", "a former session", "over another port", "another node's", "another key"],
)
def test_what_a_registration_depends_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, described: bytes, depends: bool
) -> None:
    lun = Lun(tmp_path)
    lun.described = status(described)
    assert opened(lun, monkeypatch).depends_on(FORMER_KEY) is depends
    assert not opened(Lun(tmp_path, "ACME"), monkeypatch).depends_on(FORMER_KEY)


def test_a_registration_is_ended_only_if_it_is_there_and_added_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lun = Lun(tmp_path)
    opened(lun, monkeypatch).renew(OWN)
    assert lun.sent == [("sda", "register", (OWN, 0, 0)), ("sda", "register", (0, OWN, 0))]


def lio(folder: Path) -> World:
    """n2 holds on three LUNs of LIO that tell hosts."""
    world = World(folder, 3)
    for target in world.targets:
        target.harm, target.tells = "vendor LIO-ORG", True
    world.register("n2")
    return world


def renamed(folder: Path) -> World:
    """The same; n1 has run 'on' with another key, and has new sessions."""
    world = lio(folder)
    assert world.run("n1", "on", "n1", key=hex(OLD_KEY)).ok
    for target in world.targets:
        assert target.lose_session("n1")
    return world


def forgotten(folder: Path) -> World:
    """n1 has run 'on', and LIO has forgotten on the last LUN that it is registered."""
    world = lio(folder)
    assert world.run("n1", "on", "n1").ok
    last = world.targets[-1]
    last.keys[f"n1{FORMER}"] = OLD_KEY
    last.preempt("n2", world.keys["n2"], OLD_KEY, 3)
    assert (world.members(2), last.can_write("n1")) == ({"n1", "n2"}, False)
    return world


@pytest.mark.promise(3)
def test_on_removes_a_former_key_and_the_node_can_all_it_could(tmp_path: Path) -> None:
    world = renamed(tmp_path)
    report = world.run("n1", "on", "n1")
    assert (report.ok, warnings(report)) == (True, [])
    assert [world.members(number) for number in range(3)] == [{"n1", "n2"}] * 3
    assert all(target.can_write("n1") for target in world.targets)
    assert f"{world.devices[0].node}: 0x{world.keys['n1']:x} is registered, and the target does not go by it" in (
        "\n".join(world.nodes["n1"].said)
    )
    assert world.run("n1", "off", "n2").ok


@pytest.mark.promise(3)
def test_on_removes_a_former_key_where_the_node_is_not_heeded_to_begin_with(tmp_path: Path) -> None:
    """As after the first of several former keys."""
    world = renamed(tmp_path)
    for target in world.targets:
        target.register("n1", world.keys["n1"])
        target.forgotten = frozenset({"n1"})
    assert world.run("n1", "on", "n1").ok
    assert [world.members(number) for number in range(3)] == [{"n1", "n2"}] * 3
    assert all(target.can_write("n1") for target in world.targets)


@pytest.mark.promise(3, 5)
def test_who_is_not_heeded_does_not_begin_and_on_mends_it(tmp_path: Path) -> None:
    world = forgotten(tmp_path)
    for action in ("off", "monitor"):
        world.sent.clear()
        report = world.run("n1", action, "n2" if action == "off" else "n1")
        assert not report.ok
        assert f"{world.devices[2].name}: this node's key 0x{world.keys['n1']:x} {WORDS}" in problems(report)
        assert world.changes() == []
    assert world.run("n1", "on", "n1").ok
    assert world.targets[-1].can_write("n1")
    assert world.run("n1", "off", "n2").ok


@pytest.mark.promise(13)
def test_a_node_that_uses_the_disk_is_not_registered_anew(tmp_path: Path) -> None:
    """If it were fenced between the two commands nothing would tell, and what it has not written yet would land."""
    world = forgotten(tmp_path)
    world.nodes["n1"].users[world.devices[2]] = [Notice("disk-claimed", {"device": "/dev/sdx"})]
    report = world.run("n1", "on", "n1")
    assert not report.ok
    assert f"{WORDS}: it can fence nobody there, and not write; the disk is in use: /dev/sdx" in problems(report)
    assert not any(name == "renew" for _, name in world.changes())
    assert world.run("n2", "off", "n1").ok


@pytest.mark.promise(4)
def test_a_node_that_uses_the_disk_keeps_the_former_key_that_it_needs(tmp_path: Path) -> None:
    world = renamed(tmp_path)
    world.nodes["n1"].users[world.devices[1]] = [Notice("disk-claimed", {"device": "/dev/sdx"})]
    report = world.run("n1", "on", "n1")
    assert report.ok
    assert any(f"former 0x{OLD_KEY:x} is left: without it" in it for it in warnings(report)), warnings(report)
    assert [f"n1{FORMER}" in world.members(number) for number in range(3)] == [False, True, False]
    assert all(target.can_write("n1") for target in world.targets)


@pytest.mark.promise(13)
def test_a_node_that_is_fenced_before_it_is_registered_anew_stays_out(tmp_path: Path) -> None:
    world = forgotten(tmp_path)
    last = world.targets[-1]

    def overtake(command: Command) -> None:
        if command.name == "renew":
            last.preempt("n2", world.keys["n2"], world.keys["n1"], 3)

    world.faults[2] = overtake
    assert not world.run("n1", "on", "n1").ok
    assert world.members(2) == {"n2"}


def fenced_between(world: World, number: int, first: str, then: str) -> None:
    """n2 fences n1 on a disk between two commands of n1, that come one after the other there."""
    target, asked = world.targets[number], list[str]()

    def overtake(command: Command) -> None:
        asked.append(command.name)
        if asked[-2:] == [first, then]:
            target.preempt("n2", world.keys["n2"], world.keys["n1"], 3)

    world.faults[number] = overtake


@pytest.mark.promise(13)
@pytest.mark.parametrize("first", ["heeded", "renew"])
def test_a_node_that_is_fenced_around_being_registered_anew_is_told_and_stays_out(tmp_path: Path, first: str) -> None:
    """Whoever is not heeded has a key that another node can remove at any moment."""
    world = forgotten(tmp_path)
    fenced_between(world, 2, first, "snapshot")
    report = world.run("n1", "on", "n1")
    assert [it.code for it in report.failures()] == ["key-vanished"]
    assert world.members(2) == {"n2"}
    assert ("renew" in [name for _, name in world.changes()]) == (first == "renew")


@pytest.mark.promise(7)
def test_where_nobody_tells_whether_it_was_registered_anew_the_next_on_mends_it(tmp_path: Path) -> None:
    world = forgotten(tmp_path)
    asked: list[str] = []

    def fail(command: Command) -> None:
        asked.append(command.name)
        if asked[-2:] == ["renew", "snapshot"]:
            raise DeviceFailure("/dev/sdx", "read keys", 2)

    world.faults[2] = fail
    assert not world.run("n1", "on", "n1").ok
    assert "renew" in asked
    world.faults.clear()
    assert world.run("n1", "on", "n1").ok
    assert world.targets[-1].can_write("n1")


@pytest.mark.promise(13)
def test_a_node_that_is_fenced_while_its_former_key_is_removed_is_told_and_stays_out(tmp_path: Path) -> None:
    world = renamed(tmp_path)
    fenced_between(world, 1, "preempt_without_abort", "snapshot")
    report = world.run("n1", "on", "n1")
    assert [it.code for it in report.failures()] == ["key-vanished"]
    assert "n1" not in world.members(1)


@pytest.mark.promise(13)
def test_the_guard_is_told_nothing_while_no_key_stands(tmp_path: Path) -> None:
    """It would take the node for fenced."""
    world = forgotten(tmp_path)
    before = sorted(world.nodes["n1"].state.iterdir())
    seen: list[list[Path]] = []
    world.faults[2] = lambda it: seen.append(sorted(world.nodes["n1"].state.iterdir())) if it.name == "renew" else None
    assert world.run("n1", "on", "n1").ok
    (meanwhile,) = seen
    assert len(meanwhile) == len(before) - 1
    assert sorted(world.nodes["n1"].state.iterdir()) == before


@pytest.mark.promise(4)
def test_who_holds_by_now_gives_nothing_up(tmp_path: Path) -> None:
    """A reservation of the type "registrants only" ends with its holder's registration: the fenced could write."""
    world = forgotten(tmp_path)
    last = world.targets[-1]
    asked: list[str] = []

    def overtake(command: Command) -> None:
        asked.append(command.name)
        if asked[-2:] == ["heeded", "snapshot"]:
            last.holder = "n1"

    world.faults[2] = overtake
    assert world.run("n1", "on", "n1").ok
    assert "renew" not in asked
    assert (last.type, last.holder, world.members(2)) == (3, "n1", {"n1", "n2"})


@pytest.mark.promise(4)
def test_who_holds_a_moment_later_reserves_again(tmp_path: Path) -> None:
    """Another call here has fenced the holder just then, and nobody would be kept out any more."""
    world = forgotten(tmp_path)
    last = world.targets[-1]

    def overtake(command: Command) -> None:
        if command.name == "renew":
            last.holder = "n1"

    world.faults[2] = overtake
    assert world.run("n1", "on", "n1").ok
    assert (last.type, last.holder, world.members(2)) == (3, "n1", {"n1", "n2"})


@pytest.mark.parametrize("paths", [1, 2])
def test_whether_it_is_heeded_is_asked_again_where_the_answer_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: int
) -> None:
    """But for a path that has gone nobody waits where there is another one."""
    world = forgotten(tmp_path)
    monkeypatch.setattr(ModelDisk, "live_paths", lambda _: paths)
    lost = [PathFailure("/dev/sdx", "release", 0x10000)]

    def once(command: Command) -> None:
        if command.name == "heeded" and lost:
            raise lost.pop()

    world.faults[2] = once
    assert world.run("n1", "on", "n1").ok
    assert not lost
    assert world.targets[-1].can_write("n1") == (paths == 1)
    assert any(world.nodes["n1"].slept) == (paths == 1)


def test_a_question_that_fails_keeps_nobody_from_anything(tmp_path: Path) -> None:
    world = renamed(tmp_path)

    def deaf(command: Command) -> None:
        if command.name == "heeded":
            raise DeviceFailure("/dev/sdz", "release", 2)

    world.faults.update(dict.fromkeys(range(3), deaf))
    assert world.run("n1", "on", "n1").ok
