"""Which message of the table a sentence is, for tests that see only what was printed; and which ones tests saw."""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS.parent / "lib"))

from fence_pr import errors  # noqa: E402
from fence_pr.messages import sentences  # noqa: E402

TESTS_FAILED = 1  # pytest's exit code; pytest itself is not there yet when `make test` begins
_USAGE = ". Please use '-h' for usage"
_SEEN: set[str] = set()
_FIELD = re.compile(r"\\\{[^}]*\\\}")


@cache
def patterns() -> dict[str, re.Pattern[str]]:
    """Failure or warning → what its printed sentence is like, with or without a disk in front; the most exact first."""
    found = {}
    for table in sentences.tables():
        for code, (sentence, hint, *_) in {**table.FAILURES, **table.WARNINGS}.items():
            to_do = f"; {_pattern(hint)}" if hint else ""
            found[code] = re.compile(rf"(?:(?P<disk>.+?): )?{_pattern(sentence)}(?:; .*)?{to_do}", re.DOTALL)
    return dict(sorted(found.items(), key=lambda entry: -len(entry[1].pattern)))


def code_of(said: str) -> str:
    """The code of a sentence; "" if no message is like it."""
    return next((code for code, pattern in patterns().items() if pattern.fullmatch(said)), "")


def code_of_failure(line: str) -> str:
    """The code of a line of standard error that tells of a failure, and of what to do."""
    usage = line.endswith(_USAGE)
    said = line.removeprefix("Failed: ").removesuffix(_USAGE)
    code = code_of(said)
    assert line.startswith("Failed: "), line
    assert code, f"in no table: {line}"
    severity, (_, hint, *_) = sentences.find(code)
    assert severity == sentences.FAILURE, line
    assert hint or usage or code == "internal-error", f"nothing to do: {line}"
    return code


def _pattern(template: str) -> str:
    always, *rest = template.split("[")
    pattern = _words(always)
    for part in rest:
        optional, _, always = part.partition("]")
        pattern += f"(?:{_words(optional)})?{_words(always)}"
    return pattern


def _words(text: str) -> str:
    return _FIELD.sub(".*", re.escape(text))


def watch() -> set[str]:
    """From now on every code that is told of in this process comes into this set."""
    make, make_notice = errors.FenceError.__init__, errors.Notice.__init__

    def error(self: errors.FenceError, code: str, **fields: Any) -> None:
        _SEEN.add(code)
        make(self, code, **fields)

    def notice(self: errors.Notice, code: str, fields: dict[str, Any]) -> None:
        _SEEN.add(code)
        make_notice(self, code, fields)

    patched: Any = errors
    patched.FenceError.__init__, patched.Notice.__init__ = error, notice
    return _SEEN


def heard(text: str) -> None:
    """A process said this."""
    _SEEN.update(filter(None, (code_of(line.removeprefix("Failed: ")) for line in text.splitlines())))


class Codes:
    """Plugin: whoever runs the whole of tests/unit must have seen every code."""

    def __init__(self, config: pytest.Config) -> None:
        self._codes: set[str] = set()
        options = config.option
        asked = {Path(argument).resolve() for argument in config.args}
        self._whole = not (options.keyword or options.markexpr) and bool(asked & {TESTS.parent, TESTS, TESTS / "unit"})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Each test's codes, wherever it ran."""
        self._codes.update(str(value) for name, value in report.user_properties if name == "code")

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail if one is missing."""
        if self.missing() and exitstatus == 0 and not hasattr(session.config, "workerinput"):
            session.exitstatus = TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the missing."""
        if self.missing():
            terminalreporter.section("messages that no test has seen")
            terminalreporter.write_line(", ".join(self.missing()))

    def missing(self) -> list[str]:
        """The codes that no test has seen."""
        steps = {code for table in sentences.tables() for code in table.STEPS}
        return sorted((set(patterns()) | steps) - self._codes) if self._whole else []
