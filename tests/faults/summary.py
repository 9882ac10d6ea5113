"""The numbers of injected faults at the end of every test run, whichever process injected them.

A plugin of all tests: with several processes, the one that writes the summary knows no conftest but the first.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.proof import RESULT, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest


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
