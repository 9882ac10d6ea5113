"""What happens between calls of the agent, in a place of its own in a program: each breaks a premise, or is daily life.

A deed goes where an action goes in a call (`runs.Call`); the docstring is what is told of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from . import files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .files import Files
    from .site import Site
    from .unit import Unit

LVM = 0x1000000000000001
SECOND_PATH = 1


class Scene(NamedTuple):
    """What a deed changes. units: the disks; kept: each node's files; dead: paths by node and descriptor."""

    site: Site
    units: Sequence[Unit]
    kept: dict[str, Files]
    dead: set[tuple[str, int]]


def reboot(scene: Scene, node: str) -> None:
    """starts again: what it kept in memory is lost"""
    scene.kept[node] = scene.kept[node].without(files.STATE, files.MEMORY)


def upgrade(scene: Scene, node: str) -> None:
    """has just got this version: it has state files of this boot, and no bindings"""
    scene.kept[node] = scene.kept[node].without(files.MEMORY, files.LASTING)


def relogin(scene: Scene, node: str) -> None:
    """has new sessions: the target has the old ones' registrations, and none for the new"""
    for disk, unit in enumerate(scene.units):
        for nexus in scene.site.nexuses(node, disk):
            unit.lose_session(nexus)


def join(scene: Scene, node: str) -> None:
    """makes its sessions new and registers over them by what it had: its old sessions stay registered"""
    for disk, unit in enumerate(scene.units):
        for nexus in scene.site.nexuses(node, disk):
            key = unit.keys.get(nexus, 0)
            if key and unit.lose_session(nexus):
                unit.call(nexus, "register", 0, key)


def lvm(scene: Scene, node: str) -> None:
    """starts a volume group with reservations of its own: LVM replaces the node's key"""
    for disk, unit in enumerate(scene.units):
        for nexus in scene.site.nexuses(node, disk):
            if nexus in unit.keys:
                unit.call(nexus, "register", 0, LVM, 1)


def path_dies(scene: Scene, node: str) -> None:
    """loses its second path to the first disk"""
    scene.dead.add((node, SECOND_PATH))


def path_returns(scene: Scene, node: str) -> None:
    """has its second path to the first disk back"""
    scene.dead.discard((node, SECOND_PATH))


def second_host(scene: Scene, node: str) -> None:
    """registers from a second initiator, with the key that it has over the first"""
    for disk, unit in enumerate(scene.units):
        key = next((unit.keys[it] for it in scene.site.nexuses(node, disk) if it in unit.keys), 0)
        for nexus in scene.site.more.get(node, ()) if key else ():
            unit.call(nexus, "register", 0, key)


DEEDS: dict[str, Callable[[Scene, str], None]] = {
    "reboots": reboot,
    "is upgraded": upgrade,
    "logs in again": relogin,
    "logs in again and registers": join,
    "starts LVM": lvm,
    "loses a path": path_dies,
    "has its path back": path_returns,
    "registers a second host": second_host,
}
