"""What is in a machine: its files, and whether the agent works there."""

from __future__ import annotations

import gzip
import stat
from typing import TYPE_CHECKING

from tests.packaging.builds import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packaging.container import Container

AGENT = "/usr/sbin/fence_pr_ioctl"
GUARD = "/usr/sbin/pr_fence_guard"
TOOL = "/usr/sbin/pr_fence"
ENABLED_GUARD = "/etc/systemd/system/multi-user.target.wants/pr_fence_guard.service"
ENABLED_TIMER = "/etc/systemd/system/timers.target.wants/pr_fence_metrics.timer"
LIBRARY = "/usr/lib/fence_pr_ioctl"
STATE = "/run/fence_pr_ioctl"
REMEMBERED = "/var/lib/fence_pr_ioctl"
# What package managers and the programs that they run write for themselves, and what is no machine's own.
BOOKKEEPING = ("/var/lib/dpkg", "/var/lib/rpm", "/var/log", "/var/cache", "/tmp")
MOUNTED = ("/proc", "/dev", "/exchange")


def check_programs(machine: Container, version: str) -> None:
    """The agent does what it can do on a machine without disks; the guard waits for a person to switch it on."""
    assert machine.run([AGENT, "-V"]).stdout == f"fence_pr_ioctl {version}\n"
    assert machine.run([GUARD, "-V"]).stdout == f"pr_fence_guard {version}\n"
    assert machine.run([TOOL, "-V"]).stdout == f"pr_fence {version}\n"
    assert machine.run([TOOL, "explain", "no-keys"]).stdout.startswith("no-keys (a failure)\n")
    assert not {ENABLED_GUARD, ENABLED_TIMER} & files(machine, "/etc")
    metadata = (PROJECT / "metadata" / "fence_pr_ioctl.xml").read_text()
    assert machine.run([AGENT, "-o", "metadata"]).stdout == metadata
    assert machine.run([AGENT, "-h"]).stdout.startswith("Examples:\n   fence_pr_ioctl ")
    status = machine.run([AGENT, "-o", "status", "-k", "0x1", "-d", "/dev/missing"], check=False)
    assert status.returncode == 1
    assert "Failed: /dev/missing: no such device" in status.stderr


def uncompiled(machine: Container) -> set[str]:
    """The agent's modules that have no byte code, and the byte code that has no module."""
    found = files(machine, LIBRARY)
    modules = {path[:-3] for path in found if path.endswith(".py")}
    compiled = {path.replace("__pycache__/", "").split(".")[0] for path in found if path.endswith(".pyc")}
    assert len(modules) > 15
    return modules ^ compiled


def files(machine: Container, folder: str = "/") -> set[str]:
    """All files and folders below the folder that a package could have brought."""
    left_out = [word for path in (*BOOKKEEPING, *MOUNTED) for word in ("-path", path, "-prune", "-o")]
    return set(machine.run(["find", folder, *left_out, "-print"]).stdout.splitlines())


def contents(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Each file below the folder with its mode and content; byte code without content, as it holds times.

    What a packager's tools compress is shown uncompressed.
    """
    found = {}
    for path in folder.rglob("*"):
        if path.is_dir():
            continue
        name, data = str(path.relative_to(folder)), path.read_bytes()
        if name.endswith(".gz"):
            name, data = name[:-3], gzip.decompress(data)
        found[name] = stat.filemode(path.stat().st_mode), b"" if name.endswith(".pyc") else data
    return found
