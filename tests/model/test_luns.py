"""256 disks: what the agent itself needs for them, over disks in memory that answer at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.model.world import World, problem_of

if TYPE_CHECKING:
    from pathlib import Path

    from fence_pr.actions.report import Report

LUNS = 256
SECONDS = 10.0


@pytest.fixture
def world(tmp_path: Path) -> World:
    """n1, n2 and n3 registered on 256 disks, n2 holds."""
    world = World(tmp_path, LUNS)
    world.register("n1", "n2", "n3", holder="n2")
    return world


def timely(world: World, node: str, action: str, plug: str) -> Report:
    """The report, with threads as in earnest."""
    started = time.monotonic()
    report = world.run(node, action, plug, threads=True)
    assert time.monotonic() - started < SECONDS
    return report


@pytest.mark.promise(1)
def test_off_takes_256_disks(world: World) -> None:
    report = timely(world, "n1", "off", "n2")
    assert (report.ok, report.verdict, len(report.disks)) == (True, "Powered OFF", LUNS)
    assert all(world.members(number) == {"n1", "n3"} for number in range(LUNS))
    assert world.changes()[0] == (0, "preempt")
    assert sorted(number for number, _ in world.changes()) == list(range(LUNS))


@pytest.mark.promise(7)
def test_on_takes_256_disks(world: World) -> None:
    assert timely(world, "n1", "off", "n2").ok
    report = timely(world, "n2", "on", "n2")
    assert (report.ok, report.verdict) == (True, "Powered ON")
    assert all(world.members(number) == {"n1", "n2", "n3"} for number in range(LUNS))


@pytest.mark.promise(9)
def test_status_takes_256_disks_and_names_the_one_that_differs(world: World) -> None:
    assert timely(world, "n1", "status", "n2").verdict == "ON"
    world.targets[LUNS - 1].preempt("n1", world.keys["n1"], world.keys["n2"], 3)
    report = timely(world, "n1", "status", "n2")
    assert not report.ok
    fenced = [disk.label for disk in report.disks if "is fenced" in problem_of(disk)]
    assert fenced == [world.devices[LUNS - 1].label()]
