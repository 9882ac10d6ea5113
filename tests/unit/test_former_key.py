"""The key that stands where this node is to be registered: its own old one is replaced, another's never."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from fence_pr import key_form, keys
from fence_pr.storage.device import NVME, SCSI
from tests.model.world import World, forget_bindings, problems

if TYPE_CHECKING:
    from pathlib import Path

LVM = 0x1000000000010001
KINDS = pytest.mark.parametrize("kind", [SCSI, NVME])


def exchange_names(world: World) -> None:
    """n1 and n2 have each other's place in the nodelist."""
    text = world.conf.read_text()
    world.conf.write_text(
        text.replace("name: n2", "name: x").replace("name: n1", "name: n2").replace("name: x", "name: n1")
    )


@KINDS
@pytest.mark.parametrize("key", [0x5, 0x12345678, 0xABCDEF0123456789])
def test_a_key_that_is_nobodys_is_this_nodes_own_from_before(tmp_path: Path, kind: str, key: int) -> None:
    world = World(tmp_path, 2, kind=kind)
    world.targets[1].keys["n1"] = key
    assert world.run("n1", "on", "n1").ok
    assert [target.keys for target in world.targets] == [{"n1": world.keys["n1"]}] * 2
    assert [name for where, name in world.changes() if where == 1] == ["register", "replace", "reserve"]
    assert f"{world.devices[1].label()}: replace this node's former key 0x{key:x}" in world.nodes["n1"].said


@pytest.mark.promise(2, 5)
@KINDS
@pytest.mark.parametrize("listed", [False, True], ids=["n1 is new", "n1 has an older nexus"])
def test_another_nodes_key_is_never_replaced(tmp_path: Path, kind: str, listed: bool) -> None:
    world = World(tmp_path, kind=kind)
    target = world.targets[0]
    target.keys["n1"] = world.keys["n2"]
    if listed:
        target.keys["n1 before"] = world.keys["n1"]
    before = target.frozen()
    report = world.run("n1", "on", "n1")
    assert not report.ok
    assert target.frozen() == before
    assert f"is registered with key 0x{world.keys['n2']:x} of node n2" in problems(report)
    told = "virtual port (NPIV)" if kind == SCSI else "/etc/nvme/hostid"
    assert told in problems(report)


@pytest.mark.promise(2, 5)
@KINDS
@pytest.mark.parametrize("before", [False, True], ids=["n1 is new", "n1 was registered here"])
def test_lvms_key_is_never_replaced(tmp_path: Path, kind: str, before: bool) -> None:
    world = World(tmp_path, kind=kind)
    if before:
        assert world.run("n1", "on", "n1").ok
    world.targets[0].keys["n1"] = LVM
    report = world.run("n1", "on", "n1")
    assert not report.ok
    assert world.targets[0].keys == {"n1": LVM}
    assert f"0x{LVM:x} (LVM's form)" in problems(report)


@pytest.mark.promise(2, 5)
@pytest.mark.parametrize("kind", [SCSI, NVME])
def test_a_key_that_came_in_place_of_what_was_registered_since_the_start(tmp_path: Path, kind: str) -> None:
    """On NVMe another host with this one's identifier has put it there; on SCSI that could be this node's own."""
    world = World(tmp_path, kind=kind)
    assert world.run("n1", "on", "n1").ok
    world.targets[0].keys["n1"] = 0x5
    report = world.run("n1", "on", "n1")
    assert report.ok == (kind == SCSI)
    assert ("0x5, which is not this node's: two nodes have one identifier" in problems(report)) == (kind == NVME)


@pytest.mark.promise(2, 5)
@KINDS
def test_what_a_clone_remembers_is_not_its_own(tmp_path: Path, kind: str) -> None:
    """It has the initiator's name or the host identifier of the machine that it was made from, and its notes."""
    world = World(tmp_path, kind=kind)
    assert world.run("n2", "on", "n2").ok
    shutil.copytree(world.nodes["n2"].lasting, world.nodes["n1"].lasting, dirs_exist_ok=True)
    world.targets[0].keys = {"n1": world.keys["n2"]}
    assert not world.run("n1", "on", "n1").ok
    assert world.targets[0].keys == {"n1": world.keys["n2"]}


@pytest.mark.promise(7)
@KINDS
def test_a_key_that_was_noted_and_has_passed_to_another_node_is_this_nodes_own(tmp_path: Path, kind: str) -> None:
    """n1 has the place of n2 in the list, and is restarted."""
    world = World(tmp_path, kind=kind, names=("n2", "n1", "n3"))
    assert world.run("n1", "on", "n1", key_method=keys.ID).ok
    before = world.targets[0].keys["n1"]
    shutil.rmtree(world.nodes["n1"].state)
    world.nodes["n1"].state.mkdir()
    exchange_names(world)
    assert world.run("n1", "on", "n1", key_method=keys.ID).ok
    assert world.targets[0].keys["n1"] != before


