"""Storage that comes up while the machine starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fence_pr.actions.this_node import ThisNode
from fence_pr.errors import DeviceRefused
from fence_pr.storage import device
from tests.model.world import World, problems

if TYPE_CHECKING:
    from pathlib import Path

    from fence_pr.storage.device import Device


class Late:
    """In place of `ThisNode.find`: a disk that is found only after so many looks."""

    def __init__(self, world: World, looks: int, code: str = "device-missing") -> None:
        self._world, self.looks, self._code = world, looks, code

    def __call__(self, name: str) -> Device:
        if name == self._world.devices[1].name and self.looks:
            self.looks -= 1
            raise DeviceRefused(self._code, name)
        return next(it for it in self._world.devices if it.name == name)


def patched(monkeypatch: pytest.MonkeyPatch, late: Late) -> None:
    monkeypatch.setattr("tests.model.node._Here.find", late)


@pytest.mark.parametrize("code", device.MAY_COME)
def test_a_disk_that_comes_while_the_machine_starts_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    world = World(tmp_path, 2)
    node = world.nodes["n1"]
    node.is_starting = True
    patched(monkeypatch, Late(world, 5, code))
    assert world.run("n1", "on", "n1", limit=20.0).ok
    assert node.slept.count(1.0) == 5
    assert any("waiting for /dev/sdy" in it for it in node.said)


@pytest.mark.parametrize(
    ("action", "starting", "code", "looks"),
    [
        ("on", True, "device-missing", 11),  # half of the limit, and no longer
        ("on", False, "device-missing", 1),  # a name that is wrong
        ("on", True, "partition", 1),  # which no time mends
        ("off", True, "device-missing", 1),
        ("status", True, "device-missing", 1),
    ],
)
def test_what_does_not_come_is_a_failure_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str, starting: bool, code: str, looks: int
) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    world.nodes["n1"].is_starting = starting
    late = Late(world, 100, code)
    patched(monkeypatch, late)
    report = world.run("n1", action, "n2" if action == "off" else "n1", limit=20.0)
    assert not report.ok
    assert "/dev/sdy" in problems(report)
    assert 100 - late.looks == looks


def test_time_that_has_passed_otherwise_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, 2)
    world.nodes["n1"].is_starting = True
    late, clock = Late(world, 100), iter(range(0, 1000, 6))
    patched(monkeypatch, late)
    monkeypatch.setattr(ThisNode, "monotonic", lambda _: float(next(clock)))
    assert not world.run("n1", "on", "n1", limit=20.0).ok
    assert 100 - late.looks <= 3


@pytest.mark.parametrize(("seconds", "starting"), [(30.0, True), (599.0, True), (600.0, False)])
def test_a_machine_starts_for_ten_minutes(monkeypatch: pytest.MonkeyPatch, seconds: float, starting: bool) -> None:
    monkeypatch.setattr("time.clock_gettime", lambda _: seconds)
    assert ThisNode().is_starting() == starting
