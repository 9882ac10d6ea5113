"""Where messages go: syslog, standard error, a debug file. Only the parent process writes."""

from __future__ import annotations

import os
import stat
import syslog
import time

from .errors import UsageError
from .option_table import AGENT

FAILURE, NOTE, STEP, COMMAND = range(4)
_PRIORITIES = {
    FAILURE: syslog.LOG_ERR,
    NOTE: syslog.LOG_WARNING,
    STEP: syslog.LOG_INFO,
    COMMAND: syslog.LOG_DEBUG,
}
_SYSLOG_UP_TO = STEP


class Log:
    """Messages of one run.

    verbosity  0: failures on standard error; 1: notes and steps too; 2: every command
    quiet      nothing on standard error
    silent     nothing anywhere but in the debug file
    Raises UsageError if the debug file cannot be opened.
    """

    def __init__(self, verbosity: int, quiet: bool, silent: bool, debug_file: str) -> None:
        self._errors_up_to = -1 if quiet or silent else (FAILURE, STEP, COMMAND)[min(verbosity, 2)]
        self._silent = silent
        self._debug = -1
        if debug_file:
            self._debug = open_file("debug_file", debug_file, os.O_APPEND | os.O_CLOEXEC)
        syslog.openlog(AGENT, syslog.LOG_PID, syslog.LOG_DAEMON)

    def write(self, level: int, message: str) -> None:
        """One message, at FAILURE, NOTE, STEP or COMMAND. Standard error first: syslog may be slow to take it."""
        message = message.replace("\0", "\\0")
        if level <= self._errors_up_to:
            write_line(2, message)
        if self._debug >= 0:
            write_line(self._debug, f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {AGENT}[{os.getpid()}]: {message}")
        if not self._silent and level <= _SYSLOG_UP_TO:
            syslog.syslog(_PRIORITIES[level], message.encode("utf-8", "backslashreplace").decode())


def open_file(option: str, path: str, flags: int) -> int:
    """Open the file that an option names for writing, and make it if need be.

    Raises UsageError, also for a disk: a mistyped name must not be written over.
    """
    try:
        # Without O_TRUNC here: what it is must be known first.
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | flags, 0o600)
    except OSError as error:
        raise UsageError(option, path, error.strerror or str(error)) from error
    if stat.S_ISBLK(os.fstat(fd).st_mode):
        os.close(fd)
        raise UsageError(option, path, "is a disk, not a file")
    return fd


def write_line(fd: int, text: str) -> bool:
    """Write a line; False if nobody can read it. The exit code carries the verdict, so this is no failure."""
    data = f"{text}\n".encode("utf-8", "surrogateescape")
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError:
        return False
    return True
