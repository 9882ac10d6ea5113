"""Where messages go: syslog, standard error, a debug file. Only the parent process writes."""

from __future__ import annotations

import errno
import os
import stat
import time

from .errors import UsageError
from .option_table import AGENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

FAILURE, NOTE, STEP, COMMAND = range(4)
_SYSLOG_UP_TO = STEP
_MOST_CHARACTERS = 8000
# What ends a line or steers a terminal: C0, DEL, C1, and Unicode's line ends.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {0: "\\0"}
_CONTROLS |= {code: f"\\u{code:x}" for code in (0x2028, 0x2029)}


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
        self._system = SystemLog()

    def write(self, level: int, message: str) -> None:
        """One message, at FAILURE, NOTE, STEP or COMMAND. Standard error first: syslog may be slow to take it."""
        message = one_line(message)
        if level <= self._errors_up_to:
            write_line(2, message)
        if self._debug >= 0:
            write_line(self._debug, f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {AGENT}[{os.getpid()}]: {message}")
        if not self._silent and level <= _SYSLOG_UP_TO:
            self._system.send(level, message)


class SystemLog:
    """The system's log, by the protocol that the C library speaks on its socket.

    The C library itself waits without end for a log daemon that takes no messages, for example because the disk that
    it writes to hangs. Here such a daemon costs one second in all.
    """

    _PATH = "/dev/log"
    _SECONDS = 1.0
    _DAEMON = 3 << 3
    _PRIORITIES = (3, 4, 6, 7)  # error, warning, informational, debug: of FAILURE, NOTE, STEP, COMMAND

    def __init__(self, name: str = AGENT) -> None:
        self._name = name
        self._connection: socket | None = None
        self._end = b""
        self._stuck = False

    def send(self, level: int, message: str) -> None:
        """One message. Where there is no log, or none that takes messages, it is lost."""
        stamp = time.strftime("%b %e %H:%M:%S")
        text = f"<{self._DAEMON | self._PRIORITIES[level]}>{stamp} {self._name}[{os.getpid()}]: {message}"
        while not self._stuck:
            fresh = self._connection is None
            try:
                self._connection = self._connection or self._connect()
                self._connection.sendall(text.encode("utf-8", "backslashreplace") + self._end)
                break
            except OSError as error:
                self._stuck = error.errno is None  # no error of the system: the time is up
                self._connection = None
            if fresh:  # else the daemon may have been started anew, with a new socket
                break

    def _connect(self) -> socket:
        from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_STREAM, socket  # `socket` takes milliseconds

        for kind, self._end in ((SOCK_DGRAM, b""), (SOCK_STREAM, b"\0")):
            connection = socket(AF_UNIX, kind | SOCK_CLOEXEC)
            connection.settimeout(self._SECONDS)
            try:
                connection.connect(self._PATH)
                break
            except OSError as error:
                if error.errno != errno.EPROTOTYPE or kind == SOCK_STREAM:
                    raise
        return connection


def one_line(message: str) -> str:
    """The message as one line of bearable length, whatever was quoted in it."""
    if len(message) > _MOST_CHARACTERS:
        half = _MOST_CHARACTERS // 2
        message = f"{message[:half]} … ({len(message) - 2 * half} characters) … {message[-half:]}"
    return message.translate(_CONTROLS)


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
