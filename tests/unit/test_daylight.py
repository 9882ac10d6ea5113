"""What would keep a node from being fenced is said before: by monitor, and by validate-all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fence_pr import corosync
from fence_pr.keys import of_node
from tests.model.node import conf
from tests.model.target import ModelDisk
from tests.model.world import World, problems, warnings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.promise(11)

PAIR = ("n1", "n2")


def unfenced(tmp_path: Path, *names: str) -> World:
    """These nodes have run 'on'; the target tells hosts."""
    world = World(tmp_path, names=names)
    world.targets[0].tells = True
    for name in names:
        assert world.run(name, "on", name).ok
    return world


@pytest.mark.parametrize("action", ["monitor", "validate-all", "off"])
def test_a_host_with_key_zero(tmp_path: Path, action: str) -> None:
    world = unfenced(tmp_path, *PAIR)
    world.targets[0].keys["a host of nobody"] = 0
    assert "registered with key 0" in problems(world.run("n1", action, "n2"))


def test_a_node_whose_key_is_unknown(tmp_path: Path) -> None:
    """It is on no list, and 'on' has not run there."""
    world = unfenced(tmp_path, *PAIR)
    world.nodes["n1"].name = "elsewhere"
    for file in world.nodes["n1"].state.iterdir():
        file.unlink()
    report = world.run("n1", "monitor", "n1")
    assert "this node's key is unknown" in problems(world.run("n1", "off", "n2"))
    assert report.ok
    assert "no node can be fenced from here" in "".join(warnings(report))


def test_a_node_with_two_hosts_that_another_one_is_fenced_beside(tmp_path: Path) -> None:
    """By a key that a name makes: nothing is guessed, so it is no more refused than by the name."""
    world = unfenced(tmp_path, "n1", "n2", "n3")
    (target,) = world.targets
    target.keys["n3 by another name"] = world.keys["n3"]
    assert world.run("n1", "monitor", "n1").ok
    report = world.run("n1", "off", f"0x{world.keys['n2']:x}")
    assert report.ok, problems(report)


def test_what_a_later_version_has_remembered_makes_no_keys(tmp_path: Path) -> None:
    world = unfenced(tmp_path, *PAIR)
    (file,) = world.nodes["n1"].state.glob("+*")
    file.write_text(file.read_text().replace("parameters=hash64 ", "parameters=hash128 "))
    world.targets[0].register("n2", of_node("n2", corosync.load(str(world.conf)), "id"))
    assert not world.run("n1", "monitor", "n1").ok


def test_two_paths_and_a_node_that_was_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its state file is of the old name until 'on' has replaced it."""
    world = unfenced(tmp_path, *PAIR)
    monkeypatch.setattr(ModelDisk, "live_paths", lambda _: 2)
    conf(tmp_path, ("n5", "n2"))
    world.nodes["n1"].name = "n5"
    report = world.run("n1", "on", "n5")
    assert report.ok, problems(report)
    assert "2 paths answer" not in "".join(warnings(report))  # every one is registered now


def test_two_paths_and_a_state_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status does not depend on it, over one path or more."""
    world = unfenced(tmp_path, *PAIR)
    monkeypatch.setattr(ModelDisk, "live_paths", lambda _: 2)
    for file in world.nodes["n1"].state.glob("naa*"):
        file.write_text("garbage")
    assert world.run("n1", "status", "n2").verdict == "ON"
