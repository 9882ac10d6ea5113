"""What the guard does to the machine: reboot it, stop Pacemaker, keep itself in memory.

A fenced node's disks may hang, the root disk among them: everything that a reboot needs is opened and loaded in
advance, nothing is written back, and no message may hold it up.
"""

from __future__ import annotations

import os

from ..errors import Notice
from ..record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SYSRQ, KERNEL_LOG = "/proc/sysrq-trigger", "/dev/kmsg"
# A remote node runs the second one. A node has one of the two, or both installed and one running.
STOP_PACEMAKER = tuple(
    ("systemctl", "--no-block", "stop", unit) for unit in ("pacemaker.service", "pacemaker_remote.service")
)

_REBOOT_AT_ONCE = b"b"  # Documentation/admin-guide/sysrq.rst: without syncing or unmounting
_EMERGENCY = "<0>"
_RB_AUTOBOOT = 0x01234567  # reboot(2)
_SYSTEMD_REBOOT_SIGNAL = 34 + 15  # systemd(1): SIGRTMIN+15, immediately reboots the machine
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4  # mlockall(2)
_M_ARENA_MAX = -8  # mallopt(3)


def _function(name: str) -> Callable[..., int]:
    """A function of the C library that takes ints; without one, a function that fails."""
    try:
        import _ctypes  # `ctypes` itself needs pages that are both writable and executable, which the unit forbids

        address: int = _ctypes.dlsym(_ctypes.dlopen(None, 0), name)  # type: ignore[arg-type]
    except (ImportError, OSError):
        return lambda *_: -1
    call: Callable[[int, tuple[int, ...]], int] = _ctypes.call_function
    return lambda *arguments: call(address, arguments)


class System(Record):
    """How the machine is reached; tests must put something else in its place.

    function  a name → that function of the C library
    """

    sysrq: str = SYSRQ
    kernel_log: str = KERNEL_LOG
    write: Callable[[int, bytes], int] = os.write
    kill: Callable[[int, int], None] = os.kill
    function: Callable[[str], Callable[..., int]] = _function


THIS = System()


class Machine:
    """This machine. Made early: it opens what `reboot` needs."""

    def __init__(self, stop_commands: tuple[tuple[str, ...], ...] = STOP_PACEMAKER, system: System = THIS) -> None:
        self._stop_commands, self._system = stop_commands, system
        self._sysrq = _open(system.sysrq)
        self._kernel_log = _open(system.kernel_log)
        self._reboot = system.function("reboot")

    def reboot(self, why: str) -> Notice:
        """Reboot at once; `why` goes to the kernel's log. Returns only if that failed, with what was tried."""
        self._write(self._kernel_log, f"{_EMERGENCY}{why}\n".encode("utf-8", "backslashreplace"))
        self._write(self._sysrq, _REBOOT_AT_ONCE)
        self._reboot(_RB_AUTOBOOT)
        try:
            self._system.kill(1, _SYSTEMD_REBOOT_SIGNAL)
        except OSError as error:
            return Notice("reboot-failed", {"path": self._system.sysrq, "answer": error.strerror})
        return Notice("reboot-left-to-process-1", {"path": self._system.sysrq})

    def _write(self, fd: int, data: bytes) -> None:
        try:
            self._system.write(fd, data)
        except OSError:
            return

    def stop_pacemaker(self) -> Notice | None:
        """Ask systemd to stop Pacemaker, and do not wait for it. What is wrong, None if nothing is."""
        problems = [_run(command) for command in self._stop_commands]
        return problems[0] if all(problems) else None


def lock_memory(system: System = THIS) -> None:
    """Keep what is in memory there, and what comes later too: paging in from a disk that hangs would be the end."""
    system.function("mallopt")(_M_ARENA_MAX, 1)  # else 64 MiB of addresses a thread
    lock = system.function("mlockall")
    lock(_MCL_CURRENT)
    lock(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)


def _run(command: tuple[str, ...]) -> Notice | None:
    """What is wrong; systemctl fails where there is no such unit."""
    asked = {"command": " ".join(command)}
    try:
        child = os.posix_spawnp(command[0], command, os.environ)
        _, status = os.waitpid(child, 0)
    except OSError as error:
        return Notice("pacemaker-not-stopped", {**asked, "answer": error.strerror})
    code = os.waitstatus_to_exitcode(status)
    return Notice("pacemaker-not-stopped", {**asked, "exit_status": code}) if code else None


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return -1
