"""Whole actions where nodes are not called as corosync.conf lists them, or not listed at all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr import keys
from fence_pr.corosync import Cluster
from tests.model.world import NAMES, World, problems

if TYPE_CHECKING:
    from pathlib import Path

GIVEN: dict[str, Any] = {"node_keys": (("n1", 1), ("n2", 2), ("n3", 3))}


def without_names(folder: Path, names: tuple[str, ...] = NAMES) -> World:
    """Nodes whose nodelist has addresses only, as crmsh wrote it for years."""
    world = World(folder, names=names)
    world.conf.write_text(re.sub("    name: .*\n", "", world.conf.read_text()))
    for number, node in enumerate(world.nodes.values(), 1):
        node.addresses = frozenset({"127.0.0.1", f"192.0.2.{number}"})
    return world


def unfenced(world: World, *names: str, **options: Any) -> World:
    """After each of these has run 'on'."""
    for name in names:
        report = world.run(name, "on", name, **options)
        assert report.ok, problems(report)
    return world


@pytest.mark.promise(1, 9)
def test_nodes_of_a_nodelist_with_addresses_only_go_by_their_host_names(tmp_path: Path) -> None:
    world = unfenced(without_names(tmp_path), "n1", "n2")
    assert set(world.targets[0].keys.values()) == {world.keys["n1"], world.keys["n2"]}
    assert world.run("n1", "status", "n2").verdict == "ON"
    assert world.run("n1", "off", "n2").verdict == "Powered OFF"
    assert world.run("n1", "status", "n2").verdict == "OFF"
    assert world.run("n1", "validate-all", "node1").ok


def test_there_the_others_are_named_by_an_option_or_their_keys_are_unexplained(tmp_path: Path) -> None:
    """Only a single other node needs no name: one unexplained key can be no one else's."""
    world = unfenced(without_names(tmp_path), "n1", "n2")
    assert "other_nodes" in problems(world.run("n1", "monitor"))
    for others in (("n2",), ("n2", "n3"), ("n1", "n2", "n3")):
        report = world.run("n1", "monitor", other_nodes=others)
        assert (report.ok, report.warnings) == (True, ()), problems(report)
    rows = (("n1", ""), ("n2", ""), ("n3", ""))
    assert world.run("n1", "list", other_nodes=("n2", "n3")).rows == rows


def test_there_the_other_node_of_two_needs_no_name(tmp_path: Path) -> None:
    world = unfenced(without_names(tmp_path, ("n1", "n2")), "n1", "n2")
    report = world.run("n1", "monitor")
    assert (report.ok, report.warnings) == (True, ())
    assert not world.run("n1", "off", "n22").ok
    assert world.members() == {"n1", "n2"}


@pytest.mark.promise(1)
def test_there_a_node_is_unfenced_by_its_own_host_name_only(tmp_path: Path) -> None:
    world = without_names(tmp_path)
    for plug, words in (
        ("n2", "this is n1, not n2"),
        ("N1", "known as 'n1'"),
        ("192.0.2.1", "an address names no node"),
    ):
        assert words in problems(world.run("n1", "on", plug))
    assert world.members() == set()


@pytest.mark.promise(9)
def test_a_list_that_would_not_be_whole_is_none(tmp_path: Path) -> None:
    """Pacemaker then asks for the status of each node; on a list that leaves nodes out it would rely."""
    world = without_names(tmp_path)
    for others in ((), ("r1",)):
        report = world.run("n1", "list", other_nodes=others)
        assert (report.ok, report.rows) == (False, ())
        assert "the list would not be whole; set pcmk_host_list" in problems(report)
    assert world.run("n1", "list", **GIVEN).rows == (("n1", ""), ("n2", ""), ("n3", ""))


@pytest.mark.promise(8)
def test_by_position_nodes_without_names_have_no_keys(tmp_path: Path) -> None:
    world = without_names(tmp_path)
    assert "has no name in corosync.conf, which key_value=id" in problems(
        world.run("n1", "validate-all", key_method="id")
    )
    assert not world.run("n1", "monitor", key_method="id").ok
    assert "which key_value=id counts on" in problems(world.run("n1", "on", "n1", key_method="id"))
    assert world.members() == set()


def test_nodes_on_no_nodelist_are_fenced_and_listed_like_the_others(tmp_path: Path) -> None:
    world = unfenced(World(tmp_path), "n1", other_nodes=("r1",))
    world.targets[0].register("n2", keys.of_node("r1", Cluster("lab")))
    known: dict[str, Any] = {"other_nodes": ("r1",)}
    assert world.run("n1", "list", **known).rows == (("n1", ""), ("n2", ""), ("n3", ""), ("r1", ""))
    assert ("r1", "", "ON") in world.run("n1", "list-status", **known).rows
    assert "node r1: not known" in problems(world.run("n1", "off", "r1"))
    assert world.run("n1", "off", "r1", **known).verdict == "Powered OFF"
    assert world.members() == {"n1"}


