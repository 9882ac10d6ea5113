"""What a target did, as text that is kept in the repository, and what is wrong with it."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conformance import deviations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.deviations import Deviation, Shown
    from tests.conformance.table import Case, Line
    from tests.conformance.targets import Target

    Release = tuple[int, int]
    Results = dict[str, list[Line]]

FOLDER = Path(__file__).parent / "recorded"
LEGEND = """\
Every case of the table (cases.py): "conforms" if each of its lines is as the standard says. If not, the lines that
differ: step | outcome | registered keys | reservation | what was added to the generation, then what should be there.
At the end the facts behind them (deviations.py)."""


def text(target: Target, release: Release, results: Results) -> str:
    """The record."""
    lines = [f"{target.title}, Linux {version(release)}", "", *LEGEND.splitlines(), ""]
    for case in target.cases():
        differing = list(differences(target, case, results[case.name]))
        lines.append(f"{'deviates' if differing else 'conforms'}  {case.name}")
        lines += [f"            {_row(line)}      the standard: {expected}" for line, expected, _ in differing]
    lines += ["", *(f"not asked: {name}: {reason}" for name, reason in target.excuses().items())]
    for fact in deviations.known(target.name, release):
        lines += ["", *paragraph(fact)]
    return "\n".join(lines) + "\n"


def paragraph(fact: Deviation) -> list[str]:
    """A fact in lines."""
    lines = [f"The standard: {fact.says}.", f"But {fact.does}.", f"    {fact.range()}; {fact.why}."]
    return [*lines, f"    Shown by {fact.pinned}."] if fact.pinned else lines


def differences(target: Target, case: Case, found: list[Line]) -> Iterator[tuple[Line, str, str]]:
    """Each line that is not as the standard says, the cells that should be there, and those that are."""
    for expected, line in zip(target.expected(case), found):
        if line != expected:
            yield line, expected.differs_from(line), line.differs_from(expected)


def explaining(target: Target, release: Release, case: Case, line: Line, found: str) -> Deviation | None:
    """The fact because of which a line differs like this."""
    facts = deviations.known(target.name, release)
    return next((fact for fact in facts if any(shown.fits(case, line, found) for shown in fact.shown)), None)


def problems(target: Target, release: Release, results: Results) -> list[str]:
    """What differs without a known fact, and what a fact says and is not so any more."""
    said: list[str] = []
    seen: set[Shown] = set()
    for case in target.cases():
        for line, expected, found in differences(target, case, results[case.name]):
            fact = explaining(target, release, case, line, found)
            if fact:
                seen.update(shown for shown in fact.shown if shown.fits(case, line, found))
            else:
                said.append(f"no known deviation: {case.name} ({case.source}): {_row(line)}; the standard: {expected}")
    for fact in deviations.known(target.name, release):
        gone = [shown for shown in fact.shown if shown not in seen]
        said += [f"no deviation any more: {shown.case}: {shown.step}: {fact.does}" for shown in gone]
    return said


def changes(target: Target, release: Release, now: str) -> list[str]:
    """How a record differs from the one that is kept, but for the first line, which names the kernel."""
    kept = path(target, release)
    before = kept.read_text().splitlines() if kept.exists() else ["nothing has been recorded"]
    return list(difflib.unified_diff(before[1:], now.splitlines()[1:], str(kept), "now", n=1, lineterm=""))


def path(target: Target, release: Release) -> Path:
    """Where the kernel's record is kept; if it has none, that of the newest older one, or else its place."""
    kept = {_release(file): file for file in FOLDER.glob(f"{target.name}-[0-9]*.txt")}
    older = [each for each in kept if each <= release]
    return kept[max(older)] if older else place(target, release)


def place(target: Target, release: Release) -> Path:
    """Where to write the kernel's record."""
    return FOLDER / f"{target.name}-{version(release)}.txt"


def version(release: Release) -> str:
    """The kernel's version."""
    return f"{release[0]}.{release[1]}"


def _release(file: Path) -> Release:
    major, minor = file.stem.rpartition("-")[2].split(".")
    return int(major), int(minor)


def _row(line: Line) -> str:
    return " | ".join(filter(None, (line.step, *line.cells)))
