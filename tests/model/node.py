"""A node in a test: its view of the cluster, and the agent's code run on it against model disks."""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, Any

from fence_pr.actions import perform
from fence_pr.actions.job import Job
from fence_pr.actions.report import Report
from fence_pr.actions.request import Request
from fence_pr.actions.this_node import ThisNode
from fence_pr.errors import FenceError, Notice
from fence_pr.keys import of_node
from fence_pr.messages import sentences
from fence_pr.storage import device

from .here import alone, in_turn
from .target import Command, ModelDisk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fence_pr.corosync import Cluster
    from fence_pr.storage.device import Device

    from .target import Send


def disk(number: int, kind: str = device.SCSI) -> Device:
    """The disk that sorts at `number`; names sort the other way round."""
    node = f"/dev/sd{chr(ord('z') - number)}" if number < 26 else f"/dev/sdZ{999 - number}"
    return device.Device(node, node, f"naa.{number:032x}", kind)


def conf(folder: Path, names: Sequence[str] = ("n1", "n2", "n3"), cluster: str = "lab") -> Path:
    """A corosync.conf with these nodes."""
    nodes = "".join(
        f"  node {{\n    name: {name}\n    nodeid: {number}\n    ring0_addr: 192.0.2.{number}\n  }}\n"
        for number, name in enumerate(names, 1)
    )
    path = folder / "corosync.conf"
    path.write_text(f"totem {{\n  version: 2\n  cluster_name: {cluster}\n}}\nnodelist {{\n{nodes}}}\n")
    return path


def key_of(node: str, cluster: Cluster) -> int:
    """The default key of a node."""
    return of_node(node, cluster)


class Node:
    """Runs actions as the machine called `name`, where sleeping takes no time.

    folder     keeps corosync.conf and the node's state files
    addresses  the machine's own
    sleep      what is done in place of sleeping
    forget     done before a state file is removed
    users      who has a disk in use
    late       seconds that have passed on top
    reset_obstacle  why a reset of a disk would prove nothing
    """

    def __init__(self, name: str, folder: Path, devices: Sequence[Device], conf_file: Path) -> None:
        self.name, self.devices, self._conf = name, list(devices), conf_file
        self.state, self.lasting = folder / f"run-{name}", folder / f"lib-{name}"
        self.addresses: frozenset[str] = frozenset()
        self.users: dict[Device, list[Notice]] = {it: [] for it in devices}
        self.is_starting = False
        self.reset_obstacle: Notice | None = None
        self.said: list[str] = []
        self.slept: list[float] = []
        self.late = 0.0
        self.sleep: Callable[[float], None] = self.slept.append
        self.forget: Callable[[], None] = lambda: None

    def _hear(self, step: Notice) -> None:
        assert sentences.severity(step.code) == sentences.STEP
        self.said.append(str(step))

    def request(self, action: str, plug: str, **changes: object) -> Request:
        """What the call asks for: defaults, then `changes`."""
        values: dict[str, Any] = {
            "action": action, "plug": plug, "key": "", "devices": tuple(known.name for known in self.devices),
            "key_method": "hash64", "cluster_name": "", "reservation_type": None, "abort": "auto",
            "refuse_foreign": False, "power_wait": 0.0, "settle_time": 0.0, "attempts": 1, "attempt_sleep": 0.0,
            "limit": None, "corosync_conf": str(self._conf),
        }  # fmt: skip
        return Request(**{**values, **changes})

    def run(self, action: str, plug: str, send: Send, *, threads: bool = False, **changes: object) -> Report:
        """The report of one action; a FenceError that it raises becomes a failed report, as in the agent.

        threads: disks are worked on by threads, as in earnest; else one after the other, in order.
        """
        here = _Here(self, send)
        if not threads:
            here.on_each, here.in_time = in_turn, alone
        try:
            warnings: list[Notice] = []
            job = Job(self.request(action, plug, **changes), _Unwatched(), self._hear, warnings, here)
            return complete(perform.action(action)(job).with_warnings(warnings))
        except FenceError as error:
            return complete(Report.failed(*error.notices()))


def complete(report: Report) -> Report:
    """The report, if it passes from process to process as it is, and tells everything that a person needs.

    A failure of a disk says what was asked of which disk, what came back and what to do (promise 5).
    """
    assert Report.unpack(marshal.loads(marshal.dumps(report.pack()))) == report
    assert {sentences.severity(it.code) for it in report.failures()} <= {sentences.FAILURE}
    assert {sentences.severity(it.code) for it in report.warnings} <= {sentences.WARNING}
    for problem in (disk.problem for disk in report.disks if disk.problem):
        assert all(problem.fields.get(name) for name in ("disk", "operation", "answer")), problem
        assert sentences.find(problem.code)[1][1], f"{problem.code} has no hint"
    return report


class _Here(ThisNode):
    """The node's machine, whose disks are models."""

    def __init__(self, node: Node, send: Send) -> None:
        super().__init__(str(node.state), str(node.lasting))
        self._node, self._send, self._slept = node, send, 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._node.late + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds
        self._node.sleep(seconds)

    def is_starting(self) -> bool:
        return self._node.is_starting

    def names(self) -> tuple[str, frozenset[str]]:
        return self._node.name, self._node.addresses

    def find(self, name: str) -> Device:
        return next(known for known in self._node.devices if known.name == name)

    def forget(self, found: Device) -> None:
        self._node.forget()
        super().forget(found)

    def users(self, found: Device) -> list[Notice]:
        return self._node.users[found]

    def reset_obstacle(self, node: str) -> Notice | None:  # noqa: ARG002 - all are alike
        return self._node.reset_obstacle

    def open(self, found: Device, _watch: object, _patience: object) -> Any:
        self._send(found, Command("open"))
        return ModelDisk(found, self._send)


class _Unwatched:
    def announce(self, disk: str, operation: str) -> None:
        pass

    def finished(self, disk: str) -> None:
        pass
