"""SIGKILL at every system call of `on` and `off` that touches a disk or a state file; then the action is run again.

The parent, which Pacemaker waits for, the child, which works on the disks, or both are killed before the call or right
after it. In CI that is every call, from two beginnings: those that change something twice, the others once, and the
run's chance says who is killed, and when. Everything, also on the older kernels, which take three times as long: with
FENCE_PR_LONG=1. In the short form it is every command that changes something, and some of the other calls, in turn.
Some are killed while all nodes write to the disk that decides, which takes its time.
"""

from __future__ import annotations

import itertools
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests import seed
from tests.faults.cases import Call, Case, carry_out
from tests.faults.disks import NvmeDisks, ScsiDisks, State
from tests.faults.forms import CI_FORM, LONG_FORM, PROOF_FORM, both, loop
from tests.faults.loaded import some_under_load
from tests.faults.traced import CHILD, PARENT
from tests.fencing.agent import key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.faults.cases import Round, Seen
    from tests.faults.disks import CaseDisks
    from tests.faults.loaded import SlowDisks
    from tests.faults.traced import Site
    from tests.lab.cluster import Cluster
    from tests.lab.nvme import Namespaces
    from tests.tried import Faults

COMMANDS = ("register", "reserve", "preempt", "preempt-and-abort")
CHANGES = (*COMMANDS, "write", "rename")
KILLS = list(itertools.product(((PARENT,), (CHILD,), (PARENT, CHILD)), ("before", "after")))
FIRST_WITH_READING_IOCTLS = (6, 19)
# Of the calls that change no disk, in the short form.
EVERY = 1 if PROOF_FORM else 8
OFTEN = 2
KILLED = "Failed: internal error: the process that works on the disks was killed\n"
ON = Call("n1", "on", "n1")
OFF, BACK = Call("n1", "off", "n2"), Call("n2", "off", "n1")

pytestmark = pytest.mark.promise(3, 6, 7)


@both
def test_on_scsi(lab: Cluster, faults: Faults) -> None:
    kill_on_everywhere(ScsiDisks(lab, "ab"), faults)


@both
def test_off_scsi(lab: Cluster, faults: Faults) -> None:
    kill_off_everywhere(ScsiDisks(lab, "ab"), faults)


@loop
def test_on_nvme(namespaces: Namespaces, faults: Faults) -> None:
    kill_on_everywhere(NvmeDisks(namespaces), faults)


@loop
def test_off_nvme(namespaces: Namespaces, faults: Faults) -> None:
    kill_off_everywhere(NvmeDisks(namespaces), faults)


def kill_on_everywhere(disks: SlowDisks, faults: Faults) -> None:
    """n1 is killed in `on`, the first node to come or the second; then n1 does it again."""
    for others in ((), ("n2",)) if every_call(disks) else ((),):
        cases = [Case(others, ((kill,), (ON,))) for kill in _kills(disks, ON, others, again=bool(others))]
        for case, seen in some_under_load(disks, cases):
            with faults.injected("SIGKILL in on", loaded=seen.loaded):
                killed, again = seen.rounds
                _assert_killed(case, killed)
                for state in killed.states:
                    assert state.keys.pop("n1", key("n1")) == key("n1"), (case, seen)
                    assert state.keys == {name: key(name) for name in others}, (case, seen)
                assert again.ends == ((0, "Success: Powered ON\n", ""),), (case, seen)
                assert seen.remembered == [f"key=0x{key('n1'):x}\nnode=n1\n"] * len(disks.names), (case, seen)
                _assert_in(disks, {"n1", *others}, case, seen)


def kill_off_everywhere(disks: SlowDisks, faults: Faults) -> None:
    """n1 is killed while it fences n2; then n1 does it again, or n2 shoots back first. Either holds the reservation."""
    turns = list(itertools.product([("n1", "n2"), ("n2", "n1")], [((OFF,),), ((BACK,), (OFF,))]))
    for reserve in (True, False) if every_call(disks) else (True,):
        kills = _kills(disks, OFF, ("n1", "n2"), reserve=reserve, again=not reserve)
        cases = [Case(nodes, ((kill,), *again), reserve) for kill, (nodes, again) in zip(kills, itertools.cycle(turns))]
        for case, seen in some_under_load(disks, cases):
            with faults.injected("SIGKILL in off", loaded=seen.loaded):
                _assert_killed(case, seen.rounds[0])
                _assert_fought_out(disks, case, seen)


