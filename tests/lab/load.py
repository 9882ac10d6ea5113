"""Load: while it lasts, nodes have direct writes in flight on shared disks whose stores take their time.

`under_load` is for the lab's LUNs and namespaces, in one guest or on separate hosts; `writing` for any disk.
"""

from __future__ import annotations

import base64
import os
import signal
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.errors import LabError
from tests.lab.fabric import Fabric
from tests.lab.inside.layout import NODES
from tests.lab.inside.load import GRACE_SECONDS, Report, number_in
from tests.lab.inside.transfers import BLOCK
from tests.lab.nvme import Namespaces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.lab.cluster import Cluster, Node
    from tests.lab.guest import Guest, Running

PROGRAM = ["python3", "-B", "-m", "tests.lab.inside.load"]
WRITERS = 8
# Where a store takes no time, writers are held back: else they take all of the guest's one processor.
INSTANT_RATE = 1000.0
LIFE_SECONDS = 600.0
FIRST_WRITES_SECONDS, END_SECONDS = 20.0, 20.0
POLL_SECONDS = 0.1
# The longest that a survivor's write may take, on a machine that is not busy.
PATIENCE_SECONDS = 2.0
# Where much more wants to run than there are processors, the guest with the storage may wait for one, which nobody in
# another guest can tell. The fault that is looked for stops writes for 45 s.
BUSY_SECONDS, BUSY_LOAD = 6.0, 2.0
REFUSED, ABORTED = "EBADE", "EIO"


def bearable_seconds(report: Report) -> float:
    """What a survivor's write may take beyond the time in which its writer could not run; more on a busy machine."""
    busy = os.getloadavg()[0] > BUSY_LOAD * (os.cpu_count() or 1)
    return PATIENCE_SECONDS + (BUSY_SECONDS if busy else 0.0) + report.paused


class LoadError(LabError):
    """Writers do not begin or do not end."""


@dataclass(frozen=True)
class Store:
    """What is below a shared disk. name: of `tests.lab.inside.slow`, in the guest that has the target."""

    guest: Guest
    name: str

    def hold(self, milliseconds: int) -> None:
        """From now on every write takes so long."""
        self.guest.call("hold_writes", name=self.name, milliseconds=milliseconds)

    def content(self, offset: int, length: int) -> bytes:
        """What has landed."""
        return base64.b64decode(self.guest.call("landed", name=self.name, offset=offset, length=length))


@dataclass(frozen=True)
class Place:
    """A node's way to a shared disk: the device node on it, and the store at the other end."""

    node: Node
    path: str
    store: Store

    @property
    def offset(self) -> int:
        """Where the node's blocks begin: no two nodes' meet."""
        return (4 + NODES.index(self.node.name)) << 18


class Writers:
    """The writers of one node on one disk."""

    def __init__(self, place: Place, rate: float, writers: int = WRITERS, life: float = LIFE_SECONDS) -> None:
        """Start them. life: seconds after which they end by themselves."""
        self.place = place
        self._count = writers
        self._file = f"/run/load-{place.store.name}.json"
        place.node.run(["rm", "-f", self._file], check=True)
        arguments = [place.path, place.offset, self._file, writers, rate, life]
        self._running: Running = place.node.start(
            [*PROGRAM, *map(str, arguments)], cwd="/project", timeout=life + GRACE_SECONDS
        )

    def report(self) -> Report:
        """How it goes."""
        return Report.read(self.place.node.run(["cat", self._file]).stdout)

    def landed(self) -> list[int]:
        """The number of the last write in each block, on the store."""
        content = self.place.store.content(self.place.offset, self._count * BLOCK)
        return [number_in(content[start : start + BLOCK]) for start in range(0, len(content), BLOCK)]

    def lost(self, report: Report | None = None) -> int:
        """Blocks that have an older write than one that was acknowledged, by this report or one of now."""
        acknowledged = [block.acknowledged for block in (report or self.report()).blocks]
        return sum(number < wanted for number, wanted in zip(self.landed(), acknowledged))

    def wait_for_first(self) -> None:
        """Until every writer has written; raises LoadError."""
        deadline = time.monotonic() + FIRST_WRITES_SECONDS
        while not ((blocks := self.report().blocks) and all(block.acknowledged for block in blocks)):
            if self._running.done() or time.monotonic() > deadline:
                said = self._running.wait() if self._running.done() else self.report()
                raise LoadError(f"{self.place.node.name} does not write to {self.place.path}: {said}")
            time.sleep(POLL_SECONDS)

    def count_from_now_on(self) -> None:
        """All others have started, too."""
        self._running.signal(signal.SIGUSR1)

    def kill(self) -> None:
        """As if the node had lost its power. What it has sent goes on; a write that hangs keeps it for a while."""
        self._running.signal(signal.SIGKILL, group=True)

    def tell_to_stop(self) -> None:
        """It takes up to GRACE_SECONDS."""
        self._running.signal(signal.SIGTERM)

    def wait_for_end(self) -> Report:
        """The final report, also where writes hang; raises LoadError."""
        deadline = time.monotonic() + END_SECONDS
        while not (report := self.report()).ended:
            if time.monotonic() > deadline:
                raise LoadError(f"the writers of {self.place.node.name} do not end: {report}")
            time.sleep(POLL_SECONDS)
        return report


