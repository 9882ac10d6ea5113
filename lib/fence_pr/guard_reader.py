"""Reads one path, in a thread; who asks learns whether it hangs on the disk."""

from __future__ import annotations

from .guard_threads import Threads, Worker
from .reservation import open_disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .device import Device
    from .reservation import Disk


class Path(Worker):
    """A path to a disk, kept open while it answers.

    answered       when something was last learned from it, of time.monotonic(); 0: never
    registrations  how often the key asked for was in it
    """

    def __init__(self, threads: Threads, device: Device, look: Callable[[Path], None]) -> None:
        self.device = device
        self.answered = 0.0
        self.registrations = 0
        self._disk: Disk | None = None
        super().__init__(threads, lambda: look(self))

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
