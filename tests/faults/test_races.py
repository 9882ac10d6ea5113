"""Several actions at the same moment, on real targets."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.faults import traced
from tests.faults.disks import NVME, SCSI, WEAR, NvmeDisks, ScsiDisks, State, many, option, register
from tests.faults.forms import LONG_FORM, loop, newest
from tests.faults.traced import CHILD, PARENT, PATIENT
from tests.fencing.agent import AGENT, key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.faults.disks import Disks, LabDisks
    from tests.faults.proof import Faults
    from tests.lab.cluster import Cluster
    from tests.lab.guest import Completed, Running
    from tests.lab.nvme import Namespaces

DUELS = 200 if LONG_FORM else 10
# One node may be so much earlier than the other: about as long as an agent takes to come to the first disk.
MOST_DELAY_SECONDS = 0.06

pytestmark = pytest.mark.promise(3, 7)


@newest
def test_two_nodes_off_each_other_over_four_luns(lab: Cluster, faults: Faults) -> None:
    duel(ScsiDisks(lab, "abcd"), faults)


@loop
def test_two_nodes_off_each_other_over_four_namespaces(namespaces: Namespaces, faults: Faults) -> None:
    with many(namespaces.cluster, NVME, 4) as disks:
        duel(disks, faults)


def duel(disks: Disks, faults: Faults) -> None:
    """n1 and n2 fence each other, again and again; n3 looks on, and afterwards fences the loser, too.

    By chance they seldom meet, so every other time both are held shortly before they decide it.
    """
    chance = random.Random(1)
    for node in ("n1", "n2", "n3"):
        succeed(disks, node, "on", node)
    for count in range(DUELS):
        with faults.injected("two nodes off each other"):
            ends = shoot_at_once(disks, chance, count // 2) if count % 2 else shoot(disks, chance)
            assert sorted(end.returncode for end in ends.values()) == [0, 1], (count, ends)
            winner, loser = sorted(ends, key=lambda node: ends[node].returncode)
            assert ends[winner].stdout == "Success: Powered OFF\n", (count, ends)
            assert "is not registered" in ends[loser].stderr, (count, ends)
            assert_in(disks, {winner, "n3"})
            if LONG_FORM or count % 4 == 0:
                assert succeed(disks, "n3", "off", loser).stdout == "Success: Already OFF\n"
                assert_in(disks, {winner, "n3"})
            enter_again(disks, loser)


def shoot(disks: Disks, chance: random.Random) -> dict[str, Completed]:
    """Both start with small delays of their own."""
    calls = {
        node: start(disks, node, "off", victim, chance.uniform(0, MOST_DELAY_SECONDS))
        for node, victim in (("n1", "n2"), ("n2", "n1"))
    }
    return {node: call.wait() for node, call in calls.items()}


def shoot_at_once(disks: Disks, chance: random.Random, count: int) -> dict[str, Completed]:
    """Both know that nothing forbids them to fence, and are let go from there, one a little earlier."""
    roads = crossroads(disks)
    late, early = roads[count // len(roads) % len(roads)], roads[count % len(roads)]
    victims = {"n1": "n2", "n2": "n1"}
    nodes = chance.sample(list(victims), 2)
    calls = [
        traced.start(disks, node, "off", victims[node], site=site, moment=moment)
        for node, (site, moment) in zip(nodes, (early, late))
    ]
    for call in calls:
        call.wait_until_held()
    calls[0].go_on(then=calls[1], seconds=chance.choice((0, chance.uniform(0, MOST_DELAY_SECONDS))))
    return {node: call.wait() for node, call in zip(nodes, calls)}


def crossroads(disks: Disks) -> list[tuple[str, str]]:
    """Site and moment, on the disk that decides: it has been read, is about to be read again, to be preempted."""
    first = disks.names[0]
    read, reads = ("report", 1) if disks.type == WEAR else ("read-keys", 2)
    if disks.type != WEAR and disks.cluster.release < (6, 19):
        read, reads = "scsi", 3
    before_preempt = (f"preempt-and-abort {first} 1", "before")
    return [(f"{read} {first} {reads}", "after"), (f"{read} {first} {reads + 1}", "before"), before_preempt]


def enter_again(disks: Disks, node: str) -> None:
    """Register the node past the agent. Old kernels answer the first commands with what happened meanwhile."""
    for disk in disks.names:
        assert any(disks.pr(node, disk, "register", 0, key(node)) == 0 for _ in range(4))


@newest
def test_a_third_node_finishes_what_was_begun(lab: Cluster, faults: Faults) -> None:
    """n1 is killed between the first disk and the others; n2 has lost, and n3 fences it off the rest."""
    finish(ScsiDisks(lab, "abcd"), faults)


@loop
def test_a_third_node_finishes_what_was_begun_on_nvme(namespaces: Namespaces, faults: Faults) -> None:
    finish(NvmeDisks(namespaces), faults)


def finish(disks: LabDisks, faults: Faults) -> None:
    first, second, *_ = disks.names
    register(disks, ("n1", "n2", "n3"))
    with faults.injected("a third node finishes"):
        site = f"preempt-and-abort {second} 1"
        agent = traced.start(disks, "n1", "off", "n2", site=site, kill=(PARENT, CHILD))
        agent.wait()
        agent.sites()
        assert "n2" not in disks.state(first).keys
        assert "n2" in disks.state(second).keys
        calls = [start(disks, "n2", "off", "n1"), start(disks, "n3", "off", "n2")]
        back, done = (call.wait() for call in calls)
        assert (back.returncode, done.returncode) == (1, 0), (back, done)
        assert_in(disks, {"n1", "n3"})


@newest
def test_on_at_once(lab: Cluster, faults: Faults) -> None:
    on_at_once(ScsiDisks(lab, "abc"), faults)


@loop
def test_on_at_once_on_nvme(namespaces: Namespaces, faults: Faults) -> None:
    on_at_once(NvmeDisks(namespaces), faults)


def on_at_once(disks: LabDisks, faults: Faults) -> None:
    """Twice on one node, and on three nodes."""
    for nodes in (("n1", "n1"), ("n1", "n2", "n3"), ("n1", "n2", "n3", "n1", "n2", "n3")):
        register(disks, ())
        with faults.injected("on at once"):
            for end in [call.wait() for call in [start(disks, node, "on", node) for node in nodes]]:
                assert (end.returncode, end.stdout, end.stderr) == (0, "Success: Powered ON\n", ""), (nodes, end)
            assert_in(disks, set(nodes))


@newest
def test_on_and_off_of_one_node_at_once(lab: Cluster, faults: Faults) -> None:
    on_and_off(ScsiDisks(lab, "abc"), faults)


@loop
def test_on_and_off_of_one_node_at_once_on_nvme(namespaces: Namespaces, faults: Faults) -> None:
    on_and_off(NvmeDisks(namespaces), faults)


def on_and_off(disks: LabDisks, faults: Faults) -> None:
    """n2 registers while n1 fences it: whatever comes of it, n1 stays in, and the next `off` and `on` work."""
    chance = random.Random(2)
    register(disks, ("n1", "n2"))
    for _ in range(40 if LONG_FORM else 3):
        with faults.injected("on and off at once"):
            calls = [
                start(disks, "n2", "on", "n2", chance.uniform(0, MOST_DELAY_SECONDS)),
                start(disks, "n1", "off", "n2"),
            ]
            ends = [call.wait() for call in calls]
            assert all(end.returncode in (0, 1) for end in ends), ends
            for disk in disks.names:
                state = disks.state(disk)
                assert state.type == disks.type, ends
                assert {"n1"} <= state.keys.keys() <= {"n1", "n2"}, (state, ends)
            succeed(disks, "n1", "off", "n2")
            assert_in(disks, {"n1"})
            succeed(disks, "n2", "on", "n2")
            assert_in(disks, {"n1", "n2"})


@newest
def test_64_luns(lab: Cluster, faults: Faults) -> None:
    with many(lab, SCSI, 64, ("n1", "n2")) as disks:
        fence_64(disks, faults)


@pytest.mark.long
@loop
def test_64_namespaces(namespaces: Namespaces, faults: Faults) -> None:
    with many(namespaces.cluster, NVME, 64, ("n1", "n2")) as disks:
        fence_64(disks, faults)


def fence_64(disks: Disks, faults: Faults) -> None:
    """Two nodes come at once, and fence each other at once."""
    with faults.injected("64 disks"):
        for end in [call.wait() for call in [start(disks, node, "on", node) for node in ("n1", "n2")]]:
            assert (end.returncode, end.stderr) == (0, ""), end
        assert_in(disks, {"n1", "n2"}, write=False)
        calls = [start(disks, "n1", "off", "n2"), start(disks, "n2", "off", "n1")]
        ends = dict(zip(("n1", "n2"), [call.wait() for call in calls]))
        winner, loser = sorted(ends, key=lambda node: ends[node].returncode)
        assert (ends[winner].returncode, ends[loser].returncode) == (0, 1), ends
        assert_in(disks, {winner}, write=False)
        for disk in (disks.names[0], disks.names[-1]):
            assert (disks.write(winner, disk), disks.write(loser, disk)) == ("ok", "EBADE")


def start(disks: Disks, node: str, action: str, plug: str, delay: float = 0) -> Running:
    """Start the agent on a node after a delay."""
    given = f"action={action}\nplug={plug}\ndevices={option(disks, node)}\npower_timeout={PATIENT}\n"
    machine = disks.cluster.nodes[node]
    return machine.start(["sh", "-c", f"sleep {delay:.3f}; exec {AGENT}"], stdin=given, timeout=traced.LIMIT_SECONDS)


def succeed(disks: Disks, node: str, action: str, plug: str) -> Completed:
    end = start(disks, node, action, plug).wait()
    assert (end.returncode, end.stderr) == (0, ""), end
    return end


def assert_in(disks: Disks, nodes: Iterable[str], *, write: bool = True) -> None:
    """On every disk these nodes and no others are registered, a reservation is in force, and it does what it must."""
    expected = State(disks.type, {node: key(node) for node in nodes})
    assert disks.states() == [expected] * len(disks.names)
    for node in ("n1", "n2") if write else ():
        words = {disks.write(node, disk) for disk in disks.names}
        assert words == ({"ok"} if node in nodes else {"EBADE"}), (node, words)
