"""The faults' part of the proof: how many were injected on real kernels, and how many of them survived, as numbers.

A fault is survived if everything that its test asserts about it holds. The counts travel in each test's properties, so
they add up over all processes of a test run, and stand at the end of every such run. `run` is for other programs;
`python3 -m tests.faults` prints what it gives.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.conftest import LONG

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest

PROPERTY = "fault"
FOLDER = Path(__file__).parent
# Where a test run writes its counts, if it is set.
RESULT = "FENCE_PR_FAULTS"


class Line(NamedTuple):
    """One kind of fault. numbers: by kernel, and of all; trouble: what went wrong, for a person, "" if nothing did."""

    name: str
    numbers: dict[str, float]
    trouble: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong."""
        return not self.trouble

    def __str__(self) -> str:
        numbers = ", ".join(f"{value:g} {what}" for what, value in self.numbers.items())
        return f"{'ok    ' if self.ok else 'BROKEN'} {self.name}: {numbers}"


class Tally:
    """Faults by kind and kernel: injected, survived."""

    def __init__(self, counts: Iterable[tuple[str, str, int, int]] = ()) -> None:
        self._counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        for kind, kernel, injected, survived in counts:
            self._counts[kind, kernel] = [injected, survived]

    def add(self, properties: Iterable[tuple[str, object]]) -> None:
        """What one test has counted."""
        for name, value in properties:
            if name == PROPERTY and isinstance(value, (list, tuple)):
                kind, kernel, survived = value
                self._counts[kind, kernel][0] += 1
                self._counts[kind, kernel][1] += bool(survived)

    def counts(self) -> list[tuple[str, str, int, int]]:
        """Kind, kernel, injected, survived."""
        return [(kind, kernel, injected, survived) for (kind, kernel), (injected, survived) in self._counts.items()]

    def lines(self) -> list[Line]:
        """A line a kind, and one for all."""
        found = []
        for kind in sorted({kind for kind, _ in self._counts}):
            of_kind = sorted((kernel, count) for (each, kernel), count in self._counts.items() if each == kind)
            lost = [f"{count[0] - count[1]} on {kernel}" for kernel, count in of_kind if count[0] > count[1]]
            numbers: dict[str, float] = {f"on {kernel}": injected for kernel, (injected, _) in of_kind}
            found.append(Line(kind, numbers, ", ".join(f"not survived: {it}" for it in lost)))
        injected, survived = (sum(count[place] for count in self._counts.values()) for place in (0, 1))
        trouble = "" if 0 < injected == survived else f"not survived: {injected - survived}"
        return [*found, Line("faults on real kernels", {"injected": injected, "survived": survived}, trouble)]


class Faults:
    """What a test counts with."""

    def __init__(self, item: pytest.Item, kernel: str) -> None:
        self._properties, self._kernel = item.user_properties, kernel

    @contextmanager
    def injected(self, kind: str) -> Iterator[None]:
        """A fault of this kind; it is survived if the block ends without an exception."""
        survived = False
        try:
            yield
            survived = True
        finally:
            self._properties.append((PROPERTY, (kind, self._kernel, survived)))


def run(long: bool = False) -> list[Line]:
    """All results. The short form takes about two minutes of one core, the long one an hour."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "counts.json")
        environment = {**os.environ, RESULT: str(result), LONG: str(int(long))}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(FOLDER)]
        done = subprocess.run(
            command, check=False, cwd=FOLDER.parents[1], env=environment, capture_output=True, text=True
        )
        counts = json.loads(result.read_text()) if result.exists() else []
    lines = Tally(map(tuple, counts)).lines()
    if done.returncode:
        lines.append(Line("the tests of faults", {"exit status": done.returncode}, done.stdout[-4000:] + done.stderr))
    return lines
