"""The runtime's own tests on the Python of each Debian suite, 3.9 to 3.14: in CI those that take least, else all.

Each Python comes from its suite, with the libraries of that suite. What runs the tests comes from PyPI.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import conftest, peers
from tests.lab import cache
from tests.lab.errors import LabUnavailable
from tests.lab.plugin import or_not_covered
from tests.packaging import trees
from tests.packaging.container import EXCHANGE, Container
from tests.packaging.elsewhere import INSIDE, copy_project

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHONS = {"bullseye": "3.9", "bookworm": "3.11", "trixie": "3.13", "forky": "3.14"}
OWN = "{}.{}".format(*sys.version_info)
# The newest that there are for all of them.
RUNNER = (
    "attrs==25.4.0",
    "exceptiongroup==1.3.0",
    "hypothesis==6.141.1",
    "iniconfig==2.1.0",
    "jsonschema==4.25.1",
    "jsonschema-specifications==2025.9.1",
    "lxml==6.0.2",
    "packaging==25.0",
    "pexpect==4.9.0",
    "pluggy==1.6.0",
    "prometheus-client==0.23.1",
    "ptyprocess==0.7.0",
    "pygments==2.19.2",
    "pytest==8.4.2",
    "referencing==0.36.2",
    "rpds-py==0.27.1",
    "sortedcontainers==2.4.0",
    "tomli==2.3.0",
    "typing_extensions==4.15.0",
)
# Some seconds together: the programs' start, the kernel's calls, keys, options, what one action does, the guard.
SHORT = (
    "agent", "child", "command_line", "corosync", "device", "guard_options", "guard_verdict", "identity",
    "kernel_status", "keys", "memory", "metadata", "nvme", "nvme_disk", "options", "parallel", "plan", "pr_ioctl",
    "record", "registrants", "report", "scsi", "scsi_disk", "startup", "state_file", "time_budget", "tool_options",
    "transport_id",
)  # fmt: skip
# They judge the project's files, with linters and libraries that are newer than some of these Pythons.
OF_DEVELOPERS = ("dashboard", "documents", "pictures", "project")
# The older fence agents are those of Debian 12, and want its Python.
LEFT_OUT = "not agents_that_this_one_replaces"
pytestmark = pytest.mark.slow


def suite(name: str) -> object:
    """A suite as a parameter, whose tests any process may run."""
    return pytest.param(name, id=f"python{PYTHONS[name]}", marks=pytest.mark.xdist_group(f"python-{name}"))


@pytest.fixture
def exchange() -> Iterator[Path]:
    """A folder with the project, and what its tests compare with."""
    compared = or_not_covered(peers.folder)
    with tempfile.TemporaryDirectory(prefix="fence_pr_interpreter-") as name:
        folder = Path(name)
        copy_project(folder)
        shutil.copytree(compared, folder / "cache" / compared.name, symlinks=True)
        yield folder


def runner(version: str) -> Path:
    """The folder with what runs tests on this version of Python, from PyPI; raises LabUnavailable."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]

    def fetch(folder: Path) -> None:
        command = [*pip, f"--python-version={version}", f"--target={folder}", *RUNNER]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise LabUnavailable(f"pip cannot install what runs tests: {done.stderr.strip()}")

    return cache.fill(f"runner-{version}", repr((1, version, RUNNER)), fetch)


@pytest.mark.parametrize("name", [suite(it) for it, version in PYTHONS.items() if version != OWN])
def test_the_tests_pass_there(name: str, exchange: Path) -> None:
    shutil.copytree(or_not_covered(lambda: runner(PYTHONS[name])), exchange / "runner")
    folder = "tests/unit"
    chosen = [f"{folder}/test_{it}.py" for it in SHORT]
    if conftest.wanted("long"):
        chosen = [folder, *(f"--ignore={folder}/test_{it}.py" for it in OF_DEVELOPERS)]
    settings = [f"PYTHONPATH={EXCHANGE}/runner", f"FENCE_PR_LAB={EXCHANGE}/cache"]
    with or_not_covered(lambda: Container(trees.unpacked(name), exchange)) as container:
        version = container.run(["python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).stdout
        assert version == f"{PYTHONS[name]}\n"
        pytest_there = ["python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", LEFT_OUT]
        done = container.run(["env", *settings, *pytest_there, *chosen], check=False, cwd=INSIDE)
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr
    passed = re.search(r"^(\d+) passed", done.stdout.splitlines()[-1])
    assert passed
    assert int(passed[1]) > 2000
