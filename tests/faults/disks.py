"""The shared disks of a lab, SCSI or NVMe alike: what a test does to them and sees of them past the agent."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tests.fencing.agent import key
from tests.lab.inside.layout import LUNS, NODES
from tests.lab.inside.nvme import NAMESPACES, host_id, many_host_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.lab.cluster import Cluster
    from tests.lab.nvme import Namespaces

WERO, WEAR = 3, 5
SCSI, NVME = "scsi", "nvme"


@dataclass(frozen=True)
class State:
    """A disk's registrations and reservation. type: number of linux/pr.h, 0 for none; keys: by node."""

    type: int
    keys: dict[str, int]


class Disks(Protocol):
    """Some disks that all nodes share.

    names  short ones, in the order of the disks' identities: the first decides
    type   the reservation type that the agent takes, number of linux/pr.h
    """

    cluster: Cluster
    names: tuple[str, ...]
    type: int

    def path(self, node: str, disk: str) -> str:
        """The device node on a node."""

    def identity(self, disk: str) -> str:
        """What the kernel calls the disk."""

    def state(self, disk: str) -> State:
        """As the target says."""

    def states(self) -> list[State]:
        """Of all disks."""

    def write(self, node: str, disk: str) -> str:
        """A direct write: "ok", or the name of an errno."""

    def pr(self, node: str, disk: str, name: str, *numbers: int) -> int:
        """One reservation ioctl: 0, or the kernel's positive status, or minus an errno."""

    def fencing(self, disk: str) -> str:
        """The command with which 'off' removes a node from the disk, as `tracer` calls it."""


class LabDisks(Disks, Protocol):
    """Disks that the lab always has."""

    def clear(self) -> None:
        """Leave no registration, no reservation, and nothing pending that a node has to be told."""


class CaseDisks(Disks, Protocol):
    """Disks that `cases.carry_out` can be asked for."""

    def hosts(self) -> dict[str, str]:
        """Of namespaces: the host identifier, as the target tells it, of each node. LUNs have none."""


PREEMPT = {SCSI: "preempt", NVME: "preempt-and-abort"}  # the LUNs are LIO's


class ScsiDisks:
    """LUNs of LIO."""

    type = WERO

    def __init__(self, lab: Cluster, luns: Iterable[str]) -> None:
        self.cluster = lab
        self.names = tuple(sorted(luns, key=lambda lun: LUNS[lun].wwid))

    def path(self, node: str, disk: str) -> str:
        return self.cluster.nodes[node].disk(disk)

    def identity(self, disk: str) -> str:
        return LUNS[disk].wwid

    def states(self) -> list[State]:
        return [self.state(disk) for disk in self.names]

    def state(self, disk: str) -> State:
        said = self.cluster.reservation(disk)
        return State(said.type, said.keys)

    def hosts(self) -> dict[str, str]:
        return {}

    def write(self, node: str, disk: str) -> str:
        return self.cluster.nodes[node].write(disk)

    def clear(self) -> None:
        self.cluster.guest.call("clear")
        for node in self.cluster.nodes.values():
            node.drain(*self.names)

    def pr(self, node: str, disk: str, name: str, *numbers: int) -> int:
        return self.cluster.nodes[node].pr(disk, name, *numbers)

    def fencing(self, disk: str) -> str:  # noqa: ARG002
        return PREEMPT[SCSI]

    def store(self, disk: str) -> str:
        return f"lun-{disk}"


class NvmeDisks:
    """Namespaces of nvmet, called ns1 and ns2."""

    type = WEAR

    def __init__(self, namespaces: Namespaces) -> None:
        self.cluster = namespaces.cluster
        self._numbers = {f"ns{number}": number for number in NAMESPACES}
        self.names = tuple(sorted(self._numbers, key=self.identity))
        self._namespaces = namespaces

    def path(self, node: str, disk: str) -> str:
        return self._namespaces.disk(node, self._numbers[disk])

    def identity(self, disk: str) -> str:
        return NAMESPACES[self._numbers[disk]].wwid

    def states(self) -> list[State]:
        return [self.state(disk) for disk in self.names]

    def state(self, disk: str) -> State:
        said = self._namespaces.reservation(self._numbers[disk])
        return State(said.type, said.keys)

    def hosts(self) -> dict[str, str]:
        return {host_id(node).replace("-", ""): node for node in self.cluster.nodes}

    def write(self, node: str, disk: str) -> str:
        return self._namespaces.write(node, self._numbers[disk])

    def clear(self) -> None:
        self.cluster.guest.call("nvme_clear")

    def pr(self, node: str, disk: str, name: str, *numbers: int) -> int:
        return self._namespaces.pr(node, name, *numbers, number=self._numbers[disk])

    def fencing(self, disk: str) -> str:  # noqa: ARG002
        return PREEMPT[NVME]

    def store(self, disk: str) -> str:
        return f"namespace-{self._numbers[disk]}"


