"""Commands that the host runs in a guest or in one of its nodes."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

AFTER_KILL_SECONDS = 2.0

_running: dict[str, subprocess.Popen[bytes]] = {}
_lock = threading.Lock()


def run(argv: list[str], stdin: str, env: dict[str, str], cwd: str, timeout: float, tag: str) -> dict[str, Any]:
    """Run a command in a session of its own; standard input and what it said are in base64.

    After `timeout` seconds its process group is killed and "timed_out" is true; "gone" says whether it then ended.
    `tag` is a name under which `send_signal` finds it.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": "/root", "LC_ALL": "C.UTF-8", **env},
        start_new_session=True,
    )
    with _lock:
        _running[tag] = process
    timed_out, out, err = False, b"", b""
    try:
        out, err = process.communicate(base64.b64decode(stdin), timeout)
    except subprocess.TimeoutExpired:
        timed_out = True
        out, err = _kill(process)
    finally:
        with _lock:
            del _running[tag]
    return {
        "returncode": process.returncode,
        "stdout": base64.b64encode(out).decode(),
        "stderr": base64.b64encode(err).decode(),
        "seconds": time.monotonic() - started,
        "timed_out": timed_out,
        "gone": process.returncode is not None,
    }


def send_signal(tag: str, number: int, group: bool) -> bool:
    """Send a signal to a running command, or to its whole process group; False if it has ended."""
    with _lock:
        process = _running.get(tag)
    if process is None or process.poll() is not None:
        return False
    if group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    return True


def kill_leftovers() -> list[str]:
    """Kill what commands left running in this node, and wait for its end; what it was.

    Raises TimeoutError if something hangs in the kernel.
    """
    deadline = time.monotonic() + AFTER_KILL_SECONDS
    killed: dict[int, str] = {}
    while left := _others():
        if time.monotonic() > deadline:
            raise TimeoutError(f"killed, but still there: {left}")
        killed |= left
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    return list(killed.values())


def _others() -> dict[int, str]:
    """The processes of this node but for its service: process number and command line."""
    mine = os.readlink("/proc/self/ns/mnt")
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        # A process that ends meanwhile, or has ended, has no namespace.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if os.readlink(path / "ns/mnt") == mine and int(path.name) != os.getpid():
                found[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ").strip()
    return found


def _kill(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Kill a command with its process group; what it said until then."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        return process.communicate(timeout=AFTER_KILL_SECONDS)
    except subprocess.TimeoutExpired as late:
        process.poll()
        return late.stdout or b"", late.stderr or b""
