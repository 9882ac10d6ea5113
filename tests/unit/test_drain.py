"""drain=reset: once a disk, only by the node that removed the key, only where there is time, and only 0 is a proof."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr.errors import Conflict, Notice, NotPermitted, PathFailure
from fence_pr.storage import unit_reset
from fence_pr.storage.device import NVME, SCSI, Places
from tests.model.node import conf
from tests.model.world import NAMES, World, problems, warnings
from tests.unit import fake_ioctl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fence_pr.storage.scsi_disk import ScsiDisk
    from tests.model.target import Command

SG_SCSI_RESET, DEVICE, NO_ESCALATE = 0x2284, 1, 0x100
MISSING = "no abort confirmed"
DRAINED: dict[str, Any] = {"abort": "never", "drains": True, "settle_time": 3.0}


def answering(number: int) -> Callable[[int, bytearray], int]:
    """The kernel's answer to a reset, which must be one of the disk alone, by a descriptor that waits."""

    def ioctl(request: int, buffer: bytearray) -> int:
        assert request == SG_SCSI_RESET
        assert int.from_bytes(buffer, sys.byteorder) == DEVICE | NO_ESCALATE
        if number:
            raise OSError(number, os.strerror(number))
        return 0

    return ioctl


def test_the_kernel_is_asked_for_a_reset_of_the_disk_and_never_for_more(opened: ScsiDisk) -> None:
    assert not os.get_blocking(opened._fd)
    with fake_ioctl.disk(answering(0)) as calls:
        opened.carry_out(unit_reset.OPERATION, unit_reset.reset)
    assert len(calls) == 1
    assert os.get_blocking(opened._fd), "else the kernel refuses it while the host recovers"


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EIO, PathFailure),
        (errno.EINVAL, PathFailure),
        (errno.ENODEV, PathFailure),
        (errno.EAGAIN, PathFailure),
        (errno.EACCES, NotPermitted),
    ],
)
def test_a_reset_that_fails_is_not_sent_again(opened: ScsiDisk, number: int, kind: type[Exception]) -> None:
    with fake_ioctl.disk(answering(number)) as calls, pytest.raises(kind, match="logical unit reset"):
        opened.carry_out(unit_reset.OPERATION, unit_reset.reset)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("way", "code"),
    [
        ("platform/host2/session1/target2:0:0/2:0:0:1", ""),
        ("pci0000:00/host4/rport-4:0-1/target4:0:0/4:0:0:0", ""),
        ("pci0000:00/virtio1/host0/target0:0:0/0:0:0:0", "drain-by-no-network"),
        ("pci0000:00/host3/port-3:0/end_device-3:0/target3:0:0/3:0:0:0", "drain-by-no-network"),
    ],
)
def test_only_disks_of_a_transport_that_nobody_emulates_are_reset(tmp_path: Path, way: str, code: str) -> None:
    device = tmp_path / "devices" / way
    device.mkdir(parents=True)
    (tmp_path / "class/block/sdb").mkdir(parents=True)
    (tmp_path / "class/block/sdb/device").symlink_to(device)
    found = unit_reset.obstacle("/dev/sdb", Places(sysfs=str(tmp_path)))
    assert (found.code if found else "") == code


def registered(folder: Path, disks: int = 1, **more: Any) -> World:
    world = World(folder, disks, **more)
    world.register("n1", "n2", "n3")
    return world


@pytest.mark.promise(4)
def test_each_disk_is_reset_once_after_the_key_has_gone_and_nobody_waits(tmp_path: Path) -> None:
    world = registered(tmp_path, 2)
    report = world.run("n1", "off", "n2", **DRAINED)
    assert (report.verdict, report.warnings) == ("Powered OFF", ())
    names = ["preempt_without_abort"] * 2 + ["reset"] * 2
    assert [name for _, name in world.changes()] == names
    assert sorted(number for number, name in world.changes() if name == "reset") == [0, 1]
    assert world.nodes["n1"].slept == [0.0]
    assert "logical unit reset over /dev/sdz" in world.nodes["n1"].said[-2]
    for target in world.targets:
        assert set(target.keys) == {"n1", "n3"}


@pytest.mark.promise(4)
@pytest.mark.parametrize("changes", [{"abort": "auto"}, {"drains": False}])
def test_no_disk_is_reset_that_has_aborted_or_without_the_option(tmp_path: Path, changes: dict[str, Any]) -> None:
    world = registered(tmp_path)
    assert world.run("n1", "off", "n2", **{**DRAINED, **changes}).ok
    assert "reset" not in [name for _, name in world.changes()]


@pytest.mark.promise(1, 4)
@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_a_failure_leaves_unknown_what_lands_and_the_node_fenced(tmp_path: Path, number: int) -> None:
    world = registered(tmp_path)

    def fail(command: Command) -> None:
        if command.name == "reset":
            kind = NotPermitted if number == errno.EACCES else PathFailure
            raise kind("/dev/sdz", unit_reset.OPERATION, -number)

    world.faults[0] = fail
    report = world.run("n1", "off", "n2", **DRAINED)
    first, second = warnings(report)
    assert report.verdict == "Powered OFF"
    assert "drain=reset: logical unit reset: " in first
    assert "writes that the disk had accepted may still land" in first
    assert f"1 of 1 disks: {MISSING}; waited 3 s" in second
    assert world.nodes["n1"].slept == [3.0]


