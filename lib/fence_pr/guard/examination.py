"""What it means that this node's key is gone from a disk, as one path tells: the other paths are its witnesses.

A healthy node must not be reset because one path leads astray, or because another program has put its own key in the
place of this node's. A fenced one must be, whatever hangs. So, in the thread of the path that tells:

1. Two complete readings over it, some time apart; in between the other paths are read, each in its own thread. Who is
   silent for WITNESS_SECONDS is no witness. A witness that lists the key: a contradiction, which proves nothing.
2. With which keys this node is registered is asked over this path; the witnesses, whose key is gone as well, ask over
   theirs. A fenced node is registered with none, over no path. Who is silent for NEXUS_SECONDS tells nothing, and then
   the readings stand; if it is this path, the main thread says so in its place.
"""

from __future__ import annotations

import time

from ..errors import FenceError, Notice, ReservationError
from .path_reader import CONTRADICTION
from .verdict import OTHERWISE, REGISTERED, examine, registered, settled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..storage.snapshot import Snapshot
    from .path_reader import PathReader
    from .threads import Threads
    from .verdict import Finding, Reading

WITNESS_SECONDS = 0.5
NEXUS_SECONDS = 0.5
_STEP_SECONDS = 0.01

# What of a snapshot tells whether anything has changed since: its registrations, and the type of its reservation.
Known = tuple[tuple[int, ...], int]


class Examiner:
    """Of one disk.

    paths          of that disk by device node; the main thread changes them
    ask            asks over a path with which keys this node is registered; raises ReservationError
    confirm_after  seconds between the two readings
    """

    def __init__(
        self,
        paths: dict[str, PathReader],
        threads: Threads,
        clock: Callable[[], float],
        ask: Callable[[PathReader, int], tuple[int, ...] | None],
        confirm_after: float,
    ) -> None:
        self._paths, self._threads, self._clock, self._ask = paths, threads, clock, ask
        self._confirm_after = confirm_after
        # The last state of the disk in which this node was registered with other keys, and these.
        self._otherwise: tuple[Known, tuple[int, ...]] | None = None

    def busy(self) -> bool:
        """Whether a path is being examined: what another one tells then counts, so it must lead to that disk."""
        return any(path.examined for path in list(self._paths.values()))

    def finding(self, path: PathReader, read: Callable[[], Reading | None]) -> Finding | None:
        """What it means, in the path's thread; None if the disk is not to be judged now.

        Raises FenceError: a contradiction, or what `read` raises.
        """
        path.examined = path.gone = True  # whoever is asked from now on confirms what disk it leads to
        begun = self._clock()
        others = self._others(path)
        try:
            found = examine(read, lambda: self._hear(others, begun))
            if not found or found.verdict == REGISTERED:
                return found
            witness = next((it for it in others if it.heard_at >= begun and it.registrations), None)
            if witness:
                raise contradiction(path, witness, found.why.fields["own_key"])
            return self._settled(path, others, begun, found) if found.suspects() else found
        finally:
            path.examined = False
            path.suspicion = None

    def refuse_contradiction(self, path: PathReader, own_key: int) -> None:
        """Raises FenceError if this path, which lists the key, contradicts one that was found not to."""
        path.gone = False
        now = self._clock()
        for it in self._others(path):
            if it.contradicts(now, WITNESS_SECONDS + self._confirm_after + NEXUS_SECONDS):
                raise contradiction(it, path, own_key)

    def overdue(self) -> Finding | None:
        """In the main thread: what holds because the path that was to find out more does not answer."""
        now = self._clock()
        for path in self._paths.values():
            if not path.suspicion:
                continue
            finding, since = path.suspicion
            back = any(it.registrations and it.heard_at > since for it in self._paths.values())
            if now - since >= NEXUS_SECONDS and not back:
                return settled(finding, None)
        return None

    def _others(self, path: PathReader) -> list[PathReader]:
        return [it for it in list(self._paths.values()) if it is not path]

    def _hear(self, others: list[PathReader], begun: float) -> None:
        """Let the others be read, and pass the time between the two readings."""
        enough = begun + self._confirm_after
        while True:
            silent = [it for it in others if not it.was_heard(begun)]
            now = self._clock()
            if now >= enough and (not silent or now >= begun + WITNESS_SECONDS):
                return
            for it in silent:
                it.wake(now)
            self._threads.relieve()
            time.sleep(_STEP_SECONDS if silent else enough - now)

    def _settled(self, path: PathReader, others: list[PathReader], begun: float, found: Finding) -> Finding:
        assert found.reading
        known = _state_of(found.reading.snapshot)
        otherwise = self._otherwise
        if otherwise and otherwise[0] == known:  # each question may cost the target a write, and raises its generation
            return settled(found, otherwise[1])
        since = self._clock()
        path.suspicion = (found, since)
        try:
            path.nexus_keys = self._ask(path, found.reading.own_key)
        except ReservationError:
            path.nexus_keys = None  # nobody tells: then the readings stand
        path.nexus_at = self._clock()
        while self._clock() < since + NEXUS_SECONDS and any(it.examined and it.nexus_at < begun for it in others):
            time.sleep(_STEP_SECONDS)
        told = [path, *(it for it in others if it.nexus_at >= begun)]
        keys = tuple(sorted({key for it in told for key in it.nexus_keys or ()}))
        found = settled(found, keys or path.nexus_keys)
        self._otherwise = (known, keys) if found.verdict == OTHERWISE else None
        return found


def _state_of(snapshot: Snapshot) -> Known:
    return tuple(sorted(snapshot.keys)), snapshot.type


def contradiction(without: PathReader, with_key: PathReader, own_key: int) -> FenceError:
    """One path to a disk lists this node's key, and the other one does not."""
    answers = [
        Notice("key-not-listed", {"own_key": own_key}).about(without.device.node).pack(),
        registered(own_key).about(with_key.device.node).pack(),
    ]
    return FenceError(CONTRADICTION, operation="read keys", answer=answers)
