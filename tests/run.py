#!/usr/bin/env python3
"""`make test`, `make cluster` and `make proof`: set up what the tests need, say what that is, and run them.

Arguments are handed to pytest, after the word "proof" to tests.proof; the word "cluster" stands for all scenarios of
tests/cluster. With CI=true whatever cannot run is a failure.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from tests import conftest  # noqa: E402
from tests.lab import fetch  # noqa: E402

VENV = PROJECT / ".venv"
REQUIREMENTS = PROJECT / "tests" / "requirements.txt"


def main() -> int:
    """Set up, run, and return pytest's exit code."""
    os.chdir(PROJECT)
    _make_venv()
    what, *arguments = sys.argv[1:] or [""]
    if what == "cluster":
        os.environ[conftest.LONG] = "1"
    # What cannot be fetched is reported by the tests that miss it.
    fetch.main(everything=conftest.wanted("slow"))
    command: list[str | Path] = [VENV / "bin" / "pytest", *conftest.IN_PARALLEL]
    if what == "proof":
        command = [VENV / "bin" / "python", "-m", "tests.proof", *arguments]
    elif what == "cluster":
        command += ["tests/cluster", *arguments]
    else:
        command += sys.argv[1:]
    return subprocess.run(command, check=False).returncode


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
    sys.exit(main())
