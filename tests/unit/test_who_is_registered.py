"""Promise 11 over whole actions: a name is not a node. Each premise broken, and what must go on working."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr.errors import DeviceFailure, PathFailure
from tests.model.node import conf
from tests.model.world import World, forget_bindings, problems, warnings

if TYPE_CHECKING:
    from pathlib import Path

    from fence_pr.errors import ReservationError
    from tests.model.target import Command

pytestmark = pytest.mark.promise(11)

LVM = 0x1000000000000001
PAIR = ("n1", "n2")


def telling(world: World) -> World:
    """The targets tell hosts."""
    for target in world.targets:
        target.tells = True
    return world


def unfenced(tmp_path: Path, *names: str, tells: bool = False, key_method: str = "hash64") -> World:
    """These nodes have run 'on', each as it is told."""
    world = World(tmp_path, names=names)
    if tells:
        telling(world)
    for name in names:
        assert world.run(name, "on", name, key_method=key_method).ok
    return world


def test_a_cluster_that_one_node_calls_otherwise(tmp_path: Path) -> None:
    """Corosync does not mind. n2 is registered, and nobody else knows with which key."""
    world = World(tmp_path, names=PAIR)
    assert world.run("n1", "on", "n1").ok
    assert world.run("n2", "on", "n2", cluster_name="oldname").ok
    for action in ("off", "status"):
        report = world.run("n1", action, "n2")
        assert not report.ok
        assert "nobody can tell that none of these is its key" in problems(report)
    for action in ("monitor", "validate-all"):
        assert "no known node has these keys" in problems(world.run("n1", action, "n1"))
    assert world.run("n1", "list-status").rows[1] == ("n2", "", "UNKNOWN")
    assert world.members() == {"n1", "n2"}


def test_the_same_where_the_target_tells_the_host(tmp_path: Path) -> None:
    """It was seen as n2's before the renaming. Now it is said whose key that is, and how to get rid of it."""
    world = unfenced(tmp_path, *PAIR, tells=True)
    assert world.run("n1", "monitor", "n1").ok
    assert world.run("n2", "on", "n2", cluster_name="newname").ok
    for action in ("off", "status"):
        report = world.run("n1", action, "n2")
        assert not report.ok
        assert "its host is the same node's" in problems(report)
        assert "of host iqn.n2, which is n2" in problems(report)
    (key,) = {it for it in world.targets[0].keys.values() if it != world.keys["n1"]}
    assert world.run("n1", "off", f"0x{key:x}").verdict == "Powered OFF"
    assert world.run("n1", "off", "n2").verdict == "Already OFF"


def test_a_renamed_cluster_can_fence_by_the_old_name_and_by_the_new_one(tmp_path: Path) -> None:
    """From the change of the file until 'on' has run everywhere."""
    for already in ((), ("n1",), ("n1", "n3"), ("n2",), ("n1", "n2", "n3")):
        folder = tmp_path / "-".join(("run", *already))
        folder.mkdir()
        world = unfenced(folder, "n1", "n2", "n3")
        conf(folder, cluster="newname")
        for name in already:
            assert world.run(name, "on", name).ok
        report = world.run("n1", "off", "n2")
        assert report.ok, problems(report)
        assert world.members() == {"n1", "n3"}
        assert world.run("n3", "status", "n2").verdict == "OFF"
        monitored = world.run("n3", "monitor", "n3")
        assert monitored.ok
        assert ("its name makes another key by now" in "".join(warnings(monitored))) == ("n3" not in already)


def test_an_explicit_key_that_was_changed_in_the_map(tmp_path: Path) -> None:
    world = World(tmp_path, names=PAIR)
    assert world.run("n1", "on", "n1", key="0x1").ok
    assert world.run("n2", "on", "n2", key="0x2").ok
    assert world.run("n1", "monitor", "0x1").ok  # one key may be the other node's
    report = world.run("n1", "off", "0x22")
    assert not report.ok
    assert "0x2" in problems(report)
    assert world.run("n1", "off", "0x2").verdict == "Powered OFF"


def test_a_changed_key_where_hosts_were_seen(tmp_path: Path) -> None:
    """A victim that is named by its key alone may be any node, also one whose host is known."""
    world = telling(World(tmp_path))
    node_keys = (("n1", 1), ("n2", 2), ("n3", 3))
    for name, _ in node_keys:
        assert world.run(name, "on", name, node_keys=node_keys).ok
    assert world.run("n1", "monitor", "n1", node_keys=node_keys).ok
    report = world.run("n1", "off", "0x22")
    assert not report.ok
    assert "0x2" in problems(report)


