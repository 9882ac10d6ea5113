"""A thread that reads one path. What hangs there, hangs alone; who asks learns whether it hangs on the disk."""

from __future__ import annotations

import _thread
import time

from .errors import FenceError
from .reservation import open_disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .device import Device
    from .reservation import Disk

_STACK_BYTES = 256 * 1024


class Worker:
    """A thread that does its work each time it is woken. `wake` and `retire` are for one other thread alone.

    busy_since   since when the work is under way, of time.monotonic(); 0: it is not
    command      what was sent to a disk and not answered yet; "" if the work is elsewhere
    failure      why the last work failed; "" if it did not
    crash        a traceback, if the work failed in a way it was not made for
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self.busy_since = 0.0
        self.command = self.failure = self.crash = ""
        self._retired = False
        # Held while there is nothing to do.
        self._idle = _thread.allocate_lock()
        self._idle.acquire()
        _thread.stack_size(_STACK_BYTES)
        _thread.start_new_thread(self._run, ())

    def wake(self) -> None:
        """Let it work, unless it does."""
        if not self.busy_since:
            self.busy_since = time.monotonic()
            self._idle.release()

    def retire(self) -> None:
        """Let the thread end, as soon as what it waits for answers."""
        self._retired = True
        if self._idle.locked():
            self._idle.release()

    def close(self) -> None:
        """Called in the thread when the work failed and when it ends."""

    def announce(self, disk: str, operation: str) -> None:  # noqa: ARG002 - as reservation.Watch has it
        """A command is sent to a disk."""
        self.command = operation

    def finished(self, disk: str) -> None:  # noqa: ARG002
        """The disk has answered."""
        self.command = ""

    def overdue(self, now: float, patience: float) -> bool:
        """Whether it has been at work for so long, and not because a disk does not answer."""
        since = self.busy_since
        return bool(since) and not self.command and now - since > patience

    def _run(self) -> None:
        while True:
            self._idle.acquire()
            if self._retired:
                self.close()
                return
            try:
                self._work()
                self.failure = ""
            except FenceError as error:
                self.failure = str(error)
                self.close()
            except BaseException:  # the main thread ends the process then: systemd starts a new one
                import traceback

                self.crash = traceback.format_exc()
            self.busy_since = 0.0


class Path(Worker):
    """A path to a disk, kept open while it answers.

    answered       when something was last learned from it, of time.monotonic(); 0: never
    registrations  how often the key asked for was in it
    """

    def __init__(self, device: Device, look: Callable[[Path], None]) -> None:
        self.device = device
        self.answered = 0.0
        self.registrations = 0
        self._disk: Disk | None = None
        super().__init__(lambda: look(self))

    def count(self, key: int) -> int:
        """How often the key is registered. In the thread. Raises ReservationError."""
        self._disk = self._disk or open_disk(self.device, self)
        self.registrations = self._disk.keys().count(key)
        return self.registrations

    def close(self) -> None:
        """Let go of the device node."""
        disk, self._disk = self._disk, None
        if disk:
            disk.close()
