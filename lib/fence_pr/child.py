"""The child that touches disks, and the parent that never does.

A reservation ioctl on a hung disk sleeps uninterruptibly, and a process with such a thread cannot even exit. So a
child in a session of its own, with its standard streams closed, does all the work; the parent listens on a pipe and
answers in time whatever happens. The child announces every command before it sends it: the parent can name what
hangs, and the child learns that the time is up or that nobody listens any more, and takes no further step.
"""

from __future__ import annotations

import _thread
import marshal
import os
import select
import sys
import time

from .errors import Abandoned, FenceError, Notice
from .record import Record
from .shortage import why_not_started

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_LENGTH_BYTES = 4
_SIGKILL = 9
_READ_BYTES = 65536
_MOST_SECONDS = 1e6
_MOMENT_SECONDS = 0.05
_DOZE_SECONDS = 0.005
_MANY_BYTES = 16384  # a quarter of what a pipe takes before it holds the writer up
_CLOSED = -1
# Whoever has the interpreter gives it up at each system call, and none of the work computes for long. By default every
# thread that waits for it, one a disk, wakes each 5 ms to ask for it: with many disks they do little else.
_TURN_SECONDS = 0.1
# What another process frees meanwhile is soon there.
_FORK_SECONDS, _FORK_PAUSE_SECONDS = 1.0, 0.1
_ANNOUNCED, _FINISHED, _SAID, _RESULT, _CRASHED = range(5)


STEP, COMMAND = 1, 2


class Ending(Record):
    """How the child's work ended.

    result   what the work returned; None if it did not
    crash    why, if the child failed in a way it was not made for: a traceback
    lost     why, if nothing came of it that could be understood
    pending  if time ran out: disk → the command that it had not answered; else None
    """

    result: Any = None
    crash: str = ""
    lost: Notice | None = None
    pending: dict[str, str] | None = None


class Channel:
    """The child's end of the pipe. Safe to use from several threads."""

    def __init__(self, fd: int, until: float | None) -> None:
        self._fd, self._until = fd, until
        self._lock = _thread.allocate_lock()

    def announce(self, disk: str, operation: str) -> None:
        """A command is about to be sent to a disk. Raises Abandoned if it must not be sent any more."""
        if self._until is not None and time.monotonic() >= self._until:
            raise Abandoned("too-late", disk=disk, operation=operation, answer="not sent")
        self._send(_ANNOUNCED, disk, operation)

    def finished(self, disk: str) -> None:
        """The disk has answered the command announced last."""
        self._send(_FINISHED, disk, "")

    def say(self, step: Any) -> None:
        """Something for the log, as plain values."""
        self._send(_SAID, step, "")

    def result(self, kind: int, result: Any) -> None:
        """The end of the work, and of this channel: whoever listens may wait for that alone."""
        self._send(kind, result, "")
        with self._lock:
            os.close(self._fd)
            self._fd = _CLOSED  # a thread that is late must not write to what gets this number next

    def _send(self, kind: int, first: Any, second: str) -> None:
        data = marshal.dumps((kind, first, second))
        data = len(data).to_bytes(_LENGTH_BYTES, "big") + data
        with self._lock:
            try:
                while data:
                    data = data[os.write(self._fd, data) :]
            except OSError as error:
                raise Abandoned("caller-gone") from error


def run(
    work: Callable[[Channel], Any],
    limit: float | None,
    heard: Callable[[int, Any], None],
    ready: Callable[[], None] = lambda: None,
) -> Ending:
    """Do `work` in a child and return how it ended, at most `limit` seconds from now (None: no limit).

    work    returns plain values only (what `marshal` can carry)
    heard   called with STEP or COMMAND, and what the child says or announces, until time is up
    ready   called once, before anything is heard, or if a moment passes in which the child says nothing; never if all
            that it says is the result
    Raises FenceError if there can be no child.
    """
    until = None if limit is None else time.monotonic() + limit
    child, reading = _start(work, until)
    ending = _listen(reading, until, _Listener(heard, ready, until))
    os.close(reading)
    if ending.pending is not None:
        os.kill(child, _SIGKILL)
    _reap(child)
    return ending


def _start(work: Callable[[Channel], Any], until: float | None) -> tuple[int, int]:
    """The child, and the descriptor that it is heard by. Raises FenceError."""
    fds: list[int] = []
    try:
        fds += [os.open("/dev/null", os.O_RDWR)]
        fds += os.pipe()
        null, reading, writing = fds
        child = _fork()
        if child == 0:
            os.close(reading)
            _be_child(work, Channel(writing, until), null)
    except OSError as error:
        for fd in fds:
            os.close(fd)
        raise FenceError("not-started", answer=why_not_started(error)) from error
    os.close(writing)
    os.close(null)
    return child, reading


