#!/usr/bin/python3 -ISB
"""Kills the agent at one system call after the other. Runs in a guest and takes every step there.

Standard input is JSON, as `killed.py` writes it; standard output gets a line of JSON a case, as it reads it: what was
seen, for others to judge. The agent is the real one from its first line on, in copies of an interpreter that has read
its modules already: to start one anew each time would take longer than all the rest.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, "/project")
sys.path.insert(0, "/project/lib")

from fence_pr import agent, fencing, inspection
from tests.faults import tracer
from tests.lab.inside import nvme, pr, system, target, transfers

if TYPE_CHECKING:
    from collections.abc import Callable

# `agent` reads these modules when it needs them.
READ = (fencing, inspection)

STATE = "run/fence_pr_ioctl"
KILLED, OBSERVER = "n1", "n3"


def main() -> None:
    """Carry out all cases."""
    asked = json.load(sys.stdin)
    disks = (NvmeDisks if asked["kind"] == "nvme" else ScsiDisks)(asked["paths"])
    for case in asked["cases"]:
        print(json.dumps(Case(asked, case, disks).run()), flush=True)


class ScsiDisks:
    """LUNs of LIO: how to clear one, and what the target says of it."""

    def __init__(self, paths: dict[str, dict[str, str]]) -> None:
        self.paths = paths

    def clear(self) -> None:
        """Leave no registration, and nothing pending that a node has to be told."""
        for path in self.paths[KILLED].values():
            pr.clear(path)
        for paths in self.paths.values():
            for path in paths.values():
                pr.drain(path)

    def state(self, disk: str) -> tuple[int, dict[str, int]]:
        """The reservation's type, and node → key."""
        said = target.reservation(disk)
        return said["type"], dict(said["registrations"])


class NvmeDisks:
    """Namespaces of nvmet."""

    def __init__(self, paths: dict[str, dict[str, str]]) -> None:
        self.paths = paths

    def clear(self) -> None:
        """Leave no registration."""
        for path in self.paths[OBSERVER].values():
            nvme.clear_disk(path)

    def state(self, disk: str) -> tuple[int, dict[str, int]]:
        """The reservation's type, and node → key."""
        said = nvme.state(self.paths[OBSERVER][disk])
        names = {nvme.host_id(node).replace("-", ""): node for node in self.paths}
        return said["type"], {names[host]: key for host, (key, _) in said["hosts"].items()}


class Case:
    """One kill, what it left, and what calls of the agent make of that."""

    def __init__(self, asked: dict[str, Any], case: dict[str, Any], disks: ScsiDisks | NvmeDisks) -> None:
        self._asked, self._case, self._disks = asked, case, disks

    def run(self) -> dict[str, Any]:
        """What was seen."""
        self._begin()
        end, sites = self._killed()
        left = self._states()
        again = [self._agent(*call) for call in self._case["again"]]
        files = [self._root(KILLED) / self._state_file(disk) for disk in self._asked["disks"]]
        return {
            "end": end,
            "sites": sites,
            "left": left,
            "again": again,
            "states": self._states(),
            "written": {
                node: [transfers.write(paths[disk], 1, 0) for disk in self._asked["disks"]]
                for node, paths in self._disks.paths.items()
            },
            "remembered": [file.read_text() if file.exists() else "" for file in files],
        }

    def _begin(self) -> None:
        """Past the agent: the nodes of the case are registered, and if it says so the first holds the reservation."""
        for file in self._root(KILLED).glob(f"{STATE}/*"):
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

    def _states(self) -> list[tuple[int, dict[str, int]]]:
        return [self._disks.state(disk) for disk in self._asked["disks"]]

    def _root(self, node: str) -> Path:
        """The node's files."""
        return Path(f"/proc/{self._asked['services'][node]}/root")

    def _state_file(self, disk: str) -> str:
        return f"{STATE}/{self._asked['identities'][disk]}"

    def _killed(self) -> tuple[list[Any], list[list[str]]]:
        """The action's end, and who, moment and site of all system calls that touched a place."""
        places = {self._disks.paths[KILLED][disk]: disk for disk in self._asked["disks"]}
        places |= {f"/{self._state_file(disk)}": f"state-{disk}" for disk in self._asked["disks"]}
        where = (self._case["moment"], self._case["site"])
        folder = tempfile.mkdtemp(dir="/tmp")
        waiting, ready = os.pipe()

        def watched() -> None:
            system.enter(self._asked["services"][KILLED])
            os.close(ready)
            os.read(waiting, 1)
            tracer.stop_at_sites()

        running = Running(self._options(KILLED, self._case["action"], self._case["plug"]), watched)
        watcher = os.fork()
        if watcher == 0:
            try:
                system.enter(self._asked["services"][KILLED])
                tracer.Watcher(folder, running.process, places, where, self._case["kill"]).run(ready)
            finally:
                os._exit(0)
        os.close(waiting)
        os.close(ready)
        end = running.wait()
        os.waitpid(watcher, 0)
        sites = [line.split(maxsplit=2) for line in Path(folder, "log").read_text().splitlines()]
        shutil.rmtree(folder)
        return end, sites

    def _agent(self, node: str, action: str, plug: str) -> list[Any]:
        """The end of a call by a node."""
        enter = partial(system.enter, self._asked["services"][node])
        return Running(self._options(node, action, plug), enter).wait()

    def _options(self, node: str, action: str, plug: str) -> str:
        devices = ",".join(self._disks.paths[node][disk] for disk in self._asked["disks"])
        given = {"action": action, "plug": plug, "devices": devices, "power_timeout": self._asked["limit"]}
        return "".join(f"{name}={value}\n" for name, value in given.items())


class Running:
    """A process that is the agent, with these options on its standard input."""

    def __init__(self, options: str, first: Callable[[], None]) -> None:
        streams = [os.memfd_create("input"), os.memfd_create("output"), os.memfd_create("errors")]
        os.pwrite(streams[0], options.encode(), 0)
        self._streams = streams
        self.process = os.fork()
        if self.process == 0:
            try:
                for number, stream in enumerate(streams):
                    os.dup2(stream, number)
                first()
                os._exit(agent.main([]))
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(99)

    def wait(self) -> list[Any]:
        """Exit status (minus a signal's number), standard output and error."""
        _, status = os.waitpid(self.process, 0)
        texts = [os.pread(stream, 1 << 20, 0).decode() for stream in self._streams[1:]]
        for stream in self._streams:
            os.close(stream)
        return [os.waitstatus_to_exitcode(status), *texts]


if __name__ == "__main__":
    main()
