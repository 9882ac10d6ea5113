"""For the fast tests: the library on the import path, hypothesis without a clock, Debian's files to compare with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import settings

from tests import peers
from tests.lab.errors import LabUnavailable

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(PROJECT / "lib"))

settings.register_profile("fast", deadline=None, database=None, max_examples=60)
settings.load_profile("fast")


@pytest.fixture(scope="session")
def packages() -> Path:
    """The directory with unpacked Debian packages: fence_scsi, and the schemas that metadata must meet."""
    try:
        return peers.folder()
    except LabUnavailable as error:
        pytest.fail(f"Debian packages to compare with are missing: {error}")
