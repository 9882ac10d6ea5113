"""A cluster in one guest: three nodes, five LUNs, and everything tests do to them."""

from __future__ import annotations

import base64
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.lab.inside.layout import LUNS, NODES, Lun, twin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.guest import Completed, Guest, Running

FILL = 0x5A


@dataclass(frozen=True)
class Reservation:
    """The target's own view of a LUN.

    `type` is the number of linux/pr.h, 0 if nothing is reserved. `holder` is the node that made the reservation, also
    where the type makes all registrants holders. `registrations` are pairs of a node and its key.
    """

    type: int
    holder: str | None
    registrations: tuple[tuple[str, int], ...]
    generation: int
    persistent: bool

    @property
    def keys(self) -> dict[str, int]:
        """The key of each registered node."""
        return dict(self.registrations)


class Node:
    """One node of the cluster."""

    def __init__(self, guest: Guest, name: str) -> None:
        self.guest = guest
        self.name = name
        self.run: Callable[..., Completed] = partial(guest.run, node=name)
        self.start: Callable[..., Running] = partial(guest.start, node=name)

    def disk(self, lun: str) -> str:
        """The kernel's name of the node's disk, such as /dev/sdc; it may change in `restore`."""
        return str(self._call("disk", lun=lun))

    def by_id(self, lun: str) -> str:
        """The stable name of the node's disk, /dev/disk/by-id/wwn-0x..."""
        return LUNS[lun].by_id[0]

    def write(self, lun: str, fill: int = FILL, offset: int = 0) -> str:
        """Write 4096 bytes past the page cache: "ok", or the name of an errno."""
        return str(self._call("write", lun=lun, fill=fill, offset=offset))

    def write_buffered(self, lun: str, fill: int = FILL, offset: int = 0) -> str:
        """Write 4096 bytes through the page cache and fsync: "ok", or the name of an errno."""
        return str(self._call("write_buffered", lun=lun, fill=fill, offset=offset))

    def read(self, lun: str, offset: int = 0) -> str:
        """Read 4096 bytes past the page cache: "ok", or the name of an errno."""
        return str(self._call("read", lun=lun, offset=offset))

    def content(self, lun: str, offset: int = 0) -> bytes:
        """4096 bytes of the disk; raises RequestFailed."""
        return base64.b64decode(self._call("content", lun=lun, offset=offset))

    def pr(self, lun: str, name: str, *numbers: int) -> int:
        """One reservation ioctl: 0, or the kernel's positive status, or minus an errno.

        register (old key, new key, flags), reserve (key, type, flags), release (key, type, flags), preempt and
        preempt_abort (own key, victim's key, type, flags), clear (key, flags). Flags may be left out.
        """
        return int(self._call("pr", lun=lun, name=name, numbers=numbers))

    def drain(self, *luns: str) -> int:
        """Take the pending unit attentions of these LUNs (of all, if none is named); how many there were."""
        return sum(self._call("drain", lun=lun) for lun in luns or LUNS)

    def drop(self, lun: str) -> None:
        """Lose the disk, as if the LUN was no longer given to the node; its links go, too."""
        self._call("drop", lun=lun)

    def restore(self, lun: str) -> None:
        """Find a dropped disk again."""
        self._call("restore", lun=lun)

    def state(self, lun: str) -> str:
        """The SCSI device's state: "running", "offline", "blocked" (just cut), "transport-offline" (cut)."""
        return str(self._call("state", lun=lun))

    def set_state(self, lun: str, value: str) -> None:
        """Set the SCSI device "offline" (every use fails at once) or "running"."""
        self._call("set_state", lun=lun, value=value)

    @contextmanager
    def port_state(self, lun: str, state: int) -> Iterator[None]:
        """While it lasts, the target's port to this node is in this asymmetric access state (SPC-4 table 37)."""
        self.guest.call("set_port_state", node=self.name, lun=lun, state=state)
        try:
            yield
        finally:
            self.guest.call("set_port_state", node=self.name, lun=lun, state=0)

    @contextmanager
    def leads_to(self, lun: str, other: str) -> Iterator[None]:
        """While it lasts, the node's disk for the LUN is another LUN, or a twin, and nobody tells its kernel."""
        self.guest.call("lead", node=self.name, lun=lun, to=other)
        try:
            yield
        finally:
            self.guest.call("lead", node=self.name, lun=lun, to=lun)

    @contextmanager
    def unmapped(self, lun: str) -> Iterator[None]:
        """While it lasts, the node's connection leads to no LUN, and what it had registered there is gone for good."""
        with self.leads_to(lun, ""):
            yield

    def wwid(self, lun: str) -> str:
        """What this kernel takes the node's disk for."""
        name = self.disk(lun).removeprefix("/dev/")
        return str(self.run(["cat", f"/sys/block/{name}/device/wwid"], check=True).stdout.strip())

    def rescan(self, lun: str) -> None:
        """Let the kernel ask the disk who it is."""
        name = self.disk(lun).removeprefix("/dev/")
        self.run(["sh", "-c", f"echo 1 > /sys/block/{name}/device/rescan"], check=True)

    def hang(self, lun: str) -> None:
        """From now on whoever opens or uses the disk waits, uninterruptibly and without end."""
        self._call("hang", lun=lun)

    def resume(self, lun: str) -> None:
        """End `hang`: what waited goes on."""
        self._call("resume", lun=lun)

    def cut(self, *luns: str) -> None:
        """Break the node's connections to these LUNs (to all, if none is named).

        I/O waits for REPLACEMENT_SECONDS in case the connection comes back, then fails.
        """
        self.guest.call("cut", node=self.name, luns=luns or tuple(LUNS))

    def heal(self, *luns: str) -> None:
        """End `cut`, and `drop`, `hang` and `set_state`, too; takes up to two seconds."""
        self.guest.call("heal", node=self.name, luns=luns or tuple(LUNS))
        self._call("link")

    def syslog(self) -> list[str]:
        """What programs of the node have logged since the last reset, such as "name[pid]: text"."""
        return list(self._call("syslog"))

    def renew(self) -> list[str]:
        """Kill what still runs in the node and make its files as on a fresh node; what has been killed."""
        return list(self._call("renew"))

    def _call(self, name: str, /, **arguments: Any) -> Any:
        return self.guest.call(name, self.name, **arguments)