class MixedDisks:
    """LUNs and namespaces in one call."""

    type = WERO

    def __init__(self, luns: ScsiDisks, namespaces: NvmeDisks) -> None:
        self.cluster = luns.cluster
        self._luns, self._namespaces = luns, namespaces
        self.names = tuple(sorted((*luns.names, *namespaces.names), key=self.identity))

    def path(self, node: str, disk: str) -> str:
        return self._of(disk).path(node, disk)

    def identity(self, disk: str) -> str:
        return self._of(disk).identity(disk)

    def states(self) -> list[State]:
        return [self.state(disk) for disk in self.names]

    def state(self, disk: str) -> State:
        return self._of(disk).state(disk)

    def write(self, node: str, disk: str) -> str:
        return self._of(disk).write(node, disk)

    def clear(self) -> None:
        self._luns.clear()
        self._namespaces.clear()

    def pr(self, node: str, disk: str, name: str, *numbers: int) -> int:
        return self._of(disk).pr(node, disk, name, *numbers)

    def fencing(self, disk: str) -> str:
        return self._of(disk).fencing(disk)

    def _of(self, disk: str) -> ScsiDisks | NvmeDisks:
        return self._namespaces if disk in self._namespaces.names else self._luns


class ManyDisks:
    """Small disks made by `many.py`, called 0, 1, 2, …"""

    def __init__(self, lab: Cluster, kind: str, paths: dict[str, list[str]]) -> None:
        self.cluster = lab
        self.type = WERO if kind == SCSI else WEAR
        self.names = tuple(map(str, range(len(next(iter(paths.values()))))))
        self._kind, self._paths = kind, paths

    def path(self, node: str, disk: str) -> str:
        return self._paths[node][int(disk)]

    def identity(self, disk: str) -> str:
        name = next(iter(self._paths.values()))[int(disk)].removeprefix("/dev/")
        folder = f"/sys/block/{name}" + ("/device" if self._kind == SCSI else "")
        return self.cluster.guest.run(["cat", f"{folder}/wwid"], check=True).stdout.strip()

    def state(self, disk: str) -> State:
        return self.states()[int(disk)]

    def states(self) -> list[State]:
        found = []
        for line in _many(self.cluster, "show", self._kind, len(self.names), self._paths).splitlines():
            kind, *registered = line.split()
            pairs = (each.split("=") for each in registered)
            found.append(State(int(kind), {node: int(value, 16) for node, value in pairs}))
        return found

    def hosts(self) -> dict[str, str]:
        return {many_host_id(node).replace("-", ""): node for node in self._paths} if self._kind == NVME else {}

    def write(self, node: str, disk: str) -> str:
        return str(self.cluster.guest.call("write_path", path=self.path(node, disk), fill=1, offset=0))

    def pr(self, node: str, disk: str, name: str, *numbers: int) -> int:
        return int(self.cluster.guest.call("pr_path", path=self.path(node, disk), name=name, numbers=list(numbers)))

    def fencing(self, disk: str) -> str:  # noqa: ARG002
        return PREEMPT[self._kind]


@contextmanager
def many(lab: Cluster, kind: str, count: int, nodes: Sequence[str] = NODES) -> Iterator[ManyDisks]:
    """While it lasts there are so many small disks that these nodes share."""
    try:
        lines = _many(lab, "make", kind, count, nodes).splitlines()
        yield ManyDisks(lab, kind, dict(zip(nodes, map(str.split, lines))))
    finally:
        _many(lab, "remove", kind, count, nodes)


def _many(lab: Cluster, what: str, kind: str, count: int, nodes: Iterable[str]) -> str:
    program = ["/project/tests/faults/many.py", what, kind, str(count), *nodes]
    return lab.guest.run(program, check=True, timeout=120).stdout


def option(disks: Disks, node: str, names: Sequence[str] = ()) -> str:
    """The agent's option devices: these disks, or all."""
    return ",".join(disks.path(node, disk) for disk in names or disks.names)


def register(disks: LabDisks, nodes: Sequence[str], names: Sequence[str] = (), *, reserve: bool = True) -> None:
    """Clear the disks and register nodes with their keys, past the agent; the first of them holds the reservation."""
    disks.clear()
    for disk in names or disks.names:
        for node in nodes:
            assert disks.pr(node, disk, "register", 0, key(node)) == 0
        if reserve and nodes:
            assert disks.pr(nodes[0], disk, "reserve", key(nodes[0]), disks.type) == 0
