"""on: register this node everywhere and see that a reservation is in force."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING

import pytest

from fence_pr import state
from fence_pr.device import NVME, SCSI
from fence_pr.errors import DeviceFailure, NotPermitted, PathFailure
from fence_pr.keys import Registrant
from tests.model.world import World, problems

if TYPE_CHECKING:
    from pathlib import Path

    from tests.model.target import Command

WE, EA, WERO, EARO, WEAR, EAAR = range(1, 7)


@pytest.mark.parametrize("kind", [WERO, EARO, WEAR, EAAR])
def test_the_first_node_registers_and_reserves(tmp_path: Path, kind: int) -> None:
    world = World(tmp_path, 2)
    report = world.run("n1", "on", "n1", reservation_type=kind)
    assert (report.ok, report.verdict) == (True, "Powered ON")
    for number, target in enumerate(world.targets):
        assert target.keys == {"n1": world.keys["n1"]}
        assert target.type == kind
        assert [name for where, name in world.changes() if where == number] == ["register", "reserve"]


@pytest.mark.parametrize(("kind", "expected"), [(SCSI, WERO), (NVME, WEAR)])
@pytest.mark.parametrize("action", ["on", "off"])
def test_the_type_is_chosen_by_the_kind_of_disk_unless_one_is_asked_for(
    tmp_path: Path, action: str, kind: str, expected: int
) -> None:
    for wanted, taken in ((None, expected), (EARO, EARO)):
        world = World(tmp_path, kind=kind)
        if action == "off":
            world.register("n1", "n2", reserved=0)
        assert world.run("n1", action, "n1" if action == "on" else "n2", reservation_type=wanted).ok
        assert world.targets[0].type == taken


@pytest.mark.parametrize("kind", [WERO, EARO, WEAR, EAAR])
def test_the_next_node_accepts_any_reservation_that_registrants_share(tmp_path: Path, kind: int) -> None:
    world = World(tmp_path, 2)
    world.register("n2", reserved=kind)
    assert world.run("n1", "on", "n1", reservation_type=EARO).ok
    assert all(target.type == kind for target in world.targets)
    assert [name for _, name in world.changes()] == ["register", "register"]


def test_on_again_registers_again_and_never_takes_the_key_away(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")
    seen = []

    def fault(_: Command) -> None:
        seen.append("n1" in world.members())

    world.faults[0] = fault
    assert world.run("n1", "on", "n1").ok
    assert world.changes() == [(0, "register")]
    assert all(seen)


def test_a_stale_key_of_this_node_is_replaced(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n2")
    world.targets[0].register("n1", 0xDEAD)
    assert world.run("n1", "on", "n1").ok
    assert world.targets[0].keys["n1"] == world.keys["n1"]


@pytest.mark.parametrize("kind", [WE, EA])
def test_a_reservation_for_one_node_is_refused_before_anything_is_registered(tmp_path: Path, kind: int) -> None:
    world = World(tmp_path)
    world.register("n2", reserved=kind)
    report = world.run("n1", "on", "n1")
    assert not report.ok
    assert world.changes() == []
    assert f"held with key 0x{world.keys['n2']:x}" in problems(report)
    assert "release it" in problems(report)


def test_of_two_nodes_the_slower_accepts_the_reservation_of_the_faster(tmp_path: Path) -> None:
    world = World(tmp_path)

    def faster(command: Command) -> None:
        if command.name == "reserve":
            world.targets[0].register("n2", world.keys["n2"])
            world.targets[0].reserve("n2", world.keys["n2"], WEAR)

    world.faults[0] = faster
    assert world.run("n1", "on", "n1").ok
    assert world.targets[0].type == WEAR


def test_one_bad_disk_is_a_failure_but_the_others_are_done(tmp_path: Path) -> None:
    world = World(tmp_path, 3)

    def broken(command: Command) -> None:
        raise PathFailure("/dev/sdx", command.name, 0x10000, "path failed")

    world.faults[1] = broken
    report = world.run("n1", "on", "n1")
    assert not report.ok
    assert [world.members(number) for number in range(3)] == [{"n1"}, set(), {"n1"}]
    assert [bool(it.problem) for it in report.disks] == [False, True, False]


def test_retry_on_repeats_only_what_failed(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    opened = 0

    def flaky(command: Command) -> None:
        nonlocal opened
        opened += command.name == "open"
        if opened < 3:
            raise PathFailure("/dev/sdx", command.name, 0x10000)

    world.faults[1] = flaky
    assert not world.run("n1", "on", "n1", attempts=2).ok
    opened = 0
    world.sent.clear()
    started = time.monotonic()
    assert world.run("n1", "on", "n1", attempts=3, attempt_sleep=0.1).ok
    assert 0.2 <= time.monotonic() - started < 10
    assert [name for where, name in world.changes() if where == 0] == ["register"]


def test_what_this_process_may_not_do_is_tried_once(tmp_path: Path) -> None:
    world = World(tmp_path)

    def forbidden(command: Command) -> None:
        if command.name == "register":
            tries.append(command)
            raise NotPermitted("/dev/sdx", command.name, -errno.EPERM)

    tries: list[Command] = []
    world.faults[0] = forbidden
    assert "run as root (CAP_SYS_ADMIN and CAP_SYS_RAWIO)" in problems(world.run("n1", "on", "n1"))
    assert len(tries) == 1


def test_on_for_another_node_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    report = world.run("n1", "on", "n2")
    assert not report.ok
    assert "this is n1, not n2" in problems(report)
    assert world.sent == []


def test_what_was_registered_is_remembered(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    assert world.run("n1", "on", "n1", key="0x2A").ok
    for device in world.devices:
        assert state.load(device.identity, str(world.nodes["n1"].state)) == Registrant("n1", 0x2A)


@pytest.mark.promise(5)
def test_a_state_folder_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.nodes["n1"].state.write_text("a file where the folder should be")
    report = world.run("n1", "on", "n1")
    assert not report.ok
    assert "cannot be written" in problems(report)


def test_a_key_that_vanishes_right_after_registering_is_a_failure(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n2")

    def fenced_at_once(command: Command) -> None:
        if command.name == "snapshot" and "n1" in world.members():
            world.targets[0].preempt("n2", world.keys["n2"], world.keys["n1"], WERO)

    world.faults[0] = fenced_at_once
    report = world.run("n1", "on", "n1")
    assert not report.ok
    assert "was registered a moment ago and is gone" in problems(report)


@pytest.mark.promise(2)
@pytest.mark.parametrize("kind", [SCSI, NVME])
def test_a_node_that_is_fenced_while_it_registers_again_stays_fenced(tmp_path: Path, kind: str) -> None:
    """As when its disk hangs at the register command, another node fences it, and the disk goes on."""
    world = World(tmp_path, kind=kind)
    world.register("n2", "n1")

    def fenced_first(command: Command) -> None:
        if command.name == "register":
            world.targets[0].preempt("n2", world.keys["n2"], world.keys["n1"], WERO)

    world.faults[0] = fenced_first
    report = world.run("n1", "on", "n1")
    assert not report.ok
    assert world.members() == {"n2"}
    assert "was registered a moment ago and is gone" in problems(report)
    assert "register: reservation conflict" in problems(report)


def test_an_older_nexus_of_this_node_does_not_keep_the_new_one_from_being_registered(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n2", "n1")
    world.targets[0].keys["n1, before"] = world.targets[0].keys.pop("n1")
    assert world.run("n1", "on", "n1").ok
    assert world.targets[0].keys["n1"] == world.keys["n1"]


def test_a_target_that_registers_and_reports_an_error_is_not_believed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n2")

    def fault(command: Command) -> None:
        if command.name == "register":
            world.targets[0].carry_out("n1", command)
            raise DeviceFailure("/dev/sdx", "register", 2)

    world.faults[0] = fault
    report = world.run("n1", "on", "n1")
    assert not report.ok
    assert "register" in problems(report)


def test_foreign_keys_are_named(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n2")
    world.targets[0].register("stranger", 0xBAD)
    report = world.run("n1", "on", "n1")
    assert report.ok
    assert "registered, able to write and of no node in corosync.conf: 0xbad" in "".join(report.notes)
    explicit = world.run("n1", "on", "n1", key="0x1")
    assert explicit.ok
    assert explicit.notes == ()
