"""Runs in a host: eight writers on each disk all the time, whose answers are kept, a report each.

Every node has blocks of its own on a disk, the same ones whenever it starts anew.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from tests.lab.inside.layout import NODES
from tests.lab.inside.load import REPORT_SECONDS, Account, Writer, save
from tests.lab.inside.transfers import BLOCK

WRITERS = 8
# From the start of a writer's write to that of its next. All of a disk begin at the same moment.
PAUSE_SECONDS = 0.2


def offset(node: str) -> int:
    """Where a node's blocks begin on every disk."""
    return 1 + NODES.index(node) << 18


def main(folder: Path, disks: list[str]) -> None:
    """Write until the process is killed."""
    folder.mkdir(exist_ok=True)
    first = offset(os.uname().nodename)
    at_work = []
    for disk in disks:
        account = Account()
        writers = [Writer(disk, first + each * BLOCK, each, PAUSE_SECONDS, account) for each in range(WRITERS)]
        at_work.append((folder / Path(disk).name, account, writers))
        for writer in writers:
            writer.start()
    while True:
        for kept, account, writers in at_work:
            account.wake()
            save(kept, account.report(writers, ended=False))
        time.sleep(REPORT_SECONDS)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
