"""The same work on many disks at once, none waiting for another."""

from __future__ import annotations

import time

from .errors import FenceError
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Thread
    from typing import TypeVar

    Item = TypeVar("Item")
    Result = TypeVar("Result")

_STACK_BYTES = 256 * 1024


class Unanswered(FenceError):
    """The work on this item did not end in time; it may still end later."""

    def __str__(self) -> str:
        return "no answer in time"


class Patience(Record):
    """How long to wait: for the first item until `first`, for the others until `rest`, both of time.monotonic(), but
    for these at least `grace` seconds longer than the first one took: what delayed it may have delayed them, too.
    """

    first: float
    rest: float
    grace: float = 0.0


def on_each(
    work: Callable[[Item], Result], items: list[Item], patience: Patience | None = None
) -> list[Result | FenceError]:
    """work(item) for each item, results in the items' order, a FenceError in place of a result that raised one.

    What is not done in time is Unanswered; patience None: wait for all.
    A single item is worked on right here, without a thread and however long it takes.
    """
    if len(items) <= 1:
        return [_guarded(work, item) for item in items]
    import threading

    results: list[Result | FenceError] = [Unanswered() for _ in items]
    crashes: list[BaseException] = []

    def run(position: int) -> None:
        try:
            results[position] = _guarded(work, items[position])
        except BaseException as error:  # handed to the caller, who would never see it otherwise
            crashes.append(error)

    threading.stack_size(_STACK_BYTES)
    threads = [threading.Thread(target=run, args=(position,), daemon=True) for position in range(len(items))]
    for position, thread in enumerate(threads):
        try:
            thread.start()
        except RuntimeError as error:  # the system has none left; what the others do still counts
            results[position] = FenceError(f"not begun: {error}")
    _join(threads, patience)
    if crashes:
        raise crashes[0]
    return list(results)


def _join(threads: list[Thread], patience: Patience | None) -> None:
    first, rest = threads[0], threads[1:]
    if first.ident:  # else it could not be started
        first.join(None if patience is None else max(0.0, patience.first - time.monotonic()))
    until = None if patience is None else max(patience.rest, time.monotonic() + patience.grace)
    for thread in rest:
        if thread.ident:
            thread.join(None if until is None else max(0.0, until - time.monotonic()))


def _guarded(work: Callable[[Item], Result], item: Item) -> Result | FenceError:
    try:
        return work(item)
    except FenceError as error:
        return error
