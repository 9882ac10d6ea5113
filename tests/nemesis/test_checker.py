"""The nemesis' pure parts: rounds repeat, each violation is found and nothing else, and rounds become shorter."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from tests.nemesis import checker, plan, plot, record
from tests.nemesis.history import Answers, Call, History, Look, Stand
from tests.nemesis.shrink import shrink

if TYPE_CHECKING:
    from pathlib import Path

BOTH = frozenset({"n1", "n2"})
OFF = Call("n1", "off", "n2", 10.0, 11.0, 0, "Success: Powered OFF", {"a": (7, 8)})
ON = Call("n2", "on", "n2", 13.0, 14.0, 0)


def history(**changes: Any) -> History:
    """A round in which n1 fences n2, which comes back, and nothing is wrong."""
    good = History(
        ("n1", "n2"),
        10.0,
        [OFF, ON],
        [Look(9.0, "n2", {"a": (6, 6)}), Look(12.0, "n2", {"a": (7, 8)}), Look(20.0, "n2", {"a": (30, 31)})],
        [Stand(5.0, {"a": BOTH}, BOTH), Stand(12.0, {"a": frozenset({"n1"})}, frozenset({"n1"}))],
        [Answers(15.0, "n2", {"EBADE": 4}), Answers(15.0, "n1", {})],
        begun=8.0,
        healed=18.0,
        whole=21.0,
    )
    return replace(good, **changes)


def test_a_good_round_breaks_nothing() -> None:
    assert checker.violations(history()) == []


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"looks": [Look(12.0, "n2", {"a": (7, 9)})]}, checker.LATE_WRITE),
        # An 'on' that had begun before the fencing ended excuses nothing.
        ({"calls": [OFF, replace(ON, begun=10.9)], "looks": [Look(20.0, "n2", {"a": (30, 8)})]}, checker.LATE_WRITE),
        ({"calls": [OFF, ON, Call("n2", "off", "n1", 10.5, 12.0, 0)]}, checker.TWO_WINNERS),
        ({"calls": [Call("n2", "off", "n1", 9.5, 9.9, 0), OFF, ON]}, checker.TWO_WINNERS),
        ({"stands": [Stand(12.0, {"a": frozenset(), "b": BOTH}, frozenset({"n1"}))]}, checker.NOBODY_LEFT),
        ({"stands": [Stand(12.0, {"a": frozenset({"n1"}), "b": frozenset({"n2"})}, BOTH)]}, checker.NOBODY_LEFT),
        ({"answers": [Answers(15.0, "n1", {"EBADE": 1})]}, checker.BYSTANDER),
        ({"calls": [replace(OFF, ended=25.1), replace(ON, begun=26.0)], "looks": []}, checker.TOO_LATE),
        ({"whole": None, "missing": "n2"}, checker.NOT_WHOLE),
        ({"whole": 18.0 + checker.WHOLE_SECONDS + 1}, checker.NOT_WHOLE),
    ],
)
def test_each_violation_is_found(changes: dict[str, Any], kind: str) -> None:
    assert [it.kind for it in checker.violations(history(**changes))] == [kind]


@pytest.mark.parametrize(
    "changes",
    [
        # Nobody can say that it reaches all disks.
        {"stands": [Stand(12.0, {"a": frozenset()}, frozenset())]},
        # A write that was tried after the next 'on' began.
        {"looks": [Look(13.5, "n2", {"a": (7, 9)})]},
        # What failed proves nothing.
        {"calls": [replace(OFF, status=1, landed={}), ON], "looks": [Look(12.0, "n2", {"a": (7, 9)})]},
        # The second fencing is of a node that has come back.
        {"calls": [OFF, ON, Call("n2", "off", "n1", 14.5, 15.0, 0)]},
        # Who was fenced in vain is no bystander.
        {"calls": [replace(OFF, status=1, landed={}), ON]},
    ],
)
def test_what_is_right_is_no_violation(changes: dict[str, Any]) -> None:
    assert checker.violations(history(**changes)) == []


def test_a_seed_makes_one_round() -> None:
    rounds = [plan.draw(seed) for seed in range(300)]
    assert rounds == [plan.draw(seed) for seed in range(300)]
    assert {it.outage for it in rounds} == {plan.DIES, plan.IS_SILENT, plan.DUEL}
    assert {fault.kind for it in rounds for fault in it.faults} == set(plan.KINDS)
    assert all(it.outage != plan.DUEL or len(it.nodes) == 2 for it in rounds)
    assert all(it.victim not in it.fencers and {it.victim, *it.fencers} == set(it.nodes) for it in rounds)
    for it in rounds:
        for fault in it.faults:
            assert bool(fault.disks) == (fault.kind in (*plan.OF_PATHS, *plan.OF_DISKS))
            assert bool(fault.node) != (fault.kind in plan.OF_DISKS)
            assert bool(fault.amount) == (fault.kind == plan.SLOW)
            assert set(fault.disks) <= set(it.disks)


def test_a_round_becomes_as_short_as_it_can() -> None:
    long = next(it for it in map(plan.draw, range(1000)) if len(it.faults) == plan.MOST_FAULTS and it.disks == "abc")
    wanted = long.faults[2]

    def fails(it: plan.Round) -> bool:
        return wanted.kind in [fault.kind for fault in it.faults]

    short = shrink(long, fails)
    assert [fault.kind for fault in short.faults] == [wanted.kind]
    assert len(short.disks) == 1
    assert shrink(long, lambda it: it == long) == long


def test_the_picture_has_a_lane_for_each_node_and_says_what_was_broken() -> None:
    it = next(it for it in map(plan.draw, range(1000)) if len(it.nodes) == 2 and len(it.faults) > 2)
    seen = history(whole=None, missing="<n2>")
    drawn = ElementTree.fromstring(plot.picture(it, seen, checker.violations(seen)))
    texts = [text.text or "" for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[1:4] == ["n1", "n2", "disks"]
    assert "off n2" in texts
    assert "on n2" in texts
    assert it.outage in texts
    assert texts[-1] == f"{checker.NOT_WHOLE}: <n2>"
    bars = list(drawn.iter("{http://www.w3.org/2000/svg}rect"))
    assert len(bars) == len(seen.calls) + len(it.faults)


def test_the_table_adds_up(tmp_path: Path) -> None:
    it = plan.draw(3)
    bad = history(whole=None)
    for agent, seen in (("this", history()), ("other", bad), ("other", history())):
        record.append(tmp_path / "file", record.Played.of(agent, "linux", it, seen, checker.violations(seen)))
    rounds = record.read(tmp_path / "file")
    assert [played.broken() for played in rounds] == [[], [checker.NOT_WHOLE], []]
    table = {line[:58].strip(): line[58:].split() for line in record.table(rounds)}
    assert table["rounds"] == ["1", "2"]
    assert table["fencings that succeeded"] == ["1", "2"]
    assert table[checker.NOT_WHOLE] == ["0", "1"]
    assert table[checker.LATE_WRITE] == ["0", "0"]
    assert table["rounds with a violation, in a hundred"] == ["0.0", "50.0"]
