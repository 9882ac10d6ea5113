"""The guard's unit file, and its executable."""

from __future__ import annotations

import ast
import shutil
import subprocess
from configparser import ConfigParser
from typing import TYPE_CHECKING

import pytest

from fence_pr import state_file
from fence_pr.guard import main
from fence_pr.guard.machine import KERNEL_LOG, SYSRQ
from fence_pr.guard.options import GUARD, parse
from tests.unit.process import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

UNIT = PROJECT / "systemd" / "pr_fence_guard.service"
EXECUTABLE = PROJECT / GUARD


def lines() -> list[str]:
    return [line for line in UNIT.read_text().splitlines() if line and not line.startswith("#")]


@pytest.fixture
def service() -> dict[str, str]:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    return dict(parser["Service"])


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    """With what this machine has: without systemd there is nothing here that could check it."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace(f"/usr/sbin/{GUARD}", str(EXECUTABLE)))
    tool = shutil.which("systemd-analyze")
    assert tool, "Debian's package systemd is missing"
    done = subprocess.run([tool, "verify", "--man=no", copy], check=False, capture_output=True, text=True)
    ours = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert (done.returncode, ours) == (0, [])


def test_what_the_guard_needs_is_not_taken_from_it(service: dict[str, str]) -> None:
    assert (SYSRQ, KERNEL_LOG) == ("/proc/sysrq-trigger", "/dev/kmsg")
    for taken in ("ProtectKernelTunables", "ProtectKernelLogs", "PrivateDevices", "ProcSubset", "PrivateUsers", "User"):
        assert taken not in service, taken
    assert {"CAP_SYS_ADMIN", "CAP_SYS_RAWIO", "CAP_SYS_BOOT", "CAP_IPC_LOCK"} == set(
        service["CapabilityBoundingSet"].split()
    )
    devices = [line.partition("=")[2] for line in lines() if line.startswith("DeviceAllow=")]
    assert devices == ["block-* r", f"{KERNEL_LOG} w"]
    assert "reboot" in service["SystemCallFilter"].split()
    assert service["RestrictAddressFamilies"] == "AF_UNIX"


def test_it_is_started_watched_and_started_again(service: dict[str, str]) -> None:
    assert (service["Type"], service["Restart"], service["OOMScoreAdjust"]) == ("notify", "always", "-1000")
    assert float(service["WatchdogSec"]) > 2 * parse([]).interval
    assert service["ExecStart"] == f"/usr/sbin/{GUARD} $OPTIONS"
    places = [line.partition("=")[2] for line in lines() if line.startswith("EnvironmentFile=")]
    assert places == [f"-/etc/{folder}/{GUARD}" for folder in ("default", "sysconfig")]
    assert "Before=pacemaker.service pacemaker_remote.service" in lines()
    assert "StartLimitIntervalSec=0" in lines()
    assert f"/run/{service['RuntimeDirectory']}" == state_file.FOLDER
    assert service["RuntimeDirectoryPreserve"] == "yes"


def test_a_guard_that_hangs_and_cannot_be_killed_has_another_one_beside_it_within_20_seconds(
    service: dict[str, str],
) -> None:
    """systemd (service.c): the watchdog's time; then it waits for the abort, for SIGKILL, and twice more for what is
    left of the process. test_systemd has a process that does hang.
    """
    watchdog, abort, stop, restart = (
        float(service[name]) for name in ("WatchdogSec", "TimeoutAbortSec", "TimeoutStopSec", "RestartSec")
    )
    hesitation = main._PATIENCE_SECONDS + parse([]).confirm_after
    assert hesitation + watchdog + abort + 3 * stop + restart < 20
    assert stop > main._END_SECONDS, "a registration under way is taken back before systemd kills"


def test_the_executable_says_what_it_is_and_refuses_what_it_does_not_know() -> None:
    ast.parse(EXECUTABLE.read_text(), feature_version=(3, 9))
    assert EXECUTABLE.stat().st_mode & 0o111
    for arguments, code, words in (
        (["-V"], 0, GUARD),
        (["--help"], 0, "--fenced"),
        (["--nonsense"], 1, "is not recognised"),
    ):
        done = subprocess.run([EXECUTABLE, *arguments], check=False, capture_output=True, text=True)
        assert (done.returncode, words in done.stdout + done.stderr) == (code, True), done
