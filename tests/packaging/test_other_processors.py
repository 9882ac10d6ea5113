"""Where numbers lie the other way round, or requests are numbered otherwise: tests of storage and keys under qemu-user.

Nothing starts another program there. The kernel is this machine's: it is asked nothing that is about a disk.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.lab.plugin import or_not_covered
from tests.packaging import trees
from tests.packaging.container import ENVIRONMENT, EXCHANGE, Container
from tests.packaging.elsewhere import INSIDE, copy_project
from tests.packaging.test_interpreters import PYTHONS, runner

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("processors")]
FILES = ("full_status", "identity", "kernel_status", "memory", "nvme", "plan", "pr_ioctl", "scsi", "transport_id")
# These two start a program, and ask the kernel about a file that is no disk, which qemu answers.
LEFT_OUT = "not used_on_its_own and not the_kernel_itself_refuses"
# A folder to work in, and pytest.
RUN = """\
import os, sys
os.chdir(sys.argv[1])
sys.path[:0] = [os.getcwd(), sys.argv[2]]
import pytest
print(os.uname().machine, sys.byteorder)
sys.exit(pytest.main(sys.argv[3:]))
"""


@pytest.mark.parametrize(
    ("debian", "processor", "order"), [("s390x", "s390x", "big"), ("ppc64el", "ppc64le", "little")]
)
def test_storage_is_the_same_there(tmp_path: Path, debian: str, processor: str, order: str) -> None:
    copy_project(tmp_path)
    shutil.copytree(or_not_covered(lambda: runner(PYTHONS[trees.SUITE])), tmp_path / "runner")
    python = [f"/usr/bin/qemu-{processor}-static", "/usr/bin/python3", "-c", RUN, INSIDE, f"{EXCHANGE}/runner"]
    chosen = [f"tests/unit/test_{it}.py" for it in FILES]
    with or_not_covered(lambda: Container(trees.foreign(debian, processor), tmp_path)) as container:
        command = [*container.entered(), *python, "-q", "-p", "no:cacheprovider", "-k", LEFT_OUT, *chosen]
        done = subprocess.run(command, check=False, env=ENVIRONMENT, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr
    assert done.stdout.startswith(f"{processor} {order}\n")
    passed = re.search(r"^(\d+) passed", done.stdout.splitlines()[-1])
    assert passed
    assert int(passed[1]) > 500
