"""Where messages go: syslog, standard error, files. Only the parent process writes; nothing holds it up for long."""

from __future__ import annotations

import errno
import os
import select
import time

from .option_table import AGENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

    from .scribe import Scribe

FAILURE, WARNING, STEP, COMMAND = range(4)
_SYSLOG_UP_TO = STEP
_MOST_CHARACTERS = 8000
_PIECE = 4096  # what a pipe takes at once where it takes anything
# What ends a line or steers a terminal: C0, DEL, C1, and Unicode's line ends.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {0: "\\0"}
_CONTROLS |= {code: f"\\u{code:x}" for code in (0x2028, 0x2029)}


class Log:
    """Messages of one run.

    verbosity  0: failures on standard error; 1: warnings and steps too; 2: every command
    quiet      nothing on standard error
    silent     nothing anywhere but in the debug file
    debug      takes all messages
    logfile    takes what is for standard output as well, and what is for standard error instead
    """

    def __init__(
        self, verbosity: int, quiet: bool, silent: bool, debug: Scribe | None = None, logfile: Scribe | None = None
    ) -> None:
        self._errors_up_to = -1 if quiet or silent else (FAILURE, STEP, COMMAND)[min(verbosity, 2)]
        self._silent, self._debug = silent, debug
        self._logfile = None if logfile and logfile.problem else logfile
        self._error_is_read = True
        self._system = SystemLog()
        for it in (debug, logfile):
            if it and it.problem:
                self.write(WARNING, str(it.problem))

    def answer(self, line: str) -> bool:
        """A line for standard output; False if nobody can read it there."""
        if self._logfile:
            self._logfile.write(line)
        return write_line(1, line)

    def end(self) -> None:
        """Wait a moment for files."""
        for it in filter(None, (self._debug, self._logfile)):
            it.end()

    def give_up_files(self) -> bool:
        """Write to no file any more, so that the processes that do it end; False if there was none."""
        files = [it for it in (self._debug, self._logfile) if it and not it.problem]
        self.end()
        self._debug = self._logfile = None
        for it in files:
            it.give_up()
            self.write(WARNING, str(it.problem))
        return bool(files)

    def write(self, level: int, message: str) -> None:
        """One message, at FAILURE, WARNING, STEP or COMMAND. Standard error first: syslog may be slow to take it."""
        message = one_line(message)
        if level <= self._errors_up_to:
            self._write_error(message)
        if self._debug:
            self._debug.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {AGENT}[{os.getpid()}]: {message}")
        if not self._silent and level <= _SYSLOG_UP_TO:
            self._system.send(level, message)

    def _write_error(self, message: str) -> None:
        if self._logfile:
            self._logfile.write(message)
        elif self._error_is_read:
            self._error_is_read = write_line(2, message)


def load() -> None:
    """Have in memory what a message takes: for a process that must speak while the root disk hangs."""
    import _socket  # noqa: F401

    time.localtime()  # reads the time zone


class SystemLog:
    """The system's log, by the protocol that the C library speaks on its socket.

    The C library itself waits without end for a log daemon that takes no messages, for example because the disk that
    it writes to hangs. Here such a daemon costs one second in all.
    """

    _PATH = "/dev/log"
    _SECONDS = 1.0
    _DAEMON = 3 << 3
    _PRIORITIES = (3, 4, 6, 7)  # error, warning, informational, debug: of FAILURE, WARNING, STEP, COMMAND

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


def write_line(fd: int, text: str, seconds: float | None = 1.0) -> bool:
    """Write a line; False if nobody can read it, or nobody does for so long (None: that does not matter).

    The exit code carries the verdict, so this is no failure.
    """
    data = f"{text}\n".encode("utf-8", "surrogateescape")
    room = select.poll()
    room.register(fd, select.POLLOUT)
    until = time.monotonic() + (seconds or 0.0)
    try:
        while data:
            if not room.poll(None if seconds is None else max(0, int((until - time.monotonic()) * 1000))):
                return False
            data = data[os.write(fd, data[:_PIECE]) :]
    except OSError:
        return False
    return True
