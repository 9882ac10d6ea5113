"""The guard's threads: one for each piece of work that may hang, but while every disk answers one of them does it all.

Threads that are woken together stand in each other's way, and of what a guard of healthy disks costs that is the most.
So one thread does one piece of work after the other. What it has not come to after a moment, because something hangs or
is slow, gets threads of its own. They were there before they were needed: then memory may be short.
"""

from __future__ import annotations

import _thread

from ..errors import FenceError, Notice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable

_STACK_BYTES = 256 * 1024


class Threads:
    """As many threads as there are workers that have not ended. start: starts one. Raises RuntimeError."""

    def __init__(self, start: Callable[[Callable[[], None], tuple[()]], int] = _thread.start_new_thread) -> None:
        self._start = start
        self._lock = _thread.allocate_lock()
        self._waiting: list[Worker] = []
        # Of each thread that has nothing to do a lock that it waits for.
        self._idle: list[LockType] = []

    def add(self) -> None:
        """One more thread. Raises FenceError if the system has none left."""
        _thread.stack_size(_STACK_BYTES)
        try:
            self._start(self._run, ())
        except (RuntimeError, MemoryError) as error:
            raise FenceError("thread-not-started", answer=Notice("no-thread", {}).pack()) from error

    def put(self, worker: Worker) -> None:
        """Let it wait until `begin`."""
        with self._lock:
            self._waiting.append(worker)

    def put_idle(self, worker: Worker, now: float) -> None:
        """Let it wait until `begin` unless it is busy, whoever else may want it just now."""
        with self._lock:
            if not worker.busy_since:
                worker.busy_since = now
                self._waiting.append(worker)

    def begin(self) -> None:
        """Let one thread do all that waits."""
        self._wake(1)

    def relieve(self) -> None:
        """A moment after `begin`: let other threads do what still waits."""
        self._wake(len(self._waiting))

    def _wake(self, most: int) -> None:
        with self._lock:
            for _ in range(min(most, len(self._waiting), len(self._idle))):
                self._idle.pop().release()

    def _run(self) -> None:
        bell = _thread.allocate_lock()
        bell.acquire()
        while True:
            with self._lock:
                worker = self._waiting.pop(0) if self._waiting else None
                if worker is None:
                    self._idle.append(bell)
            if worker is None:
                bell.acquire()
            elif worker.work_is_last():
                self.begin()  # another one does the rest
                return


class Worker:
    """Work that is done in a thread each time it is woken. `retire` is for the main thread alone, `wake` for any.

    Raises FenceError if there is no thread for it.

    busy_since   since when the work is under way or waits for a thread, of the guard's clock; 0: not
    command      what was sent to a disk and not answered yet; "" if the work is elsewhere
    failure      why the last work failed; None if it did not
    crash        a traceback, if the work failed in a way it was not made for
    """

    def __init__(self, threads: Threads, work: Callable[[], None]) -> None:
        self._threads, self._work = threads, work
        self.busy_since = 0.0
        self.command = self.crash = ""
        self.failure: Notice | None = None
        self._retired = False
        self._ended = _thread.allocate_lock()
        threads.add()

    def wake(self, now: float) -> None:
        """Let it work once the threads begin, unless it does."""
        self._threads.put_idle(self, now)

    def retire(self) -> None:
        """Let it and one thread end, as soon as what it waits for answers."""
        self._retired = True
        if not self.busy_since:
            self._threads.put(self)

    def close(self) -> None:
        """Called in the thread when the work failed and when it ends."""

    def announce(self, disk: str, operation: str) -> None:  # noqa: ARG002 - as disk.Watch has it
        """A command is sent to a disk."""
        self.command = operation

    def finished(self, disk: str) -> None:  # noqa: ARG002
        """The disk has answered."""
        self.command = ""

    def overdue(self, now: float, patience: float) -> bool:
        """Whether it has been at work for so long, and not because a disk does not answer."""
        since = self.busy_since
        return bool(since) and not self.command and now - since > patience

    def work_is_last(self) -> bool:
        """In a thread: work; whether this was the last time, for which only one thread gets True."""
        if not self._retired:
            self._do()
        # Whoever retires it looks first whether it is busy: what is not seen here will be put again.
        if not self._retired or not self._ended.acquire(blocking=False):
            return False
        self.close()
        return True

    def _do(self) -> None:
        try:
            self._work()
            self.failure = None
        except FenceError as error:
            self.failure = error.notice()
            self.close()
        except BaseException:  # the main thread ends the process then: systemd starts a new one
            import traceback

            self.crash = traceback.format_exc()
        self.busy_since = 0.0
