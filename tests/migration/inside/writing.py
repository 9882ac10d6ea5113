"""Runs in a host: writes to disks in turn as often as it can until SIGTERM, then prints what they answered.

`python3 -m tests.migration.inside.writing OFFSET DISK...`; the answers are JSON, disk → answer → how often.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections import Counter

from tests.lab.inside import transfers

FILL = 0x77


def main(offset: int, disks: list[str]) -> None:
    """Write until the signal comes."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    answers = {disk: Counter[str]() for disk in disks}
    while not ended.is_set():
        for disk in disks:
            answers[disk][transfers.write(disk, FILL, offset)] += 1
    print(json.dumps(answers))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
