"""Of tests that differ in little one runs, another one in each run; all run in the long form."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests import by_chance, seed

PROJECT = Path(__file__).resolve().parents[2]
PLUGIN = """
from tests import by_chance

pytest_configure = by_chance.add_marker

def pytest_collection_modifyitems(items):
    unwanted = by_chance.left_out(items)
    items[:] = [it for it in items if it not in unwanted]
"""
TESTS = """
import pytest

one = pytest.mark.by_chance("way")
ways = pytest.mark.parametrize("way", [pytest.param("a", marks=one), pytest.param("b", marks=one)])
often = pytest.mark.by_chance("way", weight=1000)

@ways
@pytest.mark.parametrize("number", [1, 2, 3])
def test_of_each_number(way, number): pass

def test_alone(): pass

@pytest.mark.parametrize("way", [pytest.param("rare", marks=one), pytest.param("usual", marks=often)])
def test_weight(way): pass
"""


def chosen(folder: Path, number: int, *arguments: str, **environment: str) -> list[str]:
    """The tests that a run with this seed has."""
    (folder / "conftest.py").write_text(PLUGIN)
    (folder / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments]
    inherited = {name: value for name, value in os.environ.items() if name not in (by_chance.LONG, "PYTEST_ADDOPTS")}
    settings = {**inherited, "PYTHONPATH": str(PROJECT), seed.VARIABLE: str(number), **environment}
    done = subprocess.run(command, cwd=folder, env=settings, check=True, capture_output=True, text=True)
    return [line.partition("::")[2] for line in done.stdout.splitlines() if "::" in line]


def test_one_of_each_group_runs(tmp_path: Path) -> None:
    runs = [chosen(tmp_path, number) for number in range(6)]
    for it in runs:
        assert [name for name in it if name == "test_alone"] == ["test_alone"]
        assert sorted(name[-4] for name in it if "number" in name) == ["1", "2", "3"]
    assert len(set(map(tuple, runs))) > 1, "each run has another choice"
    assert {name.rstrip("]")[-1] for it in runs for name in it if "weight" in name} == {"l"}, "the usual one"
    assert chosen(tmp_path, 3) == runs[3], "and the same seed the same"


def test_the_long_form_has_all_and_one_that_is_named_runs(tmp_path: Path) -> None:
    assert len(chosen(tmp_path, 1, **{by_chance.LONG: "1"})) == 9
    assert chosen(tmp_path, 1, "test_it.py::test_of_each_number[2-b]") == ["test_of_each_number[2-b]"]
    assert chosen(tmp_path, 2, "test_it.py::test_of_each_number[2-a]") == ["test_of_each_number[2-a]"]
