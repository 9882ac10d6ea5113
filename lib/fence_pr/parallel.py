"""The same work on many disks at once, none waiting for another."""

from __future__ import annotations

import time

from .errors import FenceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Item = TypeVar("Item")
    Result = TypeVar("Result")

_STACK_BYTES = 256 * 1024


class Unanswered(FenceError):
    """The work on this item did not end in time; it may still end later."""

    def __str__(self) -> str:
        return "no answer in time"


def on_each(work: Callable[[Item], Result], items: list[Item], until: float | None = None) -> list[Result | FenceError]:
    """work(item) for each item, results in the items' order, a FenceError in place of a result that raised one.

    until: time.monotonic() at which to stop waiting; what is not done by then is Unanswered. None: wait for all.
    A single item is worked on right here, without a thread and without `until`.
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
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(None if until is None else max(0.0, until - time.monotonic()))
    if crashes:
        raise crashes[0]
    return list(results)


def _guarded(work: Callable[[Item], Result], item: Item) -> Result | FenceError:
    try:
        return work(item)
    except FenceError as error:
        return error
