"""Stores of the target that can be made slow: a delay of every write (dm-delay) over a RAM disk each.

A write that the target has accepted and not yet carried out is what preempt-and-abort is for.
"""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

from tests.lab.inside import transfers

NAMES = ("lun-a", "lun-b", "lun-c", "lun-d", "lun-e", "namespace-1", "namespace-2", "namespace-3", "userland")
# Name → RAM disk below.
DISKS = {name: f"/dev/ram{number}" for number, name in enumerate(NAMES)}
MAPPER = Path("/dev/mapper")

# Those that hold writes now.
_slow: set[str] = set()


def make(name: str) -> str:
    """Make the disk, without delay, unless it is there; the path of its device."""
    if not _device(name):
        _dmsetup(name, "create", "--table", _table(name, 0))
    return f"/dev/{_device(name)}"


def hold_writes(name: str, milliseconds: int) -> None:
    """From now on every write waits so long before it reaches the RAM disk; reads do not. 0 ends that."""
    _dmsetup(name, "reload", "--table", _table(name, milliseconds))
    _dmsetup(name, "resume")
    (_slow.add if milliseconds else _slow.discard)(name)


def hold_none() -> None:
    """End `hold_writes` everywhere."""
    for name in list(_slow):
        hold_writes(name, 0)


def landed(name: str, offset: int = 0, length: int = transfers.BLOCK) -> str:
    """What is on the RAM disk from `offset` on, base64."""
    return base64.b64encode(transfers.content(DISKS[name], offset, length)).decode()


def _device(name: str) -> str:
    """The kernel's name of the disk, "" if it is not there."""
    found = (path for path in Path("/sys/block").glob("dm-*/dm/name") if path.read_text().strip() == name)
    return next((path.parent.parent.name for path in found), "")


def _table(name: str, milliseconds: int) -> str:
    disk = DISKS[name]
    sectors = Path("/sys/class/block", Path(disk).name, "size").read_text().strip()
    return f"0 {sectors} delay {disk} 0 0 {disk} 0 {milliseconds}"


def _dmsetup(name: str, command: str, *arguments: str) -> None:
    """One command. The name under /dev/mapper goes: nodes share that folder and know no disk below a target."""
    line = ["dmsetup", "--noudevsync", "--noudevrules", command, name, *arguments]
    subprocess.run(line, check=True, capture_output=True)
    (MAPPER / name).unlink(missing_ok=True)
