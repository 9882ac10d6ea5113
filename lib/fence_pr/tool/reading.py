"""A look at disks that changes nothing: who looks sends nothing but reads, writes no file, and waits for no disk for
ever.
"""

from __future__ import annotations

import time

from ..actions.this_node import ThisNode
from ..errors import Abandoned
from ..parallel import Patience, in_time, on_each
from ..storage import full_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..errors import FenceError
    from ..storage.disk import Watch

# What the classes of `storage` announce that changes nothing on a disk.
READS = frozenset({
    "open", "inquiry", "identify", "get features", "report capabilities", "read keys", "read reservation",
    "reservation report", full_status.OPERATION,
})  # fmt: skip


class ReadingOnly:
    """Passes on to another watch what only reads, and forbids everything else."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def announce(self, disk: str, operation: str) -> None:
        """Raises Abandoned for whatever is not known to change nothing."""
        if operation not in READS:
            raise Abandoned("command-forbidden", disk=disk, operation=operation, answer="not sent")
        self._watch.announce(disk, operation)

    def finished(self, disk: str) -> None:
        """The disk has answered."""
        self._watch.finished(disk)


class Reader(ThisNode):
    """This machine, as one that only looks has it. seconds: for how long it waits for disks, from now on."""

    def __init__(self, seconds: float, **folders: str) -> None:
        super().__init__(**folders)
        self._until = time.monotonic() + seconds

    def on_each(
        self, work: Callable[[Any], Any], items: list[Any], patience: Patience | None = None
    ) -> list[Any | FenceError]:
        """As `parallel.on_each`, where a single one is not waited for longer either."""
        until = self._until
        patience = patience or Patience(until)
        if len(items) == 1:
            return [in_time(work, items[0], patience)]
        return on_each(work, items, patience)

    def save(self, *_: object) -> None:
        """Nothing is written."""

    def forget(self, *_: object) -> None:
        """Nothing is removed."""

    def remember(self, *_: object) -> None:
        """Nothing is written."""

    def note_unwritten(self, *_: object, unwritten: bool) -> None:
        """Nothing is written."""

    def tell_multipathd(self, *_: object) -> None:
        """Nobody is told anything."""
