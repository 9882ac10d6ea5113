"""A stream of numbered writes, several at a time, as a node makes them that does not know it is being fenced."""

from __future__ import annotations

import threading
import time

from .blocks import BLOCK, SLOTS, block, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from .blocks import Area

    class Writable(Protocol):
        """What a stream is written to."""

        def write(self, offset: int, data: bytes) -> None:
            """Raises OSError."""


OK = "ok"
REFUSED = "EBADE"  # by a reservation: RESERVATION CONFLICT. Every other error says nothing of reservations.
WRITERS = 4
_PLACES = SLOTS // WRITERS
# After a refusal a node tries on, but not as fast as it can: what counts is whether one ever gets through again.
_PAUSE_SECONDS = 0.01


class Stream:
    """Writes block after block until it is stopped, with numbers from `first` on that only rise in each place.

    record  (number, begun, ended, "ok" or the name of the error), times of time.monotonic()
    """

    def __init__(self, disk: Writable, area: Area, run: str, first: int, seconds: float) -> None:
        """seconds: after which it ends by itself, since whoever began it may be gone."""
        self.record: list[tuple[int, float, float, str]] = []
        self._disk, self._area, self._run = disk, area, run
        self._first = first + -first % SLOTS
        self._until = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._writers = [threading.Thread(target=self._write, args=(it,), daemon=True) for it in range(WRITERS)]
        for it in self._writers:
            it.start()

    def _write(self, writer: int) -> None:
        """Each has places of its own, one after the other: what overtakes another writer's write overwrites none."""
        done = 0
        while not self._ended.is_set() and time.monotonic() < self._until:
            number = self._first + done // _PLACES * SLOTS + writer * _PLACES + done % _PLACES
            done += 1
            begun, said = time.monotonic(), OK
            try:
                self._disk.write(self._area.offset + number % SLOTS * BLOCK, block(self._run, number))
            except OSError as error:
                said = word(error)
            with self._lock:
                self.record.append((number, begun, time.monotonic(), said))
            if said != OK:
                self._ended.wait(_PAUSE_SECONDS)

    def landed(self) -> int:
        """How many writes were acknowledged so far."""
        with self._lock:
            return sum(said == OK for *_, said in self.record)

    def stop(self, seconds: float) -> int:
        """End it; how many writers have not come back from the disk within so many seconds."""
        self._ended.set()
        until = time.monotonic() + seconds
        for it in self._writers:
            it.join(max(0.0, until - time.monotonic()))
        return sum(it.is_alive() for it in self._writers)
