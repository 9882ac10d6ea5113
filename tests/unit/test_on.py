"""on: register this node everywhere and see that a reservation is in force."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from fence_pr import state_file
from fence_pr.errors import DeviceFailure, Notice, NotPermitted, NotSupported, PathFailure, UnitAttention
from fence_pr.keys import Registrant
from fence_pr.storage.device import NVME, SCSI
from fence_pr.storage.pr_ioctl import Capabilities
from tests.model.target import ModelDisk
from tests.model.world import World, problems, warnings

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
            raise DeviceFailure("/dev/sdx", command.name, 0)

    world.faults[1] = flaky
    assert not world.run("n1", "on", "n1", attempts=2).ok
    opened = 0
    world.sent.clear()
    slept = world.nodes["n1"].slept
    slept.clear()
    assert world.run("n1", "on", "n1", attempts=3, attempt_sleep=0.1).ok
    assert [seconds for seconds in slept if seconds] == [0.1, 0.1]
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
        assert state_file.load(device.identity, str(world.nodes["n1"].state)) == Registrant("n1", 0x2A)


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


@pytest.mark.promise(13)
@pytest.mark.parametrize("key", ["", "0x2A"], ids=["with its key", "with another key"])
def test_a_node_that_was_fenced_and_not_rebooted_stays_out_while_something_can_still_write(
    tmp_path: Path, key: str
) -> None:
    world = World(tmp_path, 2)
    for name in ("n2", "n1"):
        assert world.run(name, "on", name).ok
    assert world.run("n2", "off", "n1").ok
    device = world.devices[1]
    world.nodes["n1"].users[device] = [Notice("open-for-writing", {"program": "dd", "process": "7"})]
    report = world.run("n1", "on", "n1", key=key, attempts=2)
    assert not report.ok
    assert "process 7 (dd) has it open for writing" in problems(report)
    assert "reboot this node" in problems(report)
    assert world.members(world.devices.index(device)) == {"n2"}
    world.nodes["n1"].users[device] = []
    assert world.run("n1", "on", "n1", key=key).ok


def gone(folder: Path, monkeypatch: pytest.MonkeyPatch, keeping: set[int], used: set[int]) -> World:
    """n1 was fenced on two disks and not rebooted; the targets of `keeping` keep registrations over a restart."""
    world = World(folder, 2)
    for name in ("n2", "n1"):
        assert world.run(name, "on", name).ok
    assert world.run("n2", "off", "n1").ok
    keeps = [world.devices[number] for number in keeping]
    monkeypatch.setattr(ModelDisk, "capabilities", lambda it: Capabilities(None, it.device in keeps))
    for number in used:
        world.nodes["n1"].users[world.devices[number]] = [Notice("open-for-writing", {"program": "dd", "process": "7"})]
    return world


@pytest.mark.promise(13)
@pytest.mark.parametrize("used", [{0, 1}, {0}, {1}, set()])
@pytest.mark.parametrize("keeping", [{0, 1}, {0}, set()])
def test_a_disk_that_keeps_nothing_over_a_restart_is_refused_if_another_one_shows_that_the_node_was_fenced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeping: set[int], used: set[int]
) -> None:
    """By itself it would be let in: its key may have gone without any fencing. So it is when 'on' is tried again."""
    world = gone(tmp_path, monkeypatch, keeping, used)
    for _ in range(2):
        report = world.run("n1", "on", "n1")
        assert report.ok == (not used or not keeping), problems(report)
        for number in used:
            assert world.members(number) == ({"n1", "n2"} if report.ok else {"n2"})
        assert problems(report).count("process 7 (dd) has it open") == (0 if report.ok else len(used))
    if keeping == {0} and used == {1}:
        assert "kept out since; another disk is in use or does not answer; reboot this node" in problems(report)
        assert world.members(0) == {"n2"}, "what it shows is left for the next call"


@pytest.mark.promise(13)
@pytest.mark.parametrize("used", [{0, 1}, {1}])
@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize("silent", [0, 1])
def test_what_a_disk_would_show_that_fails_for_a_moment_is_not_taken_for_no_fencing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: int, attempts: int, used: set[int]
) -> None:
    world = gone(tmp_path, monkeypatch, {0}, used)
    failed: list[Command] = []

    def fault(command: Command) -> None:
        if not failed:
            failed.append(command)
            raise DeviceFailure("/dev/sdx", "open", 2)

    world.faults[silent] = fault
    for _ in range(2):
        assert not world.run("n1", "on", "n1", attempts=attempts).ok
        assert [world.members(number) for number in (0, 1)] == [{"n2"}, {"n2"}]


@pytest.mark.promise(13)
@pytest.mark.parametrize("untold", [{0, 1}, {1}])
def test_a_target_that_does_not_say_what_it_keeps_is_judged_by_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, untold: set[int]
) -> None:
    world = gone(tmp_path, monkeypatch, {0, 1}, {0, 1})

    def capabilities(disk: ModelDisk) -> Capabilities:
        if world.devices.index(disk.device) in untold:
            raise NotSupported("/dev/sdx", "report capabilities", 5)
        return Capabilities(None, True)

    monkeypatch.setattr(ModelDisk, "capabilities", capabilities)
    assert world.run("n1", "on", "n1").ok == (untold == {0, 1})
    assert world.members(1) == ({"n1", "n2"} if untold == {0, 1} else {"n2"})


@pytest.mark.promise(13)
def test_what_a_target_keeps_is_asked_again_where_it_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = gone(tmp_path, monkeypatch, {0, 1}, {0, 1})
    answers = iter([UnitAttention("/dev/sdx", "report capabilities", 2)] * 2)

    def capabilities(_: ModelDisk) -> Capabilities:
        for answer in answers:
            raise answer
        return Capabilities(None, True)

    monkeypatch.setattr(ModelDisk, "capabilities", capabilities)
    assert not world.run("n1", "on", "n1").ok
    assert [world.members(number) for number in (0, 1)] == [{"n2"}, {"n2"}]


@pytest.mark.promise(13)
def test_the_next_attempt_of_a_call_remembers_what_the_last_one_sent(tmp_path: Path) -> None:
    """REGISTER was carried out and not answered, nothing could be read after it, and the node was fenced meanwhile."""
    world = World(tmp_path)
    assert world.run("n2", "on", "n2").ok
    opened, sent = [], []

    def fault(command: Command) -> None:
        if command.name == "open":
            opened.append(command)
            if len(opened) > 1:
                world.targets[0].preempt("n2", world.keys["n2"], world.keys["n1"], WERO)
        elif command.name == "register":
            sent.append(command)
            world.targets[0].carry_out("n1", command)
            raise PathFailure("/dev/sdx", "register", 0x10000)
        elif sent and len(opened) == 1:
            raise NotSupported("/dev/sdx", command.name, 2)

    world.faults[0] = fault
    report = world.run("n1", "on", "n1", attempts=3)
    assert not report.ok
    assert "may have been registered a moment ago" in problems(report)
    assert (len(sent), len(opened), world.members()) == (1, 2, {"n2"})


@pytest.mark.promise(7, 13)
@pytest.mark.parametrize(
    "why",
    ["never registered", "rebooted", "registered still", "the target lost everything", "registered with another key"],
)
def test_a_node_that_was_not_fenced_may_have_its_disks_in_use(tmp_path: Path, why: str) -> None:
    world = World(tmp_path)
    world.register("n2")
    world.nodes["n1"].users[world.devices[0]] = [Notice("disk-claimed", {"device": "/dev/sda"})]
    if why != "never registered":
        assert world.run("n1", "on", "n1").ok
    if why == "rebooted":
        assert world.run("n2", "off", "n1").ok
        for file in world.nodes["n1"].state.glob("*"):
            file.unlink()
    if why == "the target lost everything":
        world.targets[0].lose_everything()
    if why == "registered with another key":
        world.targets[0].register("n1", 0x5)
    assert world.run("n1", "on", "n1").ok
    assert world.targets[0].keys["n1"] == world.keys["n1"]


@pytest.mark.promise(13)
@pytest.mark.parametrize("active", [False, None])
def test_where_a_target_may_have_lost_all_registrations_nobody_is_kept_out(
    tmp_path: Path, active: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others may have come back before; and what a target does not tell is no reason either."""

    def capabilities(_: ModelDisk) -> Capabilities:
        if active is None:
            raise NotSupported("/dev/sda", "report capabilities", 2)
        return Capabilities((3,), active)

    world = World(tmp_path)
    for name in ("n1", "n2"):
        assert world.run(name, "on", name).ok
    world.targets[0].lose_everything()
    assert world.run("n2", "on", "n2").ok
    world.nodes["n1"].users[world.devices[0]] = [Notice("disk-claimed", {"device": "/dev/sda"})]
    assert not world.run("n1", "on", "n1").ok
    monkeypatch.setattr(ModelDisk, "capabilities", capabilities)
    assert world.run("n1", "on", "n1").ok


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
    assert "no known node has these keys, which can still write: 0xbad" in "".join(warnings(report))
    explicit = world.run("n1", "on", "n1", key="0x1")
    assert explicit.ok
    assert "0xbad" in "".join(warnings(explicit))
    assert world.run("n1", "on", "n1", foreign_keys=(0xBAD,)).warnings == ()


