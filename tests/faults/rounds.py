#!/usr/bin/python3 -ISB
"""Carries out rounds of calls of the agent in a guest, one case after the other, without the host's help.

Standard input is JSON, as `cases.py` writes it; standard output gets a line of JSON a case, as it reads it: what was
seen, for others to judge. The agent is the real one from its first line on, in copies of an interpreter that has read
its modules already: to start one anew each time would take longer than all the rest.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, "/project")
sys.path.insert(0, "/project/lib")

from fence_pr import agent
from fence_pr.storage import multipath_disk, nvme_disk, scsi_disk
from tests.faults import tracer
from tests.lab.inside import nvme, pr, system, target, transfers

if TYPE_CHECKING:
    from collections.abc import Callable

    State = tuple[int, dict[str, int]]  # the reservation's type, and node → key

# `agent` reads these modules when it meets such a disk.
READ = (multipath_disk, nvme_disk, scsi_disk)

STATE = "run/fence_pr_ioctl"
OBSERVER = "n3"
LOSER = "loser"
POLL_SECONDS = 0.005


def main() -> None:
    """Carry out all cases."""
    asked = json.load(sys.stdin)
    disks = NvmeDisks(asked["paths"], asked["hosts"]) if asked["hosts"] else ScsiDisks(asked["paths"])
    for case in asked["cases"]:
        print(json.dumps(Case(asked, case, disks).run()), flush=True)


class ScsiDisks:
    """LUNs of LIO: how to clear them, and what the target says of one. paths: node → disk → device node."""

    def __init__(self, paths: dict[str, dict[str, str]]) -> None:
        self.paths = paths

    def clear(self) -> None:
        """Leave no registration, and nothing pending that a node has to be told."""
        for path in self.paths[OBSERVER].values():
            pr.clear(path)
        for paths in self.paths.values():
            for path in paths.values():
                pr.drain(path)

    def state(self, disk: str) -> State:
        """As the target says."""
        said = target.reservation(disk)
        return said["type"], dict(said["registrations"])


class NvmeDisks:
    """Namespaces of nvmet. hosts: host identifier → node."""

    def __init__(self, paths: dict[str, dict[str, str]], hosts: dict[str, str]) -> None:
        self.paths, self._hosts = paths, hosts

    def clear(self) -> None:
        """Leave no registration."""
        for path in self.paths[OBSERVER].values():
            nvme.clear_disk(path)

    def state(self, disk: str) -> State:
        """As the target says."""
        said = nvme.state(self.paths[OBSERVER][disk])
        return said["type"], {self._hosts[host]: key for host, (key, _) in said["hosts"].items()}


class Case:
    """Rounds of calls, each from what the one before has left."""

    def __init__(self, asked: dict[str, Any], case: dict[str, Any], disks: ScsiDisks | NvmeDisks) -> None:
        self._asked, self._case, self._disks = asked, case, disks

    def run(self) -> dict[str, Any]:
        """What was seen."""
        self._begin()
        rounds: list[dict[str, Any]] = []
        for calls in self._case["rounds"]:
            rounds.append(self._round(calls, rounds))
        files = [self._root("n1") / self._state_file(disk) for disk in self._asked["disks"]]
        return {
            "rounds": rounds,
            "written": {
                node: [transfers.write(paths[disk], 1, 0) for disk in self._asked["disks"]]
                for node, paths in self._disks.paths.items()
            },
            "remembered": [file.read_text() if file.exists() else "" for file in files],
        }

    def _begin(self) -> None:
        """Past the agent: the nodes of the case are registered, and if it says so the first holds the reservation."""
        for node in self._disks.paths:
            for file in self._root(node).glob(f"{STATE}/*"):
                file.unlink()
        self._disks.clear()
        nodes, keys = self._case["nodes"], self._asked["keys"]
        for disk in self._asked["disks"]:
            for node in nodes:
                self._must(node, disk, "register", 0, keys[node])
            if nodes and self._case["reserve"]:
                self._must(nodes[0], disk, "reserve", keys[nodes[0]], self._asked["type"])

    def _must(self, node: str, disk: str, name: str, *numbers: int) -> None:
        status = pr.call(self._disks.paths[node][disk], name, *numbers)
        if status:
            raise OSError(f"{name} by {node} on {disk} ended with {status:#x}")

    def _root(self, node: str) -> Path:
        """The node's files."""
        return Path(f"/proc/{self._asked['services'][node]}/root")

    def _state_file(self, disk: str) -> str:
        return f"{STATE}/{self._asked['identities'][disk]}"

    def _round(self, calls: list[dict[str, Any]], before: list[dict[str, Any]]) -> dict[str, Any]:
        """All calls at once; those that are held are let go when all are there."""
        running = [self._start(call, before) for call in calls]
        for call, each in zip(calls, running):
            each.let_go(call["delay"])
        ends = [each.wait() for each in running]
        return {
            "calls": [[end, each.sites] for end, each in zip(ends, running)],
            "states": [self._disks.state(disk) for disk in self._asked["disks"]],
        }

    def _start(self, call: dict[str, Any], before: list[dict[str, Any]]) -> Running:
        node, paths = call["node"], self._disks.paths[call["node"]]
        plug = self._loser(before[-1]) if call["plug"] == LOSER else call["plug"]
        devices = ",".join(paths[disk] for disk in self._asked["disks"])
        given = {"action": call["action"], "plug": plug, "devices": devices, "power_timeout": self._asked["limit"]}
        given["settle_time"] = 0
        text = "".join(f"{name}={value}\n" for name, value in given.items())
        service = self._asked["services"][node]
        if not call["traced"]:
            return Running(text, service, call["program"], call["delay"])
        places = {paths[disk]: disk for disk in self._asked["disks"]}
        places |= {f"/{self._state_file(disk)}": f"state-{disk}" for disk in self._asked["disks"]}
        return Traced(text, service, call["program"], places, (call["moment"], call["site"]), call["kill"])

    def _loser(self, last: dict[str, Any]) -> str:
        """Of the two that are not the observer, who is not registered on the first disk after a round."""
        _, registered = last["states"][0]
        return str(next(node for node in self._disks.paths if node != OBSERVER and node not in registered))


