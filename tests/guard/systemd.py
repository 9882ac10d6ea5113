"""Guests in which systemd is process 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.guard.node import NO_REBOOT, wait_until
from tests.lab import cache, root
from tests.lab.cluster import Cluster
from tests.lab.guest import Guest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.guest import Completed
    from tests.lab.kernels import Kernel

# systemd, and another one that reboots: the watchdog daemon.
PROGRAMS = ("systemd", "watchdog")
ARGUMENTS = (
    "LAB_INIT=/usr/lib/systemd/systemd",
    "systemd.unit=multi-user.target",
    # The old hierarchy: in the new one the kernel needs BPF for DeviceAllow=, which these have not.
    "systemd.unified_cgroup_hierarchy=0",
)
# Without it systemd takes the boot for the first one and enables every unit there is.
MACHINE = "0123456789abcdef0123456789abcdef\n"
# Of what every machine does at its start. The lab itself makes names of disks and mounts.
WANTED_AT_START = (
    "systemd-journald-dev-log.socket",
    "systemd-journald.service",
    "systemd-journald.socket",
    "systemd-tmpfiles-setup.service",
)


def folder() -> Path:
    """The guests' root folder, made on first use; raises LabUnavailable."""
    return cache.fill("systemd", repr((1, root.RECIPE, PROGRAMS, MACHINE, WANTED_AT_START)), _build)


def _build(tree: Path) -> None:
    root.build(tree, root.SUITE, (*root.PACKAGES, *PROGRAMS))
    (tree / "etc/machine-id").write_text(MACHINE)
    for target in ("sockets", "sysinit", "multi-user"):
        for link in (tree / f"usr/lib/systemd/system/{target}.target.wants").iterdir():
            if link.name not in WANTED_AT_START:
                link.unlink()


def boot(kernel: Kernel) -> Cluster:
    """A cluster whose guest runs systemd and ends when it reboots."""
    guest = Guest(kernel, folder(), arguments=(*NO_REBOOT, *ARGUMENTS))
    guest.boot()
    return Cluster(guest)


class Unit:
    """A unit of the guest's systemd."""

    def __init__(self, guest: Guest, name: str) -> None:
        self._guest, self.name = guest, name

    def systemctl(self, command: str, *arguments: str) -> Completed:
        """One command for this unit, which must succeed."""
        return self._guest.run(["systemctl", command, self.name, *arguments], check=True)

    def show(self, name: str) -> str:
        """One of its properties."""
        return self.systemctl("show", "--value", f"--property={name}").stdout.strip()

    def wait_for(self, name: str, value: str) -> None:
        """Until a property has this value."""
        wait_until(lambda: self.show(name) == value)

    def journal(self) -> str:
        """What it has logged."""
        return self._guest.run(["journalctl", "--no-pager", "--output=cat", f"--unit={self.name}"], check=True).stdout
