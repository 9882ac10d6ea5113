"""Runs in a node: keeps direct writes in flight on a disk and keeps account of every answer.

`python3 -m tests.lab.inside.load DISK OFFSET REPORT WRITERS RATE SECONDS`: so many writers, each with a block of its
own from OFFSET on. RATE: writes a second that all make at most together (0: as many as they can). Ends after SECONDS,
or at SIGTERM, also if writes hang then. REPORT is a JSON file, always whole, that is written anew all the time.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import signal
import struct
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.lab.inside.transfers import BLOCK

REPORT_SECONDS = 0.2
# For writes that are in flight when it is told to end.
GRACE_SECONDS = 3.0
# A node that was shut out tries on, but must not fill the kernel's log.
AFTER_ERROR_SECONDS = 0.5
# A block is filled with these: a mark, the node's name, the writer's number, the number of the write.
STAMP = struct.Struct("=4s12sIIQ")
MARK = b"load"


@dataclass
class Block:
    """One writer's block.

    tried, acknowledged    number of its last write, and of the last one that succeeded (0: none)
    answer                 of its last write that came back: "ok", or the name of an errno
    since                  seconds that the write in flight has taken so far; none is in flight: 0
    """

    offset: int
    tried: int = 0
    acknowledged: int = 0
    answer: str = ""
    since: float = 0.0


@dataclass
class Report:
    """What became of all writes.

    ended      whether it runs no longer; blocks with `since` are then of writes that hang
    ok, errors how many writes succeeded, and name of an errno → how many failed so
    longest    seconds that a write took, or has taken so far, since the account began
    silent     the longest time without a write that succeeded, since then
    paused     the longest time, since then, in which this program should have run and did not: a busy machine's fault
    """

    ended: bool = False
    seconds: float = 0.0
    ok: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    longest: float = 0.0
    silent: float = 0.0
    paused: float = 0.0
    blocks: list[Block] = field(default_factory=list)

    @classmethod
    def read(cls, text: str) -> Report:
        """What a generator has written; nothing yet: an empty one."""
        said = json.loads(text) if text else {}
        return cls(**{**said, "blocks": [Block(**block) for block in said.get("blocks", ())]})


def stamp(node: str, writer: int, number: int) -> bytes:
    """The content of a block."""
    return STAMP.pack(MARK, node.encode(), writer, 0, number) * (BLOCK // STAMP.size)


def number_in(block: bytes) -> int:
    """The number of the write that a block is from, 0 if it is from none; raises ValueError if it is from several."""
    if len({block[start : start + STAMP.size] for start in range(0, len(block), STAMP.size)}) != 1:
        raise ValueError("a block of two writes")
    mark, _, _, _, number = STAMP.unpack_from(block)
    return int(number) if mark == MARK else 0


class Account:
    """Of all writers of a disk."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._answers: Counter[str] = Counter()
        self.begin()

    def begin(self) -> None:
        """From now on it counts how long writes take: while all others start, too, they wait for the processor."""
        with self._lock:
            self._begun = self._last_ok = self._seen = time.monotonic()
            self._longest = self._silent = self._paused = 0.0

    def wake(self) -> None:
        """To be called every REPORT_SECONDS."""
        now = time.monotonic()
        with self._lock:
            self._paused = max(self._paused, now - self._seen - REPORT_SECONDS)
            self._seen = now

    def note(self, began: float, answer: str) -> None:
        """A write that began then has come back now."""
        now = time.monotonic()
        with self._lock:
            self._answers[answer] += 1
            self._longest = max(self._longest, now - max(began, self._begun))
            if answer == "ok":
                self._silent = max(self._silent, now - self._last_ok)
                self._last_ok = now

    def report(self, writers: list[Writer], ended: bool) -> Report:
        """As it is now."""
        now = time.monotonic()
        blocks = [writer.block(now) for writer in writers]
        with self._lock:
            return Report(
                ended=ended,
                seconds=now - self._started,
                ok=self._answers["ok"],
                errors={name: count for name, count in self._answers.items() if name != "ok"},
                longest=max([self._longest, *(min(block.since, now - self._begun) for block in blocks)]),
                silent=max(self._silent, now - self._last_ok),
                paused=self._paused,
                blocks=blocks,
            )


class Writer(threading.Thread):
    """Writes to one block, one write after the other."""

    def __init__(self, disk: str, offset: int, number: int, pause: float, account: Account) -> None:
        """pause: seconds from the start of a write to that of the next, at least."""
        super().__init__(daemon=True)
        self._disk, self._pause, self._account, self._number = disk, pause, account, number
        self._block = Block(offset)
        self._began = 0.0
        self.ended = threading.Event()

    def block(self, now: float) -> Block:
        """As it is now."""
        began = self._began
        return Block(**{**vars(self._block), "since": now - began if began else 0.0})

    def run(self) -> None:
        """Until `ended` is set."""
        node = os.uname().nodename
        # Greater than what an earlier run has left in the block.
        first = time.time_ns() // 1000
        fd = os.open(self._disk, os.O_WRONLY | os.O_DIRECT)
        with mmap.mmap(-1, BLOCK) as aligned:
            while not self.ended.is_set():
                tried = max(first, self._block.tried + 1)
                aligned[:] = stamp(node, self._number, tried)
                began = time.monotonic()
                self._write(fd, aligned, began, tried)
                pause = self._pause if self._block.answer == "ok" else max(self._pause, AFTER_ERROR_SECONDS)
                rest = began + pause - time.monotonic()
                if rest > 0:
                    self.ended.wait(rest)
        os.close(fd)

    def _write(self, fd: int, data: mmap.mmap, began: float, number: int) -> None:
        self._block.tried, self._began = number, began
        answer = "ok"
        try:
            os.pwritev(fd, [data], self._block.offset)
        except OSError as error:
            answer = errno.errorcode.get(error.errno or 0, str(error))
        self._began = 0.0
        self._block.answer = answer
        if answer == "ok":
            self._block.acknowledged = number
        self._account.note(began, answer)


def main(disk: str, offset: int, report: Path, writers: int, rate: float, seconds: float) -> None:
    """Write until it is time to end."""
    # Taken by asking for it: a handler could run while this thread holds the very lock that it needs.
    signals = {signal.SIGTERM, signal.SIGUSR1}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    account = Account()
    pause = writers / rate if rate else 0.0
    all_writers = [Writer(disk, offset + number * BLOCK, number, pause, account) for number in range(writers)]
    for writer in all_writers:
        writer.start()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        told = signal.sigtimedwait(signals, REPORT_SECONDS)
        if told and told.si_signo == signal.SIGTERM:
            break
        account.wake()
        if told:
            account.begin()
        save(report, account.report(all_writers, ended=False))
    for writer in all_writers:
        writer.ended.set()
    until = time.monotonic() + GRACE_SECONDS
    for writer in all_writers:
        writer.join(max(0.0, until - time.monotonic()))
    save(report, account.report(all_writers, ended=True))
    # Not by returning, which would wait for writes that hang.
    os._exit(0)


def save(path: Path, report: Report) -> None:
    """Put it where the host finds it."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(asdict(report)))
    new.rename(path)


if __name__ == "__main__":
    name, where, file, *numbers = sys.argv[1:]
    main(name, int(where), Path(file), int(numbers[0]), float(numbers[1]), float(numbers[2]))
