"""One thread for all work while nothing hangs, and one for each piece of work when it does."""

from __future__ import annotations

import _thread
import threading
import time
from typing import TYPE_CHECKING

from fence_pr.errors import FenceError
from fence_pr.guard.threads import Threads, Worker
from tests import seed

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 30.0


class Job(Worker):
    """Work that says in which thread it was done, and hangs while `gate` is closed."""

    def __init__(self, threads: Threads) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.done_in: list[int] = []
        self.closed = 0
        super().__init__(threads, self._hang)

    def _hang(self) -> None:
        assert self.gate.wait(SECONDS)
        self.done_in.append(threading.get_ident())

    def close(self) -> None:
        self.closed += 1


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def wake(*jobs: Job) -> None:
    for job in jobs:
        job.wake(time.monotonic())


def test_one_thread_does_it_all_while_nothing_hangs() -> None:
    threads = Threads()
    jobs = [Job(threads) for _ in range(5)]
    until(lambda: len(threads._idle) == 5)
    for _ in range(3):
        wake(*jobs)
        threads.begin()
        until(lambda: not any(job.busy_since for job in jobs))
        assert len({job.done_in[-1] for job in jobs}) == 1
    assert [len(job.done_in) for job in jobs] == [3] * 5


def test_what_is_woken_again_before_the_threads_begin_is_done_once() -> None:
    threads = Threads()
    job = Job(threads)
    until(lambda: threads._idle)
    wake(job)
    wake(job)
    assert (job.done_in, bool(job.busy_since)) == ([], True)
    threads.begin()
    until(lambda: not job.busy_since)
    assert len(job.done_in) == 1


def test_what_hangs_hangs_alone() -> None:
    threads = Threads()
    jobs = [Job(threads) for _ in range(6)]
    hanging, others = jobs[::2], jobs[1::2]
    for job in hanging:
        job.gate.clear()
    wake(*jobs)
    threads.begin()
    threads.relieve()
    until(lambda: not any(job.busy_since for job in others))
    wake(*others)
    threads.begin()
    until(lambda: not any(job.busy_since for job in others))
    assert [len(job.done_in) for job in others] == [2, 2, 2]
    assert all(job.busy_since and not job.done_in for job in hanging)
    for job in hanging:
        job.gate.set()
    until(lambda: not any(job.busy_since for job in hanging))


def test_a_failure_is_kept_until_the_next_success_and_a_mistake_is_a_crash() -> None:
    threads, problems = Threads(), [FenceError("caller-gone"), None, KeyError("oops")]

    def work() -> None:
        problem = problems.pop(0)
        if problem:
            raise problem

    worker, seen = Worker(threads, work), []
    for _ in range(3):
        worker.wake(time.monotonic())
        threads.begin()
        until(lambda: not worker.busy_since)
        seen.append((worker.failure and worker.failure.code, "KeyError" in worker.crash))
    assert seen == [("caller-gone", False), (None, False), (None, True)]


def test_there_is_always_a_thread_for_what_does_not_hang_and_in_the_end_there_is_none() -> None:
    chance, threads, before = seed.chance("threads of the guard"), Threads(), _thread._count()
    jobs: list[Job] = []
    retired: list[Job] = []
    for _ in range(300):
        chosen = chance.choice(jobs) if jobs else None
        event = chance.choice(("new", "retire", "hang", "go on"))
        if event == "new" or chosen is None:
            jobs.append(Job(threads))
        elif event == "retire":
            jobs.remove(chosen)
            retired.append(chosen)
            chosen.retire()
        elif event == "hang":
            chosen.gate.clear()
        else:
            chosen.gate.set()
        healthy = [job for job in jobs if job.gate.is_set()]
        wake(*jobs)
        threads.begin()
        threads.relieve()
        until(lambda healthy=healthy: not any(job.busy_since for job in healthy))  # type: ignore[misc]
    for job in (*jobs, *retired):
        job.gate.set()
    for job in jobs:
        job.retire()
    threads.begin()
    until(lambda: all(job.closed == 1 for job in (*jobs, *retired)) and _thread._count() <= before)
