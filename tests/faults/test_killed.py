"""SIGKILL at every system call of `on` and `off` that touches a disk or a state file; then the action is run again.

The parent, which Pacemaker waits for, the child, which works on the disks, or both are killed before the call or right
after it. In the short form each kernel sees every command that changes a disk and some of the others, who is killed
and when in turn; with FENCE_PR_LONG=1 every call with every victim and moment.
"""

from __future__ import annotations

import itertools
import signal
from typing import TYPE_CHECKING

import pytest

from tests.faults import traced
from tests.faults.disks import NvmeDisks, ScsiDisks, State, option, register
from tests.faults.forms import LONG_FORM, loop
from tests.faults.traced import CHILD, PARENT, Site
from tests.fencing.agent import key, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.faults.disks import LabDisks
    from tests.faults.proof import Faults
    from tests.lab.cluster import Cluster
    from tests.lab.guest import Completed
    from tests.lab.nvme import Namespaces

CHANGES = ("register", "reserve", "preempt", "preempt-and-abort")
KILLS = list(itertools.product(((PARENT,), (CHILD,), (PARENT, CHILD)), ("before", "after")))
# The oldest kernel runs everything three times slower.
EVERY, EVERY_ON_OLD = 8, 24
KILLED = "Failed: internal error: the process that works on the disks was killed\n"

Kill = tuple[Site, tuple[str, ...], str]

pytestmark = pytest.mark.promise(3, 6, 7)


def test_on_scsi(lab: Cluster, faults: Faults) -> None:
    kill_on_everywhere(ScsiDisks(lab, "ab"), faults)


def test_off_scsi(lab: Cluster, faults: Faults) -> None:
    kill_off_everywhere(ScsiDisks(lab, "ab"), faults)


@loop
def test_on_nvme(namespaces: Namespaces, faults: Faults) -> None:
    kill_on_everywhere(NvmeDisks(namespaces), faults)


@loop
def test_off_nvme(namespaces: Namespaces, faults: Faults) -> None:
    kill_off_everywhere(NvmeDisks(namespaces), faults)


def kill_on_everywhere(disks: LabDisks, faults: Faults) -> None:
    """n1 is killed in `on`, the first node to come or the second; then n1 does it again."""
    for others in ((), ("n2",)) if LONG_FORM else ((),):
        for kill in _kills(disks, "on", "n1", others):
            register(disks, others)
            disks.cluster.n1.run(["sh", "-c", f"rm -f {traced.STATE}/*"], check=True)
            with faults.injected("SIGKILL in on"):
                _kill(disks, "on", "n1", kill)
                for disk in disks.names:
                    keys = disks.state(disk).keys
                    assert keys.pop("n1", key("n1")) == key("n1"), kill
                    assert keys == {name: key(name) for name in others}, kill
                assert _run(disks, "n1", "on", "n1").returncode == 0, kill
                _assert_remembered(disks)
                _assert_in(disks, {"n1", *others})


def kill_off_everywhere(disks: LabDisks, faults: Faults) -> None:
    """n1 is killed while it fences n2; then n1 does it again, or n2 shoots back first. Either holds the reservation."""
    cases = list(itertools.product([("n1", "n2"), ("n2", "n1")], (False, True)))
    for reserve in (True, False) if LONG_FORM else (True,):
        for count, kill in enumerate(_kills(disks, "off", "n2", ("n1", "n2"), reserve=reserve)):
            nodes, n2_first = cases[count % len(cases)]
            register(disks, nodes, reserve=reserve)
            with faults.injected("SIGKILL in off"):
                _kill(disks, "off", "n2", kill)
                _fight_out(disks, n2_first, kill)


def _fight_out(disks: LabDisks, n2_first: bool, kill: Kill) -> None:
    """After n1 was killed in fencing n2: whoever still has all disks and begins, wins them all."""
    left = ["n2" in disks.state(disk).keys for disk in disks.names]
    # Who has lost the first disk may have lost the others; who has not has lost none.
    assert left == sorted(left), kill
    winner = "n2" if n2_first and all(left) else "n1"
    for node, victim in (("n2", "n1"), ("n1", "n2")) if n2_first else (("n1", "n2"),):
        done = _run(disks, node, "off", victim)
        assert (done.returncode == 0) == (node == winner), (kill, done)
        assert node == winner or "is not registered" in done.stderr, (kill, done)
    _assert_in(disks, {winner})


def _run(disks: LabDisks, node: str, action: str, plug: str) -> Completed:
    return run(disks.cluster.nodes[node], action, plug, devices=option(disks, node), power_timeout=traced.PATIENT)


def _assert_in(disks: LabDisks, nodes: Iterable[str]) -> None:
    """These nodes and no others are registered, and a reservation keeps the others out."""
    for disk in disks.names:
        assert disks.state(disk) == State(disks.type, {name: key(name) for name in nodes})
        for name in disks.cluster.nodes:
            assert disks.write(name, disk) == ("ok" if name in nodes else "EBADE")


def _assert_remembered(disks: LabDisks) -> None:
    """n1's state files are whole."""
    files = [f"{traced.STATE}/{disks.identity(disk)}" for disk in disks.names]
    said = disks.cluster.n1.run(["cat", *files], check=True).stdout
    assert said == f"key=0x{key('n1'):x}\nnode=n1\n" * len(files)


def _kill(disks: LabDisks, action: str, plug: str, kill: Kill) -> None:
    """Run the action on n1 and kill it; what its caller hears."""
    site, who, moment = kill
    agent = traced.start(disks, "n1", action, plug, site=site, moment=moment, kill=who)
    done = agent.wait()
    seen = agent.sites()
    assert (CHILD, moment, site) in seen, (kill, seen)
    heard = (done.returncode, done.stdout, done.stderr)
    assert heard == ((-signal.SIGKILL, "", "") if PARENT in who else (1, "", KILLED)), kill
    if who == (PARENT,):
        _assert_no_further_step(site, seen[seen.index((CHILD, moment, site)) + 1 :])


def _assert_no_further_step(site: Site, later: list[tuple[str, str, Site]]) -> None:
    """The child may end what was under way on each disk, but begins nothing when nobody waits for it any more.

    Another disk's thread may have asked whether somebody waits a moment before, and takes that one step.
    """
    begun = [it.where for _, moment, it in later if moment == "before" and it.what in CHANGES]
    assert site.where not in begun, later
    assert len(set(begun)) == len(begun), later


def _kills(disks: LabDisks, action: str, plug: str, nodes: tuple[str, ...], *, reserve: bool = True) -> Iterator[Kill]:
    """Where to kill: the system calls of an undisturbed run, while `nodes` are registered."""
    register(disks, nodes, reserve=reserve)
    agent = traced.start(disks, "n1", action, plug)
    assert agent.wait().returncode == 0
    seen = agent.sites()
    assert {who for who, _, _ in seen} == {CHILD}, "the parent touches no disk"
    sites = [site for _, moment, site in seen if moment == "before"]
    if LONG_FORM:
        for site in sites:
            for who, moment in KILLS:
                yield site, who, moment
        return
    changes = [site for site in sites if site.what in CHANGES]
    others = [site for site in sites if site not in changes]
    chosen = [*changes, *others[:: EVERY_ON_OLD if disks.cluster.release < (6, 19) else EVERY]]
    yield from ((site, *kill) for site, kill in zip(chosen, itertools.cycle(KILLS)))