def test_three_nodes_with_explicit_keys(tmp_path: Path) -> None:
    """monitor asks for node_keys in daylight; without it the first fencing succeeds, and says what it cannot know."""
    world = World(tmp_path)
    keys = {"n1": 1, "n2": 2, "n3": 3}
    for name, key in keys.items():
        assert world.run(name, "on", name, key=f"0x{key:x}").ok
    assert "node_keys=" in problems(world.run("n1", "monitor", "0x1"))
    node_keys = tuple(keys.items())
    assert world.run("n1", "monitor", "n1", node_keys=node_keys).ok
    report = world.run("n1", "off", "0x2")
    assert report.ok
    assert "0x3" in "".join(warnings(report))
    assert not world.run("n3", "off", "0x2").ok
    again = world.run("n3", "off", "n2", node_keys=node_keys)
    assert (again.verdict, again.warnings) == ("Already OFF", ())


def test_positions_in_two_lists(tmp_path: Path) -> None:
    """key_value=id, n1,n2,n3 here and n2,n1,n3 there: two nodes register one key, and 'off n2' would find nothing."""
    world = World(tmp_path)
    telling(world)
    assert world.run("n1", "on", "n1", key_method="id").ok
    other = tmp_path / "other"
    other.mkdir()
    assert world.run("n2", "on", "n2", key_method="id", corosync_conf=str(conf(other, ("n2", "n1", "n3")))).ok
    for action in ("off", "status", "monitor", "validate-all"):
        report = world.run("n1", action, "n2", key_method="id")
        assert not report.ok, action
    assert "one key stands for two hosts" in problems(world.run("n1", "off", "n2", key_method="id"))
    assert world.members() >= {"n1", "n2"}


def test_a_node_that_was_removed_from_the_list_of_positions(tmp_path: Path) -> None:
    """n3's key is n2's by now: a key that is listed is refused to 'on' where the target tells that it is n2's."""
    world = unfenced(tmp_path, "n1", "n2", "n3", key_method="id")
    conf(tmp_path, ("n1", "n3"))
    report = world.run("n1", "off", "n3", key_method="id")
    assert not report.ok
    assert not world.run("n1", "monitor", "n1", key_method="id").ok
    assert not world.run("n1", "validate-all", "n1", key_method="id").ok


def test_on_refuses_a_key_that_is_another_nodes(tmp_path: Path) -> None:
    world = telling(World(tmp_path))
    for name in ("n1", "n2", "n3"):
        assert world.run(name, "on", name, key_method="id").ok
    assert world.run("n3", "monitor", "n3", key_method="id").ok
    conf(tmp_path, ("n1", "n3"))
    before = world.state()
    report = world.run("n3", "on", "n3", key_method="id")
    assert not report.ok
    assert "stands for another node" in problems(report)
    assert world.state() == before


@pytest.mark.parametrize("action", ["on", "off", "status", "monitor", "validate-all"])
def test_lvm_reservations_on_the_same_disk(tmp_path: Path, action: str) -> None:
    """Its register-and-ignore has replaced n2's key."""
    world = unfenced(tmp_path, *PAIR)
    world.targets[0].register("n2", LVM)
    report = world.run("n1", action, "n1" if action == "on" else "n2")
    assert not report.ok
    assert "0x1000000000000001 (LVM's form)" in problems(report)
    assert world.run("n1", action, "n1" if action == "on" else "n2", foreign_keys=(LVM,)).ok


def test_one_node_with_two_keys(tmp_path: Path) -> None:
    """Two paths, one of them dead while the cluster was renamed; n3 has the old name still."""
    world = unfenced(tmp_path, "n1", "n2", "n3", tells=True)
    assert world.run("n3", "monitor", "n3").ok
    (target,) = world.targets
    target.keys["n1"] = 0x77
    target.keys["n1 over its second path"] = world.keys["n1"]
    target.host_of["n1 over its second path"] = "n1"
    before = world.state()
    report = world.run("n3", "off", "n1")
    assert not report.ok
    assert "n1 (key " in problems(report)
    assert "0x77 (fence_scsi's form), of host iqn.n1" in problems(report)
    assert world.state() == before
    assert world.run("n3", "off", "0x77").ok
    assert world.run("n3", "off", "n1").verdict == "Powered OFF"
    assert world.members() == {"n2", "n3"}


def test_on_removes_this_nodes_own_former_keys(tmp_path: Path) -> None:
    """Where the target tells that nobody else is behind them."""
    for tells in (True, False):
        folder = tmp_path / str(tells)
        folder.mkdir()
        world = unfenced(folder, *PAIR, tells=tells)
        (target,) = world.targets
        target.keys["n1 over its second path"] = world.keys["n1"]
        target.host_of["n1 over its second path"] = "n1"
        conf(folder, PAIR, "newname")
        assert world.run("n1", "on", "n1").ok
        assert ("n1 over its second path" in target.keys) == (not tells)


