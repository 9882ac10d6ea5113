"""The same work on many disks at once."""

from __future__ import annotations

import threading
import time

import pytest

from fence_pr.errors import Abandoned, FenceError
from fence_pr.parallel import Patience, Unanswered, on_each


def within(seconds: float) -> Patience:
    return Patience(time.monotonic() + seconds, time.monotonic() + seconds)


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
            raise Abandoned("why")
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
    assert str(results[1]) == "no answer in time"


@pytest.mark.promise(6)
def test_an_answer_that_comes_too_late_does_not_change_what_was_returned() -> None:
    release, done = threading.Event(), threading.Event()

    def work(item: int) -> int:
        if item == 1:
            release.wait(10)
            done.set()
        return item

    results = on_each(work, [0, 1], within(0.05))
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


@pytest.mark.promise(6)
def test_the_first_may_take_longer_than_the_rest_and_then_the_rest_may_take_a_moment_longer_than_it() -> None:
    """Both use the path that has just died, and go on over the other one at almost the same moment."""
    first_done = threading.Event()
    release = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            time.sleep(0.3)
            first_done.set()
        elif item == 1:
            first_done.wait(10)
            time.sleep(0.05)
        else:
            release.wait(10)
        return item

    now = time.monotonic()
    results = on_each(work, [0, 1, 2], Patience(now + 10, now + 0.1, 1.0))
    took = time.monotonic() - now
    release.set()
    assert results[:2] == [0, 1]
    assert isinstance(results[2], Unanswered)
    assert 1.2 < took < 6


def test_the_rest_is_not_given_up_while_the_first_could_still_answer() -> None:
    started, release = time.monotonic(), threading.Event()
    results = on_each(lambda item: release.wait(0.2 if item else 0.4) or item, [0, 1], Patience(started + 5, started))
    assert results == [0, 1]
