"""The machines on which packages are built and tried."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.plugin import or_not_covered
from tests.packaging import trees
from tests.packaging.container import Container

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("packages")
END_SECONDS = 10


def test_it_ends_although_another_process_has_what_its_holder_reads(tmp_path: Path) -> None:
    """As whatever was forked here since has it, until it ends or becomes another program."""
    container = or_not_covered(lambda: Container(trees.tools(), tmp_path))
    child = os.fork()
    if child == 0:
        time.sleep(3 * END_SECONDS)
        os._exit(0)
    try:
        started = time.monotonic()
        container.stop()
        assert time.monotonic() - started < END_SECONDS
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