def every_call(disks: CaseDisks) -> bool:
    """Whether every call is tried."""
    return LONG_FORM or (CI_FORM and disks.cluster.release >= FIRST_WITH_READING_IOCTLS)


def _kills(
    disks: CaseDisks, call: Call, nodes: tuple[str, ...], *, reserve: bool = True, again: bool
) -> Iterator[Call]:
    """The call, killed at the system calls of an undisturbed one.

    again: from another beginning it was done before, so that whose turn it is begins elsewhere
    """
    ((_, seen),) = carry_out(disks, [Case(nodes, ((replace(call, traced=True),),), reserve)])
    (end,), (calls,) = seen.rounds[0].ends, seen.rounds[0].sites
    assert end[0] == 0, end
    assert {who for who, _, _ in calls} == {CHILD}, "the parent touches no disk"
    sites = [site for _, moment, site in calls if moment == "before"]
    expected = (
        ("register", "open", "write", "rename") if call.action == "on" else (disks.fencing(disks.names[0]), "open")
    )
    assert {*expected} <= {site.what for site in sites}, sites
    changes = [site for site in sites if site.what in CHANGES]
    others = [site for site in sites if site not in changes]
    half = len(KILLS) // 2 if again else 0
    turns = itertools.cycle([*KILLS[half:], *KILLS[:half]])
    if LONG_FORM:
        kills = [(site, *kill) for site in sites for kill in KILLS]
    elif every_call(disks):
        chance = seed.chance(f"{call} {nodes}")
        kills = [(site, *kill) for site in changes for kill in chance.sample(KILLS, OFTEN)]
        kills += [(site, *chance.choice(KILLS)) for site in others]
    else:
        kills = [(site, *kill) for site, kill in zip([*changes, *others[::EVERY]], turns)]
    for site, who, moment in kills:
        yield replace(call, site=site, kill=who, moment=moment)


def _assert_killed(case: Case, seen: Round) -> None:
    """It was killed where it should be; what its caller heard."""
    ((call,), *_), (end,), (calls,) = case.rounds, seen.ends, seen.sites
    assert call.site
    here = (CHILD, call.moment, call.site)
    assert here in calls, (case, calls)
    assert end == ((-signal.SIGKILL, "", "") if PARENT in call.kill else (1, "", KILLED)), (case, seen)
    if call.kill == (PARENT,):
        _assert_no_further_step(call.site, calls[calls.index(here) + 1 :])


def _assert_no_further_step(site: Site, later: Iterable[tuple[str, str, Site]]) -> None:
    """The child may end what was under way on each disk, but begins nothing when nobody waits for it any more.

    Another disk's thread may have asked whether somebody waits a moment before, and takes that one step.
    """
    begun = [it.where for _, moment, it in later if moment == "before" and it.what in COMMANDS]
    assert site.where not in begun, later
    assert len(set(begun)) == len(begun), later


def _assert_fought_out(disks: CaseDisks, case: Case, seen: Seen) -> None:
    """After n1 was killed in fencing n2: whoever still has all disks and begins, wins them all."""
    left = ["n2" in state.keys for state in seen.rounds[0].states]
    # Who has lost the first disk may have lost the others; who has not has lost none.
    assert left == sorted(left), (case, seen)
    winner = "n2" if case.rounds[1] == (BACK,) and all(left) else "n1"
    for (call,), after in zip(case.rounds[1:], seen.rounds[1:], strict=True):
        ((status, _, errors),) = after.ends
        assert (status == 0) == (call.node == winner), (case, seen)
        assert call.node == winner or "is not registered" in errors, (case, seen)
    _assert_in(disks, {winner}, case, seen)


def _assert_in(disks: CaseDisks, nodes: Iterable[str], case: Case, seen: Seen) -> None:
    """These nodes and no others are registered, and a reservation keeps the others out."""
    expected = State(disks.type, {name: key(name) for name in nodes})
    assert seen.rounds[-1].states == [expected] * len(disks.names), (case, seen)
    for name, words in seen.written.items():
        assert set(words) == ({"ok"} if name in nodes else {"EBADE"}), (case, seen)
