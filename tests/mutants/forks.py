"""Forks of a process that has read everything already: what tests say there, in bounded time; nothing is left over."""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# What a test takes may be this much more than it took when it was measured: others use the machine, too.
SLOWER, AT_LEAST = 8, 12.0
UNMEASURED = 30.0
ADDRESS_SPACE = 6 << 30
POLL_SECONDS = 0.05


class Ended(NamedTuple):
    """passed: whether `work` returned true; test: the last that had begun; late: whether that took too long."""

    passed: bool
    test: str
    late: bool


def run(work: Callable[[int], bool], tests: Sequence[str], limits: Sequence[float]) -> Ended:
    """`work` in a fork, which writes a byte into the descriptor that it gets whenever a test begins.

    limits: seconds that each test may take.
    """
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        _be_child(work, reading, writing)
    os.close(writing)
    begun, late, last = 0, False, time.monotonic()
    while not is_gone(process) and not late:
        if select.select([reading], [], [], POLL_SECONDS)[0]:
            if came := os.read(reading, 4096):
                begun, last = begun + len(came), time.monotonic()
            else:
                time.sleep(POLL_SECONDS / 10)  # its end is near
        late = time.monotonic() - last > limits[_position(begun, tests)]
    if select.select([reading], [], [], 0)[0]:
        begun += len(os.read(reading, 4096))
    os.close(reading)
    passed = not late and os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    end_all()
    return Ended(passed, tests[_position(begun, tests)], late)


def _position(begun: int, tests: Sequence[str]) -> int:
    return min(max(0, begun - 1), len(tests) - 1)


def _be_child(work: Callable[[int], bool], reading: int, writing: int) -> None:
    """Never returns."""
    passed = False
    try:
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        null = os.open(os.devnull, os.O_RDWR)
        for number in (1, 2):
            os.dup2(null, number)
        passed = work(writing)
    finally:
        os._exit(0 if passed else 1)


def anew(command: Sequence[str], seconds: float) -> tuple[int | None, list[str]]:
    """Run a command; its exit code, None if it took too long, and what it printed."""
    answers = Path(os.environ["TMPDIR"], "answers")
    limit = time.monotonic() + seconds
    with answers.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        while not (gone := is_gone(process.pid)) and time.monotonic() < limit:
            time.sleep(POLL_SECONDS)
    code = process.wait() if gone else None
    end_all()
    return code, answers.read_text(errors="replace").splitlines()


def is_gone(process: int) -> bool:
    """Whether it has ended; others that have, and whose parent has, are no longer kept."""
    while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if ended.si_pid == process:
            return True
        os.waitpid(ended.si_pid, 0)
    return False


def end_all() -> None:
    """End every other process here. Only the first process of its own namespace may say that."""
    assert os.getpid() == 1
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        return
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def sweep() -> None:
    """Remove what tests left in the folder for temporary files."""
    for path in Path(os.environ["TMPDIR"]).iterdir():
        subprocess.run(["rm", "-rf", "--", path], check=False, stderr=subprocess.DEVNULL)
