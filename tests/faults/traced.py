"""The agent under the eyes of `tracer.py`: killed, or held, at one of its system calls."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.disks import option
from tests.fencing.agent import AGENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.disks import Disks
    from tests.lab.cluster import Node
    from tests.lab.guest import Completed, Running

TRACER = "/project/tests/faults/tracer.py"
STATE = "/run/fence_pr_ioctl"
PARENT, CHILD = "parent", "child"
# A traced agent on an old kernel on a busy machine is slow.
LIMIT_SECONDS = 120
PATIENT = "60"

_folders = itertools.count(1)


@dataclass(frozen=True)
class Site:
    """One system call of an action, such as the second "read-keys" of the disk "b"; a state file is "state-b"."""

    what: str
    where: str
    number: int

    def __str__(self) -> str:
        return f"{self.what} {self.where} {self.number}"

    @classmethod
    def read(cls, text: str) -> Site:
        """As `str` writes it."""
        what, where, number = text.split()
        return cls(what, where, int(number))


@dataclass
class Traced:
    """A traced agent."""

    node: Node
    running: Running
    folder: str

    def wait(self) -> Completed:
        """The end of the agent: of the process that its caller waits for."""
        return self.running.wait()

    def wait_until_held(self) -> None:
        """Until it is at the site; raises if it ended without coming there."""
        self._wait("reached")

    def go_on(self, *, then: Traced | None = None, seconds: float = 0) -> None:
        """End the hold, and so much later that of another."""
        lines = f"touch {self.folder}/go\n" + (f"sleep {seconds:.3f}\ntouch {then.folder}/go" if then else "")
        self.node.run(["sh", "-ec", lines], check=True)

    def still_there(self) -> bool:
        """Whether a process of it still exists."""
        return self.node.run(["test", "-e", f"{self.folder}/done"]).returncode == 1

    def sites(self) -> list[tuple[str, str, Site]]:
        """Once every process has ended: who, moment and site of every system call that touched a place, in order."""
        self._wait("done")
        lines = self.node.run(["cat", f"{self.folder}/log"], check=True).stdout.splitlines()
        found = []
        for line in lines:
            who, moment, site = line.split(maxsplit=2)
            found.append((who, moment, Site.read(site)))
        return found

    def _wait(self, name: str) -> None:
        """For a file that the tracer makes."""
        wait = f"until [ -e {self.folder}/{name} ]; do [ ! -e {self.folder}/done ] || exit 1; sleep 0.01; done"
        ended = self.node.run(["sh", "-c", wait])
        assert ended.returncode == 0, f"{self.folder}: ended before it was {name}"


def start(
    disks: Disks,
    node: str,
    action: str,
    plug: str,
    names: Sequence[str] = (),
    *,
    site: Site | str = "",
    moment: str = "before",
    kill: Sequence[str] = (),
    **options: str,
) -> Traced:
    """Start the agent on a node, for the disks called `names` or all. At `site` kill those in `kill`, else hold."""
    machine = disks.cluster.nodes[node]
    names = names or disks.names
    places = [f"{disk}={disks.path(node, disk)}" for disk in names]
    places += [f"state-{disk}={STATE}/{disks.identity(disk)}" for disk in names]
    folder = f"/tmp/traced-{next(_folders)}"
    given = {"action": action, "plug": plug, "devices": option(disks, node, names), "power_timeout": PATIENT}
    given |= {"settle_time": "0", **options}
    running = machine.start(
        [TRACER, folder, ",".join(places), str(site), moment, ",".join(kill), AGENT],
        stdin="".join(f"{name}={value}\n" for name, value in given.items()),
        timeout=LIMIT_SECONDS,
    )
    return Traced(machine, running, folder)
