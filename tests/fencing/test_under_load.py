"""Fencing on LUNs while every node has eight writers on each of them, on stores that take their time.

The survivors' writes are counted: none fails, none is lost, none takes two seconds. Of the victim nothing lands after
the answer. What else an action must do is tried on idle nodes in the other files.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.fencing import loaded, maps
from tests.fencing.agent import LUNS, WERO, fail, key, run, start, succeed
from tests.fencing.loaded import DEFAULT, NODES, latencies, load_at, load_on, slow_latencies, variants
from tests.lab import plugin
from tests.lab.inside.layout import target
from tests.lab.load import Place, Store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.lab.cluster import Cluster

# LIO under its own name, and under another.
LIO, DISGUISED = "a", "e"
# The first decides. More would leave a guest's one processor too little for the writers of three nodes.
TWO = "ac"
OFF = 2
# Its guest is its own: in one process with all other tests of the kernel it would be the last to end.
newest = pytest.mark.parametrize("kernel", [plugin.parameter(plugin.NEWEST, group="load-")], indirect=True)
ANSWER_SECONDS, LIMIT_SECONDS, BUSY_SECONDS = 5, 5, 3


def unfence(lab: Cluster, *names: str, luns: Iterable[str] = LUNS) -> None:
    """The first one holds the reservation."""
    for name in names:
        succeed(lab.nodes[name], "on", name, luns=luns, settle_time=DEFAULT)


def registered(lab: Cluster, *names: str, luns: Iterable[str] = LUNS) -> bool:
    """Whether these nodes and no others are, on all these LUNs, and the others shut out."""
    states = [lab.reservation(lun) for lun in luns]
    return all((state.type, state.keys) == (WERO, {name: key(name) for name in names}) for state in states)


def holder_first(holder: str) -> list[str]:
    return sorted(NODES, key=lambda name: name != holder)


@pytest.mark.promise(1, 4)
def test_lio_where_the_victim_holds_and_the_fencing_node_writes(lab: Cluster) -> None:
    """LIO's preempt-and-abort would wait for acknowledgements that only the waiting thread could take."""
    unfence(lab, "n2", "n1", "n3", luns=LIO)
    with load_on(lab, 2, LIO) as load:
        done = loaded.off(load, lab.n1, "n2", ("n1", "n3"), luns=LIO, abort="auto")
        assert done.seconds < ANSWER_SECONDS
        assert _sessions(lab, "n1", LIO) == ["LOGGED_IN"]
    assert "conn error" not in lab.guest.log_tail()


def _sessions(lab: Cluster, node: str, lun: str) -> list[str]:
    """The state of each session to the target through which a node reaches a LUN."""
    look = 'for it in /sys/class/iscsi_session/*; do echo "$(cat $it/targetname) $(cat $it/state)"; done'
    lines = lab.guest.run(["sh", "-c", look], check=True).stdout.splitlines()
    return [line.split()[1] for line in lines if line.startswith(f"{target(node, lun)} ")]


@pytest.mark.promise(1, 4)
@variants(
    "lun, abort, holder", (LIO, "auto", "n2"), (LIO, "auto", "n1"), (LIO, "never", "n2"), (DISGUISED, "never", "n2")
)
@newest
def test_off_one_lun(lab: Cluster, milliseconds: int, lun: str, abort: str, holder: str) -> None:
    unfence(lab, *holder_first(holder), luns=lun)
    with load_on(lab, milliseconds, lun) as load:
        done = loaded.off(load, lab.n1, "n2", ("n1", "n3"), luns=lun, abort=abort)
        assert "no abort confirmed; waited 1 s" in done.stdout
    assert registered(lab, "n1", "n3", luns=lun)


@pytest.mark.promise(4)
@latencies
@newest
def test_an_abort_of_a_victim_that_does_not_hold(lab: Cluster, milliseconds: int) -> None:
    """By any target that is not known as LIO. That LIO aborts nothing then is seen by what lands a little later."""
    unfence(lab, "n1", "n2", "n3", luns=DISGUISED)
    with load_on(lab, milliseconds, DISGUISED) as load:
        done = succeed(lab.n1, "off", "n2", luns=DISGUISED, abort="require", settle_time=DEFAULT)
        assert done.stdout == "Success: Powered OFF\n"
        loaded.is_out_soon(load, "n2")
        load.unharmed("n1", "n3")
    assert registered(lab, "n1", "n3", luns=DISGUISED)


@pytest.mark.promise(1, 4)
@pytest.mark.parametrize("holder", ["n2", "n1"])
@latencies
@newest
def test_off_three_luns_and_a_third_node_watches(lab: Cluster, milliseconds: int, holder: str) -> None:
    unfence(lab, *holder_first(holder))
    with load_on(lab, milliseconds, LUNS) as load:
        loaded.off(load, lab.n1, "n2", ("n1", "n3"))
        assert run(lab.n3, "status", "n2").returncode == OFF
        load.unharmed("n1", "n3")
    assert registered(lab, "n1", "n3")