class Cluster:
    """Nodes n1, n2, n3 and LUNs a to e and nopr (which knows no reservations), in a guest that has booted."""

    def __init__(self, guest: Guest) -> None:
        """Set up the storage and log in."""
        self.guest = guest
        self.nodes = {name: Node(guest, name) for name in NODES}
        self.n1, self.n2, self.n3 = self.nodes.values()
        guest.call("set_up_storage")
        for node in self.nodes.values():
            node.renew()

    @contextmanager
    def twin(self, lun: str) -> Iterator[str]:
        """While it lasts there may be a disk that says it is the LUN: its name, for `leads_to` and `reservation`."""
        name = twin(lun)
        try:
            yield name
        finally:
            self.guest.call("remove_twin", lun=lun)

    @property
    def release(self) -> tuple[int, int]:
        """The kernel's version, such as (6, 1)."""
        major, minor = self.guest.kernel.release.split(".")[:2]
        return int(major), int(minor)

    def lun(self, name: str) -> Lun:
        """A LUN's identity."""
        return LUNS[name]

    def reservation(self, lun: str) -> Reservation:
        """Registrations and reservation of a LUN, from the target and by no code under test."""
        return reservation_of(self.guest, lun)

    def restart_target(self, *luns: str) -> None:
        """Let the target of these LUNs lose its power; takes two seconds.

        Back come the connections, as the same nexuses, and the reservations that the target has kept.
        """
        self.guest.call("restart_target", luns=luns)

    def reset(self) -> list[str]:
        """Bring everything back: paths, disks, names, files; no process, no reservation; what has been killed.

        What stays: the LUNs' content, their PR generation, and unit attentions that tell of the clearing.
        """
        self.guest.call("heal_all", seconds=60)
        killed = [name for node in self.nodes.values() for name in node.renew()]
        self.guest.call("clear")
        return killed

    def drain(self) -> int:
        """Take the pending unit attentions of all nodes and LUNs; how many there were."""
        return sum(node.drain() for node in self.nodes.values())


def reservation_of(guest: Guest, lun: str) -> Reservation:
    """The view of the target in this guest."""
    said = guest.call("reservation", lun=lun)
    pairs = tuple((str(node), int(key)) for node, key in said.pop("registrations"))
    return Reservation(registrations=pairs, **said)
