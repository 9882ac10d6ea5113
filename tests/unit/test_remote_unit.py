"""The unit that docs/remote.md gives a remote node."""

from __future__ import annotations

import shutil
import subprocess
from configparser import ConfigParser
from typing import TYPE_CHECKING

import pytest

from tests.documents import commands
from tests.unit.process import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT, NAME = "docs/remote.md", "fence_pr_ioctl_on.service"


@pytest.fixture
def text() -> str:
    (found,) = commands.files_in(DOCUMENT)
    return found


@pytest.fixture
def unit(text: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read_string(text)
    return parser


def test_systemd_understands_every_line(text: str, tmp_path: Path) -> None:
    copy = tmp_path / NAME
    copy.write_text(text.replace("/usr/sbin/fence_pr_ioctl", str(PROJECT / "fence_pr_ioctl")))
    tool = shutil.which("systemd-analyze")
    assert tool, "Debian's package systemd is missing"
    done = subprocess.run([tool, "verify", "--man=no", copy], check=False, capture_output=True, text=True)
    assert (done.returncode, [line for line in done.stderr.splitlines() if NAME in line]) == (0, [])


def test_pacemaker_remote_and_the_guard_start_after_it_and_the_former_only_if_it_succeeds(unit: ConfigParser) -> None:
    assert {"pr_fence_guard.service", "pacemaker_remote.service"} <= set(unit["Unit"]["Before"].split())
    assert unit["Install"]["RequiredBy"] == "pacemaker_remote.service"


def test_it_runs_once_a_boot_and_systemd_waits_for_longer_than_the_agent(unit: ConfigParser) -> None:
    service = unit["Service"]
    assert (service["Type"], service["RemainAfterExit"]) == ("oneshot", "yes")
    asked = [str(PROJECT / "fence_pr_ioctl"), *service["ExecStart"].split()[1:], "--action=metadata"]
    done = subprocess.run(asked, check=True, capture_output=True, text=True)
    _, _, about = done.stdout.partition('name="power_timeout"')
    limit = about.partition('default="')[2].partition('"')[0]
    assert float(service["TimeoutStartSec"]) > 2 * float(limit)
