"""A real cluster in the lab: corosync and Pacemaker on hosts of their own, a fence device, and resources that write."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from tests.cluster import cib, state
from tests.cluster.inside import writer
from tests.cluster.inside.records import Record
from tests.cluster.setup import FILE_SYSTEM, RAW
from tests.lab import kernels
from tests.lab.fabric import Fabric
from tests.lab.inside.layout import CLUSTER, ring_address
from tests.lab.inside.load import Report, number_in
from tests.lab.inside.pr import IGNORE_KEY, LAB_KEY
from tests.lab.inside.transfers import BLOCK
from tests.lab.load import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tests.cluster.root import Stack
    from tests.cluster.setup import Setup
    from tests.cluster.state import State
    from tests.lab.cluster import Reservation as LunReservation
    from tests.lab.fabric import Host
    from tests.lab.nvme import Reservation as NamespaceReservation

T = TypeVar("T")

MEMORY_MIB = 512
# Until daemons answer, and until a cluster has done what it will do: seconds, on a busy machine many.
START_SECONDS, PATIENCE_SECONDS = 90.0, 120.0
POLL_SECONDS = 0.5
# A host that reboots itself ends.
NO_REBOOT = ("noreboot",)
STACK_MODULE = ["python3", "-m", "tests.cluster.inside.stack"]
CRM_MON = ["crm_mon", "--one-shot", "--output-as=xml", "--inactive", "--fence-history=3"]
# What crmadmin says of a node that decides and has nothing to do.
IDLE = " S_IDLE"
LAST_LINES = 60
# What nodes and remote nodes know each other by.
AUTHENTICATION = {"/etc/pacemaker/authkey": "a key of the lab's, known to all who read this\n"}
# libqb, on every connection between daemons.
NOISE = "failed to chown directory (/dev/shm/qb-"

MOUNT_POINT, DIARY = "/shared", "/shared/diary"
WRITER, DUMMY, DATA = "writer", "dummy", "diary"


class NotReached(AssertionError):
    """What was waited for did not come."""


class PacemakerCluster:
    """Hosts and their disks. The cluster itself runs after `start`.

    On every node writes a clone of WRITER to the raw disks and runs a clone of DUMMY; one node has the file system
    mounted and appends to DIARY, the last resource of its group.
    """

    def __init__(self, stack: Stack, setup: Setup) -> None:
        """Boot the hosts, connect them, and install the agent."""
        kernel = kernels.NVME.kernel()
        self.stack, self.setup = stack, setup
        self.spoilt = False
        self._harmed: set[str] = set()
        self._heard: dict[str, int] = {}
        hosts = dict.fromkeys([*setup.nodes, *setup.strangers], kernel)
        self.fabric = Fabric(kernel, hosts, stack.folder(), arguments=NO_REBOOT, memory_mib=MEMORY_MIB)
        try:
            _at_once(self._connect, hosts)
            host = self.any_host()
            host.run(["mkfs.ext4", "-q", self.path(FILE_SYSTEM)], check=True)
            # "Pacemaker 2.1.5-4+deb12u1", and more lines
            self.pacemaker = host.run(["pacemakerd", "--version"], check=True).stdout.split()[1].partition("-")[0]
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all guests."""
        self.fabric.stop()

    def __getitem__(self, name: str) -> Host:
        return self.fabric.hosts[name]

    def any_host(self) -> Host:
        """Some node that runs."""
        return next(host for name, host in self.fabric.hosts.items() if name in self.setup.nodes and _answers(host))

    # ---- nodes come and go

    def start(self, *names: str, called: Mapping[str, str] | None = None) -> None:
        """Start the daemons on these nodes (on all, if none is named), all at once.

        called: node → what its corosync.conf calls the cluster, where that is not what the others' does
        """
        setup, own_names = self.setup, called or {}

        def start(name: str) -> None:
            cluster_name = own_names.get(name, CLUSTER)
            conf = cib.corosync_conf(setup.nodes, setup.quorum, cluster_name=cluster_name, named=setup.named)
            files = {"/etc/corosync/corosync.conf": conf, **AUTHENTICATION}
            self._stack(name, "start", json.dumps({"files": files, "cib": self.configuration()}))

        _at_once(start, names or setup.nodes)

    def start_remote(self, name: str) -> None:
        """Start the daemon of a remote node on a host that is no node, and has no corosync.conf."""
        self[name].run(["rm", "-f", "/etc/corosync/corosync.conf"], check=True)
        self._stack(name, "remote", json.dumps({"files": AUTHENTICATION, "address": ring_address(name)}))

    def leave(self, name: str) -> None:
        """Let a node leave the cluster in good order."""
        self._stack(name, "stop")

    def harm(self, name: str) -> None:
        """What is done to this node only a reboot mends."""
        self._harmed.add(name)

    def crash(self, *names: str) -> None:
        """Let nodes lose their power."""
        self._harmed.update(names)
        for name in names:
            self.fabric.crash(name)

    def freeze(self, name: str) -> None:
        """Let a node stand still until `thaw`, with all it has under way."""
        self._harmed.add(name)
        self[name].guest.freeze()

    def thaw(self, name: str) -> None:
        """Let it go on."""
        self[name].guest.thaw()

    def cut(self, name: str, *paths: int) -> None:
        """Cut a node off the storage, or off the other nodes (RING)."""
        self._harmed.add(name)
        self.fabric.cut(name, *paths)

    def heal(self, name: str, *paths: int) -> None:
        """End `cut`."""
        self.fabric.heal(name, *paths)

    def hang(self, name: str, lun: str) -> None:
        """Let a node wait without end for whatever it asks of a LUN, until `resume`."""
        self._harmed.add(name)
        self[name].hang(lun)

    def resume(self, name: str, lun: str) -> None:
        """End `hang`: what waited goes on."""
        self[name].resume(lun)

    @contextmanager
    def nvme_target_gone(self) -> Iterator[None]:
        """While it lasts no node reaches a namespace; they connect again by themselves afterwards."""
        self._harmed.update(self.setup.nodes)
        self.fabric.storage.call("nvme_leave")
        try:
            yield
        finally:
            self.fabric.storage.call("nvme_come_back")

    def power_on(self, *names: str) -> None:
        """Boot crashed nodes and connect them to the storage; the cluster is not started there."""

        def boot(name: str) -> None:
            self.fabric.restart(name)
            self._heard[name] = 0
            self._connect(name)

        _at_once(boot, names)

    def mend(self) -> None:
        """Let every node that was harmed in any way lose its power, boot, and join; return when all is well."""
        if self._harmed:
            harmed = sorted(self._harmed)
            self.crash(*harmed)
            self.wait_until_missed(*harmed)
            self.power_on(*harmed)
            self.start(*harmed)
        self.wait_until_whole()

    def wait_until_missed(self, *names: str) -> None:
        """Until crashed nodes have been fenced, as far as there is anybody who does.

        Back sooner, a node would learn of the fencing of the node that it was, and end its cluster.
        """
        self.until(lambda: all(self._misses(view, names) for view in self._views()), f"{names} are missed")

    @staticmethod
    def _misses(view: State, names: Iterable[str]) -> bool:
        return all(view.nodes.get(name) == state.OFFLINE for name in names)

    def _views(self) -> list[State]:
        return [self.view(name) for name in self.setup.nodes if _answers(self[name])]

    def wait_until_whole(self) -> None:
        """Until all nodes are in again and everything runs: no harm is left, and no fencing of before is remembered."""
        self.until(self.whole, "the whole cluster runs")
        self.until(self._rests, "the cluster has nothing more to do, and no fencing in its history")
        self._harmed.clear()
        self._heard = {name: len(self[name].syslog()) for name in self.setup.nodes}

    def _rests(self) -> bool:
        """Whether the node that decides plans nothing, and no node remembers a fencing. What they do is cleaned up.

        That may be needed more than once: a node that has joined is unfenced, and that comes into the history, too.
        """
        dc = self.view().dc
        if not dc or IDLE not in self[dc].run(["crmadmin", f"--status={dc}"]).stdout:
            return False
        if not any(self.view(name).fencing for name in self.setup.nodes):
            return True
        self.any_host().run(["stonith_admin", "--cleanup", "--history", "*"], check=True)
        return False

    def _connect(self, name: str) -> None:
        host = self[name]
        host.attach()
        host.log_in(daemon=True)
        host.run(["make", "-C", "/project", "-s", "install", "PYTHON=python3"], timeout=START_SECONDS, check=True)

    def _stack(self, name: str, action: str, given: str = "") -> None:
        self[name].run([*STACK_MODULE, action], cwd="/project", stdin=given, timeout=START_SECONDS, check=True)

    def configuration(self) -> str:
        """The CIB that the nodes start with."""
        setup = self.setup
        device = cib.fencing(self.devices(), setup.nodes, setup.parameters, setup.agent)
        raw = " ".join(map(self.path, RAW))
        mount = {"device": self.path(FILE_SYSTEM), "directory": MOUNT_POINT, "fstype": "ext4"}
        resources = (
            cib.Primitive(WRITER, "ocf:lab:worker", {"program": "writer", "arguments": raw}, clone=True),
            cib.Primitive(DUMMY, "ocf:pacemaker:Dummy", clone=True),
            cib.Primitive("mount", "ocf:heartbeat:Filesystem", mount, group="data"),
            cib.Primitive(DATA, "ocf:lab:worker", {"program": "diary", "arguments": DIARY}, group="data"),
        )
        return cib.cib(setup.nodes, device, resources, setup.options)

    def configure(self, element: str, xml: str) -> None:
        """Replace the element of the configuration that has this id, while the cluster runs."""
        where = f"//*[@id='{element}']"
        self.any_host().run(["cibadmin", "--replace", "--xpath", where, "--xml-text", xml], check=True)

    # ---- what the cluster says

    def view(self, name: str = "") -> State:
        """The cluster as a node (or any that runs) sees it; it may know nothing yet."""
        host = self[name] if name else self.any_host()
        said = host.run(CRM_MON)
        return state.parse(said.stdout) if said.returncode == 0 else state.NOTHING

    def said(self, name: str) -> list[str]:
        """What a node has logged since it booted or, if that is later, since the cluster was whole."""
        return self[name].syslog()[self._heard.get(name, 0) :]

    def complaints(self, name: str) -> list[str]:
        """What the agent has complained about there."""
        return [line for line in self.said(name) if line.startswith(f"{cib.AGENT}[") and "Failed: " in line]

    def whole(self) -> bool:
        """Whether all nodes are in, registered on every disk, and all resources run."""
        everybody = frozenset(self.setup.nodes)
        if not all(map(_answers, self.fabric.hosts.values())):
            return False
        return all(self._is_well(self.view(name)) for name in everybody) and all(
            self.registered(disk) == everybody for disk in self.setup.disks
        )

    def _is_well(self, now: State) -> bool:
        everybody = frozenset(self.setup.nodes)
        return (
            all(now.nodes.get(name) == state.ONLINE for name in everybody)
            and now.active.get(WRITER) == now.active.get(DUMMY) == everybody
            and len(now.active.get(DATA, ())) == len(now.active.get(cib.FENCING, ())) == 1
        )

    def until(self, condition: Callable[[], T], what: str, seconds: float = PATIENCE_SECONDS) -> T:
        """Wait until `condition` is true, and return what it is; raises NotReached."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise NotReached(f"not within {seconds} s: {what}\n{self.story()}")
            time.sleep(POLL_SECONDS)
        return found

    def story(self) -> str:
        """What happened, for a person: the cluster's state and the end of the log of every node that answers."""
        parts = [f"{disk}: {self._reservation_text(disk)}" for disk in self.setup.disks]
        for name, host in self.fabric.hosts.items():
            parts.append(f"--- {name}{'' if _answers(host) else ' is off'}")
            if _answers(host):
                if name in self.setup.nodes:
                    parts.append(host.run(["crm_mon", "-1rm3"]).stdout)
                parts += [line for line in host.syslog() if NOISE not in line][-LAST_LINES:]
        return "\n".join(parts)

    # ---- what the disks say

    def path(self, disk: str | int) -> str:
        """The stable name of a disk."""
        host = next(iter(self.fabric.hosts.values()))
        return host.by_id(disk) if isinstance(disk, str) else host.by_id_of(disk)

    def devices(self) -> list[str]:
        """The fence device's disks by their stable names."""
        return [self.path(disk) for disk in self.setup.disks]

    def registered(self, disk: str | int) -> frozenset[str]:
        """The nodes that the target has registered, if a reservation is in force that shuts all others out."""
        about = self.reservation(disk)
        return frozenset(about.keys) if about.type else frozenset()

    def reservation(self, disk: str | int) -> LunReservation | NamespaceReservation:
        """The target's own view."""
        return self.fabric.lun_reservation(disk) if isinstance(disk, str) else self.fabric.reservation(disk)

    def forget_reservations(self) -> None:
        """Let the storage forget every registration."""
        self.fabric.storage.call("nvme_clear")
        for disk in self.setup.disks:
            if isinstance(disk, str):
                self.any_host().pr(disk, "register", 0, LAB_KEY, IGNORE_KEY)
                self.any_host().pr(disk, "clear", LAB_KEY)
        assert not any(self.reservation(disk).keys for disk in self.setup.disks)

    def store(self, disk: str | int) -> Store:
        """What is below a disk."""
        return Store(self.fabric.storage, f"lun-{disk}" if isinstance(disk, str) else f"namespace-{disk}")

    def hold(self, milliseconds: int) -> None:
        """From now on every write to every disk takes so long."""
        for disk in self.setup.disks:
            self.store(disk).hold(milliseconds)

    def landed(self, disk: str | int, writer_node: str) -> list[int]:
        """The numbers of the node's last writes to a raw disk, one a writer, as its store has them now."""
        blocks = self.store(disk).content(writer.offset(writer_node), writer.WRITERS * BLOCK)
        return [number_in(blocks[start : start + BLOCK]) for start in range(0, len(blocks), BLOCK)]

    def writes(self, name: str, disk: str | int) -> Report:
        """What the node's WRITER knows of its writes to a raw disk."""
        return Report.read(self[name].run(["cat", f"/run/writer/{self.path(disk).rpartition('/')[2]}"]).stdout)

    def diary_writes(self, name: str) -> Record:
        """What the node's appender to the diary knows of its writes."""
        said = self[name].run(["cat", "/run/diary/record"])
        return Record(**json.loads(said.stdout)) if said.returncode == 0 else Record()

    def diary(self, name: str) -> list[tuple[int, str]]:
        """The diary as the node that has it mounted reads it: number and node of each line."""
        lines = self[name].run(["cat", DIARY], check=True).stdout.splitlines()
        return [(int(number), node) for number, node in map(str.split, lines)]

    def _reservation_text(self, disk: str | int) -> str:
        about = self.reservation(disk)
        return f"type {about.type}, registered {about.keys}"


def _at_once(task: Callable[[str], object], names: Iterable[str]) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(task, names))


def _answers(host: Host) -> bool:
    return host.guest.alive() and not host.guest.frozen
