"""In the sandbox: pytest that has collected all unit tests, and for each change a fork of it that runs some of them.

A change inside of a function gets into the fork as that function's code, so nothing is imported again; it also stands
in the file, for the processes that tests start. A change outside of functions needs pytest from its beginning.

python3 -m tests.mutants.trial TASK: a file with JSON, see `Task`. The answers are lines of JSON in TASK.out.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import socket
import struct
import sys
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, TextIO

import pytest

from tests.mutants import choice, forks, measured
from tests.mutants.changes import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KILLED, SURVIVED, NOT_RUN, NO_CODE = "killed", "survived", "run by no test", "no code"
TOO_LATE = " (time)"
OPTIONS = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "tmp_path_retention_policy=none", "-x")
SIOCSIFFLAGS, IFF_UP = 0x8914, 1  # linux/sockios.h, linux/if.h


@dataclass
class Task:
    """changes: what to try; lines: a folder for what is measured, "" if tests are chosen by imports; seed: of the
    inputs of properties.
    """

    changes: list[dict[str, Any]]
    lines: str = ""
    seed: int = 0


@dataclass
class Trial:
    """The plugin that takes the place of pytest's own loop over all tests."""

    task: Task
    output: TextIO
    items: dict[str, pytest.Item] = field(default_factory=dict)
    measured: dict[str, measured.Test] = field(default_factory=dict)
    functions: dict[tuple[str, str, int], list[FunctionType]] = field(default_factory=lambda: defaultdict(list))
    number: int = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try each change."""
        self.items = {item.nodeid: item for item in session.items}
        for it in gc.get_objects():
            if isinstance(it, FunctionType) and it.__code__.co_filename.startswith(str(choice.LIB)):
                self.functions[_key(it.__code__)].append(it)
        if self.task.lines:
            for test, about in measured.load(Path(self.task.lines), list(self.items), self._passes):
                self.measured[test] = about
                if not about.passed:
                    self.tell(failing=test)
        for change in self.task.changes:
            outcome, by = self.tried(Change.of_json(change))
            self.tell(outcome=outcome, by=by)
        return True

    def tell(self, **what: str) -> None:
        """A line of the answer."""
        self.output.write(json.dumps(what) + "\n")
        self.output.flush()

    def tried(self, change: Change) -> tuple[str, str]:
        """What became of a change, and which test noticed it."""
        file = choice.LIB / change.path
        text = change.applied(file.read_bytes())
        try:
            code = compile(text, str(file), "exec", dont_inherit=True)
        except SyntaxError:
            return NO_CODE, ""
        tests = self._chosen(change)
        while tests:
            outcome, by = self._judged(change, text, code, tests)
            noticed = by.removesuffix(TOO_LATE)
            if outcome != KILLED or noticed not in tests or self._holds(noticed):
                return outcome, by
            tests.remove(noticed)  # it fails without the change, too, perhaps because the machine is busy
        return NOT_RUN, ""

    def _judged(self, change: Change, text: bytes, code: CodeType, tests: Sequence[str]) -> tuple[str, str]:
        file = choice.LIB / change.path
        original, modified = file.read_bytes(), file.stat().st_mtime
        self.number += 1
        file.write_bytes(text)
        os.utime(file, (modified + self.number, modified + self.number))  # kept byte code goes by whole seconds
        try:
            exchanged = self._exchanged(change, code)
            return self._from_the_beginning(tests) if exchanged is None else self._in_fork(tests, exchanged)
        finally:
            file.write_bytes(original)
            os.utime(file, (modified, modified))
            forks.sweep()

    def _holds(self, test: str) -> bool:
        """Whether a test passes without any change."""
        found = forks.run(lambda started: self._passes(test, None, started), [test], [self._limit(test)]).passed
        forks.sweep()
        return found

    def _chosen(self, change: Change) -> list[str]:
        """Tests that may notice it: those of the nearest file first, then file by file, the quickest first."""
        turn = choice.nearness(change)
        if self.measured:
            found = choice.of_lines(
                change, {test: about.lines for test, about in self.measured.items() if about.passed}
            )
        else:
            found = [it for it in self.items if _file(it) in turn]
        seconds: dict[str, float] = defaultdict(float)
        for test in found:
            seconds[_file(test)] += self.measured[test].seconds if self.measured else turn[_file(test)]
        return sorted(found, key=lambda it: (turn.get(_file(it)) != 0, seconds[_file(it)], _file(it)))

    def _exchanged(self, change: Change, code: CodeType) -> list[tuple[FunctionType, CodeType]] | None:
        """Which functions get which code; None if that is not all. A module that is not read yet will be the file's."""
        module = "fence_pr." + change.path.removesuffix(".py").replace("/", ".")
        if not change.entry[0]:
            return None
        functions = self.functions.get((str(choice.LIB / change.path), *change.entry), [])
        if not functions:
            return None if module in sys.modules else []
        new = next((it for it in _codes(code) if _key(it) == _key(functions[0].__code__)), None)
        if new is None or any(it.__code__.co_freevars != new.co_freevars for it in functions):
            return None
        return [(it, new) for it in functions]

    def _in_fork(self, tests: Sequence[str], exchanged: Sequence[tuple[FunctionType, CodeType]]) -> tuple[str, str]:
        def work(started: int) -> bool:
            for function, code in exchanged:
                function.__code__ = code
            return all(self._passes(test, following, started) for test, following in zip(tests, [*tests[1:], None]))

        ended = forks.run(work, tests, [self._limit(test) for test in tests])
        return (SURVIVED, "") if ended.passed else (KILLED, ended.test + TOO_LATE * ended.late)

    def _limit(self, test: str) -> float:
        if test not in self.measured:
            return forks.UNMEASURED
        return max(forks.AT_LEAST, forks.SLOWER * self.measured[test].seconds)

    def _passes(self, test: str, following: str | None, started: int) -> bool:
        """Run one test in this process. following: which shared fixtures may stay."""
        os.write(started, b"x")
        item = self.items[test]
        failed = item.session.testsfailed
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=self.items[following] if following else None)
        return item.session.testsfailed == failed

    def _from_the_beginning(self, tests: Sequence[str]) -> tuple[str, str]:
        wanted = Path(os.environ["TMPDIR"], "tests")
        wanted.write_text("\n".join(tests))
        command = [sys.executable, "-m", "pytest", *OPTIONS, f"--hypothesis-seed={self.task.seed}", f"@{wanted}"]
        code, told = forks.anew(command, 60 + sum(map(self._limit, tests)) / 4)
        noticed = [line.split()[1] for line in told if line.startswith(("FAILED ", "ERROR "))]
        return (SURVIVED, "") if code == 0 else (KILLED, noticed[0] if noticed else TOO_LATE if code is None else "")


def _file(test: str) -> str:
    return test.partition("::")[0].rpartition("/")[2]


def _key(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_name, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    for it in code.co_consts:
        if isinstance(it, CodeType):
            yield it
            yield from _codes(it)


def main(task: str) -> int:
    """Read the task, do it."""
    assert os.getpid() == 1, "tests.mutants starts this"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    with open(task) as file:
        asked = Task(**json.load(file))
    with open(task + ".out", "w") as output:
        arguments = [*OPTIONS, f"--hypothesis-seed={asked.seed}", "tests/unit"]
        return int(pytest.main(arguments, plugins=[Trial(asked, output)]))


def written(task: Task) -> str:
    """What `main` reads."""
    return json.dumps(asdict(task))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
