"""Nodes and disks for tests of whole actions: who is registered where, what was sent, faults on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fence_pr import corosync
from fence_pr.storage.device import SCSI

from .node import Node, conf, disk, key_of
from .target import Command, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fence_pr.actions.report import DiskReport, Report
    from fence_pr.storage.device import Device

    from .target import Answer

    Fault = Callable[[Command], None]

NAMES = ("n1", "n2", "n3")
READS = (
    "open", "snapshot", "identify", "inquiry", "capabilities", "hosts", "own hosts", "tells registered", "nexus keys",
    "written", "heeded", "depends on",
)  # fmt: skip


class World:
    """Nodes n1, n2, n3 on the same disks.

    sent    (number of the disk, command), in order, of all nodes
    faults  number of a disk → called in front of each of its commands; what it raises is the answer
    """

    def __init__(self, folder: Path, disks: int = 1, names: Sequence[str] = NAMES, kind: str = SCSI) -> None:
        self.devices = [disk(number, kind) for number in range(disks)]
        self.targets = [Target() for _ in self.devices]
        self.sent: list[tuple[int, Command]] = []
        self.faults: dict[int, Fault] = {}
        self.conf = conf(folder, names)
        described = corosync.load(str(self.conf))
        self.keys = {name: key_of(name, described) for name in names}
        self.nodes = {name: Node(name, folder, self.devices, self.conf) for name in names}

    def register(self, *names: str, reserved: int = 3, holder: str = "") -> None:
        """All disks: register these nodes, the first (or `holder`) reserves; reserved=0: nobody."""
        for target in self.targets:
            for name in names:
                target.register(name, self.keys[name])
            if reserved:
                target.reserve(holder or names[0], self.keys[holder or names[0]], reserved)

    def run(self, node: str, action: str, plug: str = "", *, threads: bool = False, **changes: object) -> Report:
        """The report of an action on a node."""

        def send(device: Device, command: Command) -> Answer:
            number = self.devices.index(device)
            if number in self.faults:
                self.faults[number](command)
            self.sent.append((number, command))
            return self.targets[number].carry_out(node, command)

        return self.nodes[node].run(action, plug, send, threads=threads, **changes)

    def changes(self) -> list[tuple[int, str]]:
        """The commands sent that change a disk: number of the disk, name."""
        return [(number, command.name) for number, command in self.sent if command.name not in READS]

    def members(self, number: int = 0) -> set[str]:
        """Who is registered on a disk."""
        return set(self.targets[number].keys)

    def state(self) -> list[tuple[object, ...]]:
        """Of all disks; compares."""
        return [target.frozen() for target in self.targets]


def forget_bindings(world: World) -> None:
    """As on a machine that has just got this version."""
    for node in world.nodes.values():
        for file in (*node.state.glob("+*"), *node.lasting.glob("*")):
            file.unlink()


def problems(report: Report) -> str:
    """Everything that is wrong, for a look at words."""
    return "\n".join(map(str, report.failures()))


def problem_of(disk: DiskReport) -> str:
    """What is wrong with a disk, "" if nothing is."""
    return str(disk.problem or "")


def warnings(report: Report) -> list[str]:
    """Every warning, for a look at words."""
    return [str(warning) for warning in report.warnings]