@pytest.mark.promise(4)
def test_who_did_not_remove_the_key_resets_nothing(tmp_path: Path) -> None:
    """Two resets at a time can take a session down. Another node was faster here, between reading and preempting."""
    world = registered(tmp_path)
    target = world.targets[0]

    def faster(command: Command) -> None:
        if command.name == "preempt_without_abort" and "n2" in target.keys:
            target.preempt("n3", world.keys["n3"], world.keys["n2"], 3)
            raise Conflict("/dev/sdz", "preempt", 0x18)

    world.faults[0] = faster
    report = world.run("n1", "off", "n2", **DRAINED)
    assert report.verdict == "Powered OFF"
    assert "the answer does not say that this call removed the key" in warnings(report)[0]
    assert "reset" not in [name for _, name in world.changes()]


@pytest.mark.promise(4)
@pytest.mark.parametrize("abort", ["auto", "require"])
def test_a_key_that_goes_before_the_preempt_was_removed_by_another_and_its_writes_are_waited_for(
    tmp_path: Path, abort: str
) -> None:
    """Where the abort is required that is a failure, as where the preempt itself comes too late."""
    world = registered(tmp_path)
    target, reads = world.targets[0], 0

    def faster(command: Command) -> None:
        nonlocal reads
        reads += command.name == "snapshot"
        if reads == 2 and "n2" in target.keys:
            target.preempt("n3", world.keys["n3"], world.keys["n2"], 3)

    world.faults[0] = faster
    report = world.run("n1", "off", "n2", abort=abort, settle_time=3.0)
    assert world.changes() == []
    if abort == "require":
        assert "another node removed the key meanwhile; the key is gone, but writes that" in problems(report)
        assert world.run("n1", "off", "n2", abort=abort).verdict == "Already OFF"
        return
    assert report.verdict == "Powered OFF"
    (note,) = warnings(report)
    assert MISSING in note
    assert world.nodes["n1"].slept == [3.0]


@pytest.mark.promise(4)
@pytest.mark.parametrize("changes", [{}, DRAINED], ids=["abort", "reset"])
def test_of_a_victim_with_two_keys_each_counts_by_itself(tmp_path: Path, changes: dict[str, Any]) -> None:
    """The cluster was renamed, and a path of n2 has its former key: another node removes that one."""
    world = World(tmp_path)
    for name in NAMES:
        assert world.run(name, "on", name).ok
    (target,) = world.targets
    former = target.keys["n2"]
    conf(tmp_path, cluster="newname")
    for name in NAMES:
        assert world.run(name, "on", name).ok
    target.register("n2 over its second path", former)

    def faster(command: Command) -> None:
        if command.name == "snapshot" and "n2" not in target.keys and former in target.keys.values():
            target.preempt("n3", target.keys["n3"], former, 3)

    world.faults[0] = faster
    world.sent.clear()
    report = world.run("n1", "off", "n2", **{"settle_time": 3.0, **changes})
    assert report.verdict == "Powered OFF", problems(report)
    assert [name for _, name in world.changes() if name.startswith(("preempt", "reset"))][1:] == []
    assert any(MISSING in it for it in warnings(report))
    assert world.nodes["n1"].slept[-1] == 3.0


@pytest.mark.promise(4, 6)
@pytest.mark.parametrize(("seconds", "reset"), [(9.0, True), (11.0, False)])
def test_no_reset_is_begun_with_less_than_half_of_the_limit_left(tmp_path: Path, seconds: float, reset: bool) -> None:
    world = registered(tmp_path)
    node = world.nodes["n1"]

    def slow(command: Command) -> None:
        if command.name == "preempt_without_abort":
            node.late += seconds

    world.faults[0] = slow
    report = world.run("n1", "off", "n2", **{**DRAINED, "limit": 20.0 + 3.0})
    assert report.verdict == "Powered OFF"
    assert ((0, "reset") in world.changes()) == reset
    assert any("less than half of the time limit was left" in it for it in warnings(report)) != reset


@pytest.mark.promise(6)
def test_a_reset_that_hangs_is_given_up_in_time_for_the_proof(tmp_path: Path) -> None:
    from threading import Event

    world, over = registered(tmp_path), Event()

    def hang(command: Command) -> None:
        if command.name == "reset":
            over.wait(20)

    world.faults[0] = hang
    report = world.run("n1", "off", "n2", threads=True, **{**DRAINED, "settle_time": 0.0, "limit": 2.0})
    over.set()
    assert report.verdict == "Powered OFF"
    assert "drain=reset: " in warnings(report)[0]


@pytest.mark.parametrize(
    ("kind", "obstacle", "said"),
    [
        (NVME, None, "only a SCSI disk can be reset"),
        (SCSI, Notice("drain-by-no-network", {}), "reached neither by iSCSI nor by Fibre Channel"),
        (SCSI, None, ""),
    ],
)
def test_where_no_reset_is_to_be_had_it_is_said(tmp_path: Path, kind: str, obstacle: Notice | None, said: str) -> None:
    world = registered(tmp_path, kind=kind)
    world.nodes["n1"].reset_obstacle = obstacle
    checked = world.run("n1", "validate-all", "n1", **DRAINED)
    assert checked.ok, problems(checked)
    assert [it for it in warnings(checked) if "drain=reset cannot be met" in it and said in it] or not said
    report = world.run("n1", "off", "n2", **DRAINED)
    assert report.verdict == "Powered OFF"
    assert (said in "\n".join(warnings(report))) if said else report.warnings == ()
    assert ((0, "reset") in world.changes()) == (not said)
