#!/usr/bin/python3 -ISB
"""Runs the agent under real limits, and says what it took.

    limited.py PIDS FILES HARD_FILES

PIDS: processes and threads that it may have, itself included (pids.max of a control group of its own, as a unit of
systemd has); FILES: descriptors of a process, HARD_FILES: as many it may ask for. 0: no limit. Parameters of the agent
come on standard input. Writes one line of JSON: returncode, stdout, stderr, seconds, and what it had at most: tasks
(processes and threads, by pids.peak), and files (descriptors of one process, as seen about every 5 ms).
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

AGENT = "/project/fence_pr_ioctl"
GROUPS = Path("/run/limited")
LOOK_SECONDS = 0.005


def main() -> None:
    """Do what the arguments ask for."""
    pids, files, hard_files = map(int, sys.argv[1:])
    group = _group(pids)

    def enter() -> None:
        (group / "cgroup.procs").write_text("0")
        if hard_files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard_files))

    started = time.monotonic()
    agent = subprocess.Popen(
        [AGENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=enter,  # noqa: PLW1509 - no thread runs yet
    )
    most_files = [0]
    watching = threading.Thread(target=_watch, args=(group, agent, most_files))
    watching.start()
    out, err = agent.communicate(sys.stdin.read())
    seconds = time.monotonic() - started
    watching.join()
    tasks = int((group / "pids.peak").read_text())
    said = {"returncode": agent.returncode, "stdout": out, "stderr": err, "seconds": seconds}
    print(json.dumps({**said, "tasks": tasks, "files": most_files[0]}))
    while (group / "cgroup.procs").read_text():
        time.sleep(LOOK_SECONDS)
    group.rmdir()


def _group(pids: int) -> Path:
    if not GROUPS.is_mount():
        GROUPS.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "cgroup2", "none", str(GROUPS)], check=True)
        (GROUPS / "cgroup.subtree_control").write_text("+pids")
    group = GROUPS / str(os.getpid())
    group.mkdir()
    (group / "pids.max").write_text(str(pids) if pids else "max")
    return group


def _watch(group: Path, agent: subprocess.Popen[str], most: list[int]) -> None:
    while agent.poll() is None:
        for process in (group / "cgroup.procs").read_text().split():
            try:
                most[0] = max(most[0], len(os.listdir(f"/proc/{process}/fd")))
            except OSError:  # it has ended
                continue
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
