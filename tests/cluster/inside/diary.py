"""Runs in a host: appends numbered lines to a file, one fsync a line, going on where the last node stopped."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from tests.cluster.inside.records import Record

PAUSE_SECONDS = 0.05


def main(folder: Path, file: Path) -> None:
    """Write until the process is killed."""
    folder.mkdir(exist_ok=True)
    node = os.uname().nodename
    written = file.read_text().splitlines() if file.exists() else []
    last = int(written[-1].split()[0]) if written else 0
    record = Record(first=last + 1, tried=last, acknowledged=last)
    fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def append(number: int) -> None:
        os.write(fd, f"{number} {node}\n".encode())
        os.fsync(fd)

    while True:
        record.take(append)
        record.save(folder / "record")
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
