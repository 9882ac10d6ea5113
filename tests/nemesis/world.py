"""The nodes of a round and their disks, in one guest: agents, writers, faults, and what the disks say."""

from __future__ import annotations

import base64
import json
import signal
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.lab.errors import RequestFailed
from tests.lab.inside.layout import CLUSTER, corosync_conf
from tests.lab.inside.load import number_in
from tests.lab.inside.transfers import BLOCK
from tests.lab.load import Writers, places

from . import plan
from .history import Answers, Call, Look, Stand

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.lab.cluster import Cluster
    from tests.lab.guest import Running
    from tests.lab.load import Place
    from tests.load.agents import Agent

    from .history import Landed
    from .plan import Fault, Round

AT_ANSWER = ["python3", "-B", "-m", "tests.lab.inside.at_answer"]
WRITERS, RATE = 2, 40.0
CALL_SECONDS, LIFE_SECONDS = 60.0, 200.0
LIMIT_SECONDS = 10.0  # of the agent: power_timeout
AS_AFTER_A_REBOOT = "rm -rf /run/fence_pr_ioctl/* /run/cluster/fence_scsi.*"


@dataclass
class Process:
    """A call of the agent that runs."""

    node: str
    action: str
    plug: str
    begun: float
    running: Running

    def done(self) -> bool:
        """Whether it has ended."""
        return self.running.done()


