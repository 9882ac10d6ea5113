"""A running Pacemaker cluster goes from fence_scsi to this agent and back, by the commands of docs/migrate.md."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cluster import root, steps
from tests.cluster.cib import FENCING
from tests.cluster.cluster import DUMMY, WRITER, PacemakerCluster
from tests.cluster.setup import Setup
from tests.documents import guide
from tests.lab.plugin import or_not_covered
from tests.migration.watch import WERO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.cluster.root import Stack

RESOURCE, NODE = "my-group", "node1"
RESOURCES = (f"{WRITER}-clone", f"{DUMMY}-clone", "data")
SECONDS = 240.0


@pytest.fixture
def cluster(stack: Stack, parameters: Mapping[str, str]) -> Iterator[PacemakerCluster]:
    """Two nodes that run in full with fence_scsi."""
    setup = Setup(disks=("a", "b"), agent="fence_scsi", parameters=parameters)
    found = or_not_covered(lambda: PacemakerCluster(stack, setup))
    try:
        found.start()
        found.wait_until_whole()
        yield found
    finally:
        found.stop()


class Administrator:
    """Does what a section of the guide says."""

    def __init__(self, cluster: PacemakerCluster, section: str) -> None:
        self.cluster = cluster
        words = {"scsi": FENCING, "hash": cluster.setup.parameters.get("key_value", "id")}
        self.guide = guide.Guide(guide.MIGRATE, section, ",".join(cluster.devices()), words)

    def does(self, number: int, node: str = "n1") -> str:
        """Run a block of commands on a node, those about one resource for each; what they say."""
        return "".join(
            self.cluster[node].run(["bash", "-c", command], timeout=SECONDS, check=True).stdout
            for command in self._commands(number, node)
        )

    def _commands(self, number: int, node: str) -> list[str]:
        readings = [self.guide.commands(number, **{NODE: node, RESOURCE: resource}) for resource in RESOURCES]
        return [command for same in zip(*readings) for command in dict.fromkeys(same)]

    def unfencings(self) -> Counter[str]:
        """How often each node has been unfenced."""
        return Counter(
            event.target for event in self.cluster.view().fencing if event.action == "on" and event.succeeded
        )

    def wait_for_unfencing(self, before: Counter[str]) -> None:
        """Until each node has been unfenced once more."""
        expected = before + Counter(self.cluster.setup.nodes)
        self.cluster.until(lambda: not expected - self.unfencings(), "every node has been unfenced")


@contextmanager
def always_protected(cluster: PacemakerCluster) -> Iterator[None]:
    """All the time a reservation is in force on every disk, and the cluster has a device that can fence either node."""
    types: Counter[int] = Counter()
    devices: Counter[str] = Counter()
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            types.update(cluster.reservation(disk).type for disk in cluster.setup.disks)
            for asked, other in (("n1", "n2"), ("n2", "n1")):
                said = cluster[asked].run(["stonith_admin", "--list", other], timeout=SECONDS)
                devices[said.stdout.splitlines()[-1]] += 1

    watcher = threading.Thread(target=ask)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
    assert set(types) == {WERO}
    assert devices.keys() <= {"1 fence device found"}


def crash_and_return(cluster: PacemakerCluster, lost: str) -> None:
    """A node fails: the other one fences it and takes over. It boots, can write nowhere, joins, and can."""
    survivor = steps.other(cluster, lost)
    cluster.crash(lost)
    cluster.until(
        lambda: {cluster.registered(disk) for disk in cluster.setup.disks} == {frozenset({survivor})},
        f"{lost} is registered nowhere",
    )
    steps.wait_for_take_over(cluster, survivor, lost)
    steps.comes_back(cluster, lost)


def _parameter(stack: Stack, **parameters: str) -> object:
    marks = (pytest.mark.long, pytest.mark.xdist_group(f"migration-{stack.suite}"))
    return pytest.param(stack, parameters, id=stack.suite, marks=marks)


@pytest.mark.parametrize(("stack", "parameters"), [_parameter(root.BOOKWORM), _parameter(root.FORKY, key_value="hash")])
def test_a_running_cluster_changes_its_agent_and_changes_back(cluster: PacemakerCluster) -> None:
    keys = cluster.reservation("a").keys
    _to_this_agent(cluster, Administrator(cluster, guide.THERE))
    assert cluster.reservation("a").keys == keys
    _back_to_fence_scsi(cluster, Administrator(cluster, guide.BACK))
    assert cluster.reservation("a").keys == keys


def _to_this_agent(cluster: PacemakerCluster, administrator: Administrator) -> None:
    for node in cluster.setup.nodes:
        assert administrator.does(0, node) == "n1,,ON\nn2,,ON\n"
    administrator.does(1, "n1")
    crash_and_return(cluster, "n2")
    administrator.does(1, "n2")

    before = {node: cluster.writes(node, "a").ok for node in cluster.setup.nodes}
    unfenced = administrator.unfencings()
    with always_protected(cluster):
        administrator.does(2)
        administrator.wait_for_unfencing(unfenced)
    _assert_undisturbed(cluster, before)

    cluster.crash("n1")
    cluster.until(lambda: cluster.view("n2").fenced("n1", by="n2"), "n1 has been fenced")
    assert "unfencing of n2" in administrator.does(3, "n2")
    steps.wait_for_take_over(cluster, "n2", "n1")
    _assert_undisturbed(cluster, {"n2": before["n2"]})
    steps.comes_back(cluster, "n1")
    assert administrator.does(4) == "n1,,ON\nn2,,ON\n"
    assert administrator.guide.unused() == []


def _assert_undisturbed(cluster: PacemakerCluster, before: dict[str, int]) -> None:
    """Writers go on where they were, and no write of theirs has ever failed."""
    for node, ok in before.items():
        writes = cluster.writes(node, "a")
        assert writes.ok > ok
        assert not writes.errors


def _back_to_fence_scsi(cluster: PacemakerCluster, administrator: Administrator) -> None:
    for node in cluster.setup.nodes:
        administrator.does(0, node)
        cluster.until(lambda: node not in _busy(cluster), f"nothing runs on {node}")  # noqa: B023
        with always_protected(cluster):
            administrator.does(1, node)
        cluster.wait_until_whole()
    unfenced = administrator.unfencings()
    with always_protected(cluster):
        administrator.does(2)
        administrator.wait_for_unfencing(unfenced)
    cluster.wait_until_whole()
    for node in cluster.setup.nodes:
        assert not cluster.writes(node, "a").errors
    crash_and_return(cluster, "n2")
    assert administrator.guide.unused() == []


def _busy(cluster: PacemakerCluster) -> frozenset[str]:
    """The nodes where something runs."""
    return frozenset().union(*cluster.view().active.values())