def test_a_target_that_fails_to_tell(tmp_path: Path) -> None:
    """READ FULL STATUS is never required."""

    def deaf(command: Command) -> None:
        if command.name == "hosts":
            raise DeviceFailure("/dev/sdz", "full status", 2)

    world = unfenced(tmp_path, *PAIR, tells=True)
    world.faults[0] = deaf
    assert world.run("n1", "monitor", "n1").ok
    assert world.run("n1", "off", "n2").ok
    assert world.run("n2", "on", "n2").ok


@pytest.mark.parametrize("error", [PathFailure, DeviceFailure])
def test_a_question_for_hosts_that_is_lost_is_asked_again(tmp_path: Path, error: type[ReservationError]) -> None:
    """Positions in two lists: without an answer n2 would be called off."""
    world = telling(World(tmp_path))
    assert world.run("n1", "on", "n1", key_method="id").ok
    other = tmp_path / "other"
    other.mkdir()
    assert world.run("n2", "on", "n2", key_method="id", corosync_conf=str(conf(other, ("n2", "n1", "n3")))).ok
    lost = [error("/dev/sdz", "full status", 2)] * 2

    def lossy(command: Command) -> None:
        if command.name == "hosts" and lost:
            raise lost.pop()

    world.faults[0] = lossy
    assert "one key stands for two hosts" in problems(world.run("n1", "off", "n2", key_method="id"))
    assert not lost


def test_a_key_that_another_nodes_host_is_behind(tmp_path: Path) -> None:
    """n3 has another name for the cluster: its key is no secret where its host was seen, so n2 can be fenced. That n3
    could not is said in daylight.
    """
    world = unfenced(tmp_path, "n1", "n2", "n3", tells=True)
    assert world.run("n1", "monitor", "n1").ok
    assert world.run("n3", "on", "n3", cluster_name="newname").ok
    for action in ("monitor", "validate-all"):
        assert "of host iqn.n3, which is n3" in problems(world.run("n1", action, "n1"))
    assert "its host is the same node's" in problems(world.run("n1", "off", "n3"))
    assert world.run("n1", "off", "n2").verdict == "Powered OFF"
    assert world.run("n1", "off", "n2").verdict == "Already OFF"
    assert world.run("n1", "off", "n2").warnings == ()


@pytest.mark.parametrize("damage", ["garbage", ""])
def test_what_is_remembered_is_damaged(tmp_path: Path, damage: str) -> None:
    """Less is explained then; 'on' writes it anew."""
    world = unfenced(tmp_path, *PAIR)
    for file in (*world.nodes["n1"].state.glob("+*"), *world.nodes["n1"].lasting.glob("*")):
        file.write_text(damage)
    said = "what is remembered of this disk cannot be read"
    assert said in "".join(warnings(world.run("n1", "monitor", "n1")))
    report = world.run("n1", "off", "n2")
    assert (report.verdict, report.warnings) == ("Powered OFF", ())  # nothing needs it
    world.targets[0].register("n2", 0x77)
    report = world.run("n1", "off", "n2")
    assert not report.ok
    assert said in "".join(warnings(report))
    assert world.run("n1", "on", "n1").ok
    assert said not in "".join(warnings(world.run("n1", "monitor", "n1")))


def test_what_is_to_be_remembered_cannot_be_written(tmp_path: Path) -> None:
    world = World(tmp_path, names=PAIR)
    world.nodes["n1"].lasting.write_text("no folder")
    report = world.run("n1", "on", "n1")
    assert report.ok
    assert "what is to be remembered of this disk cannot be written" in "".join(warnings(report))


def test_a_reboot_forgets_nothing_that_explains(tmp_path: Path) -> None:
    world = unfenced(tmp_path, *PAIR)
    for file in world.nodes["n1"].state.iterdir():
        file.unlink()
    conf(tmp_path, PAIR, "newname")
    assert world.run("n1", "on", "n1").ok
    assert world.run("n1", "off", "n2").verdict == "Powered OFF"
    assert world.members() == {"n1"}


def test_disks_that_a_call_does_not_name(tmp_path: Path) -> None:
    """Two fence devices without a topology level: Pacemaker would run one of them."""
    world = World(tmp_path, 2, names=PAIR)
    for name in PAIR:
        assert world.run(name, "on", name).ok
    first, second = world.devices
    for action in ("monitor", "validate-all", "off"):
        said = "".join(warnings(world.run("n1", action, "n2", devices=(first.name,))))
        assert f"disks that this call does not name: {second.identity}" in said, action
        assert "does not name" not in "".join(warnings(world.run("n1", action, "n2")))


def test_a_machine_that_has_just_got_this_version(tmp_path: Path) -> None:
    """Its nodes are registered, it has the files of this boot, and nothing else."""
    world = unfenced(tmp_path, *PAIR)
    forget_bindings(world)
    assert world.run("n1", "monitor", "n1").warnings == ()
    assert world.run("n1", "off", "n2").verdict == "Powered OFF"


