"""Where the time of a test run went, told at its end; and which groups of tests begin first, so that it goes well.

A group is what one process does without another: the tests with one mark `xdist_group`, else those of one file.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

PROPERTY = "group"
ROWS = 16
MARK = "xdist_group"
# Their tests are many and short: to hand each to a process by itself takes longer than to run it.
BY_FILE = "unit"
# Beginnings of the names of groups that take minutes, the longest first: what is long and begins late leaves one
# process alone at the end of a run. All others come behind them as they were found, those of `unit` last.
LONG_GROUPS = (
    "linux-7",
    "linux-6",
    "linux-nvme",
    "cluster-",
    "faults-linux-7",
    "faults-linux-nvme",
    "hosts-",
    "load-",
    "programs-",
    "migration-",
    "targets-",
    "faults-",
    "packages",
    "report-",
    "events-",
    "mutants",
)


@dataclass
class Group:
    """What its tests took, set-up included; which processes ran them; the test that took longest, and how long."""

    tests: set[str] = field(default_factory=set)
    seconds: float = 0.0
    processes: set[str] = field(default_factory=set)
    slowest: str = ""
    of_slowest: float = 0.0


@dataclass
class Process:
    """Seconds of its tests, and when the last of them ended (seconds since 1970)."""

    seconds: float = 0.0
    end: float = 0.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name each test's group, and let the long groups begin first; pytest has put them in its own order before."""
    for item in items:
        if item.path.parent.name == BY_FILE and not item.get_closest_marker(MARK):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
        item.user_properties.append((PROPERTY, group_of(item)))
    items.sort(key=_turn)


def group_of(item: pytest.Item) -> str:
    """The name of a test's group, as pytest-xdist makes it of several marks, or of its file."""
    names = {str(mark.args[0] if mark.args else mark.kwargs["name"]) for mark in item.iter_markers(MARK)}
    return "_".join(sorted(names)) or f"{item.path.parent.name}/{item.path.name}"


def _turn(item: pytest.Item) -> int:
    group = group_of(item)
    if item.path.parent.name == BY_FILE:
        return len(LONG_GROUPS) + 1
    return next((turn for turn, name in enumerate(LONG_GROUPS) if group.startswith(name)), len(LONG_GROUPS))


def lines(reports: Iterable[pytest.TestReport]) -> list[str]:
    """The table."""
    groups: dict[str, Group] = defaultdict(Group)
    processes: dict[str, Process] = defaultdict(Process)
    of_tests: dict[tuple[str, str], float] = defaultdict(float)
    begin = float("inf")
    for report in reports:
        name, process = str(dict(report.user_properties).get(PROPERTY, "")), _process(report)
        group, of_process = groups[name], processes[process]
        group.tests.add(report.nodeid)
        group.seconds += report.duration
        group.processes.add(process)
        of_tests[name, report.nodeid] += report.duration
        begin = min(begin, report.start)
        of_process.seconds += report.duration
        of_process.end = max(of_process.end, report.stop)
    for (name, test), seconds in of_tests.items():
        if seconds > groups[name].of_slowest:
            groups[name].slowest, groups[name].of_slowest = test, seconds
    told = [f"{'seconds':>9} {'tests':>6}  group, and the test in it that took longest"]
    for name, group in sorted(groups.items(), key=lambda it: -it[1].seconds)[:ROWS]:
        where = ", ".join(sorted(filter(None, group.processes)))
        told.append(
            f"{group.seconds:>9.0f} {len(group.tests):>6}  {name}{f' ({where})' if where else ''}: "
            f"{group.of_slowest:.0f} s {_short(group.slowest)}"
        )
    if len(processes) > 1:
        for name, it in sorted(processes.items()):
            told.append(f"{it.seconds:>9.0f}         {name}, whose last test ended after {it.end - begin:.0f} s")
    return told


def _short(test: str) -> str:
    """A test without its folder, and without the group that pytest-xdist writes behind it."""
    function, bracket, parameters = test.partition("[")
    inside = parameters.rpartition("]")[0]
    return function.rpartition("/")[2].partition("@")[0] + (f"[{inside}]" if bracket else "")


def _process(report: pytest.TestReport) -> str:
    """The name of the process that ran it, "" if there is but one."""
    node = getattr(report, "node", None)
    return str(node.gateway.id) if node else ""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print it, where there is more than one file to tell of."""
    reports = [
        report
        for category in terminalreporter.stats.values()
        for report in category
        if isinstance(report, pytest.TestReport)
    ]
    if len({dict(report.user_properties).get(PROPERTY) for report in reports}) > 1:
        terminalreporter.section("where the time went")
        for line in lines(reports):
            terminalreporter.write_line(line)
