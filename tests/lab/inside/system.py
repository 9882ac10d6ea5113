"""System calls that Python 3.11 has no function for."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

MS_RDONLY, MS_NOSUID, MS_MOVE, MNT_DETACH = 1, 2, 8192, 2
CLONE_NEWNS, CLONE_NEWUTS = 0x00020000, 0x04000000
POWER_OFF = 0x4321FEDC
SYS_PIVOT_ROOT = 155  # x86-64

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(kind: str, target: str | Path, source: str = "none", options: str = "", flags: int = 0) -> None:
    """mount(2); makes the mount point."""
    Path(target).mkdir(parents=True, exist_ok=True)
    arguments = [os.fsencode(text) for text in (source, target, kind)]
    _check(_libc.mount(*arguments, ctypes.c_ulong(flags), options.encode()), f"mount {source} on {target}")


def unmount(target: str | Path) -> None:
    """Detach a mount, whoever still uses it."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"unmount {target}")


def pivot_root(new: str | Path, old: str | Path) -> None:
    """Make `new` the root of all processes and put the old root at `old`."""
    _check(_libc.syscall(SYS_PIVOT_ROOT, os.fsencode(new), os.fsencode(old)), "pivot_root")
    os.chdir("/")


def unshare(flags: int) -> None:
    """Give the calling process namespaces of its own."""
    _check(_libc.unshare(flags), "unshare")


def enter(process: int) -> None:
    """Take the calling process, which must have one thread, to the namespaces of a process of a node."""
    for name in ("uts", "mnt"):
        fd = os.open(f"/proc/{process}/ns/{name}", os.O_RDONLY)
        _check(_libc.setns(fd, 0), f"setns to {name} of {process}")
        os.close(fd)


def set_host_name(name: str) -> None:
    """The host name, in the caller's UTS namespace."""
    _check(_libc.sethostname(name.encode(), len(name)), "sethostname")


def power_off() -> None:
    """End the guest at once."""
    _check(_libc.reboot(POWER_OFF), "reboot")
