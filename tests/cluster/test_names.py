"""A name is not a node: what nodes are called differs from node to node, is written nowhere, or is no node's at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster import cib, state, steps
from tests.cluster.cluster import DUMMY, WRITER
from tests.cluster.setup import FILE_SYSTEM, RAW, Setup
from tests.lab.inside.layout import CLUSTER, NODES, ring_address

if TYPE_CHECKING:
    from tests.cluster.cluster import PacemakerCluster
    from tests.cluster.conftest import Clusters
    from tests.cluster.root import Stack
    from tests.lab.guest import Completed

AGENT_SECONDS, FENCE_SECONDS = 60.0, 150.0
FOREIGN = 0xBAC0
UNEXPLAINED = "no known node has these keys"
NOT_NAMED = "disks that this call does not name"
MORE, FAR = "more-disks", "far"


@pytest.mark.slow
@pytest.mark.promise(5, 11)
def test_a_node_that_calls_its_cluster_otherwise_is_not_called_fenced_while_it_writes(
    clusters: Clusters, stack: Stack
) -> None:
    """Corosync does not mind. Both are unfenced, and resources run."""
    two = clusters.new(stack, Setup())
    everybody = frozenset(two.setup.nodes)
    two.start(called={"n2": "oldname"})
    two.until(lambda: two.view().active.get(WRITER) == everybody, "both write")
    assert all(two.registered(disk) == everybody for disk in two.setup.disks)

    # In daylight, and on both nodes.
    two.until(lambda: {it.node for it in two.view().failures if it.action == "start"} == everybody, "it starts nowhere")
    for name, other in (("n1", "n2"), ("n2", "n1")):
        monitored = _agent(two, name, "monitor")
        assert monitored.returncode == 1
        assert UNEXPLAINED in monitored.stderr
        for disk in two.setup.disks:
            assert f"{two.path(disk)} " in monitored.stderr
            assert f"0x{two.reservation(disk).keys[other]:x}" in monitored.stderr

    landed = {disk: two.landed(disk, "n2") for disk in RAW}
    fenced = two["n1"].run(["stonith_admin", "--fence", "n2"], timeout=FENCE_SECONDS)
    assert fenced.returncode != 0
    attempts = [event for event in two.view("n1").fencing if event.target == "n2" and event.action in state.OFF]
    assert attempts
    assert not any(event.succeeded for event in attempts)
    assert _names(two.complaints("n1"), two.reservation(FILE_SYSTEM).keys["n2"])
    assert _agent(two, "n1", "status", "-n", "n2").returncode == 1
    assert all(two.registered(disk) == everybody for disk in two.setup.disks)
    two.until(lambda: all(_went_on(two, disk, landed[disk]) for disk in RAW), "n2 writes on")
    steps.assert_unharmed(two, *everybody)

    two.leave("n2")
    two.start("n2")
    two["n1"].run(["crm_resource", "--cleanup"], check=True)
    two.wait_until_whole()
    for name in everybody:
        monitored = _agent(two, name, "monitor")
        assert (monitored.returncode, monitored.stderr) == (0, "")
    two.crash("n2")
    steps.wait_for_take_over(two, "n1", "n2")
    steps.assert_unharmed(two, "n1")
    two.spoilt = False


@pytest.mark.long
@pytest.mark.promise(11)
def test_three_nodes_whose_list_has_addresses_only_and_one_is_fenced_by_both_others(
    clusters: Clusters, stack: Stack
) -> None:
    three = clusters.whole(stack, Setup(NODES, named=False, parameters={"other_nodes": ",".join(NODES)}))
    for name in NODES:
        steps.assert_registered_before_anything_started(three, name)
        monitored = _agent(three, name, "monitor", "--other-nodes=n1,n2,n3")
        assert (monitored.returncode, monitored.stderr) == (0, "")
    three.crash("n3")
    steps.wait_for_take_over(three, "n1", "n3")
    # The first answer was lost, or the next device of a level asks.
    for name in ("n1", "n2"):
        again = _agent(three, name, "off", "-n", "n3", "--other-nodes=n1,n2,n3")
        assert (again.returncode, again.stdout.split("\n")[0]) == (0, "Success: Already OFF")
    steps.assert_unharmed(three, "n1", "n2")
    steps.comes_back(three, "n3")


@pytest.mark.long
@pytest.mark.promise(11)
def test_two_fence_devices_fence_together_only_where_a_level_names_both(two: PacemakerCluster) -> None:
    two.spoilt = True
    everybody = frozenset(two.setup.nodes)
    of_first = [disk for disk in two.setup.disks if disk != FILE_SYSTEM]
    _pcs(two, f"stonith update {cib.FENCING} devices={','.join(map(two.path, of_first))}")
    _pcs(two, f"stonith create {MORE} {cib.AGENT} devices={two.path(FILE_SYSTEM)} pcmk_host_list='n1 n2'")
    two.until(lambda: two.whole() and two.view().active.get(MORE), "everything runs, with both fence devices")
    two.until(lambda: any(NOT_NAMED in line for name in everybody for line in two.said(name)), "monitor warns")

    two.wait_until_whole()
    two.crash("n2")
    two.until(lambda: two.view("n1").fenced("n2"), "n2 has been fenced")
    still_open = [disk for disk in two.setup.disks if "n2" in two.registered(disk)]
    assert still_open in (of_first, [FILE_SYSTEM])
    assert any(NOT_NAMED in line for line in two.said("n1"))

    two.power_on("n2")
    two.start("n2")
    two.wait_until_whole()
    for name in everybody:
        _pcs(two, f"stonith level add 1 {name} {cib.FENCING},{MORE}")
    two.crash("n2")
    steps.wait_for_take_over(two, "n1", "n2")
    steps.comes_back(two, "n2")


@pytest.mark.long
@pytest.mark.promise(5, 11)
def test_keys_of_a_host_that_is_no_node_and_a_node_on_no_list(clusters: Clusters, stack: Stack) -> None:
    """Cold start with a dead peer and a backup server's key; then that host is a remote node."""
    two = clusters.whole(stack, Setup(strangers=("n3",)))
    two.crash(*two.setup.nodes)
    two.power_on("n1")
    two.forget_reservations()
    _register(two, "n3", FOREIGN)
    two.start("n1")
    two.until(lambda: _names(two.complaints("n1"), FOREIGN), "the agent cannot tell whose key that is")
    two.until(lambda: any(it.action in state.OFF for it in two.view("n1").fencing), "Pacemaker has the failure")
    assert not two.view("n1").fenced("n2")
    assert f"0x{FOREIGN:x}" in _agent(two, "n1", "monitor").stderr
    _pcs(two, f"stonith update {cib.FENCING} foreign_keys=0x{FOREIGN:x} other_nodes=n3 pcmk_host_list='n1 n2 n3'")
    two.until(lambda: two.view("n1").fenced("n2"), "n2 has been fenced")
    two.until(lambda: "n1" in two.view("n1").active.get(WRITER, ()), "n1 writes")
    assert all(two.registered(disk) == {"n1", "n3"} for disk in two.setup.disks)

    removed = _agent(two, "n1", "off", "-n", f"0x{FOREIGN:x}")
    assert removed.stdout.startswith("Success: Powered OFF\n")
    two.power_on("n2")
    two.start("n2")
    two.wait_until_whole()
    _serve_from_afar(two)
    assert _agent(two, "n1", "status", "-n", "n3", "--other-nodes=n3").returncode == 2
    # Nobody unfences a remote node but itself.
    unfenced = _agent(two, "n3", "on", "-n", "n3", f"--cluster-name={CLUSTER}", "--other-nodes=n1,n2,n3")
    assert (unfenced.returncode, unfenced.stderr) == (0, "")
    assert all(two.registered(disk) == set(NODES) for disk in two.setup.disks)
    monitored = _agent(two, "n1", "monitor", "--other-nodes=n3")
    assert (monitored.returncode, monitored.stderr) == (0, "")
    two.crash("n3")
    two.until(lambda: two.view("n1").fenced("n3"), "n3 has been fenced")
    assert all(two.registered(disk) == set(two.setup.nodes) for disk in two.setup.disks)
    steps.assert_unharmed(two, *two.setup.nodes)


