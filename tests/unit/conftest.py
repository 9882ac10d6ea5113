"""For the fast tests: the library on the import path, hypothesis without a clock, Debian's files to compare with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests import peers, told
from tests.lab.errors import LabUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fence_pr.storage.scsi_disk import ScsiDisk

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(PROJECT / "lib"))

SEEN = told.watch()

settings.register_profile("fast", deadline=None, database=None, max_examples=60, derandomize=False, print_blob=True)
settings.load_profile("fast")


@pytest.fixture(autouse=True)
def _codes(request: pytest.FixtureRequest) -> Iterator[None]:
    """The codes that a test has seen travel in its report; the one that makes them all does not count."""
    SEEN.clear()
    yield
    if request.path.name != "test_messages.py":
        request.node.user_properties += [("code", code) for code in sorted(SEEN)]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[ScsiDisk]:
    """A SCSI disk that is open; what a test has it asked, a test answers (`fake_ioctl`)."""
    from fence_pr.storage.device import SCSI, Device
    from fence_pr.storage.scsi_disk import ScsiDisk
    from tests.unit import fake_ioctl

    (tmp_path / "sda").touch()
    with fake_ioctl.disk():
        disk = ScsiDisk(Device("/dev/sda", str(tmp_path / "sda"), "", SCSI), fake_ioctl.Unwatched())
    yield disk
    disk.close()


@pytest.fixture(scope="session")
def packages() -> Path:
    """The directory with unpacked Debian packages: fence_scsi, and the schemas that metadata must meet."""
    try:
        return peers.folder()
    except LabUnavailable as error:
        pytest.fail(f"Debian packages to compare with are missing: {error}")