def of_before(world: World, key: int) -> None:
    """n1 has registered with this key since it started."""
    world.register("n2")
    world.targets[0].register("n1", key)
    state_file.save(world.devices[0].identity, Registrant("n1", key), str(world.nodes["n1"].state))


@pytest.mark.promise(13)
@pytest.mark.parametrize("rebooted", [False, True])
@pytest.mark.parametrize("kind", [SCSI, NVME])
def test_a_node_that_is_fenced_while_its_key_changes_stays_fenced(tmp_path: Path, kind: str, rebooted: bool) -> None:
    """Its disk hangs at the register command, another node fences it by its former key, and the disk goes on."""
    world = World(tmp_path, kind=kind)
    assert world.run("n2", "on", "n2").ok
    assert world.run("n1", "on", "n1", key="0xDEAD").ok
    for file in world.nodes["n1"].state.glob("naa*") if rebooted else ():
        file.unlink()

    def fenced_first(command: Command) -> None:
        if command.name in ("register", "replace"):
            world.targets[0].preempt("n2", world.keys["n2"], 0xDEAD, WERO)

    world.faults[0] = fenced_first
    report = world.run("n1", "on", "n1", attempts=2)
    assert not report.ok
    assert "this node may have been fenced just now" in problems(report)
    assert world.members() == {"n2"}
    world.faults.clear()
    assert world.run("n1", "on", "n1").ok


