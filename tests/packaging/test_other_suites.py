"""`make demo` on machines of other Debian suites than the lab's own, by somebody who is not root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab import cache, kernels
from tests.lab.plugin import or_not_covered
from tests.packaging import trees
from tests.packaging.container import EXCHANGE, Container
from tests.packaging.elsewhere import INSIDE, connect, copy_project

if TYPE_CHECKING:
    from collections.abc import Iterator

SUITES = ("trixie", pytest.param("forky", marks=pytest.mark.long))
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("elsewhere")]
PERSON = 1000
AS_PERSON = ("setpriv", f"--reuid={PERSON}", f"--regid={PERSON}", "--clear-groups")


@pytest.fixture
def exchange() -> Iterator[Path]:
    """A folder with the project, and a cache with the kernel alone: the guests' programs are fetched, as everywhere."""
    kernel = or_not_covered(kernels.NEWEST.kernel)
    with tempfile.TemporaryDirectory(prefix=".elsewhere-", dir=cache.folder()) as name:
        folder = Path(name)
        copy_project(folder)
        # Links to the same files, which one file system has.
        shutil.copytree(kernel.folder, folder / "cache" / kernel.folder.name, copy_function=os.link)
        folder.chmod(0o755)
        subprocess.run(["chown", "-R", f"{PERSON}:{PERSON}", folder / "project"], check=True)
        for place in (folder / "cache", folder / "cache" / kernel.folder.name):
            os.chown(place, PERSON, PERSON)
        yield folder


@pytest.mark.parametrize("suite", SUITES)
def test_the_demo_runs_there(suite: str, exchange: Path) -> None:
    def machine() -> Container:
        return Container(trees.unpacked(suite), exchange, network=True)

    with or_not_covered(machine) as container:
        connect(container, suite)
        version = container.run(["sh", "-c", ". /etc/os-release && echo $VERSION_CODENAME"]).stdout
        assert version.split() == [suite]
        done = container.run([*AS_PERSON, "env", f"FENCE_PR_LAB={EXCHANGE}/cache", "make", "demo"], cwd=INSIDE)
    assert "lab: the guests' programs" in done.stderr
    assert "7. n2 is let in again" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("All as it must be, in ")
