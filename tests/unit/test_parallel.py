"""The same work on many disks at once."""

from __future__ import annotations

import _thread
import threading
import time
from typing import TYPE_CHECKING

import pytest

from fence_pr.errors import Abandoned, FenceError
from fence_pr.parallel import Patience, Unanswered, on_each

if TYPE_CHECKING:
    from collections.abc import Callable


def within(seconds: float) -> Patience:
    return Patience(time.monotonic() + seconds)


def test_results_come_in_the_order_of_the_items() -> None:
    def work(item: int) -> int:
        time.sleep(0.02 * (4 - item))
        return item * 10

    assert on_each(work, [0, 1, 2, 3]) == [0, 10, 20, 30]
    assert on_each(work, [3]) == [30]
    assert on_each(work, []) == []


def test_items_are_worked_on_at_the_same_time() -> None:
    barrier = threading.Barrier(30, timeout=5)
    assert on_each(lambda item: barrier.wait() >= 0 and item, list(range(30))) == list(range(30))


@pytest.mark.parametrize("count", [1, 3])
def test_an_error_takes_the_place_of_its_result_only(count: int) -> None:
    def work(item: int) -> int:
        if item == 0:
            raise Abandoned("caller-gone")
        return item

    results = on_each(work, list(range(count)))
    assert isinstance(results[0], Abandoned)
    assert results[1:] == list(range(1, count))


@pytest.mark.parametrize("count", [1, 3])
def test_a_crash_is_not_taken_for_an_outcome(count: int) -> None:
    def work(item: int) -> int:
        return 1 // item

    with pytest.raises(ZeroDivisionError):
        on_each(work, list(range(count)))


@pytest.mark.promise(6)
def test_what_is_not_done_in_time_is_unanswered_and_the_rest_is_there() -> None:
    release = threading.Event()

    def work(item: int) -> int:
        if item == 1:
            release.wait(10)
        return item

    started = time.monotonic()
    results = on_each(work, [0, 1, 2], within(0.2))
    took = time.monotonic() - started
    release.set()
    assert 0.2 <= took < 5
    assert (results[0], results[2]) == (0, 2)
    assert isinstance(results[1], Unanswered)
    assert isinstance(results[1], FenceError)
    assert str(results[1]).startswith("no answer in time; ")


@pytest.mark.promise(6)
def test_an_answer_that_comes_too_late_does_not_change_what_was_returned() -> None:
    release, done = threading.Event(), threading.Event()

    def work(item: int) -> int:
        if item == 1:
            release.wait(10)
            done.set()
        return item

    results = on_each(work, [0, 1], within(0.5))
    release.set()
    assert done.wait(5)
    time.sleep(0.02)
    assert isinstance(results[1], Unanswered)


def test_a_limit_for_all_is_not_a_limit_for_each() -> None:
    release = threading.Event()
    started = time.monotonic()
    results = on_each(lambda _: release.wait(10), list(range(6)), within(0.5))
    took = time.monotonic() - started
    release.set()
    assert took < 2.5
    assert all(isinstance(result, Unanswered) for result in results)


class FewThreads:
    """A system that has so many threads, and no more."""

    def __init__(self, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left, self._start = most, _thread.start_new_thread
        monkeypatch.setattr(_thread, "start_new_thread", self.start)

    def start(self, run: Callable[[], None], arguments: tuple[()]) -> int:
        if not self.left:
            raise RuntimeError("can't start new thread")
        self.left -= 1
        return self._start(run, arguments)


@pytest.mark.promise(6)
@pytest.mark.parametrize("patience", [10.0, None])
def test_where_the_system_has_few_threads_these_do_all(monkeypatch: pytest.MonkeyPatch, patience: float | None) -> None:
    FewThreads(3, monkeypatch)
    work = list(range(100))
    assert on_each(lambda item: item, work, within(patience) if patience else None) == work


@pytest.mark.promise(5, 6)
def test_where_the_few_threads_hang_the_rest_was_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    FewThreads(2, monkeypatch)
    release, begun = threading.Event(), []

    def work(item: int) -> int:
        begun.append(item)
        release.wait(10)
        return item

    results = on_each(work, list(range(5)), within(0.2))
    release.set()
    time.sleep(0.05)
    assert begun == [0, 1], "nor is it begun later"
    assert [isinstance(it, Unanswered) for it in results] == [True, True, False, False, False]
    assert all(str(it).startswith("not begun: no more threads can be started, or") for it in results[2:])
