"""Runs in a node: a program that may have only so many processes and threads, and what it used.

`python3 -m tests.lab.inside.limited MOST REPORT PROGRAM [ARGUMENT ...]`: PROGRAM in a control group of its own, which
may have MOST tasks (0: any number). REPORT is a JSON file: `tasks`, the most that there were at once, and `files`, the
most that one process had open; both as seen every few milliseconds. Ends with the program's exit code.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path

from tests.lab.inside import system

CGROUPS = Path("/run/cgroup")
CONTROLLER = "pids"
PAUSE_SECONDS = 0.005
END_SECONDS = 10.0


def main(most: int, report: Path, program: list[str]) -> int:
    """Run it to its end, and that of its children."""
    group = _make_group(most)
    process = os.fork()
    if process == 0:
        (group / "cgroup.procs").write_text("0")
        os.execv(program[0], program)
    tasks = files = 0
    code, until = None, 0.0
    while True:
        members = (group / "cgroup.threads").read_text().split()
        tasks = max(tasks, len(members))
        files = max([files, *map(_open_files, (group / "cgroup.procs").read_text().split())])
        if code is None and os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            code, until = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), time.monotonic() + END_SECONDS
        if code is not None and (not members or time.monotonic() > until):
            break
        time.sleep(PAUSE_SECONDS)
    report.write_text(json.dumps({"tasks": tasks, "files": files}))
    group.rmdir()
    return code


def _make_group(most: int) -> Path:
    if not os.path.ismount(CGROUPS):
        system.mount("cgroup2", CGROUPS)
    (CGROUPS / "cgroup.subtree_control").write_text(f"+{CONTROLLER}")
    group = CGROUPS / f"limited-{os.getpid()}"
    group.mkdir()
    (group / "pids.max").write_text(str(most or "max"))
    return group


def _open_files(process: str) -> int:
    with contextlib.suppress(OSError):  # it has just ended
        return len(os.listdir(f"/proc/{process}/fd"))
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
