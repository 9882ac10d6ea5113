"""Counts the faults that the tests inject, and says the numbers at the end."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.proof import RESULT, Faults, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> Faults:
    """Where a test says which fault it injects."""
    parameters = request.node.callspec.params
    return Faults(request.node, str(parameters.get("kernel") or parameters["nvme_kernel"]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The numbers of this run."""
    tally = Tally()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                tally.add(_properties(report))
    if RESULT in os.environ:
        Path(os.environ[RESULT]).write_text(json.dumps(tally.counts()))
    if tally.counts():
        terminalreporter.section("faults")
        for line in tally.lines():
            terminalreporter.write_line(f"{line} {line.trouble}".rstrip())


def _properties(report: object) -> Iterable[tuple[str, object]]:
    return getattr(report, "user_properties", ())
