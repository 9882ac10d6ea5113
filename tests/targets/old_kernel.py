#!/usr/bin/python3 -ISB
"""Runs the agent, with its parameters on standard input, as on a kernel that hands every refusal out as one number.

old_kernel.py NUMBER SENSE: what a refused preempt-and-abort is answered with; "told" or "denied": whether this process
may send PERSISTENT RESERVE OUT by SG_IO, and so learn what the target itself says.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from pathlib import Path

AGENT = "/project/fence_pr_ioctl"
SG_IO, PREEMPT_ABORT, TO_DEVICE = 0x2285, 0x401870CC, (-2).to_bytes(4, sys.byteorder, signed=True)
_kernel = fcntl.ioctl
_number, _denied = int(sys.argv[1], 0), sys.argv[2] == "denied"


def ioctl(fd: int, request: int, buffer: bytearray, mutate: bool = True) -> int:
    """In place of the real one, whose answers it changes."""
    if request == SG_IO and _denied and buffer[4:8] == TO_DEVICE:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
    try:
        returned = int(_kernel(fd, request, buffer, mutate))
    except OSError:
        if request != PREEMPT_ABORT:
            raise
        return _number
    return _number if returned and request == PREEMPT_ABORT else returned


fcntl.ioctl = ioctl  # type: ignore[assignment]
sys.argv = [AGENT]
exec(compile(Path(AGENT).read_bytes(), AGENT, "exec"), {"__file__": AGENT})
