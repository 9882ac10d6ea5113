"""A real cluster in the lab: corosync and Pacemaker on hosts of their own, a fence device, and resources that write."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from tests.cluster import cib, state
from tests.cluster.inside import writer
from tests.cluster.inside.records import Record
from tests.lab import kernels
from tests.lab.fabric import Fabric
from tests.lab.inside.pr import IGNORE_KEY, LAB_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.cluster.root import Stack
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
LAST_LINES = 60
# libqb, on every connection between daemons.
NOISE = "failed to chown directory (/dev/shm/qb-"

# A disk is named by its LUN or by the number of its namespace. Every node writes to RAW; FILE_SYSTEM has one.
RAW: tuple[str | int, ...] = ("a", 1)
FILE_SYSTEM = "b"
MOUNT_POINT, DIARY = "/shared", "/shared/diary"
WRITER, DUMMY, DATA = "writer", "dummy", "diary"


class NotReached(AssertionError):
    """What was waited for did not come."""


@dataclass(frozen=True)
class Setup:
    """Nodes, the disks and parameters of the fence device, options of the cluster, and settings of its quorum."""

    nodes: Sequence[str] = ("n1", "n2")
    disks: Sequence[str | int] = (*RAW, FILE_SYSTEM)
    parameters: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    quorum: Mapping[str, object] = field(default_factory=dict)
    agent: str = cib.AGENT


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
        hosts = dict.fromkeys(setup.nodes, kernel)
        self.fabric = Fabric(kernel, hosts, stack.folder(), arguments=NO_REBOOT, memory_mib=MEMORY_MIB)
        try:
            _at_once(self._connect, setup.nodes)
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
        """Some host that runs."""
        return next(host for host in self.fabric.hosts.values() if _answers(host))

    # ---- nodes come and go

    def start(self, *names: str) -> None:
        """Start the daemons on these nodes (on all, if none is named), all at once."""
        files = {"/etc/corosync/corosync.conf": cib.corosync_conf(self.setup.nodes, self.setup.quorum)}
        given = json.dumps({"files": files, "cib": self.configuration()})
        _at_once(lambda name: self._stack(name, "start", given), names or self.setup.nodes)

    def leave(self, name: str) -> None:
        """Let a node leave the cluster in good order."""
        self._stack(name, "stop")

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
        return [self.view(name) for name, host in self.fabric.hosts.items() if _answers(host)]

    def wait_until_whole(self) -> None:
        """Until all nodes are in again and everything runs: no harm is left, and no fencing of before is remembered."""
        self.until(self.whole, "the whole cluster runs")
        self.any_host().run(["stonith_admin", "--cleanup", "--history", "*"], check=True)
        self.until(lambda: not any(self.view(name).fencing for name in self.setup.nodes), "the fence history is empty")
        self._harmed.clear()
        self._heard = {name: len(self[name].syslog()) for name in self.setup.nodes}

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
                logged = [line for line in host.syslog() if NOISE not in line]
                parts += [host.run(["crm_mon", "-1rm3"]).stdout, *logged[-LAST_LINES:]]
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

    def landed(self, disk: str | int, writer_node: str) -> int:
        """The number of the node's last write to a raw disk, as the disk has it now."""
        where = writer.block(writer_node)
        reader = ["dd", f"if={self.path(disk)}", "bs=4096", f"skip={where}", "count=1", "iflag=direct", "status=none"]
        block = self.any_host().run(reader, check=True).stdout_bytes
        return int(writer.NUMBER.unpack_from(block)[0])

    def writes(self, name: str, disk: str | int) -> Record:
        """What the node's WRITER knows of its writes to a raw disk."""
        return self._record(name, f"/run/writer/{self.path(disk).rpartition('/')[2]}")

    def diary_writes(self, name: str) -> Record:
        """What the node's appender to the diary knows of its writes."""
        return self._record(name, "/run/diary/record")

    def diary(self, name: str) -> list[tuple[int, str]]:
        """The diary as the node that has it mounted reads it: number and node of each line."""
        lines = self[name].run(["cat", DIARY], check=True).stdout.splitlines()
        return [(int(number), node) for number, node in map(str.split, lines)]

    def _record(self, name: str, file: str) -> Record:
        said = self[name].run(["cat", file])
        return Record(**json.loads(said.stdout)) if said.returncode == 0 else Record()

    def _reservation_text(self, disk: str | int) -> str:
        about = self.reservation(disk)
        return f"type {about.type}, registered {about.keys}"


def _at_once(task: Callable[[str], object], names: Iterable[str]) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(task, names))


def _answers(host: Host) -> bool:
    return host.guest.alive() and not host.guest.frozen
