"""Outcomes → texts and exit code."""

from __future__ import annotations

import pytest

from fence_pr.device import Device
from fence_pr.errors import DiskNotAsAsked, PathFailure
from fence_pr.report import Answer, Report, answer, from_outcomes

DISKS = [Device("/dev/a", "/dev/sda", "naa.1"), Device("/dev/sdb", "/dev/sdb", "naa.2")]


@pytest.mark.parametrize(("action", "verdict"), [("on", "Powered ON"), ("off", "Powered OFF"), ("off", "Already OFF")])
def test_success_is_one_line_and_its_notes_follow(action: str, verdict: str) -> None:
    assert answer(action, Report(True, verdict), ",") == Answer(0, (f"Success: {verdict}",))
    noted = answer(action, Report(True, verdict, notes=("a note",)), ",")
    assert noted == Answer(0, (f"Success: {verdict}", "a note"), notes=("a note",))


@pytest.mark.promise(9)
def test_status_exits_0_on_1_error_2_off() -> None:
    assert answer("status", Report(True, "ON"), ",") == Answer(0, ("Status: ON",))
    assert answer("status", Report(True, "OFF"), ",") == Answer(2, ("Status: OFF",))
    assert answer("status", Report(False, "OFF", problems=("x",)), ",").exit_code == 1


@pytest.mark.parametrize("action", ["monitor", "validate-all"])
def test_monitor_and_validate_all_print_nothing(action: str) -> None:
    assert answer(action, Report(True, notes=("a note",)), ",") == Answer(0, notes=("a note",))


def test_list_prints_columns() -> None:
    report = Report(True, rows=(("n1", ""), ("n2", "")))
    assert answer("list", report, ",").out == ("n1,", "n2,")
    assert answer("list", report, ";").out == ("n1;", "n2;")
    states = Report(True, rows=(("n1", "", "ON"),))
    assert answer("list-status", states, ",").out == ("n1,,ON",)


@pytest.mark.promise(5)
@pytest.mark.parametrize("action", ["on", "off", "status", "monitor", "list", "list-status", "validate-all"])
def test_a_failure_prints_every_problem_once_and_nothing_else(action: str) -> None:
    outcomes = [PathFailure("/dev/sda", "reserve", 0x10000, "path failed"), DiskNotAsAsked("not as asked")]
    report = from_outcomes(DISKS, outcomes, "verdict", problems=["in general"], notes=["a note"])
    given = answer(action, report, ",")
    assert given.exit_code == 1
    assert given.out == ()
    assert sorted(given.failures) == [
        "Failed: /dev/a (/dev/sda): reserve: path failed (status 0x10000); check the connection to the storage",
        "Failed: /dev/sdb: not as asked",
        "Failed: in general",
    ]
    assert given.notes == ("a note",)


@pytest.mark.promise(1)
@pytest.mark.parametrize(
    ("outcomes", "problems", "ok"),
    [
        ([1, 2], [], True),
        ([1, DiskNotAsAsked("x")], [], False),
        ([DiskNotAsAsked("x"), 2], [], False),
        ([1, 2], ["problem"], False),
    ],
)
def test_only_where_nothing_is_wrong_a_report_has_a_verdict(
    outcomes: list[object], problems: list[str], ok: bool
) -> None:
    report = from_outcomes(DISKS, outcomes, "verdict", problems)
    assert report.ok is ok
    assert report.verdict == ("verdict" if ok else "")
    assert len(report.disks) == 2
