"""Outcomes → texts and exit code."""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING

import pytest

from fence_pr.actions.plan import Done
from fence_pr.actions.report import Answer, Report, answer
from fence_pr.errors import DiskNotAsAsked, Notice, PathFailure
from fence_pr.storage.device import Device

if TYPE_CHECKING:
    from fence_pr.actions.report import Outcome

WARNING = Notice("only-holder-writes", {"disk": "/dev/a", "type": "write exclusive"})
WARNED = (
    "/dev/a: the reservation in force is write exclusive: only its holder can write; release it where it is held; if"
    " that machine is gone for good, clear the disk (see procedures.md)"
)
PROBLEM, PROBLEM_SAID = (
    Notice("type-missing", {"type": "x"}),
    ("the target has no reservation type 'x'; set the option type to one that it has"),
)
DISKS = [Device("/dev/a", "/dev/sda", "naa.1"), Device("/dev/sdb", "/dev/sdb", "naa.2")]


@pytest.mark.parametrize(("action", "verdict"), [("on", "Powered ON"), ("off", "Powered OFF"), ("off", "Already OFF")])
def test_success_is_one_line_and_its_warnings_follow(action: str, verdict: str) -> None:
    assert answer(action, Report(True, verdict), ",") == Answer(0, (f"Success: {verdict}",))
    warned = answer(action, Report(True, verdict, warnings=(WARNING,)), ",")
    assert warned == Answer(0, (f"Success: {verdict}", WARNED), warnings=(WARNED,))


@pytest.mark.promise(9)
def test_status_exits_0_on_1_error_2_off() -> None:
    assert answer("status", Report(True, "ON"), ",") == Answer(0, ("Status: ON",))
    assert answer("status", Report(True, "OFF"), ",") == Answer(2, ("Status: OFF",))
    assert answer("status", Report(False, "OFF", problems=(PROBLEM,)), ",").exit_code == 1


@pytest.mark.parametrize("action", ["monitor", "validate-all"])
def test_monitor_and_validate_all_print_nothing(action: str) -> None:
    assert answer(action, Report(True, warnings=(WARNING,)), ",") == Answer(0, warnings=(WARNED,))


def test_list_prints_columns() -> None:
    report = Report(True, rows=(("n1", ""), ("n2", "")))
    assert answer("list", report, ",").out == ("n1,", "n2,")
    assert answer("list", report, ";").out == ("n1;", "n2;")
    states = Report(True, rows=(("n1", "", "ON"),))
    assert answer("list-status", states, ",").out == ("n1,,ON",)


@pytest.mark.promise(5)
@pytest.mark.parametrize("action", ["on", "off", "status", "monitor", "list", "list-status", "validate-all"])
def test_a_failure_prints_every_problem_once_and_nothing_else(action: str) -> None:
    outcomes = [PathFailure("/dev/sda", "reserve", 0x10000, "path failed"), DiskNotAsAsked("nothing-reserved")]
    report = Report.of(DISKS, outcomes, "verdict", problems=[PROBLEM], warnings=[WARNING])
    given = answer(action, report, ",")
    assert given.exit_code == 1
    assert given.out == ()
    assert sorted(given.failures) == [
        "Failed: /dev/a (/dev/sda): reserve: path failed (status 0x10000); check the connection to the storage",
        "Failed: /dev/sdb: nodes are registered but nothing is reserved: every node can write; run 'on' on any node",
        f"Failed: {PROBLEM_SAID}",
    ]
    assert given.warnings == (WARNED,)


@pytest.mark.promise(1)
@pytest.mark.parametrize(
    ("outcomes", "problems", "ok"),
    [
        ([Done(), Done()], [], True),
        ([Done(), DiskNotAsAsked("nothing-reserved")], [], False),
        ([DiskNotAsAsked("nothing-reserved"), Done()], [], False),
        ([Done(), Done()], [PROBLEM], False),
    ],
)
def test_only_where_nothing_is_wrong_a_report_has_a_verdict(
    outcomes: list[Outcome], problems: list[Notice], ok: bool
) -> None:
    report = Report.of(DISKS, outcomes, "verdict", problems)
    assert report.ok is ok
    assert report.verdict == ("verdict" if ok else "")
    assert len(report.disks) == 2


def test_a_report_passes_from_one_process_to_the_other_as_plain_values() -> None:
    outcomes: list[Outcome] = [PathFailure("/dev/sda", "reserve", 0x10000, "path \u2026"), Done()]
    report = Report.of(DISKS, outcomes, "verdict", [PROBLEM], [WARNING])
    assert Report.unpack(marshal.loads(marshal.dumps(report.pack()))) == report
