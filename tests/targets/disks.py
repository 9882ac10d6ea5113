"""The disks of a target in user space: what a test does to them and sees of them past the agent."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.faults.disks import WERO, State
from tests.fencing import agent
from tests.lab.cluster import Cluster
from tests.lab.inside.layout import NODES, PREFIX, initiator
from tests.targets.bridge import NO_ROOM
from tests.targets.userland import PLAIN_NODE, PORTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.lab.cluster import Node
    from tests.lab.guest import Completed, Guest, Running

KINDS = tuple(PORTS)
COUNT = 2
NAMES = tuple(map(str, range(COUNT)))
PROGRAMS = "/project/tests/targets"
FOREIGN_KEY = 0x5107
ROOM = 256  # of istgt, for each disk
LAB_KEY = "0x6c6162"
TYPES = {"Write Exclusive, registrants only": WERO}


class UserlandDisks:
    """Two disks. n3 reaches the target itself; n1 and n2 a bridge, without which no kernel could register there.

    count  how many of them the agent is given: those of istgt say no more than model and serial number
    """

    def __init__(self, cluster: Cluster, kind: str, paths: dict[str, list[str]]) -> None:
        self.cluster, self.kind, self._paths = cluster, kind, paths
        self.count = 1 if kind == "istgt" else COUNT

    @classmethod
    def of_all(cls, guest: Guest) -> dict[str, UserlandDisks]:
        """Start all targets in a guest that has booted."""
        cluster = Cluster(guest)
        return {kind: cls.start_target(cluster, kind, str(COUNT)) for kind in KINDS}

    @classmethod
    def start_target(cls, cluster: Cluster, *arguments: str) -> UserlandDisks:
        """Start one target; arguments of userland.py."""
        lines = cluster.guest.run([f"{PROGRAMS}/userland.py", *arguments], check=True, timeout=120).stdout.splitlines()
        return cls(cluster, arguments[0], {node: line.split() for node, line in zip(NODES, lines, strict=True)})

    def node(self, name: str) -> Node:
        """One of n1, n2, n3."""
        return self.cluster.nodes[name]

    def option(self, node: str) -> str:
        """The agent's option devices, as the node calls them."""
        return ",".join(self._paths[node][: self.count])

    def path(self, node: str, disk: int) -> str:
        """What the node calls a disk; 0 decides."""
        return self._paths[node][disk]

    def start(self, node: str, action: str, plug: str, **options: str) -> Running:
        """Start the agent on a node."""
        return agent.start(self.node(node), action, plug, devices=self.option(node), **options)

    def run(
        self, node: str, action: str, plug: str, program: Sequence[str] = (agent.AGENT,), **options: str
    ) -> Completed:
        """Run the agent, or a program that runs it, on a node to its end."""
        return agent.start(self.node(node), action, plug, devices=self.option(node), program=program, **options).wait()

    def succeed(self, node: str, action: str, plug: str, **options: str) -> Completed:
        """Run it; it must succeed."""
        return agent.succeed(self.node(node), action, plug, devices=self.option(node), **options)

    def fail(self, node: str, action: str, plug: str, **options: str) -> list[str]:
        """Run it; it must fail. What it says."""
        return agent.fail(self.node(node), action, plug, devices=self.option(node), **options)

    def write(self, node: str) -> list[str]:
        """What a write to each disk comes to."""
        call = self.cluster.guest.call
        return [str(call("write_path", path=path, fill=1, offset=0)) for path in self._paths[node][: self.count]]

    def states(self) -> list[State]:
        """What the target tells n3, by sg_persist; registrations by node."""
        return [
            State(kind, {node: key for node in NODES for key in keys if key == agent.key(node)})
            for kind, keys in map(self.listed, range(self.count))
        ]

    def listed(self, disk: int) -> tuple[int, list[int]]:
        """The reservation's type (number of linux/pr.h, 0: none), and every key that is registered on a disk."""
        path = self.path(PLAIN_NODE, disk)
        keys = re.findall(r"^\s+(0x[0-9a-f]+)$", self._sg_persist("--in", "--read-keys", path), re.MULTILINE)
        kind = re.search(r"type: (.*)", self._sg_persist("--in", "--read-reservation", path))
        return TYPES[kind[1].strip()] if kind else 0, [int(key, 16) for key in keys]

    def clear(self) -> None:
        """Leave no registration."""
        for path in self._paths[PLAIN_NODE]:
            self._sg_persist("--out", "--register-ignore", f"--param-sark={LAB_KEY}", path)
            self._sg_persist("--out", "--clear", f"--param-rk={LAB_KEY}", path)
        for node in self.cluster.nodes.values():
            node.renew()

    def fill(self, disk: int) -> tuple[int, str]:
        """Register foreign initiators with FOREIGN_KEY until there is no room; how many, and the target's refusal."""
        name = f"{PREFIX}:{self.kind}{disk + 1}"
        program = [f"{PROGRAMS}/fill.py", str(PORTS[self.kind]), name, hex(FOREIGN_KEY)]
        count, refusal = self.cluster.guest.run(program, check=True, timeout=120).stdout.split()
        return int(count), refusal

    @contextmanager
    def without_room_for(self, node: str) -> Iterator[None]:
        """While it lasts, the target's table of registrations is full where this node, behind the bridge, registers."""
        self.cluster.guest.run(["sh", "-c", f"echo {initiator(node)} > {NO_ROOM}"], check=True)
        try:
            yield
        finally:
            self.cluster.guest.run(["rm", str(NO_ROOM)], check=True)

    def _sg_persist(self, *arguments: str) -> str:
        # The first command after a reset is answered with a unit attention.
        for _ in range(4):
            done = self.cluster.guest.run(["sg_persist", "--no-inquiry", *arguments])
            if done.returncode == 0:
                break
        assert done.returncode == 0, done
        return done.stdout