def test_a_machine_on_no_nodelist_knows_itself_by_the_options(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.conf.unlink()
    options: dict[str, Any] = {"cluster_name": "lab", "other_nodes": ("n3", "r2")}
    assert "this is n3, not r2" in problems(world.run("n3", "on", "r2", **options))
    unfenced(world, "n3", **options)
    assert set(world.targets[0].keys.values()) == {world.keys["n3"]}
    assert world.run("n3", "list", **options).rows == (("n3", ""), ("r2", ""))


def test_given_keys_need_neither_names_nor_a_cluster(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.conf.unlink()
    unfenced(world, "n1", "n2", **GIVEN)
    assert world.targets[0].keys == {"n1": 1, "n2": 2}
    assert world.run("n1", "list-status", **GIVEN).rows == (("n1", "", "ON"), ("n2", "", "ON"), ("n3", "", "OFF"))
    assert world.run("n1", "off", "n2", **GIVEN).verdict == "Powered OFF"
    assert "cannot fence itself" in problems(world.run("n1", "off", "n1", **GIVEN))
    assert world.run("n1", "monitor", **GIVEN).ok
    assert world.run("n1", "validate-all", **GIVEN).ok


@pytest.mark.promise(1)
def test_a_node_without_a_given_key_is_no_node_that_is_out(tmp_path: Path) -> None:
    world = unfenced(World(tmp_path), "n1", node_keys=(("n1", 1),))
    unfenced(world, "n2", node_keys=(("n2", 2),))
    for action in ("off", "status"):
        report = world.run("n1", action, "n2", node_keys=(("n1", 1),))
        assert "node n2: not in the option node_keys (n1); give every node its key there" in problems(report)
    assert "node n2: not in the option" in problems(world.run("n1", "validate-all", node_keys=(("n1", 1),)))


@pytest.mark.promise(1)
@pytest.mark.parametrize("action", ["off", "status"])
def test_a_node_whose_name_has_only_hexadecimal_digits_is_no_key_where_it_is_not_listed(
    tmp_path: Path, action: str
) -> None:
    """Its key is absent: nobody has key 0xdb3. It was on the list when it registered."""
    world = unfenced(World(tmp_path, names=("n1", "n2", "db3")), "n1", "db3")
    world.conf.write_text(world.conf.read_text().replace("db3", "n3"))
    report = world.run("n1", action, "db3")
    assert not report.ok
    assert "node db3: not known (n1, n2, n3)" in problems(report)
    assert "a key is written 0xdb3" in problems(report)
    assert world.members() == {"n1", "db3"}


@pytest.mark.promise(4, 8)
@pytest.mark.parametrize("action", ["on", "off", "status"])
def test_a_left_over_plug_harms_no_node(tmp_path: Path, action: str) -> None:
    """Pacemaker asks for n2, the resource still names n3."""
    world = unfenced(World(tmp_path), "n1", "n2", "n3")
    sent = len(world.sent)
    key = f"{world.keys['n3']:x}"
    for plug, given in (("n3", ""), (f"0x{key}", ""), ("n2", key)):
        report = world.run("n1", action, plug, nodename="n2", key=given)
        assert not report.ok
        assert re.search("is node n3, and nodename is n2|is the key of node n3, not of n2", problems(report))
    assert len(world.sent) == sent


def test_the_cluster_may_send_a_nodes_name_and_its_key(tmp_path: Path) -> None:
    world = unfenced(World(tmp_path), "n1", "n2")
    key = f"0x{world.keys['n2']:x}"
    assert world.run("n1", "status", key, nodename="n2").verdict == "ON"
    assert world.run("n1", "status", "n2", nodename="n2", key=key).verdict == "ON"
    assert world.run("n1", "validate-all", "node1", nodename="node1").ok
    assert world.run("n1", "off", key, nodename="n2").verdict == "Powered OFF"


@pytest.mark.promise(8)
def test_a_key_that_is_declared_foreign_is_never_fenced_for_a_node(tmp_path: Path) -> None:
    world = unfenced(World(tmp_path), "n1", "n2")
    sent = len(world.sent)
    for plug in ("n2", f"0x{world.keys['n2']:x}"):
        assert "is a node's" in problems(world.run("n1", "off", plug, foreign_keys=(7, world.keys["n2"])))
    assert "is a node's" in problems(world.run("n1", "validate-all", foreign_keys=(world.keys["n2"],), devices=()))
    assert len(world.sent) == sent


def test_a_key_that_is_declared_foreign_is_explained(tmp_path: Path) -> None:
    world = unfenced(World(tmp_path), "n1")
    world.targets[0].register("backup", 0xBAD)
    assert "foreign_keys" in problems(world.run("n1", "monitor"))
    assert world.run("n1", "monitor", foreign_keys=(0xBAD, 7)).ok
    assert world.run("n1", "off", "n2", foreign_keys=(0xBAD,), refuse_foreign=True).verdict == "Already OFF"
