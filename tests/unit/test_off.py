"""off: shut a node out of every disk and prove it, over disks in memory (`tests.model`)."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr.errors import Conflict, DeviceFailure, IncompleteAnswer, Invalid, Notice, PathFailure
from fence_pr.storage import pr_ioctl
from tests.model.target import ModelDisk
from tests.model.world import World, forget_bindings, problem_of, problems, warnings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.model.target import Command
    from tests.model.world import Fault

WE, EA, WERO, EARO, WEAR, EAAR = range(1, 7)


def broken(command: Command) -> None:
    """A dead path."""
    raise PathFailure("/dev/sdx", command.name, 0x10000, "path failed")


def broken_from(name: str) -> Fault:
    """A path that dies in front of the first command called `name`."""
    dead = False

    def fault(command: Command) -> None:
        nonlocal dead
        dead = dead or command.name == name
        if dead:
            broken(command)

    return fault


@pytest.mark.promise(1)
@pytest.mark.parametrize("holder", ["n1", "n2", "n3"])
@pytest.mark.parametrize("kind", [WERO, EARO, WEAR, EAAR])
@pytest.mark.parametrize("disks", [1, 3])
def test_the_victim_is_out_everywhere_and_everything_else_stays(
    tmp_path: Path, disks: int, kind: int, holder: str
) -> None:
    world = World(tmp_path, disks)
    world.register("n1", "n2", "n3", reserved=kind, holder=holder)
    report = world.run("n1", "off", "n2")
    assert (report.ok, report.verdict) == (True, "Powered OFF")
    for number, target in enumerate(world.targets):
        assert world.members(number) == {"n1", "n3"}
        assert target.type == kind
        assert not target.can_write("n2")
    assert world.changes() == [(number, "preempt") for number in range(disks)]


@pytest.mark.promise(1)
def test_a_node_that_is_out_already_is_proved_out_without_a_change(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n3")
    report = world.run("n1", "off", "n2")
    assert (report.ok, report.verdict) == (True, "Already OFF")
    assert world.changes() == []


@pytest.mark.promise(1)
def test_partly_out_is_powered_off(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    world.targets[0].preempt("n1", world.keys["n1"], world.keys["n2"], WERO)
    report = world.run("n1", "off", "n2")
    assert (report.ok, report.verdict) == (True, "Powered OFF")
    assert world.changes() == [(1, "preempt")]


@pytest.mark.promise(1)
@pytest.mark.parametrize("victim_registered", [True, False])
def test_where_nothing_is_reserved_it_reserves_first(tmp_path: Path, victim_registered: bool) -> None:
    """Without a reservation a node without a key can write: absent is not shut out."""
    world = World(tmp_path, 1)
    world.register("n1", *(["n2"] if victim_registered else []), reserved=0)
    report = world.run("n1", "off", "n2", reservation_type=EARO)
    assert (report.ok, report.verdict) == (True, "Powered OFF")
    assert world.changes() == [(0, "reserve")] + ([(0, "preempt")] if victim_registered else [])
    assert world.targets[0].type == EARO
    assert not world.targets[0].can_write("n2")


@pytest.mark.parametrize("kind", [WE, EA])
def test_a_reservation_for_one_node_shuts_out_too_and_is_mentioned(tmp_path: Path, kind: int) -> None:
    world = World(tmp_path)
    world.register("n1", "n2", reserved=kind, holder="n2")
    report = world.run("n1", "off", "n2")
    assert report.ok
    assert world.targets[0].type == kind
    assert world.targets[0].holder == "n1"
    assert any(pr_ioctl.TYPE_NAMES[kind] in note and "/dev/sdz" in note for note in warnings(report))


@pytest.mark.promise(2)
@pytest.mark.parametrize("registered", [("n2",), ()])
def test_a_node_that_is_not_registered_itself_changes_nothing(tmp_path: Path, registered: tuple[str, ...]) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    target = world.targets[1]
    target.register("n1", 0)
    if not registered:
        target.register("n2", 0)
    before = world.state()
    report = world.run("n1", "off", "n2")
    assert not report.ok
    assert world.state() == before
    assert "nothing was changed on any disk" in problems(report)
    assert f"this node's key 0x{world.keys['n1']:x} is not registered" in problems(report)
    assert "run 'on' here" in problems(report)
    assert ("the disk lost its registrations" in problems(report)) == (not target.keys)
    assert world.devices[1].name in problems(report)


@pytest.mark.promise(2)
def test_a_node_does_not_shut_itself_out(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")
    report = world.run("n1", "off", "n1")
    assert not report.ok
    assert "a node cannot fence itself" in problems(report)
    assert world.sent == []
    assert "cannot fence itself" in problems(world.run("n1", "off", f"0x{world.keys['n1']:x}"))


@pytest.mark.promise(1, 9)
@pytest.mark.parametrize("action", ["off", "status"])
@pytest.mark.parametrize("changed", ["cluster_name", "key_method"])
def test_a_key_that_is_made_otherwise_than_the_registered_ones_proves_nothing(
    tmp_path: Path, changed: str, action: str
) -> None:
    """The name of the cluster, or key_value, has changed since `on`: n2 is registered with a key of the old kind."""
    world = World(tmp_path, 2)
    for name in ("n1", "n2"):
        assert world.run(name, "on", name).ok
    forget_bindings(world)
    before = world.state()
    other: dict[str, Any] = {changed: {"cluster_name": "another", "key_method": "hash"}[changed]}
    report = world.run("n1", action, "n2", **other)
    assert not report.ok
    assert world.state() == before
    assert f"this node registered 0x{world.keys['n1']:x}, but its name makes 0x" in problems(report)
    assert world.devices[0].name in problems(report)
    assert world.run("n1", "off", f"0x{world.keys['n2']:x}", **other).verdict == "Powered OFF"
    assert world.run("n1", action, f"0x{world.keys['n2']:x}", **other).ok


@pytest.mark.promise(1, 9)
@pytest.mark.parametrize("old", ["hash", "id"])
def test_a_node_that_still_has_its_key_of_another_kind_is_not_out(tmp_path: Path, old: str) -> None:
    """key_value changes from node to node; n1 has its new key already."""
    world = World(tmp_path, 2)
    assert world.run("n2", "on", "n2", key_method=old).ok
    assert world.run("n1", "on", "n1").ok
    (old_key,) = set(world.targets[0].keys.values()) - {world.keys["n1"]}
    for action in ("off", "status"):
        report = world.run("n1", action, "n2")
        assert not report.ok
        assert f"n2 is registered with 0x{old_key:x}, its key with key_value={old}" in problems(report)
        assert world.devices[1].name in problems(report)
    assert ("n2", "", "UNKNOWN") in world.run("n1", "list-status", "").rows
    assert world.run("n1", "off", f"0x{old_key:x}").verdict == "Powered OFF"
    for action, verdict in (("off", "Already OFF"), ("status", "OFF")):
        assert world.run("n1", action, "n2").verdict == verdict


@pytest.mark.promise(1)
def test_not_even_where_one_disk_has_yet_to_be_reserved(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    for name in ("n1", "n2"):
        assert world.run(name, "on", name).ok
    forget_bindings(world)
    world.targets[1].type = 0
    report = world.run("n1", "off", "n2", cluster_name="another")
    assert not report.ok
    assert world.targets[1].type == 0
    assert "but its name makes 0x" in problems(report)


@pytest.mark.promise(2)
def test_the_key_that_this_node_registered_wins_over_the_one_its_name_makes(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.run("n1", "on", "n1", key="0x2a").ok
    assert world.run("n2", "on", "n2", key="0x2b").ok
    assert "cannot fence itself" in problems(world.run("n1", "off", "0x2a"))
    assert world.run("n1", "off", "n2", key="0x2b").ok
    assert world.targets[0].keys == {"n1": 0x2A}


def kept_up_to(text: str, last: str) -> str:
    """The beginning of a file that is just being written."""
    return text[: text.index(last) + len(last)]


@pytest.mark.promise(1, 9)
@pytest.mark.parametrize("action", ["off", "status"])
def test_half_a_corosync_conf_proves_nothing(tmp_path: Path, action: str) -> None:
    """The beginning of the cluster's name makes keys, too."""
    world = World(tmp_path)
    for name in ("n1", "n2"):
        assert world.run(name, "on", name).ok
    forget_bindings(world)
    world.conf.write_text(kept_up_to(world.conf.read_text(), "cluster_name: la"))
    report = world.run("n1", action, "n2")
    assert not report.ok
    assert "which key n2 has cannot be told" in problems(report)
    assert world.members() == {"n1", "n2"}