class Load:
    """All nodes' writers."""

    def __init__(self, writers: Sequence[Writers]) -> None:
        self._writers = writers

    def of(self, node: str) -> list[Writers]:
        """A node's, those of each disk in the order in which they were named."""
        found = [each for each in self._writers if each.place.node.name == node]
        assert found, f"{node} writes nothing"
        return found

    def reports(self, node: str) -> list[Report]:
        """A node's, of each disk."""
        return [each.report() for each in self.of(node)]

    def errors(self, node: str) -> dict[str, int]:
        """Name of an errno → how many of a node's writes, to all disks, ended so."""
        return dict(sum((Counter(report.errors) for report in self.reports(node)), Counter[str]()))

    def unharmed(self, *nodes: str) -> None:
        """Assert that these nodes wrote all the time: no error, nothing lost, no write that took long."""
        for name in nodes:
            for writers in self.of(name):
                report = writers.report()
                assert report.ok, (name, report)
                assert not report.errors, (name, report)
                assert max(report.longest, report.silent) < bearable_seconds(report), (name, report)
                assert writers.lost(report) == 0, (name, report, writers.landed())

    def bearable(self, *nodes: str) -> None:
        """Assert that nothing but refusals befell what these nodes wrote while they were shut out and let in again."""
        for name in nodes:
            for writers in self.of(name):
                report = writers.report()
                assert report.ok, (name, report)
                assert set(report.errors) <= {REFUSED}, (name, report)
                assert report.longest < bearable_seconds(report), (name, report)
                assert writers.lost(report) == 0, (name, report, writers.landed())

    def fenced(self, node: str) -> None:
        """Assert that all of a node's writers are shut out; before that a write may have been aborted, nothing else."""
        for writers in self.of(node):
            report = writers.report()
            assert {block.answer for block in report.blocks} == {REFUSED}, (node, report)
            assert set(report.errors) <= {REFUSED, ABORTED}, (node, report)

    def landed(self, node: str) -> list[int]:
        """The number of the last write in each of a node's blocks, on all disks' stores, now."""
        return [number for writers in self.of(node) for number in writers.landed()]

    def landed_after(self, node: str, moment: list[int]) -> int:
        """In how many of a node's blocks a write has landed since `landed` said that."""
        return sum(now != then for now, then in zip(self.landed(node), moment, strict=True))

    def wait_for_first(self) -> None:
        """Until all have written; raises LoadError."""
        for writers in self._writers:
            writers.wait_for_first()
        for writers in self._writers:
            writers.count_from_now_on()

    def stop(self) -> None:
        """End all writers, whose stores hold nothing back any more; raises LoadError."""
        # A host that has lost its power writes nothing.
        alive = [each for each in self._writers if each.place.node.guest.alive()]
        for writers in alive:
            writers.tell_to_stop()
        for store in {each.place.store for each in self._writers}:
            store.hold(0)
        for writers in alive:
            writers.wait_for_end()


@contextmanager
def writing(places: Sequence[Place], milliseconds: int = 0, rate: float | None = None) -> Iterator[Load]:
    """While it lasts, there are writes in flight at all these places, and each takes so long.

    rate: writes a second, at most, at each place; 0: as many as there can be
    """
    for store in {place.store for place in places}:
        store.hold(milliseconds)
    if rate is None:
        rate = 0.0 if milliseconds else INSTANT_RATE
    load = Load([Writers(place, rate) for place in places])
    try:
        load.wait_for_first()
        yield load
    finally:
        load.stop()


@contextmanager
def under_load(
    where: Cluster | Namespaces | Fabric,
    nodes: Iterable[str] = NODES,
    luns: Iterable[str] = (),
    namespaces: Iterable[int] = (),
    milliseconds: int = 0,
) -> Iterator[Load]:
    """While it lasts, each of these nodes has eight writes in flight on each of these disks, and each takes so long."""
    with writing(places(where, nodes, luns, namespaces), milliseconds) as load:
        yield load


def places(
    where: Cluster | Namespaces | Fabric,
    nodes: Iterable[str] = NODES,
    luns: Iterable[str] = (),
    namespaces: Iterable[int] = (),
) -> list[Place]:
    """The ways of these nodes to these LUNs and namespaces."""
    target = _target(where)
    found = []
    for node in (_node(where, name) for name in nodes):
        found += [Place(node, node.disk(lun), Store(target, f"lun-{lun}")) for lun in luns]
        found += [
            Place(node, _namespace(where, node.name, number), Store(target, f"namespace-{number}"))
            for number in namespaces
        ]
    return found


def _node(where: Cluster | Namespaces | Fabric, name: str) -> Node:
    if isinstance(where, Fabric):
        return where.hosts[name]
    return (where.cluster if isinstance(where, Namespaces) else where).nodes[name]


def _target(where: Cluster | Namespaces | Fabric) -> Guest:
    """The guest that has the disks."""
    if isinstance(where, Fabric):
        return where.storage
    return (where.cluster if isinstance(where, Namespaces) else where).guest


def _namespace(where: Cluster | Namespaces | Fabric, node: str, number: int) -> str:
    if isinstance(where, Fabric):
        return where.hosts[node].namespace(number)
    assert isinstance(where, Namespaces)
    return where.disk(node, number)
