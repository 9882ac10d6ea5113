"""A cluster's node n1 with corosync and Pacemaker, in one guest with disks of every kind, for the ecosystem's programs.

The cluster has a second node, n2. No daemon runs there, so the cluster takes it for dead; but it has its disks, and
uses them when it is told to: a node that lives on unseen. n3 is no node of the cluster, and has the disks, too.
"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.cluster import cib, state
from tests.cluster.cluster import CRM_MON, STACK_MODULE, NotReached
from tests.fencing import maps
from tests.lab import kernels
from tests.lab.cluster import Cluster
from tests.lab.guest import Guest
from tests.lab.inside.layout import LUNS
from tests.lab.inside.nvme import NAMESPACES
from tests.lab.nvme import KERNEL_ARGUMENTS, Namespaces

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.cluster.root import Stack
    from tests.cluster.state import State
    from tests.lab.guest import Completed

MEMBERS = ("n1", "n2")
MEMORY_MIB = 640
AGENT = "fence_pr_ioctl"
DEVICE = "shared-disks"
BY_ID = {lun: LUNS[lun].by_id[0] for lun in ("a", "b", "d")}
MAPPED, MAP = "c", f"/dev/mapper/{maps.NAME}"
NAMESPACE = 1
NVME = NAMESPACES[NAMESPACE].by_id
INSTALL = ["make", "-C", "/project", "-s", "install", "PYTHON=python3"]
# What Pacemaker remembers of unfencing: with it, a device like one that was there before would be taken as done.
UNFENCED = ("#node-unfenced", "#digests-all", "#digests-secure")
# pcs needs seconds only to start; on a busy machine many.
PATIENCE_SECONDS, POLL_SECONDS = 120.0, 0.3


def wait_until(condition: Callable[[], object], story: Callable[[], str]) -> None:
    """Wait until `condition` is true; raises NotReached, with the story."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise NotReached(f"not within {PATIENCE_SECONDS} s: {story()}")
        time.sleep(POLL_SECONDS)


class Machine:
    """The guest, booted, with the agent installed and the cluster running, which has no fence device yet.

    installed  what `stonith_admin --list-installed` says since the agent is installed and did not say before
    """

    def __init__(self, stack: Stack) -> None:
        """Raises LabUnavailable, GuestLost."""
        self._ends = ExitStack()
        self.guest = Guest(kernels.NVME.kernel(), stack.folder(), arguments=KERNEL_ARGUMENTS, memory_mib=MEMORY_MIB)
        self._ends.callback(self.guest.stop)
        try:
            self.guest.boot()
            self.lab = Cluster(self.guest)
            self.n1, self.n2, self.n3 = self.lab.nodes.values()
            self._connect()
            before = self._fence_agents()
            self.guest.run(INSTALL, check=True, timeout=PATIENCE_SECONDS)
            self.installed = self._fence_agents() - before
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the guest."""
        self._ends.close()

    def _connect(self) -> None:
        self.namespaces = Namespaces(self.lab)
        for name in self.lab.nodes:
            self.namespaces.connect(name, "loop")

    def _fence_agents(self) -> set[str]:
        return set(self.n1.run(["stonith_admin", "--list-installed"], check=True).stdout.split("\n"))

    def _start(self) -> None:
        files = {"/etc/corosync/corosync.conf": cib.corosync_conf(MEMBERS)}
        given = json.dumps({"files": files, "cib": cib.cib(MEMBERS, "", (), {})})
        start = [*STACK_MODULE, "start"]
        self.n1.run(start, cwd="/project", stdin=given, timeout=PATIENCE_SECONDS, check=True)
        self.until(lambda: self.view().nodes.get("n1") == state.ONLINE, "n1 is online")

    def forget(self) -> None:
        """No fence device, no node that was unfenced, no map, no registration on any disk."""
        self.remove_device()
        self.guest.call("clear")
        self.guest.call("nvme_clear")
        # The lab makes the other names anew when a map of its own goes.
        for name in MEMBERS:
            self.lab.nodes[name].run(["ln", "-sf", self.namespaces.disk(name, NAMESPACE), NVME], check=True)

    def create_device(self, disk: str) -> None:
        """Give the cluster a fence device for one disk, and wait until it runs."""
        device = cib.fencing([disk], MEMBERS, {}).replace(f'id="{cib.FENCING}', f'id="{DEVICE}')
        self._replace_resources(device)
        self.wait_until_device_runs(disk)

    def remove_device(self) -> None:
        """Take the fence device away, and what Pacemaker remembers of it."""
        self._replace_resources("")
        self.until(lambda: DEVICE not in self.view().active, "the fence device is gone")
        for attribute in UNFENCED:
            self.n1.run(["attrd_updater", "--delete", "--name", attribute], check=True)

    def _replace_resources(self, xml: str) -> None:
        text = f"<resources>{xml}</resources>"
        self.n1.run(["cibadmin", "--replace", "--scope", "resources", "--xml-text", text], check=True)

    def do(self, command: str, code: int = 0) -> Completed:
        """Run a command line on n1; it must end with the code."""
        done = self.n1.run(["sh", "-c", command], timeout=PATIENCE_SECONDS)
        assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}{self.story()}"
        return done

    def let_in(self, name: str, disk: str) -> None:
        """Register a node on a disk, unknown to the cluster."""
        self.lab.nodes[name].run([AGENT, "-o", "on", "-n", name, "-d", disk], check=True)
        assert name in self.registered(disk)

    def registered(self, disk: str) -> set[str]:
        """The nodes whose keys the disk has, if a reservation is in force that shuts all others out.

        disk: one of BY_ID, MAP or NVME. Through MAP n1 registers by n2's connection, too.
        """
        if disk == NVME:
            namespace = self.namespaces.reservation(NAMESPACE)
            return set(namespace.keys) if namespace.type else set()
        lun = next((lun for lun, path in BY_ID.items() if path == disk), MAPPED)
        found = self.lab.reservation(lun)
        return set(found.keys) if found.type else set()

    def view(self) -> State:
        """The cluster as n1 sees it; it may know nothing yet."""
        said = self.n1.run(CRM_MON)
        return state.parse(said.stdout) if said.returncode == 0 else state.NOTHING

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until `condition` is true; raises NotReached."""
        wait_until(condition, lambda: f"{what}\n{self.story()}")

    def story(self) -> str:
        """What happened, for a person."""
        return "\n".join([self.n1.run(["crm_mon", "-1rm3"]).stdout, *self.n1.syslog()[-40:]])

    def wait_until_device_runs(self, *disks: str) -> None:
        """Until the fence device runs on n1, which is registered on all its disks."""
        self.until(lambda: self._runs(disks), f"the fence device runs with {disks}")

    def _runs(self, disks: Sequence[str]) -> bool:
        runs = self.view().active.get(DEVICE) == frozenset({"n1"})
        return runs and all("n1" in self.registered(disk) for disk in disks)