class World:
    """One round's. Everything is clean at its beginning."""

    def __init__(self, cluster: Cluster, agent: Agent, it: Round) -> None:
        self._cluster, self._agent, self._round = cluster, agent, it
        cluster.reset()
        cluster.drain()
        self._places = {(at.node.name, at.store.name[-1]): at for at in places(cluster, it.nodes, it.disks)}
        self._writers: dict[str, list[Writers]] = {node: [] for node in it.nodes}
        self.processes: list[Process] = []
        self._unreached: dict[str, set[str]] = {node: set() for node in it.nodes}
        for node in it.nodes:
            cluster.nodes[node].run(["mkdir", "-p", "/run/cluster"], check=True)

    @staticmethod
    def now() -> float:
        """The clock of a history."""
        return time.monotonic()

    def _place(self, node: str, disk: str) -> Place:
        return self._places[node, disk]

    # What nodes do.

    def call(self, node: str, action: str, plug: str) -> Process:
        """Start the agent."""
        devices = ",".join(self._cluster.nodes[node].by_id(disk) for disk in self._round.disks)
        options = self._agent.options(action, plug, devices, "auto") + f"power_timeout={LIMIT_SECONDS:.0f}\n"
        command = self._agent.program().split()
        if action == "off":
            there = self._place(plug, self._round.disks[0])
            stores = ",".join(self._place(plug, disk).store.name for disk in self._round.disks)
            command = [*AT_ANSWER, stores, str(there.offset), str(WRITERS * BLOCK), *command]
        start = self._cluster.nodes[node].start
        begun, running = self.now(), start(command, stdin=options, cwd="/project", timeout=CALL_SECONDS)
        process = Process(node, action, plug, begun, running)
        self.processes.append(process)
        return process

    def end(self, process: Process) -> Call:
        """What came of a call that has ended."""
        self.processes.remove(process)
        done = process.running.wait()
        # When that was heard of is later, and a node that comes back may have begun to by then.
        ended = min(self.now(), process.begun + done.seconds)
        landed: Landed = {}
        status, said = done.returncode, done.stdout + done.stderr
        if process.action == "off" and status == 0:
            answer = json.loads(done.stdout)
            status, said = answer["returncode"], answer["stdout"] + answer["stderr"]
            landed = {disk: _numbers(it) for disk, it in zip(self._round.disks, answer["landed"])}
        return Call(process.node, process.action, process.plug, process.begun, ended, status, said.strip(), landed)

    def write(self, node: str) -> None:
        """The node writes to all disks from now on, or to none if it misses one."""
        for writers in self._writers[node]:
            writers.kill()
        self._writers[node] = []
        try:
            there = [(disk, self._cluster.nodes[node].disk(disk)) for disk in self._round.disks]
        except RequestFailed:
            return
        self._writers[node] = [
            Writers(replace(self._place(node, disk), path=path), RATE, WRITERS, life=LIFE_SECONDS)
            for disk, path in there
        ]

    def writes(self, node: str) -> bool:
        """Whether every one of its writers has written since it was started, and its last write succeeded."""
        reports = [it.report() for it in self._writers[node]]
        return bool(reports) and all(
            report.blocks and all(block.acknowledged and block.answer == "ok" for block in report.blocks)
            for report in reports
        )

    def answers(self, node: str) -> Answers:
        """How its writes have ended so far."""
        errors: dict[str, int] = {}
        for report in (it.report() for it in self._writers[node]):
            for name, count in report.errors.items():
                errors[name] = errors.get(name, 0) + count
        return Answers(self.now(), node, errors)

    def lose_power(self, node: str) -> None:
        """Nothing of it runs any more."""
        for writers in self._writers[node]:
            writers.kill()
        self._writers[node] = []
        for process in self.processes:
            if process.node == node:
                process.running.signal(signal.SIGKILL, group=True)

    def start_anew(self, node: str) -> None:
        """It has lost its power, and is there again."""
        self._cluster.nodes[node].run(["sh", "-c", AS_AFTER_A_REBOOT], check=True)

    # What the disks say.

    def look(self, node: str) -> Look:
        """What has landed of a node's writes."""
        landed = {}
        for disk in self._round.disks:
            place = self._place(node, disk)
            landed[disk] = _blocks(place.store.content(place.offset, WRITERS * BLOCK))
        return Look(self.now(), node, landed)

    def stand(self, alive: Iterable[str]) -> Stand:
        """Who is registered where something is reserved; able: who of those alive has a way to all disks."""
        found = {disk: self._cluster.reservation(disk) for disk in self._round.disks}
        registered = {disk: frozenset(node for node, _ in it.registrations) for disk, it in found.items() if it.type}
        return Stand(self.now(), registered, frozenset(node for node in alive if not self._unreached[node]))

    # What goes wrong.

    def begin(self, fault: Fault) -> None:
        """Raises LabError."""
        node = self._cluster.nodes.get(fault.node)
        if fault.kind == plan.SLOW:
            for disk in fault.disks:
                self._cluster.guest.call("hold_writes", name=f"lun-{disk}", milliseconds=fault.amount)
        elif fault.kind == plan.RESTART:
            self._cluster.restart_target(*fault.disks)
        elif node and fault.kind in plan.OF_PATHS:
            # Where something is wrong with the way already, it stays that.
            disks = set(fault.disks) - self._unreached[fault.node]
            self._unreached[fault.node] |= disks
            for disk in sorted(disks):
                self._hinder(fault, disk)
        elif fault.kind in plan.OF_AGENTS:
            self._signal(fault.node, signal.SIGKILL if fault.kind == plan.KILL else signal.SIGSTOP)
        elif node and fault.kind == plan.RENAME:
            self._configure(fault.node, corosync_conf().replace(f"cluster_name: {CLUSTER}", "cluster_name: renamed"))

    def _hinder(self, fault: Fault, disk: str) -> None:
        node = self._cluster.nodes[fault.node]
        if fault.kind == plan.CUT:
            node.cut(disk)
        elif fault.kind == plan.HANG:
            node.hang(disk)
        elif fault.kind == plan.OFFLINE:
            node.set_state(disk, "offline")
        else:
            node.drop(disk)

    def finish(self, fault: Fault) -> None:
        """It is over."""
        if fault.kind == plan.SLOW:
            for disk in fault.disks:
                self._cluster.guest.call("hold_writes", name=f"lun-{disk}", milliseconds=0)
        elif fault.kind in plan.OF_PATHS:
            self._cluster.nodes[fault.node].heal(*fault.disks)
            self._unreached[fault.node] -= set(fault.disks)
        elif fault.kind == plan.FREEZE:
            self._signal(fault.node, signal.SIGCONT)
        elif fault.kind == plan.RENAME:
            self._configure(fault.node, corosync_conf())

    def _signal(self, node: str, number: int) -> None:
        for process in self.processes:
            if process.node == node:
                process.running.signal(number, group=True)

    def _configure(self, node: str, text: str) -> None:
        self._cluster.nodes[node].run(["sh", "-c", "cat > /etc/corosync/corosync.conf"], stdin=text, check=True)


def _numbers(landed: str) -> tuple[int, ...]:
    return _blocks(base64.b64decode(landed))


def _blocks(content: bytes) -> tuple[int, ...]:
    return tuple(number_in(content[start : start + BLOCK]) for start in range(0, len(content), BLOCK))
