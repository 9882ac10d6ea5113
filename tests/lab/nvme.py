"""NVMe namespaces of a cluster whose kernel has NVMe: every node has a host of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.inside.nvme import HOSTS, NAMESPACES, host_id

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster
    from tests.lab.guest import Guest

KERNEL_ARGUMENTS = ("nvme_core.multipath=N",)


@dataclass(frozen=True)
class Reservation:
    """A namespace's own report. type: number of linux/pr.h; keys and holders by node, or by host identifier."""

    type: int
    keys: dict[str, int]
    holders: frozenset[str]


class Namespaces:
    """Namespaces 1 and 2, connected by loop or TCP."""

    def __init__(self, cluster: Cluster) -> None:
        """Set the target up; nobody is connected yet."""
        self.cluster = cluster
        self._guest = cluster.guest
        self._guest.call("nvme_set_up")

    def reset(self, transport: str) -> None:
        """Connect every node with its own identifier, and leave no reservation."""
        self._connect_all(transport)
        self._guest.call("nvme_clear")

    def restart_target(self, transport: str) -> None:
        """Let the target lose its power, and connect every node again; device nodes may have other names then."""
        for node in self.cluster.nodes:
            self.disconnect(node)
        self._guest.call("nvme_restart")
        self._connect_all(transport)

    def _connect_all(self, transport: str) -> None:
        # A connection that ended by itself must not be looked for under a name that another has taken.
        for node in self.cluster.nodes:
            self.disconnect(node)
        for node in self.cluster.nodes:
            self.connect(node, transport)

    def connect(self, node: str, transport: str, like: str = "") -> None:
        """Connect a node anew; like: the node whose identifier it has (a clone)."""
        self._guest.call("nvme_connect", node=node, transport=transport, like=like or node)

    def disconnect(self, node: str) -> None:
        """End a node's connection."""
        self._guest.call("nvme_disconnect", node=node)

    def disk(self, node: str, number: int = 1) -> str:
        """The device node of a node's namespace."""
        return str(self._guest.call("nvme_path", node=node, number=number))

    def disks(self, node: str) -> str:
        """All of a node's namespaces, as the option devices names them."""
        return ",".join(self.disk(node, number) for number in NAMESPACES)

    def write(self, node: str, number: int = 1) -> str:
        """A direct write: "ok", or the name of an errno."""
        return str(self._guest.call("write_path", path=self.disk(node, number), fill=1, offset=0))

    def read(self, node: str, number: int = 1) -> str:
        """A direct read: "ok", or the name of an errno."""
        return str(self._guest.call("read_path", path=self.disk(node, number), offset=0))

    def pr(self, node: str, name: str, *numbers: int, number: int = 1) -> int:
        """One reservation ioctl: 0, or the kernel's positive status, or minus an errno."""
        path = self.disk(node, number)
        return int(self._guest.call("pr_path", path=path, name=name, numbers=list(numbers)))

    def reservation(self, number: int = 1, asker: str = "n3") -> Reservation:
        """What the namespace reports to `asker`, by no code under test."""
        return reservation_of(self._guest, asker, number)


def reservation_of(guest: Guest, asker: str, number: int) -> Reservation:
    """What a namespace reports to a host of this guest."""
    said = guest.call("nvme_reservation", node=asker, number=number)
    names = {host_id(node).replace("-", ""): node for node in HOSTS}
    hosts = {names.get(host, host): entry for host, entry in said["hosts"].items()}
    holders = frozenset(host for host, (_, holds) in hosts.items() if holds)
    return Reservation(said["type"], {host: key for host, (key, _) in hosts.items()}, holders)