@pytest.mark.promise(1)
@pytest.mark.parametrize("action", ["off", "status"])
def test_where_a_removed_node_has_moved_the_keys_of_the_others_no_healthy_node_is_taken_for_the_victim(
    tmp_path: Path, action: str
) -> None:
    """key_value=id counts positions: n3 has now the number that n2 registered with."""
    world = World(tmp_path, names=("n1", "n2", "n3", "n4"))
    for name in world.nodes:
        assert world.run(name, "on", name, key_method="id").ok
    text = world.conf.read_text()
    world.conf.write_text(text.replace(kept_up_to(text[text.index("  node {") :], "  }\n"), ""))
    assert not world.run("n4", action, "n3", key_method="id").ok
    assert world.members() == {"n1", "n2", "n3", "n4"}


@pytest.mark.promise(1)
def test_where_only_this_node_has_an_explicit_key_the_victims_has_to_be_given(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.run("n1", "on", "n1", key="0x2a").ok
    assert world.run("n2", "on", "n2").ok
    assert "explicit keys are for all nodes or none" in problems(world.run("n1", "off", "n2"))
    assert world.run("n1", "off", "n2", key=f"{world.keys['n2']:x}").verdict == "Powered OFF"


@pytest.mark.promise(5)
def test_an_own_key_that_nobody_knows_is_said(tmp_path: Path) -> None:
    world = World(tmp_path, names=("n2", "n3", "stranger"))
    world.conf.write_text(world.conf.read_text().replace("stranger", "n4"))
    report = world.run("stranger", "off", "n2")
    assert not report.ok
    assert "this node's key is unknown" in problems(report)
    assert world.sent == []


@pytest.mark.promise(7)
def test_what_this_node_remembers_but_cannot_read_is_a_failure(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.run("n1", "on", "n1").ok
    (file,) = (it for it in world.nodes["n1"].state.iterdir() if not it.name.startswith("+"))
    file.write_text("garbage")
    report = world.run("n1", "off", "n2")
    assert not report.ok
    assert "damaged; run 'on' here again" in problems(report)


@pytest.mark.promise(3)
@pytest.mark.parametrize("backwards", [False, True])
def test_the_first_disk_by_identity_decides_whatever_order_is_given(tmp_path: Path, backwards: bool) -> None:
    world = World(tmp_path, 3)
    world.register("n1", "n2")
    names = tuple(device.name for device in world.devices)
    assert world.run("n1", "off", "n2", devices=names[::-1] if backwards else names).ok
    assert [number for number, _ in world.changes()] == [0, 1, 2]


@pytest.mark.promise(3)
def test_the_deciding_disk_is_read_again_before_another_is_touched(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    assert world.run("n1", "off", "n2").ok
    steps = [(number, command.name) for number, command in world.sent if command.name != "open"]
    won = steps.index((0, "preempt"))
    assert (0, "snapshot") in steps[won : steps.index((1, "preempt"))]


@pytest.mark.promise(3)
def test_whoever_loses_the_deciding_disk_touches_no_other(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")

    def other_node_is_faster(command: Command) -> None:
        if command.name == "preempt":
            world.targets[0].preempt("n2", world.keys["n2"], world.keys["n1"], WERO)

    world.faults[0] = other_node_is_faster
    report = world.run("n1", "off", "n2")
    assert not report.ok
    assert [number for number, _ in world.changes()] == [0]
    assert world.members(1) == {"n1", "n2"}
    assert "not registered" in problems(report)
    assert "reservation conflict" in problems(report)
    assert f"{world.devices[1].name}: not touched: {world.devices[0].name} is fenced first and decides" in problems(
        report
    )


@pytest.mark.promise(1)
@pytest.mark.parametrize("bad", [0, 1, 2])
def test_one_disk_that_cannot_be_read_at_the_start_means_nothing_is_changed(tmp_path: Path, bad: int) -> None:
    world = World(tmp_path, 3)
    world.register("n1", "n2")
    before = world.state()
    world.faults[bad] = broken
    report = world.run("n1", "off", "n2")
    assert not report.ok
    assert world.state() == before
    assert world.changes() == []
    assert "nothing was changed on any disk" in problems(report)
    assert f"{world.devices[bad].name}: open: path failed (status 0x10000); check the connection" in problems(report)


@pytest.mark.promise(1)
def test_a_disk_that_fails_under_way_does_not_keep_the_others_from_being_fenced(tmp_path: Path) -> None:
    world = World(tmp_path, 3)
    world.register("n1", "n2")
    world.faults[1] = broken_from("preempt")
    report = world.run("n1", "off", "n2")
    assert not report.ok
    assert [world.members(number) for number in range(3)] == [{"n1"}, {"n1", "n2"}, {"n1"}]
    assert [bool(it.problem) for it in report.disks] == [False, True, False]


@pytest.mark.promise(5)
@pytest.mark.parametrize(("failing", "told"), [((1,), "only 2 of 3 disks"), ((1, 2), "only 1 of 3 disks"), ((0,), "")])
def test_on_how_many_disks_the_victim_is_fenced_is_told(tmp_path: Path, failing: tuple[int, ...], told: str) -> None:
    world = World(tmp_path, 3)
    world.register("n1", "n2")

    def fault(sent: Command) -> None:
        if sent.name == "preempt":
            raise DeviceFailure("/dev/sdb", "preempt", 2)

    world.faults.update(dict.fromkeys(failing, fault))
    report = world.run("n1", "off", "n2")
    assert not report.ok
    assert (f"is fenced on {told}" in problems(report)) == bool(told)


@pytest.mark.promise(1)
@pytest.mark.parametrize("error", [DeviceFailure, IncompleteAnswer, Conflict])
def test_a_proof_that_cannot_be_read_is_no_proof(tmp_path: Path, error: type[DeviceFailure]) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    snapshots = 0

    def fault(command: Command) -> None:
        nonlocal snapshots
        snapshots += command.name == "snapshot"
        if snapshots == 4:  # before, before and after the step, and then for the proof
            raise error("/dev/sdx", "read keys", 2)

    world.faults[0] = fault
    report = world.run("n1", "off", "n2")
    assert snapshots == 4
    assert not report.ok
    assert report.verdict == ""


@pytest.mark.promise(1)
@pytest.mark.parametrize(
    ("undo", "words"),
    [
        (lambda world: world.targets[0].register("n2", world.keys["n2"]), "n2 (key"),
        (lambda world: world.targets[0].register("n1", 0), "is not registered"),
        (lambda world: world.targets[0].__setattr__("type", 0), "is not fenced"),
    ],
)
def test_what_changes_before_the_last_look_is_a_failure(tmp_path: Path, undo: object, words: str) -> None:
    """During power_wait, the victim registers again, or this node is fenced, or the reservation is cleared."""
    assert callable(undo)
    world = World(tmp_path, 2)
    world.register("n1", "n2")

    def fault(command: Command) -> None:
        if command.name == "snapshot" and (1, "preempt") in world.changes():
            undo(world)

    world.faults[0] = fault
    report = world.run("n1", "off", "n2")
    assert not report.ok
    assert words in problems(report)
    assert "registered keys" in problems(report)


@pytest.mark.promise(1)
def test_a_conflict_is_neither_success_nor_failure_until_the_disk_is_read(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")

    def done_but_says_conflict(command: Command) -> None:
        if command.name == "preempt":
            world.targets[0].carry_out("n1", command)

    world.faults[0] = done_but_says_conflict
    report = world.run("n1", "off", "n2")
    assert (report.ok, report.verdict) == (True, "Powered OFF")


@pytest.mark.promise(1)
def test_a_target_that_says_success_and_does_nothing_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")
    monkeypatch.setattr(world.targets[0], "preempt", lambda *_: None)
    report = world.run("n1", "off", "n2")
    assert not report.ok
    assert world.members() == {"n1", "n2"}
    assert [name for _, name in world.changes()] == ["preempt"] * 8


@pytest.mark.promise(2)
def test_steps_are_said_with_disk_and_keys(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")
    world.run("n1", "off", "n2")
    own, victim = world.keys["n1"], world.keys["n2"]
    words = pr_ioctl.TYPE_NAMES[WERO]
    assert world.nodes["n1"].said == [f"/dev/sdz: preempt 0x{victim:x} with 0x{own:x}, {words}, with abort"]


def test_power_wait_comes_between_the_steps_and_the_proof(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    before: list[tuple[int, str]] = []
    world.nodes["n1"].sleep = lambda _: before.extend((number, command.name) for number, command in world.sent)
    assert world.run("n1", "off", "n2", power_wait=0.2).ok
    assert [it for it in before if it[1] == "preempt"] == world.changes() == [(0, "preempt"), (1, "preempt")]
    assert [command.name for _, command in world.sent[len(before) :]] == ["snapshot", "identify"] * 2
    before.clear()
    assert world.run("n1", "off", "n2", power_wait=60.0).verdict == "Already OFF"
    assert before == []


STRANGER = 0xBAD


@pytest.mark.promise(11)
def test_a_key_that_nothing_explains_is_named_where_it_stood_beside_the_victims(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    world.targets[1].register("stranger", STRANGER)
    report = world.run("n1", "off", "n2")
    assert report.ok
    (warning,) = warnings(report)
    assert world.devices[1].name in warning
    assert "0xbad" in warning


@pytest.mark.promise(11)
@pytest.mark.parametrize("action", ["off", "status"])
def test_a_key_that_nothing_explains_may_be_the_victims(tmp_path: Path, action: str) -> None:
    world = World(tmp_path, 2)
    world.register("n1")
    world.targets[1].register("stranger", STRANGER)
    report = world.run("n1", action, "n2")
    assert not report.ok
    assert "nobody can tell that none of these is its key: 0xbad" in problem_of(report.disks[1])
    assert world.run("n1", action, "n2", foreign_keys=(STRANGER,)).ok


@pytest.mark.parametrize("already", [True, False])
def test_foreign_keys_can_be_made_a_failure(tmp_path: Path, already: bool) -> None:
    world = World(tmp_path, 2)
    world.register("n1", *([] if already else ["n2"]))
    assert world.run("n1", "off", "n2", refuse_foreign=True).ok
    world.targets[1].register("stranger", STRANGER)
    report = world.run("n1", "off", "n2", refuse_foreign=True)
    assert not report.ok
    assert "0xbad" in problems(report)
    assert world.members(0) == {"n1"}


@pytest.mark.promise(2)
def test_an_explicit_key_is_the_one_preempted(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n1")
    world.targets[0].register("n2", 0x77)
    assert world.run("n1", "off", "n2", key="0x77").ok
    world.targets[0].register("n2", 0x78)
    assert world.run("n1", "off", "0x78").ok
    assert world.members() == {"n1"}


def hanging_until(release: threading.Event) -> Fault:
    """A disk that does not answer for now."""

    def fault(_: Command) -> None:
        release.wait(10)

    return fault


@pytest.mark.promise(3, 6)
def test_a_disk_that_hangs_at_the_start_means_nothing_is_changed(tmp_path: Path) -> None:
    """It may hang for this node only: then another one can fence everywhere, and must find what it needs."""
    world = World(tmp_path, 3)
    world.register("n1", "n2")
    release = threading.Event()
    world.faults[1] = hanging_until(release)
    started = time.monotonic()
    report = world.run("n1", "off", "n2", threads=True, limit=4.0)
    took = time.monotonic() - started
    release.set()
    assert took < 4
    assert not report.ok
    assert world.changes() == []
    assert f"{world.devices[1].name}: no answer in time" in problems(report)
    assert "a disk that no node will see again: take it out of the option devices" in problems(report)
    world.faults.clear()
    assert world.run("n2", "off", "n1").ok


@pytest.mark.promise(3, 6)
def test_a_deciding_disk_that_hangs_at_the_start_means_nothing_is_changed(tmp_path: Path) -> None:
    """Another node could win it meanwhile."""
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    release = threading.Event()
    world.faults[0] = hanging_until(release)
    report = world.run("n1", "off", "n2", threads=True, limit=0.4)
    release.set()
    assert not report.ok
    assert world.changes() == []
    assert "nothing was changed on any disk" in problems(report)


@pytest.mark.promise(7)
def test_an_answer_that_is_lost_once_is_asked_again(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    failed: list[Command] = []

    def once(command: Command) -> None:
        if command.name == "preempt" and not failed:
            failed.append(command)
            raise DeviceFailure("/dev/sdx", "preempt-and-abort", 2)

    world.faults[0] = once
    report = world.run("n1", "off", "n2")
    assert report.ok
    assert failed
    assert report.warnings == ()


def no_abort(command: Command) -> None:
    """A target that cannot abort."""
    if command.name == "preempt":
        raise Invalid("/dev/sdx", "preempt-and-abort", -22, "refused as invalid")


@pytest.mark.promise(4)
@pytest.mark.parametrize("abort", ["auto", "require"])
def test_a_preempt_aborts(tmp_path: Path, abort: str) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    report = world.run("n1", "off", "n2", abort=abort)
    assert (report.ok, report.warnings) == (True, ())
    assert world.changes() == [(0, "preempt"), (1, "preempt")]


@pytest.mark.promise(4)
def test_where_the_target_cannot_abort_the_answer_says_so(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")
    world.faults[0] = no_abort
    report = world.run("n1", "off", "n2", abort="auto")
    assert report.ok
    assert world.changes() == [(0, "preempt_without_abort")]
    (note,) = warnings(report)
    assert note == (
        "1 of 1 disks: no abort confirmed; waited 0 s (settle_time), but slower writes accepted before may still land;"
        " set settle_time longer than the disk takes for a write"
    )
    assert (
        world.nodes["n1"].said[-1].endswith(", without abort: preempt-and-abort: refused as invalid (Invalid argument)")
    )


@pytest.mark.promise(4, 5)
def test_where_the_target_refuses_everything_no_preempt_is_claimed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")

    def refuse(command: Command) -> None:
        if command.name.startswith("preempt"):
            raise Invalid("/dev/sdx", command.name, 0x402, "the target refused the command")

    world.faults[0] = refuse
    report = world.run("n1", "off", "n2", abort="auto")
    assert (report.ok, report.warnings, world.changes()) == (False, (), [])


@pytest.mark.promise(4)
def test_a_preempt_without_abort_that_was_carried_out_unanswered_is_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")

    def fault(command: Command) -> None:
        no_abort(command)
        if command.name == "preempt_without_abort":
            world.targets[0].carry_out("n1", command)
            raise PathFailure("/dev/sdx", "preempt", 0x10000)

    world.faults[0] = fault
    report = world.run("n1", "off", "n2", abort="auto")
    (note,) = warnings(report)
    assert report.ok
    assert "no abort confirmed" in note


@pytest.mark.promise(4)
@pytest.mark.parametrize("answer", [PathFailure, DeviceFailure, Conflict])
def test_an_abort_whose_success_nobody_told_is_not_claimed(tmp_path: Path, answer: type[DeviceFailure]) -> None:
    """The key is gone, but the abort may be under way still: on a slow disk longer than the path waits for it."""
    for abort in ("auto", "require", "never"):
        (tmp_path / abort).mkdir()
        world = World(tmp_path / abort)
        world.register("n1", "n2")

        def lost(command: Command, world: World = world) -> None:
            if command.name.startswith("preempt"):
                world.targets[0].carry_out("n1", command)
                raise answer("/dev/sdx", "preempt-and-abort" if command.name == "preempt" else "preempt", 0x30000)

        world.faults[0] = lost
        report = world.run("n1", "off", "n2", abort=abort)
        said = (*warnings(report), problems(report))
        assert report.ok == (abort != "require")
        assert any("the key is gone, but writes that the disk had accepted may still land" in it for it in said) == (
            abort != "never"
        )
        assert any("no abort confirmed" in it for it in said) == (abort != "require")
        assert world.members() == {"n1"}


@pytest.mark.promise(4)
def test_where_the_abort_is_required_a_target_without_it_is_a_failure(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")
    world.faults[0] = no_abort
    report = world.run("n1", "off", "n2", abort="require")
    assert not report.ok
    assert world.changes() == []
    assert "preempt-and-abort: refused as invalid" in problems(report)


@pytest.mark.promise(4)
@pytest.mark.parametrize("error", [Conflict, PathFailure, DeviceFailure])
def test_no_other_failure_is_a_reason_to_leave_the_abort_out(tmp_path: Path, error: type[DeviceFailure]) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")

    def fault(command: Command) -> None:
        if command.name == "preempt":
            raise error("/dev/sdx", "preempt-and-abort", 0x18)

    world.faults[0] = fault
    assert not world.run("n1", "off", "n2", abort="auto").ok
    assert world.changes() == []


def test_without_abort_where_it_is_not_wanted(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")
    assert world.run("n1", "off", "n2", abort="never").ok
    assert world.changes() == [(0, "preempt_without_abort")]


HARM = "vendor LIO-ORG"


@pytest.mark.promise(4)
@pytest.mark.parametrize("harmful", [(), (0,), (1,), (0, 1)])
def test_where_an_abort_does_harm_none_is_sent(tmp_path: Path, harmful: tuple[int, ...]) -> None:
    """Decided disk by disk."""
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    for number in harmful:
        world.targets[number].harm = HARM
    report = world.run("n1", "off", "n2", abort="auto")
    assert report.ok
    assert world.changes() == [(at, "preempt_without_abort" if at in harmful else "preempt") for at in (0, 1)]
    assert [f"without abort: the target is LIO ({HARM}), whose" in it for it in world.nodes["n1"].said] == [
        at in harmful for at in (0, 1)
    ]
    assert [note.split(":")[0] for note in warnings(report)] == ([f"{len(harmful)} of 2 disks"] if harmful else [])


@pytest.mark.promise(4)
@pytest.mark.parametrize("reserved", [3, 0])
def test_where_an_abort_is_required_and_does_harm_nothing_is_changed(tmp_path: Path, reserved: int) -> None:
    """Also on the disks that could abort, and also where a reservation would have to be taken first."""
    world = World(tmp_path, 3)
    world.register("n1", "n2", reserved=reserved)
    world.targets[2].harm = HARM
    before = world.state()
    report = world.run("n1", "off", "n2", abort="require")
    assert not report.ok
    assert f"abort=require cannot be met: the target is LIO ({HARM}), whose" in problems(report)
    assert "nothing was changed on any disk" in problems(report)
    assert (world.state(), world.changes()) == (before, [])


def test_where_nothing_is_to_be_preempted_a_required_abort_is_met(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n1")
    world.targets[0].harm = HARM
    assert world.run("n1", "off", "n2", abort="require").verdict == "Already OFF"


@pytest.mark.promise(4)
def test_a_target_that_is_known_too_late_is_not_sent_a_required_abort(tmp_path: Path) -> None:
    """It led to another target when the disk was opened."""
    world = World(tmp_path)
    world.register("n1", "n2")
    asked = []

    def fault(command: Command) -> None:
        if command.name == "inquiry":
            asked.append(command)
            world.targets[0].harm = HARM if len(asked) > 1 else ""

    world.faults[0] = fault
    report = world.run("n1", "off", "n2", abort="require")
    assert not report.ok
    assert world.changes() == []
    assert len(asked) == 2


@pytest.mark.promise(4)
@pytest.mark.parametrize(
    ("abort", "harm", "waits"),
    [("auto", "", 0.5), ("auto", HARM, 3.0), ("require", "", 0.5), ("never", "", 3.0), ("never", HARM, 3.0)],
)
def test_what_a_disk_may_still_carry_out_is_waited_for(tmp_path: Path, abort: str, harm: str, waits: float) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")
    world.targets[0].harm = harm
    for verdict in ("Powered OFF", "Already OFF"):
        assert world.run("n1", "off", "n2", abort=abort, power_wait=0.5, settle_time=3.0).verdict == verdict
        assert world.nodes["n1"].slept == [waits]


@pytest.mark.promise(4, 5)
def test_a_disk_that_goes_silent_after_an_abort_is_told_with_what_to_do(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")
    gone: list[Command] = []

    def fault(command: Command) -> None:
        if command.name == "preempt":
            gone.append(command)
            raise PathFailure("/dev/sdx", "preempt-and-abort", 0xE0000, "path failure, may be retried")
        if gone:
            raise PathFailure("/dev/sdx", "read keys", 0x10000, "path failed")

    world.faults[0] = fault
    said = problems(world.run("n1", "off", "n2"))
    assert "preempt-and-abort: path failure, may be retried (status 0xe0000)" in said
    assert "then read keys: path failed (status 0x10000)" in said
    assert "the node may be fenced by now: run 'off' again, which finds out; if this repeats, set abort=never" in said


@pytest.mark.parametrize("registered", [("n1", "n2"), ("n1",)], ids=["Powered OFF", "Already OFF"])
def test_paths_that_do_not_answer_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registered: tuple[str, ...]
) -> None:
    """The next disk that fails may be the last."""
    monkeypatch.setattr(ModelDisk, "dead_paths", lambda _: {"/dev/sdq": Notice("no-answer-in-time", {"after": []})})
    world = World(tmp_path)
    world.register(*registered)
    report = world.run("n1", "off", "n2")
    assert report.ok
    assert any("/dev/sdq" in it for it in warnings(report)), warnings(report)


@pytest.mark.promise(3)
def test_where_one_disk_keeps_the_others_from_being_touched_they_are_asked_nothing_more(tmp_path: Path) -> None:
    """Each question of whether this node is heeded may cost the target a write, and a node with many disks its time."""
    world = World(tmp_path, 3)
    for target in world.targets:
        target.harm, target.tells = "vendor LIO-ORG", True
    world.register("n1", "n2")
    world.faults[1] = broken
    assert not world.run("n1", "off", "n2").ok
    alone = [command.name for number, command in world.sent if number == 0]
    world.sent.clear()
    world.faults.clear()
    assert world.run("n1", "off", "n2").ok
    assert set(alone) <= {"open", "snapshot", "identify", "hosts", "own hosts"}
    assert "heeded" in [command.name for number, command in world.sent if number == 0]
