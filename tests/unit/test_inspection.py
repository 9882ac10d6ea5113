"""The actions that only read: status, monitor, list, list-status, validate-all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fence_pr.errors import Invalid, PathFailure
from fence_pr.storage import pr_ioctl
from tests.model.node import conf
from tests.model.target import ModelDisk
from tests.model.world import READS, World, forget_bindings, problems, warnings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.model.target import Command

WE, EA, WERO, EARO, WEAR, EAAR = range(1, 7)
READING = ["status", "monitor", "list", "list-status", "validate-all"]


def broken(command: Command) -> None:
    """A dead path."""
    raise PathFailure("/dev/sdx", command.name, 0x10000, "path failed")


@pytest.mark.parametrize("action", READING)
@pytest.mark.parametrize("reserved", [0, WERO])
def test_reading_actions_change_nothing(tmp_path: Path, action: str, reserved: int) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2", reserved=reserved)
    before = world.state()
    world.run("n1", action, "n2")
    assert world.state() == before
    assert {command.name for _, command in world.sent} <= set(READS)


@pytest.mark.promise(9)
def test_status_is_on_where_registered_everywhere(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    report = world.run("n1", "status", "n2")
    assert (report.ok, report.verdict) == (True, "ON")


@pytest.mark.promise(9)
@pytest.mark.parametrize("kind", [WE, EA, WERO, EARO, WEAR, EAAR])
def test_status_is_off_where_shut_out_everywhere(tmp_path: Path, kind: int) -> None:
    world = World(tmp_path, 2)
    world.register("n1", reserved=kind)
    report = world.run("n1", "status", "n2")
    assert (report.ok, report.verdict) == (True, "OFF")


@pytest.mark.promise(9)
@pytest.mark.parametrize("different", [0, 1])
def test_status_fails_where_the_disks_differ_and_says_how(tmp_path: Path, different: int) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    world.targets[different].register("n2", 0)
    report = world.run("n1", "status", "n2")
    assert not report.ok
    assert f"{world.devices[different].name}: n2 (key 0x{world.keys['n2']:x}) is fenced" in problems(report)
    assert f"{world.devices[1 - different].name}: n2 (key 0x{world.keys['n2']:x}) is registered" in problems(report)


@pytest.mark.promise(9)
def test_status_fails_where_nothing_is_reserved(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.register("n1", reserved=0)
    report = world.run("n1", "status", "n2")
    assert not report.ok
    assert "nothing is reserved: it can write" in problems(report)


@pytest.mark.promise(9)
@pytest.mark.parametrize("registered", [("n1",), ("n1", "n2")])
@pytest.mark.parametrize("bad", [0, 1])
def test_status_fails_where_one_disk_cannot_be_read(tmp_path: Path, bad: int, registered: tuple[str, ...]) -> None:
    world = World(tmp_path, 2)
    world.register(*registered)
    world.faults[bad] = broken
    report = world.run("n1", "status", "n2")
    assert not report.ok
    assert f"{world.devices[bad].name}: open: path failed" in problems(report)


def test_monitor_is_content_with_registered_nodes_and_a_reservation(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    for name in ("n1", "n2"):
        assert world.run(name, "on", name).ok
    report = world.run("n1", "monitor")
    assert (report.ok, report.warnings) == (True, ())


def test_monitor_before_the_first_on_only_notes_that_this_node_is_not_registered(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n2")
    report = world.run("n1", "monitor")
    assert report.ok
    assert "is not registered" in "".join(warnings(report))


def test_monitor_of_fresh_disks_is_content(tmp_path: Path) -> None:
    assert World(tmp_path, 2).run("n1", "monitor").ok


def test_monitor_fails_on_a_node_that_was_fenced(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    for name in ("n1", "n2"):
        assert world.run(name, "on", name).ok
    assert world.run("n2", "off", "n1").ok
    report = world.run("n1", "monitor")
    assert not report.ok
    assert "it was fenced" in problems(report)


def test_monitor_tells_lost_registrations_from_a_fencing(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    assert world.run("n1", "on", "n1").ok
    world.targets[1].register("n1", 0)
    problem = problems(world.run("n1", "monitor"))
    assert "is not registered any more, and nothing is reserved: every node can write" in problem
    assert "run 'on' on every node" in problem
    assert "fenced" not in problem


@pytest.mark.parametrize("action", ["monitor", "validate-all", "on"])
@pytest.mark.parametrize("kind", [WE, EA])
def test_a_reservation_of_another_program_is_named_with_its_key(tmp_path: Path, action: str, kind: int) -> None:
    world = World(tmp_path)
    world.targets[0].register("stranger", 0xBAD)
    world.targets[0].reserve("stranger", 0xBAD, kind)
    said = problems(world.run("n1", action, "n1"))
    name = pr_ioctl.TYPE_NAMES[kind]
    assert f"the reservation in force is {name}, held with key 0xbad: only its holder can write; release it" in said


@pytest.mark.parametrize(
    ("reserved", "words"), [(0, "nothing is reserved"), (WE, "only its holder"), (EA, "only its holder")]
)
def test_monitor_fails_where_everybody_or_one_node_can_write(tmp_path: Path, reserved: int, words: str) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2", reserved=reserved)
    report = world.run("n1", "monitor")
    assert not report.ok
    assert words in problems(report)


def test_monitor_fails_where_a_disk_cannot_be_read(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.register("n1")
    world.faults[1] = broken
    report = world.run("n1", "monitor")
    assert not report.ok
    assert [bool(it.problem) for it in report.disks] == [False, True]


@pytest.mark.promise(11)
@pytest.mark.parametrize("action", ["monitor", "validate-all"])
def test_a_key_that_nothing_explains_is_found_in_daylight(tmp_path: Path, action: str) -> None:
    world = World(tmp_path)
    world.register("n1")
    assert world.run("n1", action, "n1").ok
    world.targets[0].register("stranger", 0xBAD)
    report = world.run("n1", action, "n1")
    assert not report.ok
    assert "no known node has these keys: 0xbad" in problems(report)
    assert world.run("n1", action, "n1", foreign_keys=(0xBAD,)).ok


def test_list_gives_the_nodes_without_touching_a_disk(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.faults[0] = broken
    assert world.run("n1", "list", devices=()).rows == (("n1", ""), ("n2", ""), ("n3", ""))
    assert world.run("n1", "list").ok


def test_list_without_a_nodelist_gives_the_registered_keys(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.register("n1")
    world.targets[1].register("n2", 0x2A)
    world.conf.unlink()
    report = world.run("n1", "list")
    assert report.ok
    assert {row[0] for row in report.rows} == {"0x2a", f"0x{world.keys['n1']:x}"}
    assert "nothing to list" in problems(world.run("n1", "list", devices=()))


def test_list_status_gives_every_node_and_every_other_key(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    world.targets[0].register("n2", 0)
    for target in world.targets:
        target.register("stranger", 0xBAD)
    report = world.run("n1", "list-status")
    assert report.ok
    assert report.rows == (("n1", "", "ON"), ("n2", "", "UNKNOWN"), ("n3", "", "UNKNOWN"), ("0xbad", "", "ON"))


@pytest.mark.promise(9)
def test_list_status_calls_nobody_off_by_a_key_that_is_made_otherwise_now(tmp_path: Path) -> None:
    """As where a person forgets the option key_value: both nodes are registered, and can write."""
    world = World(tmp_path)
    for name in ("n1", "n2"):
        assert world.run(name, "on", name).ok
    forget_bindings(world)
    report = world.run("n1", "list-status", key_method="hash")
    keys = sorted(world.keys[name] for name in ("n1", "n2"))
    unknown = [(name, "", "UNKNOWN") for name in ("n1", "n2", "n3")]
    assert report.rows == (*unknown, *((f"0x{key:x}", "", "ON") for key in keys))
    assert any("which keys the nodes have cannot be told" in note for note in warnings(report))


def test_list_status_says_nothing_of_names_where_none_is_known(tmp_path: Path) -> None:
    """As after the cluster's name has changed, on a machine that has no nodelist: keys are all that there is."""
    world = World(tmp_path)
    assert world.run("n1", "on", "n1").ok
    forget_bindings(world)
    conf(tmp_path, (), cluster="another")
    report = world.run("n1", "list-status")
    assert (report.ok, report.rows) == (True, ((f"0x{world.keys['n1']:x}", "", "ON"),))
    assert warnings(report) == []