def test_a_machine_that_was_cloned(tmp_path: Path) -> None:
    """With all its files and its initiator's name: it must not take the other one's key for its own former one."""
    world = unfenced(tmp_path, *PAIR, tells=True)
    world.targets[0].host_of["n2"] = "n1"
    for file in world.nodes["n1"].lasting.iterdir():
        (world.nodes["n2"].lasting / file.name).write_bytes(file.read_bytes())
    for file in world.nodes["n2"].state.iterdir():
        file.unlink()
    report = world.run("n2", "on", "n2")
    assert "was written by node n1, and this is n2" in "".join(warnings(report))
    assert world.members() == {"n1", "n2"}


def test_what_on_notes_while_the_monitor_asks_for_hosts_is_kept(tmp_path: Path) -> None:
    """Else nobody would know, after the next renaming, which keys names made."""
    world = unfenced(tmp_path, *PAIR, tells=True)
    begun: list[str] = []

    def renamed_meanwhile(command: Command) -> None:
        if command.name == "hosts" and not begun:
            begun.append("n1")
            conf(tmp_path, PAIR, "second")
            assert world.run("n1", "on", "n1").ok

    world.faults[0] = renamed_meanwhile
    world.run("n1", "monitor", "n1")
    world.faults.clear()
    assert world.run("n2", "on", "n2").ok
    conf(tmp_path, PAIR, "third")
    assert world.run("n1", "monitor", "n1").ok
    assert world.run("n1", "off", "n2").verdict == "Powered OFF"


def test_a_key_of_two_hosts_that_a_name_makes_is_only_logged(tmp_path: Path) -> None:
    """One node may well have two initiators' names, and nobody else has its key."""
    world = unfenced(tmp_path, *PAIR, tells=True)
    assert world.run("n1", "monitor", "n1").ok
    assert not any("two hosts" in it for it in world.nodes["n1"].said)
    world.targets[0].keys["n2 over another"] = world.keys["n2"]
    report = world.run("n1", "monitor", "n1")
    assert (report.ok, report.warnings) == (True, ())
    assert any("one key stands for two hosts" in it for it in world.nodes["n1"].said)
    assert world.run("n1", "off", "n2").verdict == "Powered OFF"


@pytest.mark.promise(6, 11)
@pytest.mark.parametrize("method", ["hash64", "id", "given"])
def test_a_target_that_never_answers_whose_keys_they_are(tmp_path: Path, method: str) -> None:
    """istgt with a full table does so. Nobody is kept from fencing, but where keys are positions nothing is proved."""
    world = World(tmp_path, names=PAIR)
    given: dict[str, Any] = {
        name: {"key": f"0x{name[1]}"} if method == "given" else {"key_method": method} for name in PAIR
    }
    for name in PAIR:
        assert world.run(name, "on", name, **given[name]).ok
    if method == "hash64":  # else the hosts are asked for anyway
        world.targets[0].register("stranger", 0xBAD)
    silent = threading.Event()

    def deaf(command: Command) -> None:
        if command.name == "hosts":
            silent.wait(20)

    world.faults[0] = deaf
    began = time.monotonic()
    report = world.run("n1", "off", "n2", **given["n2"], threads=True, limit=2.0)
    assert time.monotonic() - began < 2
    silent.set()
    assert report.verdict == ("" if method == "id" else "Powered OFF")
    assert method == "id" or any("whose registrations these are is not told" in it for it in world.nodes["n1"].said)


@pytest.mark.promise(4)
@pytest.mark.parametrize("abort", ["auto", "require"])
def test_an_abort_of_one_key_does_not_confirm_that_of_another(tmp_path: Path, abort: str) -> None:
    """n2 stands with the key of before the renaming on a second session; the answer to its removal is lost."""
    world = unfenced(tmp_path, "n1", "n2", "n3")
    conf(tmp_path, cluster="newname")
    for name in ("n1", "n2", "n3"):
        assert world.run(name, "on", name).ok
    world.targets[0].register("another session of n2", world.keys["n2"])
    lost: list[Command] = []

    def fault(command: Command) -> None:
        if command.name == "preempt" and not lost:
            lost.append(command)
            world.targets[0].carry_out("n1", command)
            raise PathFailure("/dev/sdx", "preempt-and-abort", 0x10000)

    world.faults[0] = fault
    report = world.run("n1", "off", "n2", abort=abort, limit=20.0)
    assert world.members() == {"n1", "n3"}
    assert [name for _, name in world.changes()][-1] == "preempt"
    assert len(lost) == 1
    assert report.ok == (abort == "auto")
    assert "writes that the disk had accepted may still land" in problems(report) + "".join(warnings(report))
