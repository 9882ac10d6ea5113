"""docs/kernels.md says what is run, as pytest collects it."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.documents.collected import FOLDERS, LABELS, PAGE, PART, PROJECT, labels
from tests.documents.filling import filled
from tests.lab import kernels

# Tests that are handed no kernel: the file that boots it, by which name, and what the page says of it.
BOOTED = (
    ("tests/cluster/cluster.py", "kernels.NVME", "7.3"),
    ("tests/migration/hosts.py", "kernels.NVME", "7.3"),
    ("tests/programs/machine.py", "kernels.NVME", "7.3"),
    ("tests/programs/test_dlm.py", "kernels.OLDEST", "6.1"),
    ("tests/load/__main__.py", "kernels.NVME", "7.3"),
    ("tests/guard/test_systemd.py", "kernels.NEWEST", "7.2"),
    ("tests/guard/test_watchdog_daemon.py", "kernels.OLDEST", "6.1"),
)


def test_what_is_run_upon_which_kernel() -> None:
    command = [sys.executable, "-m", "tests.documents.collected"]
    environment = {name: it for name, it in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(command, check=False, cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = PAGE.read_text()
    right = filled(page, {PART: done.stdout.splitlines()})
    assert page == right, "python3 -m tests.documents.collected --write, with the Python of .venv, writes it anew"


def test_no_folder_of_tests_that_are_handed_a_kernel_is_forgotten() -> None:
    handed = re.compile(r"\bparameter\(|\b(?:lab: Cluster|namespaces: Namespaces|fabric: Fabric)\b")
    tests = (PROJECT / "tests").glob("*/test_*.py")
    found = {path.parent.name for path in tests if handed.search(path.read_text())} - {"unit"}  # has words like these
    assert found <= {*FOLDERS, *(name.split("/")[1] for name, _, _ in BOOTED)}


def test_every_kernel_of_the_lab_has_a_column_and_a_line() -> None:
    assert len(kernels.ALL) == len(labels())
    assert set(labels().values()) == set(LABELS)
    for source in kernels.ALL:
        assert f"| `{source.name}` | " in PAGE.read_text()


def test_what_boots_a_kernel_by_itself_is_said() -> None:
    said = " ".join(PAGE.read_text().split())
    for name, word, label in BOOTED:
        assert word in (PROJECT / name).read_text(), name
        assert f"`{name}` on {label}" in said, name
