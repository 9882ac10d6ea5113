"""The table of where the time went adds up, set-up included; and the long groups begin first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import times

PROJECT = Path(__file__).resolve().parents[2]
GROUPS = """
import pytest

@pytest.fixture(scope="session", params=["7.2", "6.1"])
def kernel(request):
    return request.param

def groups(*names):
    return pytest.mark.parametrize("group", [pytest.param(it, marks=pytest.mark.xdist_group(it)) for it in names])

@groups("b", "linux-6")
def test_of_a_group(group, kernel):
    pass

@groups("c", "linux-7")
def test_of_another_group(group, kernel):
    pass

def test_alone():
    pass
"""


def report(test: str, group: str, process: str, start: float, seconds: float, when: str) -> pytest.TestReport:
    """Of one phase of a test."""
    assert when in ("setup", "call")
    made = pytest.TestReport(
        f"tests/some/test_some.py::{test}",
        ("tests/some/test_some.py", 1, test),
        {},
        "passed",
        None,
        "setup" if when == "setup" else "call",
        user_properties=[(times.PROPERTY, group)],
        duration=seconds,
        start=start,
        stop=start + seconds,
    )
    made.node = SimpleNamespace(gateway=SimpleNamespace(id=process))  # type: ignore[attr-defined]
    return made


def test_a_row_a_group_and_a_row_a_process() -> None:
    told = times.lines(
        [
            report("test_a", "guests", "gw0", 1000, 30, "setup"),
            report("test_a", "guests", "gw0", 1030, 5, "call"),
            report("test_b@guests", "guests", "gw0", 1035, 20, "call"),
            report("test_c[a/b@c]@d", "some/test_some.py", "gw1", 1000, 40, "call"),
        ]
    )
    assert [line.split() for line in told[1:]] == [
        ["55", "2", "guests", "(gw0):", "35", "s", "test_some.py::test_a"],
        ["40", "1", "some/test_some.py", "(gw1):", "40", "s", "test_some.py::test_c[a/b@c]"],
        ["55", "gw0,", "whose", "last", "test", "ended", "after", "55", "s"],
        ["40", "gw1,", "whose", "last", "test", "ended", "after", "40", "s"],
    ]


def test_at_the_end_of_a_run_it_is_told_and_the_long_group_came_first(tmp_path: Path) -> None:
    (tmp_path / "test_groups.py").write_text(GROUPS)
    command = [sys.executable, "-m", "pytest", "-v", "-p", "tests.times", "-p", "no:cacheprovider", "--rootdir=.", "."]
    settings = {"PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, cwd=tmp_path, env=settings, check=True, capture_output=True, text=True)
    ran = [line.split("::")[1].split()[0] for line in done.stdout.splitlines() if "PASSED" in line]
    # pytest by itself goes through all tests with one kernel before it comes to the other.
    assert [name.rpartition("-")[0] or name for name in ran[:4]] == [
        "test_of_another_group[7.2-linux",
        "test_of_another_group[6.1-linux",
        "test_of_a_group[7.2-linux",
        "test_of_a_group[6.1-linux",
    ]
    table = done.stdout.partition("where the time went")[2].splitlines()
    rows = [line.split() for line in table if line[:9].strip().isdigit()]
    assert sorted(row[2] for row in rows) == ["b:", "c:", "linux-6:", "linux-7:", f"{tmp_path.name}/test_groups.py:"]
