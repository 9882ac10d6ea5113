"""Runs a command in a node and looks at stores at the very moment of its answer, which is the first that it prints.

`python3 -m tests.lab.inside.at_answer STORE[,STORE...] OFFSET LENGTH COMMAND...`; standard input is the command's.
Prints JSON: exit status, what was said, seconds until then, and in base64 what had landed on each store (of `slow`, in
this guest).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time

from tests.lab.inside import slow


def main(stores: list[str], offset: int, length: int, command: list[str]) -> None:
    """Run it to its end."""
    # Nobody must be served between the answer and the look; what it starts is as ever.
    os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    started = time.monotonic()
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process:
            assert process.stdout
            first = os.read(process.stdout.fileno(), 4096)
            landed = [slow.landed(store, offset, length) for store in stores]
            seconds = time.monotonic() - started
            rest = process.stdout.read()
        errors.seek(0)
        said = {"stdout": (first + rest).decode(errors="replace"), "stderr": errors.read().decode(errors="replace")}
    print(json.dumps({"returncode": process.returncode, "seconds": seconds, "landed": landed, **said}))


if __name__ == "__main__":
    main(sys.argv[1].split(","), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
