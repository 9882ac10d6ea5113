"""What the guard does to the machine: reboot it, stop Pacemaker, keep itself in memory.

A fenced node's disks may hang, the root disk among them: everything that a reboot needs is opened and loaded in
advance, nothing is written back, and no message may hold it up.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SYSRQ, KERNEL_LOG = "/proc/sysrq-trigger", "/dev/kmsg"
STOP_PACEMAKER = ("systemctl", "--no-block", "stop", "pacemaker.service")

_REBOOT_AT_ONCE = b"b"  # Documentation/admin-guide/sysrq.rst: without syncing or unmounting
_EMERGENCY = "<0>"
_RB_AUTOBOOT = 0x01234567  # reboot(2)
_SYSTEMD_REBOOT_SIGNAL = 34 + 15  # systemd(1): SIGRTMIN+15, immediately reboots the machine
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4  # mlockall(2)
_M_ARENA_MAX = -8  # mallopt(3)


class Machine:
    """This machine. Made early: it opens what `reboot` needs."""

    def __init__(self, stop_command: tuple[str, ...] = STOP_PACEMAKER) -> None:
        self._stop_command = stop_command
        self._sysrq = _open(SYSRQ)
        self._kernel_log = _open(KERNEL_LOG)
        self._reboot = _function("reboot")

    def reboot(self, why: str) -> str:
        """Reboot at once. Returns only if that failed, with what was tried."""
        _write(self._kernel_log, f"{_EMERGENCY}{why}\n".encode("utf-8", "backslashreplace"))
        _write(self._sysrq, _REBOOT_AT_ONCE)
        self._reboot(_RB_AUTOBOOT)
        try:
            os.kill(1, _SYSTEMD_REBOOT_SIGNAL)
        except OSError as error:
            return f"cannot reboot: neither {SYSRQ} nor reboot(2) worked, nor a signal to process 1: {error.strerror}"
        return f"cannot reboot: neither {SYSRQ} nor reboot(2) worked; process 1 was told to"

    def stop_pacemaker(self) -> str:
        """Ask systemd to stop Pacemaker, and do not wait for it. What is wrong, "" if nothing is."""
        asked = " ".join(self._stop_command)
        try:
            child = os.posix_spawnp(self._stop_command[0], self._stop_command, os.environ)
            _, status = os.waitpid(child, 0)
        except OSError as error:
            return f"cannot stop Pacemaker: {asked}: {error.strerror}"
        code = os.waitstatus_to_exitcode(status)
        return f"cannot stop Pacemaker: {asked} ended with {code}" if code else ""


def lock_memory() -> None:
    """Keep what is in memory there, and what comes later too: paging in from a disk that hangs would be the end."""
    _function("mallopt")(_M_ARENA_MAX, 1)  # else 64 MiB of addresses a thread
    lock = _function("mlockall")
    lock(_MCL_CURRENT)
    lock(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def _write(fd: int, data: bytes) -> None:
    try:
        os.write(fd, data)
    except OSError:
        return


def _function(name: str) -> Callable[..., int]:
    """A function of the C library that takes ints; without one, a function that fails."""
    try:
        import _ctypes  # `ctypes` itself needs pages that are both writable and executable, which the unit forbids

        address: int = _ctypes.dlsym(_ctypes.dlopen(None, 0), name)  # type: ignore[arg-type]
    except (ImportError, OSError):
        return lambda *_: -1
    call: Callable[[int, tuple[int, ...]], int] = _ctypes.call_function
    return lambda *arguments: call(address, arguments)
