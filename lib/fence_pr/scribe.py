"""A process that writes messages to a file: to open it, or to write, may hang for ever, and fencing must not wait.

It ends when it is told to, or when the process whose messages they are has ended; what it has not taken then is lost.
"""

from __future__ import annotations

import os
import select
import stat
import time

from .errors import Notice, UsageError
from .shortage import why_not_started

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PATIENCE_SECONDS = 1.0  # for the file to be opened, and at the end for what is still to be written
_MOST_BYTES = 65536
_LOOKS, _LOOK_SECONDS = 10, 0.01  # for its end, which comes right after its last word
_END = b"\0"  # no message has it
_OPENED, _IS_A_DISK = 0, 255  # else the errno


class Scribe:
    """Appends lines to the file that an option names; it is made if need be.

    problem  why it does not, None if it does
    Raises UsageError if the file is a disk: a mistyped name must not be written over.
    """

    def __init__(self, option: str, path: str, *, anew: bool) -> None:
        self.problem: Notice | None = None
        self._file = {"option": option, "value": path}
        self._lines = self._told = self._process = -1
        answer: dict[str, Any] | str | None
        try:
            self._process, self._lines, self._told = _start(path, anew=anew)
            answer = self._answer()
        except OSError as error:
            answer = why_not_started(error)
        if answer != "":
            self._let_go()
        if answer:
            self._is_not_written(answer)
        elif answer is None:
            raise UsageError("file-is-a-disk", **self._file)

    def _is_not_written(self, answer: dict[str, Any] | str) -> None:
        """answer: in words; or what this machine has no more of, which another file would not change."""
        code = "file-unopened" if isinstance(answer, str) else "file-not-served"
        self.problem = Notice(code, {**self._file, "answer": answer})

    def _let_go(self) -> None:
        """Close both pipes. Its process then ends by itself, also one that is still opening the file."""
        for fd in (self._lines, self._told):
            if fd >= 0:
                os.close(fd)
        self._lines = self._told = -1

    def _answer(self) -> str | None:
        """Why the file cannot be written, "" if it can, None if it is a disk."""
        said = self._hear()
        if not said:
            return "no answer"
        return {_OPENED: "", _IS_A_DISK: None}.get(said[0], os.strerror(said[0]))

    def write(self, line: str) -> None:
        """One line; lost where the file does not take what came before."""
        if self._lines >= 0:
            self._send(f"{line}\n".encode("utf-8", "surrogateescape"))

    def end(self) -> None:
        """Wait a moment until all is written."""
        if self._lines >= 0:
            self._send(_END)
            self._hear()
            self._let_go()
            self._reap()

    def give_up(self) -> None:
        """As `end`, because its process takes the place of one that is needed more."""
        self.end()
        self._is_not_written(Notice("no-process", {}).pack())

    def _reap(self) -> None:
        """What has ended and was not asked for takes a place among the processes."""
        try:
            for _ in range(_LOOKS):
                if os.waitpid(self._process, os.WNOHANG)[0]:
                    return
                time.sleep(_LOOK_SECONDS)
        except ChildProcessError:  # the caller ignores SIGCHLD
            return

    def _send(self, data: bytes) -> None:
        try:
            os.write(self._lines, data)
        except OSError:
            return  # full, or nobody reads it

    def _hear(self) -> bytes:
        """What it says within a moment; b"" if it has ended or says nothing."""
        waiting = select.poll()
        waiting.register(self._told, select.POLLIN)
        return os.read(self._told, 1) if waiting.poll(int(_PATIENCE_SECONDS * 1000)) else b""


def _start(path: str, *, anew: bool) -> tuple[int, int, int]:
    """The process, and descriptors: for lines, and for what it says. Raises OSError."""
    fds: list[int] = []
    caller = os.getpid()
    try:
        fds += [os.open("/dev/null", os.O_RDWR)]
        fds += os.pipe()
        fds += os.pipe()
        process = os.fork()
    except OSError:
        for fd in fds:
            os.close(fd)
        raise
    null, reading, lines, told, telling = fds
    if process == 0:
        try:
            os.setsid()
            for stream in (0, 1, 2):
                os.dup2(null, stream)
            os.close(lines)
            _write_all(path, reading, telling, caller, anew=anew)
        finally:
            os._exit(0)
    for fd in (null, reading, telling):
        os.close(fd)
    os.set_blocking(lines, False)
    return process, lines, told


def _write_all(path: str, reading: int, telling: int, caller: int, *, anew: bool) -> None:
    """In the process of its own."""
    try:
        # Without O_TRUNC here: what it is must be known first.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as error:
        os.write(telling, bytes([error.errno or 1]))
        return
    kind = os.fstat(file).st_mode
    if stat.S_ISBLK(kind):
        os.write(telling, bytes([_IS_A_DISK]))
        return
    if anew and stat.S_ISREG(kind):
        os.ftruncate(file, 0)
    os.write(telling, bytes([_OPENED]))
    waiting = select.poll()
    waiting.register(reading, select.POLLIN)
    while os.getppid() == caller or waiting.poll(0):
        if waiting.poll(int(_PATIENCE_SECONDS * 1000)):
            data = os.read(reading, _MOST_BYTES)
            _write(file, data.rstrip(_END))
            if not data or data.endswith(_END):
                return


def _write(file: int, data: bytes) -> None:
    try:
        while data:
            data = data[os.write(file, data) :]
    except OSError:
        return  # no room, or nobody reads: these are lost, others may be taken
