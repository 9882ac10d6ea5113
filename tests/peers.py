"""Debian packages whose files the tests compare with: fence_scsi and the schemas of fence-agents, those of pcs."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.lab import cache, packages

SUITE = "bookworm"
PACKAGES = ("fence-agents", "pcs")


def folder() -> Path:
    """The unpacked packages, fetched on first use; raises LabUnavailable."""
    return cache.fill("peers", repr((1, SUITE, PACKAGES)), _build)


def _build(tree: Path) -> None:
    print(f"tests: {', '.join(PACKAGES)} from Debian {SUITE}, to compare with", file=sys.stderr, flush=True)
    packages.check_machine()
    with tempfile.TemporaryDirectory(prefix=".apt-", dir=cache.folder()) as scratch:
        suite = packages.Suite(SUITE, Path(scratch) / "apt")
        packages.unpack([suite.download(package) for package in PACKAGES], tree)


if __name__ == "__main__":
    print(folder())
