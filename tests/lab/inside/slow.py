"""Disks of the target that can be made to hold writes for a while, on kernels that have what it takes.

A write that the target has accepted and not yet carried out is what preempt-and-abort is for.
"""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

from tests.lab.inside import transfers

# Name → RAM disk below.
DISKS = {"lun-d": "/dev/ram2", "namespace-2": "/dev/ram1"}


def available() -> bool:
    """Whether this kernel has RAM disks and delays built in."""
    return Path(DISKS["lun-d"]).exists() and "delay" in _dmsetup("targets")


def make(name: str) -> str:
    """Make the disk, without delay; the path of its device."""
    _dmsetup("create", name, "--table", _table(name, 0))
    return f"/dev/{_dmsetup('info', '-c', '--noheadings', '-o', 'blkdevname', name).strip()}"


def hold_writes(name: str, milliseconds: int) -> None:
    """From now on every write waits so long before it reaches the RAM disk; reads do not. 0 ends that."""
    _dmsetup("reload", name, "--table", _table(name, milliseconds))
    _dmsetup("resume", name)


def landed(name: str) -> str:
    """The first block as it is on the RAM disk, base64."""
    return base64.b64encode(transfers.content(DISKS[name], 0)).decode()


def _table(name: str, milliseconds: int) -> str:
    disk = DISKS[name]
    sectors = Path("/sys/class/block", Path(disk).name, "size").read_text().strip()
    return f"0 {sectors} delay {disk} 0 0 {disk} 0 {milliseconds}"


def _dmsetup(*arguments: str) -> str:
    command = ["dmsetup", "--noudevsync", "--noudevrules", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
