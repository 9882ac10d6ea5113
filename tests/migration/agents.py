"""Both agents, given the very same parameters, as the cluster gives them on standard input."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lib"))

from fence_pr import corosync, keys
from tests.lab.inside import layout

if TYPE_CHECKING:
    from tests.lab.cluster import Node
    from tests.lab.guest import Completed, Running

LIMIT_SECONDS = 120.0
POWERED_ON, POWERED_OFF = "Success: Powered ON\n", "Success: Powered OFF\n"


def key(node: str, method: str) -> int:
    """A node's key by the method "id" or "hash"."""
    return keys.of_node(node, corosync.parse(layout.corosync_conf()), method)


@dataclass(frozen=True)
class Agent:
    """A fence agent by its program."""

    name: str
    program: str

    def start(self, node: Node, action: str, plug: str, devices: str, **options: str) -> Running:
        """Start it in a node; `plug` is what to act on."""
        given = {"action": action, "nodename": plug, "port": plug, "devices": devices, **options}
        text = "".join(f"{name}={value}\n" for name, value in given.items() if value)
        return node.start([self.program], stdin=text, timeout=LIMIT_SECONDS)

    def run(self, node: Node, action: str, plug: str, devices: str, **options: str) -> Completed:
        """Run it to its end."""
        return self.start(node, action, plug, devices, **options).wait()

    def succeed(self, node: Node, action: str, plug: str, devices: str, **options: str) -> str:
        """Run it; it must succeed, silent on standard error. What it says."""
        done = self.run(node, action, plug, devices, **options)
        assert (done.returncode, done.stderr) == (0, ""), (self.name, node.name, done)
        return done.stdout


OURS = Agent("fence_pr_ioctl", "/project/fence_pr_ioctl")
FENCE_SCSI = Agent("fence_scsi", "/usr/sbin/fence_scsi")
FENCE_MPATH = Agent("fence_mpath", "/usr/sbin/fence_mpath")
