"""Separate hosts: every node a guest with a kernel of its own, on a network with the guest that has the disks.

Where the kernel itself is the host that a target knows, nodes that share one kernel are not enough: its NVMe
multipath would take the connections of all of them for paths of one host.
"""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

from tests.lab.cluster import Node
from tests.lab.cluster import Reservation as LunReservation
from tests.lab.cluster import reservation_of as lun_reservation_of
from tests.lab.guest import Guest
from tests.lab.inside import fabric
from tests.lab.inside.layout import NODES
from tests.lab.inside.nvme import NAMESPACES, OBSERVER, WITH_PLAIN
from tests.lab.nvme import KERNEL_ARGUMENTS, Reservation, reservation_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from tests.lab.kernels import Kernel

PATHS, RING, LINKS = fabric.PATHS, fabric.RING, fabric.LINKS
WIRE_BYTES = 1 << 22


class Host(Node):
    """One node in a guest of its own, with two paths to the storage."""

    def join(self) -> None:
        """Get onto the network, not yet connected."""
        self.guest.call("fabric_join", self.name, number=NODES.index(self.name) + 1)
        self.renew()

    def attach(self, paths: Sequence[int] = PATHS, like: str = "") -> dict[int, str]:
        """Connect to the namespaces; path → controller. like: the node whose identity it has (a clone)."""
        made = self.guest.call("fabric_attach", self.name, node=self.name, paths=list(paths), like=like)
        return {int(path): str(controller) for path, controller in made.items()}

    def log_in(self, path: int = PATHS[0], *, daemon: bool = False) -> None:
        """Connect to the iSCSI LUNs, too, over one path; `disk`, `write` and the like of `Node` are for these.

        daemon: let the daemon run on that brings broken connections back.
        """
        self.guest.call("fabric_log_in", self.name, node=self.name, path=path)
        if daemon:
            self.link()
        else:
            self.renew()

    def link(self) -> None:
        """Make the names under /dev/disk/by-id that udev would make."""
        self._call("link")
        self.guest.call("fabric_link", self.name)

    def detach(self) -> None:
        """End all NVMe connections."""
        self.guest.call("fabric_detach", self.name)

    def namespace(self, number: int = 1) -> str:
        """The device node of a namespace: with the kernel's multipath one, whatever the number of paths."""
        return self.namespaces()[WITH_PLAIN[number].wwid]

    def namespaces(self) -> dict[str, str]:
        """WWID → device node."""
        return {str(wwid): str(disk) for wwid, disk in self.guest.call("fabric_disks", self.name).items()}

    def by_id_of(self, number: int) -> str:
        """The stable name of a namespace."""
        return WITH_PLAIN[number].by_id

    def all_by_id(self) -> str:
        """All namespaces by their stable names, as the option devices takes them."""
        return ",".join(map(self.by_id_of, NAMESPACES))

    def controllers(self) -> dict[str, str]:
        """Controller → state, such as "live" or "connecting"."""
        return dict(self.guest.call("fabric_controllers", self.name))

    def write_to(self, number: int = 1) -> str:
        """A direct write to a namespace: "ok", or the name of an errno."""
        return str(self.guest.call("write_path", path=self.namespace(number), fill=1, offset=0))

    def read_from(self, number: int = 1) -> str:
        """A direct read: "ok", or the name of an errno."""
        return str(self.guest.call("read_path", path=self.namespace(number), offset=0))

    def ioctl(self, name: str, *numbers: int, number: int = 1) -> int:
        """One reservation ioctl: 0, or the kernel's positive status, or minus an errno."""
        return int(self.guest.call("pr_path", path=self.namespace(number), name=name, numbers=list(numbers)))

    def reset(self) -> None:
        """Connect anew over both paths; no process, and files as on a fresh node."""
        self.detach()
        self.attach()
        self.renew()

    def renew(self) -> list[str]:
        """Kill what still runs in the node and make its files as on a fresh node; what has been killed."""
        killed = super().renew()
        self.guest.call("fabric_link", self.name)
        return killed


