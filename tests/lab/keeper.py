"""Stands between a test run and one guest: `python3 keeper.py RUN_FOLDER KERNEL ARGUMENT...`

Starts the kernel, with descriptors and working directory as inherited, and waits until the kernel ends or something
comes on standard input: a word of the test run, or its end, when the test run is killed, however. Then it ends the
kernel with all processes the kernel made (orphans become children of this process) and removes RUN_FOLDER.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def main() -> int:
    """The kernel's exit status as a shell would give it."""
    folder, *command = sys.argv[1:]
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    inherited = [fd for fd in map(int, os.listdir("/proc/self/fd")) if fd > 2 and _is_open(fd)]
    kernel = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=2,
        pass_fds=inherited,
        env={**os.environ, "LD_LIBRARY_PATH": "."},
        # Should this process itself be killed, the kernel goes with it.
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - there is one thread
    )
    for fd in inherited:
        os.close(fd)
    kernel_end = os.pidfd_open(kernel.pid)
    select.select([0, kernel_end], [], [])
    status = kernel.poll()
    _end_all()
    shutil.rmtree(folder, ignore_errors=True)
    return 128 + signal.SIGKILL if status is None else status % 256


def _is_open(fd: int) -> bool:
    """False for the descriptor of the listing itself."""
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _end_all() -> None:
    """Kill children until there are none; the children of a killed child come here."""
    while True:
        for pid in _children():
            os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    """They stay, if only as zombies, until this process waits for them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # Behind the program's name in brackets: the state, and the parent.
            if int(path.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(path.parent.name))
    return found


if __name__ == "__main__":
    sys.exit(main())
