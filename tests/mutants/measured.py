"""Which lines of lib each unit test runs, and how long it takes: measured once for each file of tests, and kept."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.mutants import choice, forks
from tests.mutants.lines import Watched, prelude

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SECONDS_A_TEST = 300.0


class Test(NamedTuple):
    """passed: without being watched, if it does not while it is. lines: file of lib → lines."""

    seconds: float
    passed: bool
    lines: dict[str, list[int]]


def load(
    folder: Path, tests: Sequence[str], passes: Callable[[str, str | None, int], bool]
) -> Iterator[tuple[str, Test]]:
    """Each test that judges code. passes: runs one in a fork, given the next and a descriptor, as `forks.run` says."""
    of_file: dict[str, list[str]] = defaultdict(list)
    for test in tests:
        of_file[test.partition("::")[0]].append(test)
    for name, of_this in of_file.items():
        stem = Path(name).stem
        if stem in choice.NOT_OF_CODE:
            continue
        kept = folder / f"{stem}-{choice.digest(choice.PROJECT / name)}.json"
        if not kept.exists():
            found = _measured(of_this, passes)
            for old in folder.glob(f"{stem}-*.json"):
                old.unlink()
            kept.write_text(json.dumps(found))
        for test, about in json.loads(kept.read_text()).items():
            yield test, Test(*about)


def _measured(tests: Sequence[str], passes: Callable[[str, str | None, int], bool]) -> dict[str, Test]:
    folder = Path(os.environ["TMPDIR"], "lines")
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)  # some tests are another user's
    current, answers = folder / "current", folder / "answers"

    def watched(started: int) -> bool:
        watch = Watched(str(choice.LIB))
        with answers.open("w") as file:
            for number, (test, following) in enumerate(zip(tests, [*tests[1:], None])):
                output = folder / str(number)
                output.touch()
                output.chmod(0o666)
                current.write_text(str(output))
                began = time.monotonic()
                watch.begin(str(output))
                passed = passes(test, following, started)
                watch.end()
                file.write(json.dumps([time.monotonic() - began, passed]) + "\n")
                file.flush()
        return True

    package = choice.LIB / "__init__.py"
    text = package.read_text()
    try:
        package.write_text(text + prelude(str(current)))
        forks.run(watched, tests, [SECONDS_A_TEST] * len(tests))
    finally:
        package.write_text(text)
    told = [json.loads(line) for line in answers.read_text().splitlines()]
    lines = [_lines(folder / str(number)) for number in range(len(tests))]
    forks.sweep()
    found = {}
    for test, (seconds, passed), of_test in zip(tests, [*told, *[[1.0, False]] * len(tests)], lines):
        # What it does in time it may not do while it is watched.
        again = passed or forks.run(lambda started, it=test: passes(it, None, started), [test], [SECONDS_A_TEST]).passed  # type: ignore[misc]
        found[test] = Test(round(seconds, 3), again, of_test)
        if not passed:
            forks.sweep()
    return found


def _lines(output: Path) -> dict[str, list[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for line in output.read_text().splitlines() if output.exists() else ():
        path, _, end = line.split(":")
        found[path].add(int(end))
    return {path: sorted(it for it in lines if it > 0) for path, lines in found.items()}
