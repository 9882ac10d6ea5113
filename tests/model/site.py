"""A cluster in memory: nodes, the disks they share, and under which names and over which paths each node sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fence_pr.storage import device, lio

from . import configuration, kernel_answers
from .configuration import DEFAULT, Conf
from .kernel import host_id, identifier
from .lio import Lio
from .nvmet import Nvmet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fence_pr.actions.request import Request
    from fence_pr.corosync import Cluster

    from .kernel_answers import Replayed
    from .unit import Unit


class Kind(NamedTuple):
    """A kind of disk: its target, how the agent calls it, and how many paths lead to it; 0: it has no name. tells:
    whether a SCSI target has READ FULL STATUS. vendor: what it says in INQUIRY; "": nothing. answers: what the nodes'
    kernels make of what it says
    """

    target: type[Unit]
    kind: str
    paths: int = 1
    tells: bool = False
    vendor: str = ""
    answers: Replayed = kernel_answers.NEWEST


SCSI = Kind(Lio, device.SCSI)
MULTIPATH = Kind(Lio, device.MULTIPATH, 2)
NVME = Kind(Nvmet, device.NVME)
TELLING, TELLING_MAP = SCSI._replace(tells=True), MULTIPATH._replace(tells=True)
NAMED = TELLING._replace(vendor=lio.VENDOR)
# There only for paths that do not lead where they should.
UNNAMED = Kind(Lio, device.SCSI, 0)


class Channel(NamedTuple):
    """One path of a node to a disk (by number), the device node that stands for it, and the nexus it makes.

    Where it leads is the truth; what the node's kernel takes the disk for is in the node's `devices`.
    """

    disk: int
    node: str
    nexus: str


class Host:
    """A node as its own kernel shows it the disks.

    channels  every path to a disk; the position here is the path's file descriptor
    misled    whether one does not lead where this node's kernel thinks
    """

    def __init__(self, name: str, kinds: Sequence[Kind], backwards: bool) -> None:
        self.name = name
        self.devices: dict[str, device.Device] = {}
        self.channels: list[Channel] = []
        self.misled = False
        self._requests: dict[tuple[str, str, Conf], Request] = {}
        for number, kind in enumerate(kinds):
            letter = chr(ord("a") + (len(kinds) - 1 - number if backwards else number))
            if kind.paths:
                self._add(number, kind, letter)
        self.descriptors = {channel.node: fd for fd, channel in enumerate(self.channels)}

    def _add(self, number: int, kind: Kind, letter: str) -> None:
        identity, known = f"eui.{identifier(number).hex()}", device.Device
        if kind.kind == device.MULTIPATH:
            paths = tuple(f"/dev/sd{letter}{path}" for path in range(kind.paths))
            self.channels += [Channel(number, path, f"{self.name}.{at}") for at, path in enumerate(paths, 1)]
            found = known(f"/dev/mapper/{letter}", f"/dev/dm-{letter}", identity, kind.kind, paths, map_name=letter)
        else:
            node, own_id = f"/dev/{kind.kind}{letter}", host_id(f"iqn.{self.name}") if kind.kind == device.NVME else b""
            self.channels.append(Channel(number, node, self.name))
            found = known(node, node, identity, kind.kind, host_id=own_id)
        self.devices[found.name] = found

    def share(self, fd: int, other: Host) -> None:
        """Let a path be the very nexus that another node has: one initiator, or one NVMe host identifier, for two."""
        self.channels[fd] = self.channels[fd]._replace(nexus=other.channels[fd].nexus)
        self.devices = {
            name: device.Device(**{**vars(it), "host_id": it.host_id and host_id(f"iqn.{other.name}")})
            for name, it in self.devices.items()
        }

    def lead(self, fd: int, disk: int) -> None:
        """Let a path lead to another disk; the node's kernel is not told."""
        self.channels[fd] = self.channels[fd]._replace(disk=disk)
        self.misled = True

    def request(self, action: str, plug: str, conf: Conf = DEFAULT) -> Request:
        """What the cluster asks of the agent here."""
        if (action, plug, conf) not in self._requests:
            self._requests[action, plug, conf] = conf.request(action, plug, tuple(self.devices))
        return self._requests[action, plug, conf]

    def of_disk(self, number: int) -> list[int]:
        """The descriptors of a disk's paths."""
        return [fd for fd, channel in enumerate(self.channels) if channel.disk == number]


