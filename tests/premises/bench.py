"""Where a premise is broken: nodes and disks of the lab, one agent, what it answers, and what the victim can write."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tests.lab.errors import LabError
from tests.lab.inside.layout import CLUSTER, NODES, ring_address
from tests.lab.inside.pr import IGNORE_KEY, LAB_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.lab.cluster import Cluster, Node
    from tests.lab.fabric import Fabric, Host
    from tests.lab.guest import Completed, Running
    from tests.lab.nvme import Namespaces
    from tests.load.agents import Agent

LIMIT_SECONDS = 60
SCSI_DISKS = "/sys/class/iscsi_host/host0"
COROSYNC = "/etc/corosync/corosync.conf"
HOST_NAME = "import socket, sys; socket.sethostname(sys.argv[1])"

# What comes of a broken premise.
LIE, OUT, JOINED, FAILED, WARNED, SILENT = "LIE", "out", "joined", "failed", "warned", "silent"
TWO_ORDERS, SAID = "two orders", "said"

NODE_ENTRY = "    node {{\n        ring0_addr: {}\n        name: {}\n        nodeid: {}\n    }}\n"


class NotAsPlanned(LabError):
    """Something before the call that matters did not go as it must."""


@dataclass(frozen=True)
class Seen:
    """An answer and the truth.

    done     the call that matters
    writes   what a write of the victim ended with after the answer: "ok", or the name of an errno; "" if nobody was to
             be shut out
    warning  words by which a warning is known; "" if none matters
    orders   the disk that each of two nodes begins with, if that matters
    never    a pattern of what must not be said; "" if anything may
    """

    done: Completed
    writes: str = ""
    warning: str = ""
    orders: tuple[str, ...] = ()
    never: str = ""

    def kind(self) -> str:
        """LIE: called fenced, without a word, and it writes. TWO_ORDERS: of two that fence each other none survives.

        SAID: what must not be.
        """
        if self._said_never():
            return SAID
        if self.done.returncode not in (0, 2):
            return FAILED
        if len(set(self.orders)) > 1:
            return TWO_ORDERS
        if self.warning and self.warning in self.done.stdout + self.done.stderr:
            return WARNED
        if not self.writes:
            return SILENT if self.warning else JOINED
        return LIE if self.writes == "ok" else OUT

    def _lines(self) -> list[str]:
        return [line for line in self.done.stdout.splitlines() + self.done.stderr.splitlines() if line]

    def _said_never(self) -> list[str]:
        return [line for line in self._lines() if self.never and re.search(self.never, line)]

    def said(self) -> str:
        """The first line that answers, without what stands before the sentence; then what matters besides."""
        lines = self._lines()
        answers = [line for line in lines if re.match(r"Success|Status|Failed", line)] or ["exit 0, nothing said"]
        warnings = [line for line in lines if self.warning and self.warning in line]
        orders = [f"begins with {', '.join(self.orders)}"] if self.orders else []
        sentence = "; ".join(dict.fromkeys(answers[:1] + self._said_never()[:1] + warnings[:1] + orders))
        return re.sub(r"(Success|Status|Failed): (/dev/\S+( \(/dev/\w+\))?: )?", "", sentence)


def together(calls: Sequence[Completed]) -> Completed:
    """The last of these calls, with what all of them said on standard error."""
    return replace(calls[-1], stderr_bytes=b"".join(each.stderr_bytes for each in calls))


@dataclass
class Bench:
    """The lab, all clean, for one story. NVMe and the fabric are there only for the rows that need them."""

    agent: Agent
    lab: Cluster | None = None
    namespaces: Namespaces | None = None
    fabric: Fabric | None = None
    nodes: dict[str, Node] = field(init=False)

    def __post_init__(self) -> None:
        self.nodes = dict(self.fabric.hosts if self.fabric else self.cluster.nodes)
        for node in self.nodes.values():
            self.agent.install_in(node)

    @property
    def cluster(self) -> Cluster:
        """Three nodes and their LUNs."""
        assert self.lab
        return self.lab

    @property
    def nvme(self) -> Namespaces:
        """Their namespaces."""
        assert self.namespaces
        return self.namespaces

    def call(self, node: str, action: str, plug: str = "", devices: str = "", **options: str) -> Completed:
        """Run the agent on a node as Pacemaker does; without devices on LUN a, by its stable name."""
        return self.start(node, action, plug, devices, **options).wait()

    def start(
        self, node: str, action: str, plug: str = "", devices: str = "", *, by: Sequence[str] = (), **options: str
    ) -> Running:
        """Start the agent; arguments as for `call`. by: a command that runs the one after it."""
        given = {"action": action, "nodename": plug, "devices": devices or self.nodes[node].by_id("a")}
        given |= {"settle_time": "0"} | options
        text = "".join(f"{name}={value}\n" for name, value in given.items() if value)
        return self.nodes[node].start([*by, self.agent.program()], stdin=text, timeout=LIMIT_SECONDS)

    def join(self, *names: str, devices: str = "", **options: str) -> None:
        """'on' on each of these nodes, which must succeed."""
        for name in names:
            done = self.call(name, "on", name, devices, **options)
            if done.returncode:
                raise NotAsPlanned(f"'on' of {name} failed: {done.stdout}{done.stderr}")

    def write_conf(self, node: str, names: Sequence[str] = NODES, cluster: str = CLUSTER) -> None:
        """Give a node this corosync.conf."""
        entries = "".join(NODE_ENTRY.format(_address(name), name, number) for number, name in enumerate(names, 1))
        text = f"totem {{\n    version: 2\n    cluster_name: {cluster}\n}}\n\nnodelist {{\n{entries}}}\n"
        self.nodes[node].run(["tee", COROSYNC], stdin=text, check=True)

    def rename_cluster(self, *nodes: str, cluster: str = "newname") -> None:
        """In the file of these nodes only."""
        for node in nodes:
            self.write_conf(node, cluster=cluster)

    @property
    def hosts(self) -> dict[str, Host]:
        """A kernel for each node."""
        assert self.fabric
        return self.fabric.hosts

    def log_in(self) -> None:
        """Let the hosts have the LUNs, too, and LUN a without reservation."""
        for host in self.hosts.values():
            if host.run(["test", "-e", SCSI_DISKS]).returncode:
                host.log_in()
            host.drain("a")
        n1 = self.hosts["n1"]
        for name, *numbers in (("register", 0, LAB_KEY, IGNORE_KEY), ("clear", LAB_KEY)):
            if status := n1.pr("a", name, *numbers):
                sense = n1.guest.log_tail().splitlines()[-3:]
                raise NotAsPlanned(f"{name} of n1 on {n1.disk('a')} ended with {status:#x}: {sense}")
        for host in self.hosts.values():
            host.drain("a")

    @contextmanager
    def host_name(self, node: str, name: str) -> Iterator[None]:
        """While it lasts the node's machine is called otherwise."""
        self.nodes[node].run(["python3", "-c", HOST_NAME, name], check=True)
        try:
            yield
        finally:
            self.nodes[node].run(["python3", "-c", HOST_NAME, node], check=True)

    def register(self, node: str, old: int, new: int, flags: int = 0) -> None:
        """REGISTER on LUN a, by no code under test."""
        if status := self.nodes[node].pr("a", "register", old, new, flags):
            raise NotAsPlanned(f"REGISTER of {node} from {old:#x} to {new:#x} ended with {status:#x}")


def _address(name: str) -> str:
    return ring_address(name) if name in NODES else ring_address("n2")
