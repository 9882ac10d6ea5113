"""The disks of a model world as the tool on one of its nodes sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fence_pr import child
from fence_pr.actions.this_node import ThisNode
from fence_pr.tool import plan, repair, show, sources
from fence_pr.tool.dry_run import DryNode
from fence_pr.tool.reading import Reader
from tests.model.target import Command, ModelDisk

if TYPE_CHECKING:
    import pytest

    from fence_pr.storage.device import Device
    from fence_pr.tool.cluster import FenceDevice
    from tests.model.world import World


FORKS = child.run


class OfWorld(ThisNode):
    """A node of the world."""

    _world: World
    _node: str

    def names(self) -> tuple[str, frozenset[str]]:
        return self._node, frozenset()

    def find(self, name: str) -> Device:
        known = [it for it in self._world.devices if it.name == name]
        return known[0] if known else super().find(name)

    def open(self, found: Device, watch: Any, _patience: object) -> Any:
        watch.announce(found.label(), "open")
        self.send(found, Command("open"))
        watch.finished(found.label())
        return ModelDisk(found, self.send)

    def send(self, found: Device, command: Command) -> Any:
        """One command of this node."""
        number = self._world.devices.index(found)
        if number in self._world.faults:
            self._world.faults[number](command)
        self._world.sent.append((number, command))
        return self._world.targets[number].carry_out(self._node, command)


class WorldReader(OfWorld, Reader):
    """The same, as one that only looks has it."""

    def __init__(self, world: World, node: str, seconds: float) -> None:
        kept = world.nodes[node]
        super().__init__(seconds, state_folder=str(kept.state), lasting_folder=str(kept.lasting))
        self._world, self._node = world, node


class WorldNode(OfWorld):
    """The same, as one that writes files has it."""

    def __init__(self, world: World, node: str) -> None:
        kept = world.nodes[node]
        super().__init__(state_folder=str(kept.state), lasting_folder=str(kept.lasting))
        self._world, self._node = world, node


class DryReader(DryNode, WorldReader):  # type: ignore[misc]
    """The same, where steps are imagined."""


class Unwatched:
    """A channel that nobody listens to."""

    def announce(self, disk: str, operation: str) -> None:
        """Nothing."""

    def finished(self, disk: str) -> None:
        """Nothing."""


def put_in_place(
    monkeypatch: pytest.MonkeyPatch,
    world: World,
    node: str = "n1",
    configured: tuple[FenceDevice, ...] | None = None,
    reader: type[WorldReader] = WorldReader,
    *,
    forks: bool = False,
) -> None:
    """The tool runs on this node of the world. forks: in a child, as in earnest."""
    monkeypatch.setattr(show, "Reader", lambda seconds: reader(world, node, seconds))
    monkeypatch.setattr(plan, "DryNode", lambda seconds: DryReader(world, node, seconds))
    monkeypatch.setattr(repair, "ThisNode", lambda: WorldNode(world, node))
    monkeypatch.setattr(sources, "fence_devices", lambda _: configured)
    monkeypatch.setattr(sources, "reservable", lambda _: tuple(it.name for it in world.devices))
    in_here: Any = lambda work, *_: child.Ending(work(Unwatched()))  # noqa: E731
    monkeypatch.setattr(child, "run", FORKS if forks else in_here)


def names(world: World) -> list[str]:
    """Of all its disks."""
    return [it.name for it in world.devices]