@pytest.mark.promise(3, 4)
@latencies
@newest
def test_two_nodes_off_each_other(lab: Cluster, milliseconds: int) -> None:
    unfence(lab, *NODES, luns=TWO)
    with load_on(lab, milliseconds, TWO) as load:
        shots = (("n1", "n2"), ("n2", "n1"))
        calls = {name: start(lab.nodes[name], "off", other, luns=TWO, settle_time=DEFAULT) for name, other in shots}
        ends = {name: call.wait() for name, call in calls.items()}
        winner, loser = sorted(ends, key=lambda name: ends[name].returncode)
        assert (ends[winner].returncode, ends[loser].returncode) == (0, 1), ends
        loaded.is_out(load, loser)
        load.unharmed(winner, "n3")
    assert registered(lab, winner, "n3", luns=TWO)


@pytest.mark.promise(4, 7)
@slow_latencies
@newest
def test_off_is_killed_and_run_again_and_run_twice_at_once(lab: Cluster, milliseconds: int) -> None:
    unfence(lab, "n2", "n1", "n3", luns=TWO)
    with load_on(lab, milliseconds, TWO) as load:
        for seconds in (0.1, 0.2, 0.4):
            killed = start(lab.n1, "off", "n2", luns=TWO, settle_time=DEFAULT)
            time.sleep(seconds)
            killed.signal(group=True)
            killed.wait()
            load.unharmed("n1", "n3")
        calls = [start(node, "off", "n2", luns=TWO, settle_time=DEFAULT) for node in (lab.n1, lab.n1, lab.n3)]
        assert [call.wait().returncode for call in calls] == [0, 0, 0]
        loaded.is_out(load, "n2")
        load.unharmed("n1", "n3")
    assert registered(lab, "n1", "n3", luns=TWO)


@pytest.mark.promise(4, 9)
@slow_latencies
@newest
def test_on_status_monitor_and_list_status_while_all_write(lab: Cluster, milliseconds: int) -> None:
    unfence(lab, *NODES, luns=TWO)
    with load_on(lab, milliseconds, TWO) as load:
        assert run(lab.n1, "status", "n2", luns=TWO).stdout == "Status: ON\n"
        assert succeed(lab.n1, "monitor", luns=TWO).stdout == ""
        assert succeed(lab.n3, "list-status", luns=TWO).stdout == "n1,,ON\nn2,,ON\nn3,,ON\n"
        loaded.off(load, lab.n1, "n2", ("n1", "n3"), luns=TWO)
        assert run(lab.n3, "status", "n2", luns=TWO).returncode == OFF
        assert any("not registered any more" in line for line in fail(lab.n2, "monitor", luns=TWO))
        assert all("has it open for writing" in line for line in fail(lab.n2, "on", "n2", luns=TWO))
        loaded.is_out(load, "n2")
        load.unharmed("n1", "n3")
    succeed(lab.n2, "on", "n2", luns=TWO)
    assert registered(lab, *NODES, luns=TWO)


@pytest.mark.promise(4, 6)
@slow_latencies
@newest
def test_a_disk_that_hangs_for_the_fencing_node(lab: Cluster, milliseconds: int) -> None:
    unfence(lab, "n2", "n1", "n3", luns=TWO)
    with load_on(lab, milliseconds, TWO) as load:
        lab.n1.hang("c")
        done = run(lab.n1, "off", "n2", power_timeout=str(LIMIT_SECONDS), luns=TWO, settle_time=DEFAULT)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.seconds < LIMIT_SECONDS + 1 + BUSY_SECONDS
        assert lab.n1.by_id("c") in done.stderr
        load.unharmed("n3")
        lab.n1.resume("c")
        loaded.off(load, lab.n1, "n2", ["n3"], luns=TWO)
        assert not load.errors("n1")
    assert registered(lab, "n1", "n3", luns=TWO)


@pytest.mark.promise(1, 4)
@variants("lun, by, victim", (LIO, "n1", "n3"), (LIO, "n3", "n1"), (DISGUISED, "n1", "n3"), (DISGUISED, "n3", "n1"))
@newest
def test_through_a_multipath_map(lab: Cluster, milliseconds: int, lun: str, by: str, victim: str) -> None:
    """Of n1 over both paths. n3 holds the reservation where LIO is known as such: where it is not, it would hang."""
    with maps.mapped(lab, lun) as path:
        devices = {"n1": path, "n3": lab.n3.by_id(lun)}
        for name in ("n3", "n1") if lun == LIO else (by, victim):
            succeed(lab.nodes[name], "on", name, devices=devices[name])
        store = Store(lab.guest, f"lun-{lun}")
        found = [Place(lab.nodes[name], devices[name], store) for name in devices]
        with load_at(found, milliseconds) as load:
            if lun == LIO:
                loaded.off(load, lab.nodes[by], victim, [by], devices=devices[by])
            else:
                succeed(lab.nodes[by], "off", victim, devices=devices[by], settle_time=DEFAULT)
                loaded.is_out_soon(load, victim)
                load.unharmed(by)
        assert victim not in lab.reservation(lun).keys
