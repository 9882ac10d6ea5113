"""A guest that has died, or cannot be made clean, fails the test that used it, whatever that test had asserted."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.by_chance import LONG
from tests.lab import plugin
from tests.lab.guest import PANIC, PROJECT

if TYPE_CHECKING:
    from pathlib import Path

IN_ONE_GUEST = """
import time

from tests.lab import root
from tests.lab.guest import Guest

def test_whose_guest_panics(lab):
    lab.guest.start(["sh", "-c", "echo c >/proc/sysrq-trigger"])

def test_that_leaves_what_cannot_be_removed(lab):
    lab.n1.run(["mkdir", "/etc/corosync/folder"], check=True)

def test_whose_own_guest_panics(uml, tmp_path):
    with Guest(uml, root.folder(), logs=tmp_path) as guest:
        guest.start(["sh", "-c", "echo c >/proc/sysrq-trigger"])
        while guest.alive():
            time.sleep(0.01)

def test_that_harms_nothing(lab):
    assert lab.n1.write("a") == "ok"
"""
ON_HOSTS = """
def test_whose_host_dies(fabric):
    fabric.hosts["n2"].guest.start(["sh", "-c", "echo o >/proc/sysrq-trigger"])
    while fabric.hosts["n2"].guest.alive():
        pass

def test_that_harms_nothing(fabric):
    assert fabric.hosts["n1"].write_to() == "ok"
"""


def ran(text: str, kernel: str, folder: Path) -> str:
    """What pytest says of these tests in CI, with all kernels to choose from."""
    (folder / "test_inside.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-rE", "-k", kernel]
    done = subprocess.run(
        [*command, "--rootdir", str(folder), str(folder)],
        check=False, cwd=PROJECT, env={**os.environ, "CI": "true", LONG: "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def errors(said: str) -> set[str]:
    """The tests at whose end something was wrong."""
    lines = [line for line in said.splitlines() if line.startswith("ERROR ")]
    assert all(plugin.LEFT_BEHIND in line for line in lines), said
    return {line.split("::")[1].split("[")[0] for line in lines}


@pytest.mark.xdist_group(f"faults-{plugin.NEWEST}")
def test_a_guest_that_died_or_cannot_be_reset_is_an_error_of_the_test_that_caused_it(tmp_path: Path) -> None:
    said = ran(IN_ONE_GUEST, plugin.NEWEST, tmp_path)
    assert errors(said) == {
        "test_whose_guest_panics",
        "test_that_leaves_what_cannot_be_removed",
        "test_whose_own_guest_panics",
    }
    assert "4 passed" in said
    assert said.count(f"{PANIC} - not syncing: sysrq triggered crash") >= 2


@pytest.mark.slow
@pytest.mark.xdist_group(f"hosts-{plugin.NVME}")
def test_so_is_a_host_that_died(tmp_path: Path) -> None:
    said = ran(ON_HOSTS, f"hosts-{plugin.NVME} and not hosts-{plugin.OLDER_NVME_HOST}", tmp_path)
    assert errors(said) == {"test_whose_host_dies"}
    assert "2 passed" in said