def _serve_from_afar(cluster: PacemakerCluster) -> None:
    """Make n3 a remote node, as docs/remote.md has it, and wait until a resource runs there."""
    cluster.start_remote("n3")
    for name in (f"{WRITER}-clone", f"{DUMMY}-clone", "data"):
        # Even a probe would want it unfenced.
        _pcs(cluster, f"constraint location add no-{name} {name} n3 -INFINITY resource-discovery=never")
    _pcs(cluster, f"resource create n3 ocf:pacemaker:remote server={ring_address('n3')}")
    _pcs(cluster, f"resource create {FAR} ocf:pacemaker:Dummy meta requires=fencing")
    _pcs(cluster, f"constraint location {FAR} prefers n3")
    there = frozenset({"n3"})
    cluster.until(lambda: cluster.view("n1").active.get(FAR) == there, "a resource runs on the remote node")


def _agent(cluster: PacemakerCluster, name: str, action: str, *options: str) -> Completed:
    """The agent by hand, on all disks of the cluster."""
    command = [cib.AGENT, "-o", action, *options, "-d", ",".join(cluster.devices())]
    return cluster[name].run(command, timeout=AGENT_SECONDS)


def _pcs(cluster: PacemakerCluster, words: str) -> None:
    """`--force`: whatever pcs would rather have done by another of its commands."""
    cluster["n1"].run(["sh", "-c", f"pcs {words} --force"], timeout=FENCE_SECONDS, check=True)


def _names(complaints: list[str], key: int) -> bool:
    return any("is not registered, but" in line and f"0x{key:x}" in line for line in complaints)


def _register(cluster: PacemakerCluster, name: str, key: int) -> None:
    """As another program does it."""
    host = cluster[name]
    for disk in cluster.setup.disks:
        done = (
            host.pr(disk, "register", 0, key) if isinstance(disk, str) else host.ioctl("register", 0, key, number=disk)
        )
        assert done == 0, (name, disk, done)


def _went_on(cluster: PacemakerCluster, disk: str | int, before: list[int]) -> bool:
    return all(now > number for now, number in zip(cluster.landed(disk, "n2"), before, strict=True))
