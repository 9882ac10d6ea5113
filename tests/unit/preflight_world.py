"""Two nodes and a disk in memory for a pre-flight: a right target, and targets that are wrong in one way each."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from fence_pr.actions.this_node import ThisNode
from fence_pr.errors import DeviceFailure, Notice, NotSupported
from fence_pr.storage import kernel_status
from fence_pr.storage.device import MULTIPATH, NVME, SCSI, Device
from fence_pr.storage.pr_ioctl import Capabilities
from fence_pr.storage.snapshot import Snapshot
from fence_pr.tool.preflight import abort as preflight_abort
from fence_pr.tool.preflight import refusal as preflight_refusal
from fence_pr.tool.preflight import signature as preflight_signature
from fence_pr.tool.preflight import subcommand as preflight
from fence_pr.tool.preflight.blocks import BLOCK
from fence_pr.tool.preflight.hand import Hand
from tests.model.lio import Lio
from tests.model.nvmet import Nvmet
from tests.unit import tooling

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.model.unit import Unit

IDENTITY = "naa.60014051234567890123456789012345"
NAME = "/dev/shared"
SIZE = 8 << 20


class Store:
    """The blocks of a target, which looks at its reservations before it takes a write, and may hold it for a while.

    hold      seconds from taking a write to carrying it out
    enforces  whether it looks at reservations before a write, hides: before a read
    aborts    whether preempt-and-abort ends what it holds
    waits     whether a write that would be refused hangs for a while in place of that
    forgets   whether it acknowledges at once, and an abort takes away what it holds nevertheless
    """

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.blocks: dict[int, bytes] = {}
        self.hold, self.enforces, self.aborts, self.forgets, self.hides = 0.0, True, True, False, True
        self.waits = False
        self.released = threading.Event()
        self._ended: set[tuple[str, int]] = set()
        self._lock = threading.Lock()
        self._tickets = 0
        self._held: set[tuple[str, int]] = set()

    def write(self, nexus: str, offset: int, data: bytes) -> None:
        """Raises OSError."""
        with self._lock:
            refused = self.enforces and not self.unit.can_write(nexus)
            self._tickets += 1
            ticket = (nexus, self._tickets)
            if not refused and not self.hold:
                self._store(offset, data)
                return
            if not refused:
                self._held.add(ticket)
        if refused and self.waits:
            self.released.wait(10)
        if refused:
            raise OSError(errno.EBADE, os.strerror(errno.EBADE))
        if self.forgets:
            threading.Timer(self.hold, self._carry_out, (ticket, offset, data)).start()
            return
        time.sleep(self.hold)
        if not self._carry_out(ticket, offset, data):
            raise OSError(errno.EBADE, os.strerror(errno.EBADE))

    def _carry_out(self, ticket: tuple[str, int], offset: int, data: bytes) -> bool:
        with self._lock:
            self._held.discard(ticket)
            if ticket in self._ended:
                return False
            self._store(offset, data)
            return True

    def _store(self, offset: int, data: bytes) -> None:
        for at in range(0, len(data), BLOCK):
            self.blocks[offset + at] = data[at : at + BLOCK]

    def read(self, nexus: str, offset: int, length: int) -> bytes:
        """Raises OSError."""
        with self._lock:
            if self.hides and not self.unit.can_read(nexus):
                raise OSError(errno.EBADE, os.strerror(errno.EBADE))
            return b"".join(self.blocks.get(offset + at, bytes(BLOCK)) for at in range(0, length, BLOCK))

    def abort(self, nexuses: list[str]) -> None:
        """Of these nexuses' writes nothing comes any more."""
        if self.aborts:
            with self._lock:
                self._ended |= {it for it in self._held if it[0] in nexuses}


