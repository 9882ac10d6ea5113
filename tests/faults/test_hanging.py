"""A disk that hangs for one node, at every step of `on` and `off`: the answer comes in time and names it.

The agent is held right before a command; then its disk begins to hang, and the command is sent. The process that is
stuck in that command cannot even be killed; its parent has long answered, and is gone. When the disk goes on, that one
command may still be carried out, as nobody can take it back, but nothing comes after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.faults import traced
from tests.faults.disks import MixedDisks, NvmeDisks, ScsiDisks, option, register
from tests.faults.forms import newest, tcp
from tests.faults.silence import CUT, FROZEN, SILENT, STUCK, silence
from tests.fencing.agent import key, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.faults.disks import LabDisks
    from tests.faults.silence import Silence
    from tests.faults.traced import Traced
    from tests.lab.cluster import Cluster
    from tests.lab.guest import Completed
    from tests.lab.nvme import Namespaces
    from tests.tried import Faults

# On a new kernel and on an old one, which runs everything three times slower. NVMe hosts begin to do something about a
# silent target after five seconds.
LIMITS = (4.0, 15.0)
# What a busy machine may take longer than promised: for the answer, and for the start of everything before that.
LATE_SECONDS, START_SECONDS = 4.0, 15.0
VICTIM = "n3"
READS = ("scsi", "read-keys", "report")
OPERATIONS = {"open": "open", "scsi": "read keys", "read-keys": "read keys", "report": "reservation report"}

pytestmark = pytest.mark.promise(6)


@dataclass(frozen=True)
class Case:
    """`node` does `action` on two disks; `hung` begins to hang, in the way `how`, right before the call `site`."""

    node: str
    action: str
    names: tuple[str, str]
    hung: str
    how: str
    site: str

    @property
    def other(self) -> str:
        """The disk that does not hang."""
        return next(name for name in self.names if name != self.hung)

    @property
    def decides(self) -> bool:
        """Whether the disk that hangs is the one that decides."""
        return self.names[0] == self.hung

    def __str__(self) -> str:
        return f"{self.action} on {self.node}: {self.hung} of {self.names} {self.how} at {self.site}"


def _read(lab: Cluster) -> str:
    """The first call that brings a command to a disk."""
    return "scsi" if lab.release < (6, 19) else "read-keys"


def case(node: str, action: str, names: Sequence[str], hung: str, how: str, what: str) -> Case:
    """`what` happens for the first time on the disk `hung`."""
    return Case(node, action, (names[0], names[1]), hung, how, f"{what} {hung} 1")


@newest
def test_scsi_after_the_disks_were_read(lab: Cluster, faults: Faults) -> None:
    disks = ScsiDisks(lab, "abcd")
    register(disks, ("n1", "n2", VICTIM))
    cases = (
        case("n2", "on", "bc", "c", FROZEN, _read(lab)),
        case("n1", "on", "da", "a", STUCK, "register"),
        case("n1", "off", "bc", "c", FROZEN, "preempt"),
        case("n2", "off", "da", "d", CUT, "preempt"),
    )
    with silence(lab) as disturbance:
        hang_all(disks, cases, disturbance, faults)


@newest
def test_scsi_before_the_disks_were_read(lab: Cluster, faults: Faults) -> None:
    disks = ScsiDisks(lab, "abcd")
    register(disks, ("n1", "n2", VICTIM))
    cases = (
        case("n2", "off", "da", "d", FROZEN, _read(lab)),
        case("n1", "off", "bc", "c", CUT, _read(lab)),
        case("n1", "on", "da", "a", STUCK, "open"),
    )
    with silence(lab) as disturbance:
        hang_all(disks, cases, disturbance, faults)


@pytest.mark.slow
@newest
def test_scsi_where_nothing_is_reserved(lab: Cluster, faults: Faults) -> None:
    disks = ScsiDisks(lab, "abcd")
    register(disks, ("n1", "n2", VICTIM), reserve=False)
    cases = (
        case("n2", "off", "da", "d", FROZEN, "reserve"),
        case("n1", "on", "bc", "b", CUT, "reserve"),
    )
    with silence(lab) as disturbance:
        hang_all(disks, cases, disturbance, faults)


@tcp
def test_nvme(namespaces: Namespaces, faults: Faults) -> None:
    """Both namespaces of all nodes hang at once; the LUNs beside them do not."""
    namespaces.connect("n3", "loop")  # it is asked what is on the disks
    disks = MixedDisks(ScsiDisks(namespaces.cluster, "bd"), NvmeDisks(namespaces))
    first, *_, last = disks.names
    register(disks, ("n1", "n2", VICTIM))
    cases = (
        case("n2", "on", ("b", last), last, SILENT, "report"),
        case("n1", "on", (first, "d"), first, SILENT, "register"),
        case("n1", "off", ("b", last), last, SILENT, "preempt-and-abort"),
        case("n2", "off", (first, "d"), first, SILENT, "preempt-and-abort"),
    )
    with silence(namespaces.cluster, namespaces) as disturbance:
        hang_all(disks, cases, disturbance, faults)


@newest
@pytest.mark.promise(2)
def test_scsi_a_node_that_is_fenced_while_its_register_hangs_stays_fenced(lab: Cluster, faults: Faults) -> None:
    """It was registered, and `on` runs again. What hangs is carried out in the end, on condition that it still is."""
    disks = ScsiDisks(lab, "a")
    register(disks, ("n1", "n2"))
    limit = LIMITS[lab.release < (6, 19)]
    with silence(lab) as disturbance, faults.injected("hangs at register in on, fenced meanwhile"):
        agent = traced.start(disks, "n1", "on", "n1", site="register a 1", power_timeout=f"{limit:g}")
        agent.wait_until_held()
        disturbance.begin(FROZEN, "n1", "a")
        agent.go_on()
        assert agent.wait().returncode == 1
        assert run(lab.n2, "off", "n1", devices=option(disks, "n2")).stdout.startswith("Success: Powered OFF\n")
        disturbance.end()
        assert str(agent.sites()[-1][2]) == "register a 1"
        assert disks.state("a").keys == {"n2": key("n2")}
        assert disks.write("n1", "a") == "EBADE"


def hang_all(disks: LabDisks, cases: Iterable[Case], disturbance: Silence, faults: Faults) -> None:
    """All cases at the same time, each on its own connections."""
    limit = LIMITS[disks.cluster.release < (6, 19)]
    agents: dict[Case, Traced] = {}
    for each in cases:
        agents[each] = _start(disks, each, limit)
        agents[each].wait_until_held()
        if each.how != SILENT:
            _begin(disturbance, each, agents[each])
    for each, agent in agents.items():
        if each.how == SILENT:  # which is for all of them at once
            _begin(disturbance, each, agent)
    for each, agent in agents.items():
        with faults.injected(f"hangs at {each.site.split()[0]} in {each.action}, {each.how}"):
            _judge_answer(disks, each, agent.wait(), limit)
            # An NVMe host gives a silent target's commands up by itself, after some seconds.
            assert each.how == SILENT or agent.still_there(), each
            _judge_others(disks, each)
    disturbance.end()
    for each, agent in agents.items():
        _judge_end(disks, each, agent)


def _begin(disturbance: Silence, each: Case, agent: Traced) -> None:
    disturbance.begin(each.how, each.node, each.hung)
    agent.go_on()


def _start(disks: LabDisks, each: Case, limit: float) -> Traced:
    plug = VICTIM if each.action == "off" else each.node
    return traced.start(disks, each.node, each.action, plug, each.names, site=each.site, power_timeout=f"{limit:g}")


def _judge_answer(disks: LabDisks, each: Case, done: Completed, limit: float) -> None:
    """It came in time, names the disk that hangs, and no other."""
    assert (done.returncode, done.stdout) == (1, ""), (each, done)
    assert done.seconds < limit + 1 + LATE_SECONDS + START_SECONDS, (each, done)
    label = disks.path(each.node, each.hung)
    what = each.site.split()[0]
    if each.action == "off" and what in ("open", *READS):
        summary = "nothing was changed on any disk"
        silent, in_all = done.stderr.splitlines()
        assert silent.startswith(f"Failed: {label}: no answer in time; "), (each, done)
        assert in_all.startswith(f"Failed: {summary}; "), (each, done)
        return
    first, *named = done.stderr.splitlines()
    waited = re.fullmatch(f"Failed: Timed out waiting to power {each.action.upper()} after (.*) s; .*", first)
    assert waited, (each, done)
    assert limit <= float(waited[1]) < limit + 1 + LATE_SECONDS, (each, done)
    remedy = "the node may be fenced by now: run 'off' again" if what == "preempt-and-abort" else "look for this disk"
    (line,) = named
    assert line.startswith(f"Failed: {label}: no answer to {OPERATIONS.get(what, what)}; {remedy}"), (each, done)


def _judge_others(disks: LabDisks, each: Case) -> None:
    """The disk that does not hang is served; by 'off' only if it is the first, and the other hangs no earlier."""
    keys = disks.state(each.other).keys
    if each.action == "on":
        assert keys[each.node] == key(each.node)
    if each.action == "off":
        untouched = each.decides or each.site.split()[0] in ("open", *READS)
        assert (VICTIM in keys) == untouched, (each, keys)


def _judge_end(disks: LabDisks, each: Case, agent: Traced) -> None:
    """The disk has gone on: the command that was under way may have been carried out, but nothing else was."""
    begun = [site for _, moment, site in agent.sites() if moment == "before" and site.where == each.hung]
    assert str(begun[-1]) == each.site, (each, begun)
    keys = disks.state(each.hung).keys
    if each.action == "off":
        assert VICTIM in keys or "preempt" in each.site, (each, keys)
        assert each.node in keys, (each, keys)