class Site:
    """Nodes n1, n2, … on the same disks. Every other node has the disks under names that sort the other way round.

    says   for each disk the number of the one that it says it is
    keys   node → key, by the configuration that nobody has touched
    confs  every configuration that there is
    more   node → nexuses from which it can write, beside those of its paths
    silent  paths that never answer: node, descriptor
    hosts_of  nexus → what targets call the host behind it, where that is not made of the node's name
    """

    def __init__(self, kinds: Sequence[Kind], nodes: int = 2, confs: Iterable[Conf] = ()) -> None:
        self.names = tuple(f"n{number}" for number in range(1, nodes + 1))
        self.kinds = tuple(kinds)
        self.says = list(range(len(kinds)))
        self.confs = tuple(dict.fromkeys((DEFAULT, *confs)))
        self.keys = {name: self.key(name) for name in self.names}
        self.hosts = {name: Host(name, kinds, backwards=at % 2 == 1) for at, name in enumerate(self.names)}
        self.more: dict[str, tuple[str, ...]] = {}
        self.silent: set[tuple[str, int]] = set()
        self.hosts_of: dict[str, str] = {}

    def cluster(self, conf: Conf) -> Cluster:
        """What corosync.conf says there."""
        return configuration.cluster(conf, self.names)

    def key(self, node: str, conf: Conf = DEFAULT) -> int:
        """A node's key by a configuration; 0 if that cannot be known."""
        return conf.key(node, self.names)

    def all_keys(self, node: str) -> set[int]:
        """Every key that the node has by any configuration."""
        return {self.key(node, conf) for conf in self.confs} - {0}

    def host(self, nexus: str) -> str:
        """What a target calls the host behind a nexus; a session that was made anew is the same host's."""
        first = nexus.partition(" ")[0]
        return self.hosts_of.get(first) or f"iqn.{first.partition('.')[0]}"

    def owners(self, nexus: str) -> set[str]:
        """The nodes whose registration that is; more than one where they share a nexus."""
        first = nexus.partition(" ")[0]
        return {
            name
            for name, host in self.hosts.items()
            if first in self.more.get(name, ()) or any(first == it.nexus for it in host.channels)
        }

    def named(self) -> list[int]:
        """The disks that the nodes' options name."""
        return [number for number, kind in enumerate(self.kinds) if kind.paths]

    def nexuses(self, node: str, disk: int) -> list[str]:
        """The nexuses of a node's paths to a disk."""
        host = self.hosts[node]
        return [host.channels[fd].nexus for fd in host.of_disk(disk)]

    def writers(self, node: str, disk: int) -> list[str]:
        """Every nexus from which a node can write to a disk."""
        return [*self.nexuses(node, disk), *self.more.get(node, ())]

    def units(self, registered: Sequence[str], reservation_type: int, holder: str = "") -> list[Unit]:
        """All disks alike: these nodes registered, with all their paths; one holds the reservation; type 0: none."""
        units = []
        for number, kind in enumerate(self.kinds):
            unit = kind.target()
            for name in registered:
                for nexus in self.nexuses(name, number):
                    unit.call(nexus, "register", 0, self.keys[name])
            if reservation_type and self.nexuses(holder, number):
                unit.call(self.nexuses(holder, number)[0], "reserve", self.keys[holder], reservation_type)
            unit.generation = 0
            units.append(unit)
        return units