class Way:
    """A path: one nexus to a target."""

    def __init__(self, store: Store, nexus: str, device: Device, site: Site) -> None:
        self.device, self.store, self.nexus, self._site = device, store, nexus, site

    def _call(self, operation: str, name: str, *numbers: int) -> None:
        if fault := self._site.faults.get(operation):
            fault()
        if answer := self.store.unit.call(self.nexus, name, *numbers):
            raise kernel_status.failure(self.device.node, operation, answer)

    def register_once(self, old: int, key: int) -> None:
        most = self._site.room
        if key and self.nexus not in self.store.unit.keys and most is not None and len(self.store.unit.keys) >= most:
            raise DeviceFailure(self.device.node, "register", 2)
        self._call("register", "register", old, key)

    def change(self, old: int, key: int) -> None:
        self._call("register", "register", old, key)

    def reserve(self, key: int, kind: int) -> None:
        self._call("reserve", "reserve", key, kind)

    def preempt(self, key: int, victim: int, kind: int, *, abort: bool) -> None:
        gone = [nexus for nexus, it in self.store.unit.keys.items() if it == victim]
        self._call("preempt-and-abort" if abort else "preempt", "preempt", key, victim, kind)
        if abort:
            self.store.abort(gone)

    def carry_out(self, operation: str, _command: object, *values: int) -> None:
        unit = self.store.unit
        if operation == "unregister":
            if unit.keys.get(self.nexus) != values[0]:
                raise kernel_status.failure(self.device.node, operation, 0x18)
            unit._forget([self.nexus])
            return
        self._call(operation, operation, *values)


class BenchDisk:
    """A disk over one or more paths, as a hand has it."""

    def __init__(self, device: Device, ways: list[Way], site: Site) -> None:
        self.device, self._ways, self._site = device, ways, site

    def snapshot(self) -> Snapshot:
        unit = self._ways[0].store.unit
        self._site.said += 1
        return Snapshot(unit.generation, tuple(unit.keys.values()), unit.type, unit.holder_key())

    def paths(self) -> list[Way]:
        return self._ways

    def hosts(self) -> dict[int, frozenset[str]] | None:
        if not self._site.tells_hosts:
            return None
        names = self._site.host_of
        return {key: frozenset({names.get(it, it)}) for it, key in self._ways[0].store.unit.keys.items()}

    def abort_harm(self) -> Notice | None:
        return self._site.harm

    def warnings(self) -> list[Notice]:
        return self._site.warnings

    def dead_paths(self) -> dict[str, Notice]:
        return self._site.dead

    def capabilities(self) -> Capabilities:
        if self._site.types is None and self._site.persistent is None:
            raise NotSupported(self.device.node, "report capabilities", 2)
        return Capabilities(self._site.types, bool(self._site.persistent), self._site.possible)

    def close(self) -> None:
        """Nothing."""


class Blocks:
    """The disk's node, or a path's, to read and write."""

    def __init__(self, way: Way, site: Site) -> None:
        self._way, self._site = way, site

    def claim(self) -> None:
        self._site.claims()

    def size(self) -> int:
        return self._site.size

    def read(self, offset: int, length: int = BLOCK) -> bytes:
        return self._way.store.read(self._way.nexus, offset, length)

    def write(self, offset: int, data: bytes) -> None:
        self._way.store.write(self._way.nexus, offset, data)

    def close(self) -> None:
        """Nothing."""


class Here(ThisNode):
    """A node that finds the shared disk, and no other."""

    def __init__(self, node: str, site: Site) -> None:
        super().__init__()
        self._node, self._site = node, site

    def find(self, name: str) -> Device:
        if name != NAME:
            return super().find(name)
        return self._site.device(self._node)

    def open(self, found: Device, watch: Any, _patience: object) -> Any:
        watch.announce(found.label(), "open")
        watch.finished(found.label())
        return BenchDisk(found, self._site.ways(self._node), self._site)

    def users(self, _found: Device) -> list[Notice]:
        return self._site.users


class InProcess:
    """A hand that needs no process of its own; what passes is plain nevertheless."""

    def __init__(self, node: str, hand: Hand, site: Site) -> None:
        self.node, self._hand, self._site = node, hand, site
        self._answers: list[Any] = []

    def send(self, question: Any) -> None:
        node, site, ask = self.node, self._site, question["ask"]
        if node in site.away and (site.away[node][0] == ask or node in site.silent):
            site.silent.add(node)
            self._answers.append(site.away[node][1])
        elif fault := site.lost_once.pop(ask, None) or site.lost.get(ask):
            self._answers.append(fault)
        elif ask in site.says:
            self._answers.append(site.says[ask])
        else:
            self._answers.append(json.loads(json.dumps(self._hand.answer(json.loads(json.dumps(question))))))
            self._site.between.get(question["ask"], lambda: None)()

    def hear(self, _question: str, _seconds: float) -> Any:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ask(self, question: Any, seconds: float) -> Any:
        self.send(question)
        return self.hear(question["ask"], seconds)

    def close(self, _seconds: float) -> None:
        if self.node not in self._site.silent:
            self._hand.end()
        self._site.ended.append(self.node)


