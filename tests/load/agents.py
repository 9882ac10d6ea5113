"""The fence agents that are compared, called as a cluster calls them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tests.fencing.agent import AGENT
from tests.lab.inside.layout import NODES

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster, Node

PROGRAM = "fence_pr_ioctl"
MOUNT = "import sys; from tests.lab.inside import system; system.mount('hostfs', sys.argv[1], options=sys.argv[2])"
ABORT_MODES = ("auto", "never", "require")
# fence_scsi knows one way only.
ITS_OWN = "-"


@dataclass(frozen=True)
class Agent:
    """This project's agent. folder: a checkout on this machine other than this one, "" for this one."""

    name: str
    folder: str = ""

    aborts: ClassVar[tuple[str, ...]] = ABORT_MODES

    def install(self, cluster: Cluster) -> None:
        """Let all nodes have it."""
        for node in cluster.nodes.values():
            self.install_in(node)

    def install_in(self, node: Node) -> None:
        """Let a node have it, unless it has."""
        if self.folder and node.run(["test", "-e", self.program()]).returncode:
            mount = ["python3", "-B", "-c", MOUNT, self._place(), self.folder]
            node.run(mount, cwd="/project", check=True)

    def can_fence_on(self, target: str) -> bool:
        """Whether it knows such disks."""
        del target
        return True

    def program(self) -> str:
        """In a node."""
        return f"{self._place()}/{PROGRAM}" if self.folder else AGENT

    def options(self, action: str, node: str, devices: str, abort: str) -> str:
        """For standard input. node: whom it acts on."""
        lines = {"action": action, "plug": node, "devices": devices}
        if action == "off":
            lines["abort"] = abort
        return _lines(lines)

    def _place(self) -> str:
        return f"/run/agents/{self.name}"


class FenceScsi(Agent):
    """Debian's fence_scsi, with keys that need no corosync."""

    aborts = (ITS_OWN,)

    def install(self, cluster: Cluster) -> None:
        # As every machine has it: it keeps each node's own key there.
        cluster.guest.run(["sh", "-ec", "rm -rf /var/run; ln -s /run /var/run"], check=True)

    def can_fence_on(self, target: str) -> bool:
        return target != "nvmet"

    def program(self) -> str:
        return "/usr/sbin/fence_scsi"

    def options(self, action: str, node: str, devices: str, abort: str) -> str:
        del abort
        key = f"{0xA1 + NODES.index(node):x}"
        return _lines({"action": action, "plug": node, "key": key, "devices": devices})


THIS, FENCE_SCSI = Agent("this"), FenceScsi("fence_scsi")


def _lines(given: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in given.items())
