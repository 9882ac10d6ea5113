"""Promise 11 where keys are guessed, by positions in a list or given by people: hosts tell whose key is whose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fence_pr.errors import FenceError
from fence_pr.storage import kernel_status
from tests.model import node
from tests.model.node import conf
from tests.model.world import World, problems

if TYPE_CHECKING:
    from pathlib import Path

    from tests.model.target import Command

pytestmark = pytest.mark.promise(11)

REFUSED = "stands for another node"


def by_positions(tmp_path: Path) -> World:
    """Three nodes by their positions, whose hosts n1 has seen."""
    world = World(tmp_path)
    for target in world.targets:
        target.tells = True
    for name in world.nodes:
        assert world.run(name, "on", name, key_method="id").ok
    assert world.run("n1", "monitor", "n1", key_method="id").ok
    return world


@pytest.mark.parametrize("between", ["monitor", "on", "validate-all"])
def test_a_list_in_another_order_does_not_make_hosts_of_others(tmp_path: Path, between: str) -> None:
    """What n1 has seen is not forgotten for what its new list says: else n3 would be fenced in n2's place."""
    world = by_positions(tmp_path)
    conf(tmp_path, ("n1", "n3", "n2"))
    assert world.run("n1", between, "n1", key_method="id").ok == (between == "on")
    for action in ("monitor", "validate-all", "off"):
        assert REFUSED in problems(world.run("n1", action, "n2", key_method="id")), action
    assert world.members() == {"n1", "n2", "n3"}
    conf(tmp_path)
    assert world.run("n1", "monitor", "n1", key_method="id").ok
    assert world.run("n1", "off", "n2", key_method="id").ok
    assert world.members() == {"n1", "n3"}


def test_a_node_that_returns_with_the_key_of_one_that_is_out(tmp_path: Path) -> None:
    """n3's list has another order, and n2 is down: n3 is registered with n2's key, from n3's host."""
    world = by_positions(tmp_path)
    for name in ("n2", "n3"):
        assert world.run("n1", "off", name, key_method="id").ok
    for file in world.nodes["n3"].state.iterdir():
        file.unlink()
    other = tmp_path / "other"
    other.mkdir()
    wrong = str(conf(other, ("n1", "n3", "n2")))
    assert world.run("n3", "on", "n3", key_method="id", corosync_conf=wrong).ok
    for action in ("off", "status"):
        assert "its host is the same node's" in problems(world.run("n1", action, "n3", key_method="id")), action
    for action in ("monitor", "validate-all"):
        assert REFUSED in problems(world.run("n1", action, "n1", key_method="id")), action
    assert not world.run("n1", "off", "n3", key_method="id").ok  # the monitor has not forgotten it either
    assert world.run("n3", "on", "n3", key_method="id").ok
    assert world.run("n1", "monitor", "n1", key_method="id").ok
    assert world.run("n1", "off", "n3", key_method="id").verdict == "Powered OFF"


def test_a_node_that_comes_back_with_anothers_key_before_the_proof_is_not_called_off(tmp_path: Path) -> None:
    """Keys alone say that all is well: n3's is n3's. Only the host behind it tells."""
    world = by_positions(tmp_path)
    asked: list[str] = []
    key_of_n3 = world.targets[0].keys["n3"]

    def come_back(command: Command) -> None:
        if command.name == "snapshot" and asked[-1:] == ["preempt"]:
            world.targets[0].keys["n2"] = key_of_n3
        asked.append(command.name)

    world.faults[0] = come_back
    report = world.run("n1", "off", "n2", key_method="id")
    assert "preempt" in asked
    assert not report.ok
    assert report.verdict == ""


def test_a_node_that_was_renamed(tmp_path: Path) -> None:
    """Its host is no other node's: the one that it was is known no more."""
    world = World(tmp_path)
    world.targets[0].tells = True
    keys = (("n1", 1), ("n2", 2), ("n3", 3))
    for name in world.nodes:
        assert world.run(name, "on", name, node_keys=keys).ok
    assert world.run("n1", "monitor", "n1", node_keys=keys).ok
    keys = (("n1", 1), ("n5", 2), ("n3", 3))
    assert world.run("n1", "monitor", "n1", node_keys=keys).ok
    assert world.run("n1", "off", "n5", node_keys=keys).verdict == "Powered OFF"


@pytest.mark.parametrize("seconds", [2.0, 1000.0])
def test_a_target_that_is_busy_when_it_is_asked_for_hosts_has_not_told_that_all_is_well(
    tmp_path: Path, seconds: float
) -> None:
    """Nobody would notice for that moment that n1's list has another order: n3 would be fenced in n2's place."""
    world = by_positions(tmp_path)
    conf(tmp_path, ("n1", "n3", "n2"))
    busy = kernel_status.failure("/dev/sdx", "full status", 0x8)

    def fault(command: Command) -> None:
        if command.name == "hosts" and sum(world.nodes["n1"].slept) < seconds:
            raise busy

    world.faults[0] = fault
    assert not world.run("n1", "off", "n2", key_method="id", limit=20.0).ok
    assert world.members() == {"n1", "n2", "n3"}


def test_a_question_for_hosts_that_no_thread_was_left_for_has_told_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = by_positions(tmp_path)
    conf(tmp_path, ("n1", "n3", "n2"))
    refused = FenceError("not-begun", operation="start a thread", answer="can't start new thread")
    monkeypatch.setattr(node, "alone", lambda *_: refused)
    assert not world.run("n1", "off", "n2", key_method="id", limit=20.0).ok
    assert world.members() == {"n1", "n2", "n3"}


@pytest.mark.parametrize("status", [0x10000, 0x70000, 0x2])
def test_a_driver_that_takes_the_question_for_a_lost_path_keeps_nobody_from_fencing(
    tmp_path: Path, status: int
) -> None:
    """Nobody can tell hosts there, as on a target that refuses the question."""
    world = by_positions(tmp_path)
    failure = kernel_status.failure("/dev/sdx", "full status", status)

    def fault(command: Command) -> None:
        if command.name == "hosts":
            raise failure

    world.faults[0] = fault
    assert world.run("n1", "off", "n2", key_method="id", limit=20.0).verdict == "Powered OFF"
    assert sum(world.nodes["n1"].slept) == 0