class Site:
    """The nodes n1 (which calls) and n2, and all that may be wrong."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], kind: str = SCSI, paths: int = 1
    ) -> None:
        self.kind, self._paths, self._capfd = kind, paths, capfd
        self.store = Store(Nvmet() if kind == NVME else Lio())
        self.stores: dict[str, Store] = {}  # nexus → another one than that
        self.nexuses: dict[str, str] = {}  # node → the nexus that it has in truth
        self.identities: dict[str, str] = {}
        self.host_of: dict[str, str] = {}
        self.faults: dict[str, Callable[[], None]] = {}
        self.lost: dict[str, Exception] = {}
        self.lost_once: dict[str, Exception] = {}
        self.away: dict[str, tuple[str, Exception]] = {}  # node → from which question on it is lost, with all of it
        self.silent: set[str] = set()
        self.says: dict[str, Any] = {}  # question → what is answered in place of what is right
        self.between: dict[str, Callable[[], None]] = {}  # question → what happens after its answer
        self.claims: Callable[[], None] = lambda: None
        self.room: int | None = None
        self.size = SIZE
        self.tells_hosts = True
        self.shares_ports = False
        self.persistent: bool | None = True
        self.types: tuple[int, ...] | None = (1, 2, 3, 4, 5, 6)
        self.possible = False
        self.harm: Notice | None = None
        self.warnings: list[Notice] = []
        self.users: list[Notice] = []
        self.dead: dict[str, Notice] = {}
        self.ended: list[str] = []
        self.reached: list[tuple[str, str, str]] = []
        self.said = 0
        monkeypatch.setattr(preflight, "reach", self._reach)
        monkeypatch.setattr(preflight_abort, "_PAUSE_SECONDS", 0.01)
        monkeypatch.setattr(preflight_refusal, "fence_devices", lambda _: None)
        monkeypatch.setattr(preflight_signature, "by_program", lambda _: ())
        monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "n1", "6.12", "", "x86_64")))

    @property
    def unit(self) -> Any:
        """What tests may put other rules into."""
        return self.store.unit

    def device(self, node: str) -> Device:
        nodes = [f"/dev/{node}-{number}" for number in range(self._paths)]
        identity = self.identities.get(node, IDENTITY)
        if self._paths > 1:
            return Device(NAME, f"/dev/{node}", identity, MULTIPATH, tuple(nodes), map_name="m")
        return Device(NAME, nodes[0], identity, self.kind)

    def ways(self, node: str) -> list[Way]:
        found = []
        for number in range(self._paths):
            nexus = self.nexuses.get(node, node) + (f"/{number}" if number and not self.shares_ports else "")
            device = Device(NAME, f"/dev/{node}-{number}", IDENTITY, self.kind)
            found.append(Way(self.stores.get(nexus, self.store), nexus, device, self))
        return found

    def _reach(self, node: str, rsh: str, disk: str) -> InProcess:
        name = node or "n1"
        self.reached.append((name, rsh, disk))

        def direct(path: str) -> Any:
            ways = self.ways(name)
            return Blocks(next((it for it in ways if it.device.node == path), ways[0]), self)

        return InProcess(name, Hand(disk, Here(name, self), direct), self)

    def fly(self, *arguments: str) -> dict[str, Any]:
        """The report of a call."""
        report = tooling.reported(self._capfd, "preflight", NAME, "--settle=0.1", *arguments)
        assert report["found"] is None or max(map(len, tooling.text_of(report))) <= 100, tooling.text_of(report)
        return report

    def free(self) -> bool:
        """Whether nothing is left on the target."""
        stores = [self.store, *self.stores.values()]
        return not any(it.unit.keys or it.unit.type for it in stores)


def seen(report: dict[str, Any], *states: str) -> dict[str, list[str]]:
    """Step → the codes of what was seen, for steps that ended so."""
    steps = [it for it in report["found"]["steps"] if it["state"] in states]
    return {it["name"]: [said["code"] for said in it["seen"]] for it in steps}
