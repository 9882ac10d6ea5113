"""Watching disks while agents work: their target is asked without end, and every host writes without end."""

from __future__ import annotations

import json
import signal
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.lab.cluster import Node, Reservation

WRITER = ["python3", "-B", "-m", "tests.migration.inside.writing"]
LIFE_SECONDS = 3600.0
OFFSETS = {"n1": 1 << 20, "n2": 2 << 20, "n3": 3 << 20}
WERO = 3


class Watched(Protocol):
    """Disks, and nodes that share them."""

    def reservations(self) -> Sequence[Reservation]:
        """The target's own view of each disk."""

    def writer(self, name: str) -> tuple[Node, Sequence[str]]:
        """A node and its names of the disks."""


@dataclass
class Seen:
    """What was seen.

    types    reservation types in force, by the target: type → how often
    keys     sets of registered keys, by the target: each with how often
    answers  host → what its writes were answered: "ok" or the name of an errno → how often
    """

    types: Counter[int] = field(default_factory=Counter)
    keys: Counter[frozenset[int]] = field(default_factory=Counter)
    answers: dict[str, Counter[str]] = field(default_factory=dict)

    def assert_always_protected(self, intruder: str) -> None:
        """A reservation was in force each time, and no write landed of the host that was never registered."""
        assert set(self.types) == {WERO}, self
        assert set(self.answers[intruder]) == {"EBADE"}, self


@contextmanager
def watching(watched: Watched, writers: Iterable[str]) -> Iterator[Seen]:
    """While it lasts, disks are watched and these nodes write to all; what was seen is complete at its end."""
    seen = Seen()
    running = {}
    for name in writers:
        node, disks = watched.writer(name)
        running[name] = node.start([*WRITER, str(OFFSETS[name]), *disks], cwd="/project", timeout=LIFE_SECONDS)
    ended = threading.Event()
    watcher = threading.Thread(target=_ask, args=(watched, seen, ended))
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()
        for writer in running.values():
            writer.signal(signal.SIGTERM)
    for name, writer in running.items():
        done = writer.wait()
        assert done.returncode == 0, done
        seen.answers[name] = sum(map(Counter, json.loads(done.stdout).values()), Counter[str]())


def _ask(watched: Watched, seen: Seen, ended: threading.Event) -> None:
    while not ended.is_set():
        for now in watched.reservations():
            seen.types[now.type] += 1
            seen.keys[frozenset(now.keys.values())] += 1
