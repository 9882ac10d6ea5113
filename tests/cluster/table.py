"""pytest's side of the clusters: at the end, a row for each scenario, whatever command ran it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

SCENARIO = "scenario"
HEAD = ("scenario", "Pacemaker", "transport", "store", "result", "time")


def name(function: str, parameters: Iterable[object]) -> str:
    """What a test function says, and what it is told apart by."""
    sentence = function.removeprefix("test_").replace("_", " ")
    return ", ".join([sentence, *map(str, parameters)])


def transport(disks: Iterable[str | int]) -> str:
    """How a cluster's disks are reached: LUNs have names, namespaces numbers."""
    kinds = {"iSCSI" if isinstance(disk, str) else "NVMe/TCP" for disk in disks}
    return ", ".join(sorted(kinds, key=str.lower))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table."""
    rows = []
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            said = dict(getattr(report, "user_properties", ())).get(SCENARIO)
            # What a scenario takes; booting the cluster for it is no part of that.
            if said and (report.when == "call" or outcome in ("error", "skipped")):
                rows.append((*said, outcome, f"{report.duration:.0f} s"))
    if not rows:
        return
    terminalreporter.section("cluster scenarios")
    table = [HEAD, *sorted(rows, key=lambda row: row[1])]
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:
        scenario, *others = (cell.ljust(width) for cell, width in zip(row, widths))
        terminalreporter.write_line("  ".join([*others, scenario]).rstrip())
