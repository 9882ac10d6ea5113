"""What the guard's calls cost where this runs. For Python alone, on this machine and in a guest.

python3 prices.py once [DISK]                       each again and again: microseconds, as a Python dictionary
python3 prices.py wakes SECONDS CALL TIMES [DISK]   wake up ten times a second, make one kind of call so often then:
                                                    microseconds of processor time for each time
"""

from __future__ import annotations

import _thread
import os
import sys
import time
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LIBRARY = Path(__file__).resolve().parents[2] / "lib"
WAKES_A_SECOND = 10
_ROUNDS, _ROUND_SECONDS = 20, 0.02
_MICROSECONDS = 1e6


def calls(disk: str) -> dict[str, Callable[[], object]]:
    """A system call that does next to nothing, others, and a reading of the keys of the disk, if one is named."""
    found: dict[str, Callable[[], object]] = {
        "call": os.getppid,
        "clock": time.monotonic,
        "stat": lambda: os.stat("/run"),
        "handover": handover(),
    }
    if disk:
        sys.path.insert(0, str(LIBRARY))
        from fence_pr.storage.device import resolve
        from fence_pr.storage.open import open_disk

        found["reading"] = open_disk(resolve(disk), _Nobody()).keys
    return found


def handover() -> Callable[[], None]:
    """Let another thread run, and wait until it has: two switches, as Python's locks make them."""
    there, back = _thread.allocate_lock(), _thread.allocate_lock()
    there.acquire()
    back.acquire()

    def other() -> None:
        while True:
            there.acquire()
            back.release()

    def action() -> None:
        there.release()
        back.acquire()

    _thread.start_new_thread(other, ())
    return action


def once(call: Callable[[], object]) -> float:
    """Microseconds in the fastest of many rounds: the others were held up by what else runs on the machine."""
    times, begun = 1, time.monotonic()
    while time.monotonic() < begun + _ROUND_SECONDS:
        call()
        times += 1
    rounds = []
    for _ in range(_ROUNDS):
        begun = time.monotonic()
        for _ in range(times):
            call()
        rounds.append((time.monotonic() - begun) / times)
    return min(rounds) * _MICROSECONDS


def wakes(seconds: float, call: Callable[[], object], times: int) -> float:
    """Microseconds of processor time of one time, calls included."""
    woken = int(seconds * WAKES_A_SECOND)
    begun = time.process_time()
    for _ in range(woken):
        time.sleep(1 / WAKES_A_SECOND)
        for _ in range(times):
            call()
    return (time.process_time() - begun) / woken * _MICROSECONDS


class _Nobody:
    """Who wants to know nothing of a disk's commands."""

    def announce(self, disk: str, operation: str) -> None:
        """As disk.Watch has it."""

    def finished(self, disk: str) -> None:
        """As disk.Watch has it."""


def main() -> None:
    """Measure and print."""
    what, *rest = sys.argv[1:]
    if what == "once":
        print({name: round(once(call), 2) for name, call in calls(*rest or [""]).items()})
    else:
        seconds, name, times, *disk = rest
        print(wakes(float(seconds), calls(*disk or [""])[name], int(times)))


if __name__ == "__main__":
    main()
