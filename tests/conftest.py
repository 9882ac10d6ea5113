"""For all tests: which promise of the agent a test checks, and on which kernel or cluster, told at the end."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING

from tests import by_chance, told, tried

if TYPE_CHECKING:
    import pytest

pytest_plugins = ["tests.seed", "tests.lab.plugin", "tests.cluster.table", "tests.times"]

PROMISES = {
    1: "off succeeds only if every disk, read afterwards, proves it",
    2: "off never registers, clears, releases or names this node as victim",
    3: "of two nodes that fence each other exactly one survives everywhere",
    4: "fencing harms nobody but the victim, and an aborting preempt is really aborting",
    5: "a failure names disk, operation, answer and remedy; success is silent",
    6: "the answer comes within the time limit, whatever hangs",
    7: "killed at any point and run again, or run twice at once: right state, right answer",
    8: "a malformed call never fences",
    9: "status OFF only if fenced everywhere, ON only if registered everywhere",
    10: "metadata works for any user, with no file, device or network touched",
    11: "a node is called fenced only if its writes are refused, whatever the nodes call each other",
    12: "a path is not a disk, and a cache is not the disk",
    13: "a fenced node stays out by itself, where anything tells that it was fenced",
}
NO_KERNEL = "no disk"
# The tests of one guest in one process. More processes than processors let guests miss their time limits.
# The groups begin in the order that `times` gives them.
IN_PARALLEL = ("-n", str(max(2, os.cpu_count() or 1)), "--dist", "loadgroup", "--no-loadscope-reorder")
UPON = ("kernel", "nvme_kernel", "host_kernel", "target_kernel", "stack")


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    config.addinivalue_line("markers", "promise(number, ...): the promises of the agent that the test checks")
    config.addinivalue_line("markers", f"slow: only in CI, where CI=true, and with {by_chance.LONG}=1")
    config.addinivalue_line("markers", f"long: only with {by_chance.LONG}=1")
    by_chance.add_marker(config)
    config.pluginmanager.register(told.Codes(config))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long, unless wanted. Carry promise and kernel of each test into its report, which travels
    between processes.
    """
    unwanted = [] if wanted("long") else ["long"] if wanted("slow") else ["long", "slow"]
    left_out = [item for item in items if any(map(item.get_closest_marker, unwanted))]
    left_out += by_chance.left_out([item for item in items if item not in left_out])
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        kernel = next((parameters[name] for name in UPON if name in parameters), None)
        for marker in item.iter_markers("promise"):
            for number in marker.args:
                item.user_properties.append(("promise", (number, str(kernel or NO_KERNEL))))


def wanted(form: str) -> bool:
    """Whether tests marked `form`, "slow" or "long", are part of this run."""
    return os.environ.get(by_chance.LONG) == "1" or (form == "slow" and os.environ.get("CI") == "true")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was tried, and which promises were checked."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    properties = [it for report in reports if getattr(report, "when", "") == "call" for it in report.user_properties]
    if found := tried.lines(properties):
        terminalreporter.section("what was tried")
        for line in found:
            terminalreporter.write_line(line)
    _tell_promises(terminalreporter)


def _tell_promises(terminalreporter: pytest.TerminalReporter) -> None:
    """A row a promise, a column a kernel or cluster: passed, or passed/all."""
    counts: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            if getattr(report, "when", "") == "call" or outcome in ("error", "skipped"):
                for name, value in getattr(report, "user_properties", []):
                    if name == "promise":
                        number, kernel = value
                        counts[number, kernel][0] += outcome == "passed"
                        counts[number, kernel][1] += 1
    if not counts:
        return
    columns = sorted({kernel for _, kernel in counts}, key=lambda kernel: (kernel == NO_KERNEL, kernel))
    terminalreporter.section("promises checked")
    terminalreporter.write_line("".join(f"{column:>16}" for column in columns))
    for number, sentence in PROMISES.items():
        cells = [_cell(*counts.get((number, column), (0, 0))) for column in columns]
        terminalreporter.write_line("".join(f"{cell:>16}" for cell in cells) + f"  {number:2}. {sentence}")


def _cell(passed: int, total: int) -> str:
    if not total:
        return "-"
    return str(total) if passed == total else f"{passed}/{total}"