@pytest.mark.promise(7)
@pytest.mark.parametrize("fault", ["fails", "fails, as every reading then", "fenced"])
def test_a_change_of_the_key_that_fails_leaves_the_guard_what_it_had(tmp_path: Path, fault: str) -> None:
    world = World(tmp_path)
    of_before(world, 0xDEAD)
    failed = False

    def fail(command: Command) -> None:
        nonlocal failed
        if command.name in ("register", "replace"):
            failed = True
            if fault == "fenced":
                world.targets[0].preempt("n2", world.keys["n2"], 0xDEAD, WERO)
            raise DeviceFailure("/dev/sdx", "register", 2)
        if failed and "reading" in fault:
            raise PathFailure("/dev/sdx", command.name, 0x10000)

    world.faults[0] = fail
    assert not world.run("n1", "on", "n1").ok
    left = state_file.load(world.devices[0].identity, str(world.nodes["n1"].state))
    assert left == (None if "reading" in fault else Registrant("n1", 0xDEAD))
    if fault == "fenced":  # which the next call must know, too
        world.faults.clear()
        world.nodes["n1"].users[world.devices[0]] = [Notice("disk-claimed", {"device": "/dev/sda"})]
        assert "reboot this node" in problems(world.run("n1", "on", "n1"))


@pytest.mark.promise(7)
def test_a_change_of_the_key_that_is_carried_out_and_never_answered_is_noted(tmp_path: Path) -> None:
    """Where nothing can be registered after it, either: the guard watches what stands."""
    world = World(tmp_path)
    of_before(world, 0xDEAD)

    def fault(command: Command) -> None:
        if command.name == "replace" and command.arguments[1] == world.keys["n1"]:
            world.targets[0].carry_out("n1", command)
        if command.name == "register" or (command.name == "replace" and command.arguments[1] == world.keys["n1"]):
            raise DeviceFailure("/dev/sdx", command.name, 2)

    world.faults[0] = fault
    assert not world.run("n1", "on", "n1").ok
    assert world.targets[0].keys["n1"] == world.keys["n1"]
    left = state_file.load(world.devices[0].identity, str(world.nodes["n1"].state))
    assert left == Registrant("n1", world.keys["n1"])


@pytest.mark.parametrize("action", ["on", "monitor"])
def test_a_reservation_of_another_type_than_asked_for_is_said(tmp_path: Path, action: str) -> None:
    world = World(tmp_path)
    world.register("n1", "n2", reserved=WERO)
    for wanted, said in ((EARO, True), (WERO, False), (None, False)):
        report = world.run("n1", action, "n1" if action == "on" else "", reservation_type=wanted)
        assert report.ok
        assert any("asks for exclusive access, registrants only" in it for it in warnings(report)) == said


def test_what_may_end_this_nodes_access_is_told_when_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warning = Notice("host-identifier-untold", {})
    monkeypatch.setattr(ModelDisk, "warnings", lambda _: [warning])
    world = World(tmp_path)
    for action in ("on", "validate-all"):
        report = world.run("n1", action, "n1")
        assert report.ok
        assert warning.about(world.devices[0].label()) in report.warnings, action


@pytest.mark.parametrize("action", ["on", "monitor"])
def test_a_disk_that_comes_later_has_no_state_file_yet(tmp_path: Path, action: str) -> None:
    world = World(tmp_path, 2)
    assert world.run("n1", "on", "n1", devices=(world.devices[0].name,)).ok
    assert world.run("n1", action, "n1").ok


@pytest.mark.promise(11)
def test_a_node_whose_disks_do_not_agree_on_how_its_key_is_made_is_told(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    given, made = (device.name for device in world.devices)
    assert world.run("n1", "on", "n1", devices=(given,), key="0x1").ok
    assert world.run("n1", "on", "n1", devices=(made,)).ok
    for action in ("monitor", "validate-all"):
        assert "keys-changed" in [it.code for it in world.run("n1", action, "n1").failures()], action


@pytest.mark.promise(11)
def test_of_two_nodes_with_given_keys_a_third_key_is_nobodys(tmp_path: Path) -> None:
    """Where the other node's key is unknown that one could be its own; here it is known."""
    world = World(tmp_path, names=("n1", "n2"))
    known = (("n1", 1), ("n2", 2))
    assert world.run("n1", "on", "n1", node_keys=known).ok
    assert world.run("n1", "monitor", "n1", node_keys=known).ok
    world.targets[0].register("x", 0xBAD)
    assert "0xbad" in problems(world.run("n1", "monitor", "n1", node_keys=known))