@pytest.mark.promise(7)
@KINDS
def test_a_node_may_change_from_the_key_of_its_name_to_an_explicit_one(tmp_path: Path, kind: str) -> None:
    world = World(tmp_path, kind=kind)
    world.targets[0].keys["n1"] = world.keys["n1"]
    assert world.run("n1", "on", "n1", key="0x1").ok
    assert world.targets[0].keys == {"n1": 1}


@pytest.mark.promise(2, 5)
@KINDS
def test_a_key_that_is_declared_is_never_replaced(tmp_path: Path, kind: str) -> None:
    """Even if no node has it by its name."""
    world = World(tmp_path, kind=kind)
    world.targets[0].keys["n1"] = 0x5
    report = world.run("n1", "on", "n1", foreign_keys=frozenset({0x5}))
    assert not report.ok
    assert "is registered with key 0x5" in problems(report)
    assert world.targets[0].keys == {"n1": 0x5}


@pytest.mark.promise(7)
@KINDS
def test_what_the_state_file_knows_as_this_nodes_key_is_its_own_whoever_has_it_now(tmp_path: Path, kind: str) -> None:
    """n1 has the place of n2 in the list, is called again, and has lost what outlives a boot."""
    world = World(tmp_path, kind=kind, names=("n2", "n1", "n3"))
    assert world.run("n1", "on", "n1", key_method=keys.ID).ok
    before = world.targets[0].keys["n1"]
    forget_bindings(world)
    exchange_names(world)
    assert world.run("n1", "on", "n1", key_method=keys.ID).ok
    assert world.targets[0].keys["n1"] != before


@pytest.mark.promise(2, 11)
@KINDS
def test_a_node_that_registered_once_does_not_take_another_nodes_key_for_its_own(tmp_path: Path, kind: str) -> None:
    world = World(tmp_path, kind=kind)
    assert world.run("n1", "on", "n1").ok
    world.targets[0].keys = {"n1": world.keys["n2"]}
    assert not world.run("n1", "on", "n1").ok
    assert world.targets[0].keys == {"n1": world.keys["n2"]}


@pytest.mark.promise(7)
@KINDS
def test_a_node_may_change_its_key_while_it_is_registered(tmp_path: Path, kind: str) -> None:
    world = World(tmp_path, kind=kind)
    for key in ("", "0x1", "0x2"):
        assert world.run("n1", "on", "n1", key=key).ok
    assert world.targets[0].keys == {"n1": 2}


@pytest.mark.promise(11)
@KINDS
def test_where_keys_are_given_one_that_nobody_noted_may_be_another_nodes(tmp_path: Path, kind: str) -> None:
    """n1 and n2 are one initiator, and n2 cannot know n1's key. With n2's in its place n1 would be called off."""
    world = World(tmp_path, names=("n1", "n2"), kind=kind)
    (target,) = world.targets
    target.keys["n2"] = 1
    report = world.run("n2", "on", "n2", key="0x2")
    assert not report.ok
    assert "registered with key 0x1" in problems(report)
    assert target.keys == {"n2": 1}


@pytest.mark.promise(7)
@pytest.mark.parametrize("rebooted", [False, True])
def test_a_given_key_that_changes_is_noted(tmp_path: Path, rebooted: bool) -> None:
    world = World(tmp_path)
    assert world.run("n1", "on", "n1", key="0x1").ok
    for file in world.nodes["n1"].state.iterdir() if rebooted else ():
        file.unlink()
    assert world.run("n1", "on", "n1", key="0x11").ok
    assert world.targets[0].keys == {"n1": 0x11}


@pytest.mark.parametrize(
    ("key", "origin"),
    [
        (0, ""),
        (1, "fence_scsi"),
        (0xFFFFFFFF, "fence_scsi"),
        (0x100000000, ""),
        (0x1000000000000001, "lvm"),  # host_id 1, before and with a generation
        (0x10000000000107D0, "lvm"),
        (0x100000FFFFFFFFFF, "lvm"),
        (0x1000000000010000, ""),  # no host_id
        (0x1000010000000001, ""),
        (0x2000000000000001, ""),
        (2**64 - 1, ""),
    ],
)
def test_what_another_programs_keys_are_like(key: int, origin: str) -> None:
    assert key_form.origin(key) == origin
