"""Runs in a host: writes to disks all the time, each by a thread, and keeps what they answer, a record each.

A block holds a number that grows by one a write, and the node. Every node has a block of its own on a disk.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import threading
import time
from pathlib import Path

from tests.cluster.inside.records import Record

BLOCK = 4096
FIRST_BLOCK = 64
NUMBER = struct.Struct("<Q")
PAUSE_SECONDS = 0.05


def block(node: str) -> int:
    """The number of a node's block on every disk."""
    return FIRST_BLOCK + int(node[1:])


def main(folder: Path, disks: list[str]) -> None:
    """Write until the process is killed."""
    folder.mkdir(exist_ok=True)
    for disk in disks:
        threading.Thread(target=_write, args=(disk, folder / Path(disk).name)).start()


def _write(disk: str, kept: Path) -> None:
    node = os.uname().nodename
    record = Record()
    while True:
        record.take(lambda number: _write_block(disk, block(node), NUMBER.pack(number) + node.encode()))
        record.save(kept)
        time.sleep(PAUSE_SECONDS)


def _write_block(disk: str, where: int, data: bytes) -> None:
    fd = os.open(disk, os.O_WRONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, BLOCK) as aligned:
            aligned[: len(data)] = data
            os.pwritev(fd, [aligned], where * BLOCK)
    finally:
        os.close(fd)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
