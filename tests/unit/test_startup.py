"""Start-up is part of fencing time: what a call does not need is not imported. `tests.startup` measures it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import startup

PROJECT = Path(__file__).resolve().parents[2]
# Each takes a tenth of the bare interpreter's start or more.
EXPENSIVE = {"argparse", "array", "collections", "ctypes", "dataclasses", "enum", "functools", "getopt", "gettext"} | {
    "hashlib", "json", "logging", "re", "selectors", "socket", "subprocess", "tempfile", "threading", "typing",
}  # fmt: skip
PROGRAM = """\
import sys
sys.path.insert(0, {lib!r})
from fence_pr import agent, child
child.run = lambda work, *_: child.Ending(work(child.Channel(1, None)))
agent.main({arguments!r})
sys.stderr.write(" ".join(sys.modules))
"""


@pytest.mark.parametrize("arguments", [[], startup.ARGUMENTS], ids=["standard input", "arguments"])
def test_a_call_that_comes_to_no_disk_imports_nothing_expensive(arguments: list[str]) -> None:
    program = PROGRAM.format(lib=str(PROJECT / "lib"), arguments=arguments)
    command = [sys.executable, "-I", "-S", "-c", program]
    done = subprocess.run(command, input=startup.LINES, check=True, capture_output=True)
    failure, loaded = done.stderr.decode().splitlines()
    assert failure.startswith("Failed: /dev/null: ")
    assert "fence_pr.actions.perform" in loaded.split()
    assert EXPENSIVE.isdisjoint(loaded.split())


def test_the_command_that_measures_it_runs() -> None:
    """As a process of its own: it waits for all its children."""
    command = [sys.executable, "-m", "tests.startup", "1"]
    done = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.count(" times (") == 2