def _fork() -> int:
    """As os.fork; where there is no room for a process just now it is tried again. Raises OSError."""
    until = time.monotonic() + _FORK_SECONDS
    while True:
        try:
            return os.fork()
        except OSError:
            if time.monotonic() > until:
                raise
        time.sleep(_FORK_PAUSE_SECONDS)


def _reap(child: int) -> None:
    """Without waiting. Where the caller ignores SIGCHLD, which is handed down, the kernel has done it already."""
    try:
        os.waitpid(child, os.WNOHANG)
    except ChildProcessError:
        return


def _be_child(work: Callable[[Channel], Any], channel: Channel, null: int) -> None:
    """Never returns."""
    try:
        sys.setswitchinterval(_TURN_SECONDS)
        os.setsid()
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        try:
            channel.result(_RESULT, work(channel))
        except Exception:
            import traceback

            channel.result(_CRASHED, traceback.format_exc())
    finally:
        # Threads that hang on a disk, and the parent's exit handlers, must not be waited for.
        os._exit(0)


class _Listener:
    """What the child has said so far. heard, ready: as of `run`; until: when time is up, on the clock."""

    def __init__(
        self, heard: Callable[[int, Any], None], ready: Callable[[], None], until: float | None = None
    ) -> None:
        self._heard, self._ready, self._is_ready, self._until = heard, ready, False, until
        self.pending: dict[str, str] = {}

    def get_ready(self) -> None:
        """Once."""
        if not self._is_ready:
            self._ready()
            self._is_ready = True

    def take(self, kind: int, first: Any, second: str) -> Ending | None:
        """One message; how the work ended, if it is the last."""
        if kind == _RESULT:
            return Ending(first)
        if kind == _CRASHED:
            return Ending(crash=first)
        self.get_ready()
        if kind == _ANNOUNCED:
            self.pending[first] = second
            self._tell(COMMAND, f"{first}: {second}")
        elif kind == _FINISHED:
            self.pending.pop(first, None)
        else:
            self._tell(STEP, first)
        return None

    def _tell(self, kind: int, said: Any) -> None:
        """A log may take its time for each message, and many may wait: the answer does not wait for them."""
        if self._until is None or time.monotonic() < self._until:
            self._heard(kind, said)


def _listen(pipe: int, until: float | None, listener: _Listener) -> Ending:
    buffer = bytearray()
    if not _wait(pipe, select.POLLIN, time.monotonic() + _MOMENT_SECONDS):
        listener.get_ready()
    while _wait(pipe, select.POLLIN, until):
        data = os.read(pipe, _READ_BYTES)
        if not data:
            return Ending(lost=Notice("child-killed", {}))
        buffer += data
        try:
            messages = _messages(buffer)
        except (EOFError, TypeError, ValueError):
            return Ending(lost=Notice("child-unintelligible", {}))
        for message in messages:
            if ending := listener.take(*message):
                return ending
        if len(data) < _MANY_BYTES:
            _doze(pipe)
    return Ending(pending=listener.pending)


def _doze(pipe: int) -> None:
    """Let the child work: to be woken by each of its messages costs both, where there are many disks, more than the
    commands do. Only the end, which closes the pipe, wakes this process at once.
    """
    _wait(pipe, 0, time.monotonic() + _DOZE_SECONDS)


def _wait(pipe: int, event: int, until: float | None) -> bool:
    """Wait for an event, or for the child's end; whether it came."""
    waiting = select.poll()  # select() knows no descriptor above 1023, and the caller may have left many open
    waiting.register(pipe, event)
    return bool(waiting.poll(_milliseconds(until)))


def _milliseconds(until: float | None) -> int | None:
    """For poll(), which takes no more than an int; what is months away is no limit."""
    left = None if until is None else max(0.0, until - time.monotonic())
    return None if left is None or left > _MOST_SECONDS else int(left * 1000) + (left > 0)


def _messages(buffer: bytearray) -> list[tuple[int, Any, str]]:
    """Take every complete message off the front of the buffer. Raises EOFError, TypeError or ValueError."""
    messages = []
    while len(buffer) >= _LENGTH_BYTES:
        end = _LENGTH_BYTES + int.from_bytes(buffer[:_LENGTH_BYTES], "big")
        if len(buffer) < end:
            break
        kind, first, second = marshal.loads(bytes(buffer[_LENGTH_BYTES:end]))
        messages.append((kind, first, second))
        del buffer[:end]
    return messages