def test_list_status_calls_nobody_off_where_nothing_is_reserved(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n1", reserved=0)
    assert [row[2] for row in world.run("n1", "list-status").rows] == ["ON", "UNKNOWN", "UNKNOWN"]


def test_list_status_fails_where_a_disk_cannot_be_read(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.register("n1")
    world.faults[1] = broken
    report = world.run("n1", "list-status")
    assert not report.ok
    assert "path failed" in problems(report)


def test_validate_is_content_with_readable_disks_and_computable_keys(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    assert world.run("n1", "validate-all", "n1").ok
    assert world.run("n1", "validate-all", "any-name").ok


def test_validate_fails_for_a_disk_that_cannot_be_read(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.faults[1] = broken
    report = world.run("n1", "validate-all", "n1")
    assert not report.ok
    assert world.devices[1].name in problems(report)


@pytest.mark.parametrize(
    ("plug", "key", "words"),
    [
        ("n1", "zz", "is not a reservation key"),
        ("0xzz", "", "is not a reservation key"),
        ("0x1", "2", "contradicts"),
    ],
)
def test_validate_fails_for_a_bad_key(tmp_path: Path, plug: str, key: str, words: str) -> None:
    world = World(tmp_path)
    report = world.run("n1", "validate-all", plug, key=key)
    assert not report.ok
    assert words in problems(report)


def test_validate_fails_without_a_cluster_name(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.conf.unlink()
    report = world.run("n1", "validate-all", "n1")
    assert not report.ok
    assert "set the option cluster_name" in problems(report)
    assert world.run("n1", "validate-all", "n1", cluster_name="lab").ok
    assert world.run("n1", "validate-all", "n1", key="1").ok


def test_validate_fails_where_the_target_has_not_the_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    monkeypatch.setattr(ModelDisk, "capabilities", lambda _: pr_ioctl.Capabilities((WE, EA, WERO), True))
    assert world.run("n1", "validate-all", "n1", reservation_type=WERO).ok
    report = world.run("n1", "validate-all", "n1", reservation_type=WEAR)
    assert not report.ok
    assert "write exclusive, all registrants" in problems(report)
    monkeypatch.setattr(ModelDisk, "capabilities", lambda _: pr_ioctl.Capabilities(None, True))
    assert world.run("n1", "validate-all", "n1", reservation_type=WEAR).ok


def test_validate_says_what_is_worth_knowing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    monkeypatch.setattr(ModelDisk, "capabilities", lambda _: pr_ioctl.Capabilities(None, False))
    assert world.run("n1", "validate-all", "n1").ok
    assert world.nodes["n1"].said == [], "the first registration asks for it"
    world.register("n2")
    assert world.run("n1", "validate-all", "n1").ok
    assert "power loss" in world.nodes["n1"].said[-1]
    never = pr_ioctl.Capabilities(None, False, persistence_possible=False)
    monkeypatch.setattr(ModelDisk, "capabilities", lambda _: never)
    name, note = warnings(world.run("n1", "validate-all", "n1"))
    assert name.startswith(
        f"{world.devices[0].node}: a name of the kernel's own: on another node, or after the next boot"
    )
    assert "cannot keep registrations over a power loss" in note

    def silent(_: ModelDisk) -> pr_ioctl.Capabilities:
        raise Invalid("/dev/sdx", "report capabilities", 2)

    monkeypatch.setattr(ModelDisk, "capabilities", silent)
    assert world.run("n1", "validate-all", "n1").ok
    assert "need not say" in world.nodes["n1"].said[-1]


@pytest.mark.parametrize("action", ["on", "off", "status", "monitor", "list", "list-status", "validate-all"])
def test_a_configuration_that_exists_and_cannot_be_read_is_a_failure(tmp_path: Path, action: str) -> None:
    world = World(tmp_path)
    world.conf.unlink()
    world.conf.mkdir()
    report = world.run("n1", action, "n2")
    assert not report.ok
    assert f"{world.conf} cannot be read: Is a directory" in problems(report)
    assert world.sent == []


@pytest.mark.promise(4)
@pytest.mark.parametrize("action", ["monitor", "validate-all"])
def test_a_required_abort_that_would_do_harm_is_found_in_daylight(tmp_path: Path, action: str) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    world.targets[1].harm = "its sign"
    report = world.run("n1", action, abort="require")
    harm = "the target is LIO (its sign), whose preempt-and-abort can take down the session of the node that sends it"
    problem = f"abort=require cannot be met: {harm}; set abort=auto, which preempts without abort there"
    assert problems(report) == f"{world.devices[1].name}: {problem}"
    assert world.run("n1", action, abort="auto").ok


def test_validate_says_where_off_would_preempt_without_abort(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.targets[0].harm = "its sign"
    assert world.run("n1", "validate-all").ok
    (said,) = world.nodes["n1"].said
    assert said.startswith(
        "/dev/sdz: 'off' preempts without abort there: the target is LIO (its sign), whose preempt-and"
    )


@pytest.mark.promise(9)
@pytest.mark.parametrize("action", ["status", "list-status"])
def test_a_disk_that_became_another_one_while_it_was_read_says_nothing_of_a_node(tmp_path: Path, action: str) -> None:
    world = World(tmp_path, 2)
    world.register("n1")

    def replaced(command: Command) -> None:
        if command.name == "identify":
            raise PathFailure("/dev/sdx", "identity", 0)

    world.faults[1] = replaced
    report = world.run("n1", action, "n2")
    assert not report.ok
    assert [bool(disk.problem) for disk in report.disks] == [False, True] if action == "list-status" else True


def test_a_target_with_one_registration_for_several_ports_is_not_reported_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """'on' has registered over every path, and sees how many registrations that makes there."""
    monkeypatch.setattr(ModelDisk, "live_paths", lambda _: 4)
    world = World(tmp_path, names=("n1", "n2"))
    for name in ("n1", "n2"):
        assert warnings(world.run(name, "on", name)) == []
    assert warnings(world.run("n1", "monitor")) == []
    monkeypatch.setattr(ModelDisk, "live_paths", lambda _: 5)
    assert ["5 paths answer" in it for it in warnings(world.run("n1", "monitor"))] == [True]
    forget_bindings(world)
    monkeypatch.setattr(ModelDisk, "live_paths", lambda _: 4)
    assert ["4 paths answer" in it for it in warnings(world.run("n1", "monitor"))] == [True]


def test_validate_says_where_the_cluster_would_not_try_again(tmp_path: Path) -> None:
    """It waits 60 s for 'off' unless told otherwise, and begins nothing after 70 % of that."""
    world = World(tmp_path)
    world.register("n1")
    for limit, waiting, said in ((40.0, 2.0, 0), (40.0, 3.0, 62), (20.0, 1.0, 0), (60.0, 1.0, 88), (None, 1.0, 0)):
        report = world.run("n1", "validate-all", "n1", limit=limit, settle_time=waiting)
        assert report.ok
        found = [it for it in report.warnings if it.code == "limit-needs-more"]
        assert [it.fields["least"] for it in found] == ([said] if said else [])
    report = world.run("n1", "validate-all", "n1", limit=60.0, settle_time=1.0)
    assert "'off' may take 61 s" in warnings(report)[0]
    assert warnings(report)[0].endswith("set pcmk_off_timeout to 88, unless it is longer already")
