"""The same work on many disks at once, none waiting for another."""

from __future__ import annotations

import _thread
import time

from .errors import FenceError, Notice
from .record import Record
from .shortage import lacking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable
    from typing import TypeVar

    Item = TypeVar("Item")
    Result = TypeVar("Result")

_STACK_BYTES = 256 * 1024


class Unanswered(FenceError):
    """The work on this item did not end in time; it may still end later."""

    def __init__(self) -> None:
        super().__init__("no-answer-in-time", operation="read keys", answer="none")


class Patience(Record):
    """How long to wait: until this, of time.monotonic()."""

    until: float


def on_each(
    work: Callable[[Item], Result], items: list[Item], patience: Patience | None = None
) -> list[Result | FenceError]:
    """work(item) for each item, results in the items' order, a FenceError in place of a result that raised one.

    What is not done in time is Unanswered; patience None: wait for all.
    A single item is worked on right here, without a thread and however long it takes.
    """
    if not items:
        return []
    if len(items) == 1:
        try:
            return [work(items[0])]
        except FenceError as error:
            return [error]
    return _in_threads(work, items, patience)


def in_time(work: Callable[[Item], Result], item: Item, patience: Patience) -> Result | FenceError:
    """As `on_each` for a single item, which is not waited for longer either."""
    return _in_threads(work, [item], patience)[0]


def _in_threads(
    work: Callable[[Item], Result], items: list[Item], patience: Patience | None
) -> list[Result | FenceError]:
    """A thread for each item. Where the system has no more of them, those that are there do the rest.

    Where it has none, this one does all, and nobody waits for less: better than nothing done.
    """
    results: list[Result | FenceError] = [Unanswered() for _ in items]
    crashes: list[BaseException] = []
    left = list(range(len(items)))
    done = [_thread.allocate_lock() for _ in items]

    def run(until: float | None = None) -> None:
        while (until is None or time.monotonic() < until) and (position := _take(left)) is not None:
            try:
                results[position] = _outcome(work, items[position])
            except BaseException as error:  # handed to the caller, who would never see it otherwise
                crashes.append(error)
            done[position].release()

    for lock in done:
        lock.acquire()
    started = _start(run, len(items))
    if started:
        _wait(done, patience)
    else:
        run(patience.until if patience else None)
    if crashes:
        raise crashes[0]
    while (position := _take(left)) is not None:
        if 0 < started < len(items):
            fields = {"operation": "start a thread", "answer": Notice("no-thread", {}).pack()}
            results[position] = FenceError("not-begun", **fields)
    return list(results)


def _outcome(work: Callable[[Item], Result], item: Item) -> Result | FenceError:
    try:
        return work(item)
    except FenceError as error:
        return error
    except (MemoryError, OSError) as error:
        if not (lack := lacking(error)):
            raise
        return FenceError("machine-lacks", answer=lack.pack())


def _take(left: list[int]) -> int | None:
    try:
        return left.pop(0)
    except IndexError:
        return None


def _start(run: Callable[[], None], most: int) -> int:
    """Start so many threads; how many there are."""
    _thread.stack_size(_STACK_BYTES)
    started = 0
    for _ in range(most):
        try:
            _thread.start_new_thread(run, ())
            started += 1
        except (RuntimeError, MemoryError):  # there may be room for one again in a moment
            continue
    return started


def _wait(done: list[LockType], patience: Patience | None) -> None:
    if patience is None:
        for lock in done:
            lock.acquire()
        return
    for lock in done:
        lock.acquire(timeout=max(0.0, patience.until - time.monotonic()))
