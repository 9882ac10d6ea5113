#!/usr/bin/env python3
"""What make calls for tests and linters: set up what is asked for, say what that is, and run it.

    run.py test      all tests, or those that the arguments name to pytest
    run.py unit      those that need neither kernel nor disk; further arguments are pytest's
    run.py lint      what judges the code without running it
    run.py cluster   all scenarios of tests/cluster; further arguments are pytest's
    run.py proof     tests.proof with these arguments
    run.py mutants   tests.mutants with these arguments
    run.py coverage  tests.covered with these arguments, which are pytest's
    run.py load      tests.load with these arguments
    run.py premises  tests.premises with these arguments
    run.py nemesis   tests.nemesis with these arguments
    run.py captures  tests.captures

With CI=true whatever cannot run is a failure.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from tests import by_chance, conftest  # noqa: E402
from tests.lab import fetch  # noqa: E402

VENV = PROJECT / ".venv"
REQUIREMENTS = PROJECT / "tests" / "requirements.txt"
LINTERS = (("ruff", "check", "--output-format=concise"), ("ruff", "format", "--check"), ("mypy",))
PYTEST = {"test": (), "unit": ("tests/unit",), "cluster": ("tests/cluster",)}
MODULES = {name: f"tests.{name}" for name in ("proof", "mutants", "load", "premises", "nemesis", "captures")}
MODULES["coverage"] = "tests.covered"
# They need no kernel, or fetch what they need.
NOTHING_TO_FETCH = ("mutants",)
# No test here asks for a kernel; any other may. A test fetches by itself what it misses, but pytest keeps its words.
WITHOUT_LAB = (
    "tests/inputs/test_answers.py",
    "tests/inputs/test_edges.py",
    "tests/inputs/test_fuzzer.py",
    "tests/inputs/test_surroundings.py",
    "tests/inputs/test_texts.py",
    "tests/model/test_every_order.py",
    "tests/model/test_luns.py",
    "tests/model/test_recorded.py",
    "tests/mutants",
    "tests/packaging",
    "tests/unit",
)


def main(word: str = "", *arguments: str) -> int:
    """Set up, run, and return the exit code; 2 for a wrong call."""
    if word not in (*PYTEST, "lint", *MODULES):
        print(__doc__, file=sys.stderr)
        return 2
    os.chdir(PROJECT)
    _make_venv()
    if word == "lint":
        failed = [linter for linter in LINTERS if _run(*linter) != 0]
        return int(bool(failed))
    if word == "cluster":
        os.environ[by_chance.LONG] = "1"
    if word not in NOTHING_TO_FETCH and needs_lab([*PYTEST.get(word, ()), *arguments]):
        # What cannot be fetched is reported by the tests that miss it.
        fetch.main(conftest.wanted("slow"), conftest.wanted("long"))
    if word in MODULES:
        return _run(MODULES[word], *arguments)
    # Of two numbers of processes the last counts, so a person can choose another one.
    processes = () if one_file(arguments) else conftest.IN_PARALLEL
    return _run("pytest", *processes, *PYTEST[word], *arguments)


def needs_lab(arguments: Sequence[str]) -> bool:
    """Whether a test that pytest runs with these arguments may boot a guest."""
    named = _named(arguments)
    return not named or not all(any(path.is_relative_to(free) for free in WITHOUT_LAB) for path in named)


def one_file(arguments: Sequence[str]) -> bool:
    """Whether all tests are in one file: then a second process takes longer to start than it saves."""
    named = _named(arguments)
    return len(named) == 1 and named.pop().suffix == ".py"


def _named(arguments: Sequence[str]) -> set[Path]:
    """The files and folders with tests that are named, seen from the project's folder."""
    names = [argument.partition("::")[0] for argument in arguments]
    paths = {Path(os.path.relpath(PROJECT / name, PROJECT)) for name in names}
    return {path for path in paths if path.parts[:1] == ("tests",) and (PROJECT / path).exists()}


def _run(module: str, *arguments: str) -> int:
    """Run a module of the development tools."""
    return subprocess.run([VENV / "bin" / "python", "-m", module, *arguments], check=False).returncode


def _make_venv() -> None:
    """The development tools from PyPI, in .venv; made again when the list changes."""
    stamp = VENV / "requirements.sha256"
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    _need_venv_module()
    print(f"installing from PyPI into {VENV}: {', '.join(REQUIREMENTS.read_text().split())}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
    subprocess.run([VENV / "bin" / "pip", "install", "--quiet", "-r", REQUIREMENTS], check=True)
    stamp.write_text(digest)


def _need_venv_module() -> None:
    if (
        subprocess.run([sys.executable, "-c", "import ensurepip"], check=False, stderr=subprocess.DEVNULL).returncode
        == 0
    ):
        return
    install = ["apt-get", "install", "-y", "--no-install-recommends", "python3-venv"]
    if os.geteuid() != 0:
        sys.exit(f"Python's venv module is missing; as root: {' '.join(install)}")
    print("installing Debian's python3-venv", flush=True)
    subprocess.run(["apt-get", "update", "-qq"], check=False)
    subprocess.run([*install, "-qq"], check=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
