"""python3 -m tests.startup [PAIRS]: what the agent's start costs, in processor time, beside the bare interpreter's.

A `status` of a disk that is refused, once through standard input and once by arguments, each in turn with
`python3 -I -S -c pass`. Ratios of processor time hold on a busy machine, too, as far as any figure does.
"""

from __future__ import annotations

import ctypes
import os
import statistics
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
AGENT = str(PROJECT / "fence_pr_ioctl")
BARE = ["/usr/bin/python3", "-I", "-S", "-c", "pass"]
OPTIONS = {"action": "status", "plug": "n1", "devices": "/dev/null", "cluster_name": "lab"}
LINES = "".join(f"{name}={value}\n" for name, value in OPTIONS.items()).encode()
ARGUMENTS = [f"--{name.replace('_', '-')}={value}" for name, value in OPTIONS.items()]
PAIRS = 30


PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def main(pairs: int) -> None:
    """Print the medians."""
    # The agent does not wait for the process that works on the disks; what that costs counts as well.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    print(f"processor time of a start against {' '.join(BARE)}, median of {pairs} pairs")
    for way, command, text in (("standard input", [AGENT], LINES), ("arguments", [AGENT, *ARGUMENTS], b"")):
        found = [(seconds(command, text), seconds(BARE)) for _ in range(pairs)]
        ratio = statistics.median(agent / bare for agent, bare in found)
        ours, theirs = (1000 * statistics.median(column) for column in zip(*found))
        print(f"{way:16} {ratio:.2f} times ({ours:.1f} ms and {theirs:.1f} ms)")


def seconds(command: list[str], text: bytes = b"") -> float:
    """Processor time of a command and all that it starts, with this on its standard input."""
    reading, writing = os.pipe()
    os.write(writing, text)
    os.close(writing)
    process = os.fork()
    if process == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        for number, stream in enumerate((reading, null, null)):
            os.dup2(stream, number)
        os.execv(command[0], command)
    os.close(reading)
    total = 0.0
    while True:
        try:
            _, _, used = os.wait4(-1, 0)
        except ChildProcessError:
            return total
        total += used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else PAIRS)
