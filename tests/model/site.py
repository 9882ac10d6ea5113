"""A cluster in memory: nodes, the disks they share, and under which names and over which paths each node sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fence_pr import corosync, device
from fence_pr.keys import of_node
from fence_pr.request import Request

from .kernel import host_id
from .lio import Lio
from .nvmet import Nvmet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .unit import Unit


class Kind(NamedTuple):
    """A kind of disk: its target, how the agent calls it, and how many paths lead to it."""

    target: type[Unit]
    kind: str
    paths: int = 1


SCSI = Kind(Lio, device.SCSI)
MULTIPATH = Kind(Lio, device.MULTIPATH, 2)
NVME = Kind(Nvmet, device.NVME)


class Channel(NamedTuple):
    """One path of a node to a disk (by number), the device node that stands for it, and the nexus it makes."""

    disk: int
    node: str
    nexus: str


class Host:
    """A node as its own kernel shows it the disks.

    channels  every path to a disk; the position here is the path's file descriptor
    """

    def __init__(self, name: str, kinds: Sequence[Kind], backwards: bool) -> None:
        self.name = name
        self.devices: dict[str, device.Device] = {}
        self.channels: list[Channel] = []
        self._requests: dict[tuple[str, str], Request] = {}
        for number, kind in enumerate(kinds):
            letter = chr(ord("a") + (len(kinds) - 1 - number if backwards else number))
            self._add(number, kind, letter)
        self.descriptors = {channel.node: fd for fd, channel in enumerate(self.channels)}

    def _add(self, number: int, kind: Kind, letter: str) -> None:
        identity, known = f"naa.{number + 1:032x}", device.Device
        if kind.kind == device.MULTIPATH:
            paths = tuple(f"/dev/sd{letter}{path}" for path in range(kind.paths))
            self.channels += [Channel(number, path, f"{self.name}.{at}") for at, path in enumerate(paths, 1)]
            found = known(f"/dev/mapper/{letter}", f"/dev/dm-{letter}", identity, kind.kind, paths, map_name=letter)
        else:
            node, identifier = f"/dev/{kind.kind}{letter}", host_id(self.name) if kind.kind == device.NVME else b""
            self.channels.append(Channel(number, node, self.name))
            found = known(node, node, identity, kind.kind, host_id=identifier)
        self.devices[found.name] = found

    def request(self, action: str, plug: str) -> Request:
        """What the cluster asks of the agent here, all options at their defaults."""
        if (action, plug) not in self._requests:
            self._requests[action, plug] = self._request(action, plug)
        return self._requests[action, plug]

    def _request(self, action: str, plug: str) -> Request:
        values: dict[str, Any] = {
            "action": action, "plug": plug, "key": "", "devices": tuple(self.devices), "key_method": "hash64",
            "cluster_name": "", "reservation_type": None, "abort": "auto", "refuse_foreign": False, "power_wait": 0.0,
            "attempts": 1, "attempt_sleep": 0.0, "limit": 20.0, "corosync_conf": "", "state_folder": "",
        }  # fmt: skip
        return Request(**values)

    def of_disk(self, number: int) -> list[int]:
        """The descriptors of a disk's paths."""
        return [fd for fd, channel in enumerate(self.channels) if channel.disk == number]


class Site:
    """Nodes n1, n2, … on the same disks. Every other node has the disks under names that sort the other way round."""

    def __init__(self, kinds: Sequence[Kind], nodes: int = 2) -> None:
        names = [f"n{number}" for number in range(1, nodes + 1)]
        entries = tuple(corosync.Node(at, name, (f"192.0.2.{at + 1}",)) for at, name in enumerate(names))
        self.kinds = tuple(kinds)
        self.cluster = corosync.Cluster("lab", entries)
        self.keys = {name: of_node(name, self.cluster) for name in names}
        self.hosts = {name: Host(name, kinds, backwards=at % 2 == 1) for at, name in enumerate(names)}

    def nexuses(self, node: str, disk: int) -> list[str]:
        """The nexuses of a node on a disk."""
        host = self.hosts[node]
        return [host.channels[fd].nexus for fd in host.of_disk(disk)]

    def units(self, registered: Sequence[str], reservation_type: int, holder: str = "") -> list[Unit]:
        """All disks alike: these nodes registered, with all their paths; one holds the reservation; type 0: none."""
        units = []
        for number, kind in enumerate(self.kinds):
            unit = kind.target()
            for name in registered:
                for nexus in self.nexuses(name, number):
                    unit.call(nexus, "register", 0, self.keys[name])
            if reservation_type:
                unit.call(self.nexuses(holder, number)[0], "reserve", self.keys[holder], reservation_type)
            unit.generation = 0
            units.append(unit)
        return units