class Fabric:
    """The storage guest and its hosts."""

    def __init__(
        self,
        storage: Kernel,
        hosts: Mapping[str, Kernel],
        root: Path,
        arguments: Sequence[str] = (),
        memory_mib: int = 384,
    ) -> None:
        """Boot all at once and connect every host over both paths; `arguments` and memory are for the hosts."""
        self.was_cut = False
        self._ends = ExitStack()
        self._host_guest = partial(Guest, root=root, arguments=arguments, memory_mib=memory_mib)
        self._wires: dict[str, list[socket.socket]] = {}
        links: list[socket.socket] = []
        guests: list[Guest] = []
        for name, kernel in hosts.items():
            pairs = [_wire() for _ in fabric.LINKS]
            links += [ours for ours, _ in pairs]
            # A wire stays whole when one of its guests is gone.
            for ours, _ in pairs:
                self._ends.enter_context(ours.dup())
            self._wires[name] = [self._ends.enter_context(end.dup()) for _, end in pairs]
            guests.append(self._host_guest(kernel, nodes=(name,), links=[end for _, end in pairs]))
        # Its own view is by a host that shares its kernel with nobody, hence without the kernel's multipath.
        self.storage = Guest(storage, root, nodes=(), arguments=KERNEL_ARGUMENTS, links=links)
        self.hosts = {name: Host(guest, name) for name, guest in zip(hosts, guests)}
        try:
            self._boot([self.storage, *guests])
        except BaseException:
            self.stop()
            raise

    def _boot(self, guests: Sequence[Guest]) -> None:
        for guest in guests:
            self._ends.callback(guest.stop)
        with ThreadPoolExecutor() as pool:
            list(pool.map(Guest.boot, guests))
        self.storage.call("fabric_set_up_storage", hosts=len(self.hosts))
        for host in self.hosts.values():
            host.join()

    def __enter__(self) -> Fabric:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End all guests."""
        self._ends.close()

    def assert_nothing_died(self) -> None:
        """Raise GuestLost if a guest has ended that nobody has stopped."""
        for guest in (self.storage, *(host.guest for host in self.hosts.values())):
            guest.assert_not_died()

    def cut(self, host: str, *paths: int) -> None:
        """Let nothing pass on these paths of a host (on all to the storage, if none is named; RING is one, too)."""
        self.was_cut = True
        for path in paths or PATHS:
            self.storage.call("fabric_cut", place=self._place(host), path=path)

    def heal(self, host: str, *paths: int) -> None:
        """End `cut`; the host connects again by itself."""
        for path in paths or PATHS:
            self.storage.call("fabric_heal", place=self._place(host), path=path)

    def crash(self, host: str) -> None:
        """Let a host lose its power: it ends at once, and nothing answers on its wires."""
        self.hosts[host].guest.stop()
        self.cut(host, *LINKS)

    def restart(self, host: str) -> Host:
        """Give a crashed host its power back: a new `Host` on the same wires, not yet connected."""
        for wire in self._wires[host]:
            _drain(wire)
        links = [wire.dup() for wire in self._wires[host]]
        guest = self._host_guest(self.hosts[host].guest.kernel, nodes=(host,), links=links)
        self._ends.callback(guest.stop)
        guest.boot()
        self.hosts[host] = Host(guest, host)
        # Reading before anything is sent: the storage guest may wait for ever for room on a wire that nobody reads.
        self.hosts[host].join()
        self.heal(host, *LINKS)
        return self.hosts[host]

    def reset(self) -> None:
        """Connect every host with its own identity, and leave no reservation and no process.

        Not for hosts that were cut off: the kernel can take a minute to end a connection that broke just now.
        """
        with ThreadPoolExecutor() as pool:
            list(pool.map(Host.reset, self.hosts.values()))
        self.storage.call("nvme_clear")

    def lun_reservation(self, lun: str) -> LunReservation:
        """The iSCSI target's own view of a LUN."""
        return lun_reservation_of(self.storage, lun)

    def reservation(self, number: int = 1) -> Reservation:
        """What the namespace reports to a host that is not of the cluster, by no code under test."""
        return reservation_of(self.storage, OBSERVER, number)

    def _place(self, host: str) -> int:
        return list(self.hosts).index(host)


def _wire() -> tuple[socket.socket, socket.socket]:
    """Two ends with room for many packets: user-mode Linux may wait for ever for room in a full socket."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, WIRE_BYTES)
    return ends


def _drain(end: socket.socket) -> None:
    """Throw away what nobody has received."""
    with suppress(BlockingIOError):
        while True:
            end.recv(1, socket.MSG_DONTWAIT)