class Running:
    """A process that is the agent, with these options on its standard input, in the node that has this service.

    program: what it becomes; "" if it is to be the agent as it is
    """

    def __init__(self, options: str, service: int, program: str, delay: float = 0) -> None:
        self._streams = [os.memfd_create("input"), os.memfd_create("output"), os.memfd_create("errors")]
        os.pwrite(self._streams[0], options.encode(), 0)
        self.sites: list[list[str]] = []
        self.process = _fork(lambda: self._be_agent(service, program, delay))

    def let_go(self, delay: float) -> None:
        """End its being held."""

    def wait(self) -> list[Any]:
        """Exit status (minus a signal's number), standard output and error."""
        _, status = os.waitpid(self.process, 0)
        texts = [os.pread(stream, 1 << 20, 0).decode() for stream in self._streams[1:]]
        for stream in self._streams:
            os.close(stream)
        return [os.waitstatus_to_exitcode(status), *texts]

    def _be_agent(self, service: int, program: str, delay: float) -> int:
        for number, stream in enumerate(self._streams):
            os.dup2(stream, number)
        system.enter(service)
        self._before()
        time.sleep(delay)
        if program:
            os.execv(program, [program])
        return agent.main([])

    def _before(self) -> None:
        """The process's last step as itself."""


class Traced(Running):
    """One that is killed or held at a system call. places: path → name; where: moment and site."""

    def __init__(
        self,
        options: str,
        service: int,
        program: str,
        places: dict[str, str],
        where: tuple[str, str],
        kill: list[str],
    ) -> None:
        self._folder = tempfile.mkdtemp(dir="/tmp")
        self._held = bool(where[1]) and not kill
        self._waiting, self._ready = os.pipe()
        super().__init__(options, service, program)

        def watch() -> int:
            system.enter(service)
            tracer.Watcher(self._folder, self.process, places, where, kill).run(self._ready)
            return 0

        self._watcher = _fork(watch)
        os.close(self._waiting)
        os.close(self._ready)
        if self._held:
            self._wait_for("reached")

    def let_go(self, delay: float) -> None:
        if self._held:
            time.sleep(delay)
            Path(self._folder, "go").touch()

    def wait(self) -> list[Any]:
        end = super().wait()
        os.waitpid(self._watcher, 0)
        self.sites = [line.split(maxsplit=2) for line in Path(self._folder, "log").read_text().splitlines()]
        shutil.rmtree(self._folder)
        return end

    def _before(self) -> None:
        os.close(self._ready)
        if not os.read(self._waiting, 1):
            raise OSError("nobody watches")
        tracer.stop_at_sites()

    def _wait_for(self, name: str) -> None:
        while not Path(self._folder, name).exists():
            if Path(self._folder, "done").exists():
                raise OSError(f"ended before it was {name}")
            time.sleep(POLL_SECONDS)


def _fork(task: Callable[[], int]) -> int:
    """A process that does this and ends with what it returns."""
    process = os.fork()
    if process:
        return process
    code = 99
    try:
        code = task()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
