"""Fencing on NVMe namespaces while every node has eight writers on each of them, on stores that take their time.

In one guest over TCP, and on hosts of their own with the kernel's multipath. Here preempt-and-abort aborts, whoever
holds the reservation, and waits for what it cannot abort: nothing has to settle.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.fencing import loaded
from tests.fencing.agent import WERO, key, run, start, succeed
from tests.fencing.loaded import NODES, latencies, load_on, slow_latencies, variants

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.lab.fabric import Fabric
    from tests.lab.load import Load
    from tests.lab.nvme import Namespaces

NUMBERS = (1, 2)
LEFT = {name: key(name) for name in ("n1", "n3")}
# Writes of all nodes are under way for so long when the victim is fenced.
LONG_MILLISECONDS = 500
# What the kernel takes to find that a path is dead: five seconds without an answer, and the way to the other.
FAILOVER_SECONDS = 20

tcp = pytest.mark.parametrize("namespaces", ["tcp"], indirect=True)


def unfence(namespaces: Namespaces, *names: str) -> None:
    for name in names:
        succeed(namespaces.cluster.nodes[name], "on", name, devices=namespaces.disks(name))


def off(namespaces: Namespaces, load: Load, node: str, victim: str, **options: str) -> str:
    """Nobody but the victim is harmed, and all is aborted."""
    survivors = {*NODES} - {victim}
    devices = namespaces.disks(node)
    done = loaded.off(load, namespaces.cluster.nodes[node], victim, survivors, devices=devices, **options)
    return done.stdout


@pytest.mark.promise(1, 4)
@tcp
@latencies
def test_off(namespaces: Namespaces, milliseconds: int) -> None:
    unfence(namespaces, *NODES)
    with load_on(namespaces, milliseconds, namespaces=NUMBERS) as load:
        assert off(namespaces, load, "n1", "n2") == "Success: Powered OFF\n"
    assert [namespaces.reservation(number).keys for number in NUMBERS] == [LEFT] * len(NUMBERS)


@pytest.mark.promise(1, 4)
@tcp
@variants("abort, holder", ("require", "n2"), ("require", "n1"), ("never", "n2"))
def test_one_node_holds_the_reservation(namespaces: Namespaces, milliseconds: int, abort: str, holder: str) -> None:
    for name in NODES:
        assert namespaces.pr(name, "register", 0, key(name)) == 0
    assert namespaces.pr(holder, "reserve", key(holder), WERO) == 0
    with load_on(namespaces, milliseconds, namespaces=[1]) as load:
        devices = namespaces.disk("n1")
        said = loaded.off(load, namespaces.cluster.n1, "n2", LEFT, devices=devices, abort=abort).stdout
        assert ("no abort confirmed" in said) == (abort == "never")
    assert namespaces.reservation().keys == LEFT


@pytest.mark.promise(4)
@tcp
@pytest.mark.slow
def test_what_was_under_way_is_aborted_and_the_survivors_writes_come_to_their_end(namespaces: Namespaces) -> None:
    unfence(namespaces, *NODES)
    with load_on(namespaces, LONG_MILLISECONDS, namespaces=NUMBERS) as load:
        assert off(namespaces, load, "n1", "n2", abort="require") == "Success: Powered OFF\n"


@pytest.mark.promise(3, 4)
@tcp
@slow_latencies
def test_two_nodes_off_each_other(namespaces: Namespaces, milliseconds: int) -> None:
    unfence(namespaces, *NODES)
    with load_on(namespaces, milliseconds, namespaces=NUMBERS) as load:
        calls = {
            name: start(namespaces.cluster.nodes[name], "off", other, devices=namespaces.disks(name))
            for name, other in (("n1", "n2"), ("n2", "n1"))
        }
        ends = {name: call.wait() for name, call in calls.items()}
        winner, loser = sorted(ends, key=lambda name: ends[name].returncode)
        assert (ends[winner].returncode, ends[loser].returncode) == (0, 1), ends
        loaded.is_out(load, loser)
        load.unharmed(winner, "n3")


@pytest.mark.promise(4, 7)
@tcp
@slow_latencies
def test_off_is_killed_and_run_again_and_run_twice_at_once_and_on(namespaces: Namespaces, milliseconds: int) -> None:
    unfence(namespaces, *NODES)
    n1, n3 = namespaces.cluster.n1, namespaces.cluster.n3
    devices = {name: namespaces.disks(name) for name in NODES}
    with load_on(namespaces, milliseconds, namespaces=NUMBERS) as load:
        for seconds in (0.1, 0.2, 0.4):
            killed = start(n1, "off", "n2", devices=devices["n1"])
            time.sleep(seconds)
            killed.signal(group=True)
            killed.wait()
            load.unharmed("n1", "n3")
        calls = [start(node, "off", "n2", devices=devices[node.name]) for node in (n1, n1, n3)]
        assert [call.wait().returncode for call in calls] == [0, 0, 0]
        loaded.is_out(load, "n2")
        assert succeed(n1, "list-status", devices=devices["n1"]).stdout == "n1,,ON\nn2,,OFF\nn3,,ON\n"
        succeed(namespaces.cluster.n2, "on", "n2", devices=devices["n2"])
        loaded.is_in_again(load, "n2")
        load.unharmed("n1", "n3")


def join(fabric: Fabric, names: Iterable[str] = NODES) -> None:
    for name in names:
        succeed(fabric.hosts[name], "on", name, devices=fabric.hosts[name].all_by_id())


@pytest.mark.promise(1, 3, 4)
@latencies
def test_hosts_with_two_paths(fabric: Fabric, milliseconds: int) -> None:
    """One is fenced by another, comes back, and two fence each other."""
    n1, n2, n3 = fabric.hosts.values()
    devices = n1.all_by_id()
    join(fabric)
    with load_on(fabric, milliseconds, namespaces=NUMBERS) as load:
        done = loaded.off(load, n1, "n2", LEFT, devices=devices)
        assert done.stdout == "Success: Powered OFF\n"
        assert run(n3, "status", "n2", devices=devices).stdout == "Status: OFF\n"
        assert [fabric.reservation(number).keys for number in NUMBERS] == [LEFT] * len(NUMBERS)
        join(fabric, ["n2"])
        loaded.is_in_again(load, "n2")
        load.unharmed("n1", "n3")
        calls = {node.name: start(node, "off", other, devices=devices) for node, other in ((n1, "n2"), (n2, "n1"))}
        ends = {name: call.wait() for name, call in calls.items()}
        winner, loser = sorted(ends, key=lambda name: ends[name].returncode)
        assert (ends[winner].returncode, ends[loser].returncode) == (0, 1), ends
        if loser == "n1":
            loaded.is_out(load, loser)
        load.unharmed("n3", *({winner} - {"n2"}))


@pytest.mark.promise(1, 4, 6)
@pytest.mark.slow
@pytest.mark.parametrize("milliseconds", [2])
@pytest.mark.parametrize("path", [1, 2])
def test_hosts_where_a_path_of_the_fencing_one_is_cut_during_off(fabric: Fabric, path: int, milliseconds: int) -> None:
    """Its own writes wait for the other path, the third node's do not."""
    n1 = fabric.hosts["n1"]
    join(fabric)
    with load_on(fabric, milliseconds, namespaces=NUMBERS) as load:
        cut = threading.Timer(0.1, fabric.cut, ("n1", path))
        cut.start()
        started = time.monotonic()
        done = succeed(n1, "off", "n2", devices=n1.all_by_id())
        assert time.monotonic() - started < FAILOVER_SECONDS
        cut.join()
        assert done.stdout.startswith("Success: Powered OFF\n")
        loaded.is_out(load, "n2")
        load.unharmed("n3")
        deadline = time.monotonic() + FAILOVER_SECONDS
        while any(report.blocks[0].since > 1 for report in load.reports("n1")):
            assert time.monotonic() < deadline
        loaded.is_in_again(load, "n1")
        assert not load.errors("n1")
        assert not any(writers.lost() for writers in load.of("n1"))
        fabric.heal("n1", path)
    assert [fabric.reservation(number).keys for number in NUMBERS] == [LEFT] * len(NUMBERS)
