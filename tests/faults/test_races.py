"""Several actions at the same moment, on real targets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import pytest

from tests import seed
from tests.faults import traced
from tests.faults.cases import LOSER, Call, Case, carry_out
from tests.faults.disks import NVME, PREEMPT, SCSI, WEAR, NvmeDisks, ScsiDisks, State, many, option, register
from tests.faults.forms import CI_FORM, LONG_FORM, PROOF_FORM, at_once, loop, loop_at_once, newest
from tests.faults.loaded import SHARE, some_under_load, under_load
from tests.faults.traced import CHILD, PARENT, PATIENT, Site
from tests.fencing.agent import AGENT, key
from tests.lab import plugin
from tests.load import agents
from tests.premises import old

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tests.faults.cases import Seen
    from tests.faults.disks import CaseDisks, Disks, LabDisks
    from tests.lab.cluster import Cluster
    from tests.lab.guest import Completed, Running
    from tests.lab.nvme import Namespaces
    from tests.load.agents import Agent
    from tests.tried import Faults

Duelling = TypeVar("Duelling", bound="CaseDisks")
NO_VERSIONS: Mapping[str, Agent] = {}
DUELS = 200 if LONG_FORM else 50 if CI_FORM or PROOF_FORM else 20
LOADED_DUELS = int(DUELS * SHARE)
DUELS_OF_VERSIONS = 200 if LONG_FORM else 20
# One node may be so much earlier than the other: about as long as an agent takes to come to the first disk.
MOST_DELAY_SECONDS = 0.06

pytestmark = pytest.mark.promise(3, 7)


@at_once
def test_two_nodes_off_each_other_over_four_luns(lab: Cluster, faults: Faults) -> None:
    duel(ScsiDisks(lab, "abcd"), faults, some_under_load, DUELS)


@loop_at_once
def test_two_nodes_off_each_other_over_four_namespaces(namespaces: Namespaces, faults: Faults) -> None:
    with many(namespaces.cluster, NVME, 4) as disks:
        duel(disks, faults, carry_out, DUELS - LOADED_DUELS)


@loop  # not with several processors: docs/kernels.md
def test_two_nodes_off_each_other_over_two_namespaces(namespaces: Namespaces, faults: Faults) -> None:
    duel(NvmeDisks(namespaces), faults, under_load, LOADED_DUELS)


@pytest.mark.slow
@newest
def test_0_1_0_and_this_version_off_each_other_over_three_luns(lab: Cluster, faults: Faults) -> None:
    disks = ScsiDisks(lab, "abc")
    duel(disks, faults, carry_out, DUELS_OF_VERSIONS, two_versions(lab))


@pytest.mark.slow
@loop
def test_0_1_0_and_this_version_off_each_other_over_two_namespaces(namespaces: Namespaces, faults: Faults) -> None:
    """One is known by a UUID, one by an NGUID."""
    disks = NvmeDisks(namespaces)
    duel(disks, faults, carry_out, DUELS_OF_VERSIONS // 2, two_versions(disks.cluster))


def two_versions(lab: Cluster) -> dict[str, Agent]:
    """n1 has 0.1.0, n2 this version."""
    if old.is_missing():
        plugin.not_covered("a shallow clone has no 0.1.0 to be tried against this version")
    before = plugin.or_not_covered(old.agent)
    before.install_in(lab.n1)
    return {"n1": before, "n2": agents.THIS}


def duel(
    disks: Duelling,
    faults: Faults,
    carry: Callable[[Duelling, list[Case]], Iterator[tuple[Case, Seen]]],
    count: int,
    versions: Mapping[str, Agent] = NO_VERSIONS,
) -> None:
    """n1 and n2 fence each other, again and again; n3 looks on, and afterwards fences the loser, too.

    By chance they seldom meet, so every other time both are held shortly before they decide it.
    versions: whose programs these nodes start; else they are copies of a process that is this version's
    """
    chance = seed.chance("duels")
    roads = {node: crossroads(disks, versions.get(node, agents.THIS)) for node in ("n1", "n2")}
    cases = [duel_of(number, chance, roads, versions) for number in range(count)]
    for case, seen in carry(disks, cases):
        what = "two versions off each other" if versions else "two nodes off each other"
        with faults.injected(what, loaded=seen.loaded):
            fought, finished = seen.rounds
            ends = dict(zip((call.node for call in case.rounds[0]), fought.ends))
            assert sorted(status for status, _, _ in ends.values()) == [0, 1], (case, ends)
            winner, loser = sorted(ends, key=lambda node: ends[node][0])
            assert ends[winner][1].startswith("Success: Powered OFF\n"), (case, ends)
            assert "is not registered" in ends[loser][2], (case, ends)
            left = [State(disks.type, {node: key(node) for node in (winner, "n3")})] * len(disks.names)
            assert fought.states == left, (case, fought)
            for sites in fought.sites:
                fenced = [site.where for _, _, site in sites if site.what.startswith("preempt")]
                assert fenced[:1] in ([], [disks.names[0]]), (case, fenced)
            assert finished.ends == ((0, "Success: Already OFF\n", ""),), (case, finished)
            assert finished.states == left, (case, finished)
            for node, words in seen.written.items():
                assert set(words) == {"EBADE" if node == loser else "ok"}, (case, seen)


def duel_of(
    count: int, chance: random.Random, roads: Mapping[str, list[tuple[Site, str]]], versions: Mapping[str, Agent]
) -> Case:
    """Both start with small delays; or both know that nothing forbids them to fence, and are let go from there."""
    shots = [Call(node, "off", victim) for node, victim in chance.sample([("n1", "n2"), ("n2", "n1")], 2)]
    shots = [replace(shot, program=versions[shot.node].program()) if versions else shot for shot in shots]
    if count % 2:
        ways = len(roads["n1"])
        late, early = count // 2 // ways % ways, count // 2 % ways
        held = [(shot, roads[shot.node][way]) for shot, way in zip(shots, (early, late))]
        shots = [replace(shot, site=site, moment=moment) for shot, (site, moment) in held]
        shots[1] = replace(shots[1], delay=chance.choice((0, chance.uniform(0, MOST_DELAY_SECONDS))))
    else:
        shots = [replace(shot, delay=chance.uniform(0, MOST_DELAY_SECONDS)) for shot in shots]
    members = tuple(chance.sample(["n1", "n2", "n3"], 3))
    return Case(members, (tuple(shots), (Call("n3", "off", LOSER),)))


def crossroads(disks: CaseDisks, version: Agent) -> list[tuple[Site, str]]:
    """Site and moment, on the disk that decides: it has been read, is about to be read again, to be preempted."""
    first, older = disks.names[0], version.name == old.NAME
    fencing = PREEMPT[NVME] if older else disks.fencing(first)
    # 0.1.0 reads the keys a second time, to be sure of one moment.
    read, reads = ("report", 1) if disks.type == WEAR else ("read-keys", 2 if older else 1)
    if disks.type != WEAR and disks.cluster.release < (6, 19):
        read, reads = "scsi", 3
    before_preempt = (Site(fencing, first, 1), "before")
    return [(Site(read, first, reads), "after"), (Site(read, first, reads + 1), "before"), before_preempt]


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
        site = f"{disks.fencing(second)} {second} 1"
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
    chance = seed.chance("on and off at once")
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
    given = f"action={action}\nplug={plug}\ndevices={option(disks, node)}\npower_timeout={PATIENT}\nsettle_time=0\n"
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
