"""What is left to chance differs from run to run, is the same in all processes of one, and can be had again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests import seed

if TYPE_CHECKING:
    import pytest

PROJECT = Path(__file__).resolve().parents[2]
TESTS = """
import pathlib
from hypothesis import given, settings, strategies
from tests import seed

FOUND = []

@settings(database=None, max_examples=20, derandomize=False)
@given(strategies.integers())
def draw(number):
    FOUND.append(number)

def test_a():
    draw()
    pathlib.Path("a").write_text(f"{seed.chance('duels').random()} {FOUND}")

def test_b():
    pathlib.Path("b").write_text(str(seed.of_run()))
    assert False
"""


def run(folder: Path, *processes: str, **environment: str) -> tuple[str, str]:
    """What the tests drew, and what pytest printed."""
    (folder / "test_chance.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", *processes, "-p", "tests.seed", "-p", "no:cacheprovider", "."]
    inherited = {name: value for name, value in os.environ.items() if name != seed.VARIABLE}
    settings = {**inherited, "PYTHONPATH": str(PROJECT), **environment}
    done = subprocess.run(command, cwd=folder, env=settings, check=False, capture_output=True, text=True)
    return (folder / "a").read_text() + (folder / "b").read_text(), done.stdout


def test_each_run_draws_something_else_and_says_how_to_draw_it_again(tmp_path: Path) -> None:
    first, told = run(tmp_path, "-n", "2", CI="true")
    again = re.search(
        r"again: FENCE_PR_SEED=(\d+) CI=true make test ARGS='test_chance.py::test_b'$", told, re.MULTILINE
    )
    assert again
    assert first.endswith(again[1]), "all processes have one seed"
    assert run(tmp_path, CI="true")[0] != first
    assert run(tmp_path, CI="true", FENCE_PR_SEED=again[1])[0] == first


def test_each_name_draws_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(seed.VARIABLE, "7")
    drawn = [seed.chance(name).random() for name in ("duels", "kills", "duels")]
    assert drawn[0] == drawn[2] != drawn[1]
    assert 0 <= seed.number("duels") < 1 << 32
    monkeypatch.setenv(seed.VARIABLE, "8")
    assert seed.chance("duels").random() != drawn[0]


def test_no_test_has_a_chance_of_its_own() -> None:
    """A seed that stands in the code tries the same for ever; one that nobody prints cannot be had again."""
    found = [
        f"{path.relative_to(PROJECT)}: {line.strip()}"
        for path in (PROJECT / "tests").rglob("*.py")
        if path.relative_to(PROJECT).as_posix() not in ("tests/seed.py", "tests/unit/test_seed.py")
        for line in path.read_text().splitlines()
        if re.search(r"random\.(Random|SystemRandom|seed)\((?!seed\b|chosen_by\b)|derandomize=True", line)
    ]
    assert found == []
