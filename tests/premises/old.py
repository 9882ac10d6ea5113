"""Version 0.1.0, taken from git: what every premise is tried on for comparison."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.lab import cache
from tests.lab.errors import LabUnavailable
from tests.load.agents import Agent

COMMIT = "0724c4e1f8a9d2039bc509db6ccf7862137421fd"
NAME = "0.1.0"
PARTS = ("fence_pr_ioctl", "lib")
PROJECT = Path(__file__).resolve().parent.parent.parent


def is_missing() -> bool:
    """Whether this checkout's history ends before 0.1.0: a shallow clone."""
    shallow = ["git", "-C", str(PROJECT), "rev-parse", "--is-shallow-repository"]
    found = ["git", "-C", str(PROJECT), "cat-file", "-e", COMMIT]
    said = subprocess.run(shallow, check=False, capture_output=True, text=True).stdout.strip()
    return said == "true" and subprocess.run(found, check=False, capture_output=True).returncode != 0


def agent() -> Agent:
    """0.1.0 as a folder that nodes can have; raises LabUnavailable if this checkout has no such commit."""
    return Agent(NAME, str(cache.fill("released", COMMIT, _check_out)))


def _check_out(folder: Path) -> None:
    archive = folder / "archive.tar"
    command = ["git", "-C", str(PROJECT), "archive", f"--output={archive}", COMMIT, *PARTS]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise LabUnavailable(f"git cannot give {NAME} (a shallow clone?): {done.stderr.strip()}")
    subprocess.run(["tar", "-C", folder, "-xf", archive], check=True)
    archive.unlink()
