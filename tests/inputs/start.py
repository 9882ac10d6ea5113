"""The agent started in hostile surroundings: environment, folder, descriptors, limits, signals, mounts."""

from __future__ import annotations

import functools
import os
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.unit.process import AGENT, Ended

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

LIMIT_SECONDS = 60
NO_NAMESPACE = 99


@dataclass(frozen=True)
class How:
    """How to start it.

    before   runs in the new process; what it opens stays open with keep_open
    mounts   shell commands in a mount namespace of its own; $DIR is a folder for them to use
    options  more options for every call
    """

    env: Mapping[str, str] | Mapping[bytes, bytes] | None = None
    cwd: str | Path | None = None
    before: Callable[[], object] | None = None
    keep_open: bool = False
    mounts: str = ""
    options: dict[str, str] = field(default_factory=dict)
    stdout: Callable[[], int] | None = None
    user: dict[str, Any] = field(default_factory=dict)
    executable: Path = AGENT
    by_arguments: bool = False


def agent(call: Mapping[str, str], how: How, folder: Path) -> Ended:
    """Run the agent with these options to its end."""
    given = {**call, **how.options}
    arguments = [f"--{name}={value}" for name, value in given.items()] if how.by_arguments else []
    text = "" if how.by_arguments else "".join(f"{name}={value}\n" for name, value in given.items())
    command = [*(_in_namespace(how.mounts, folder) if how.mounts else []), str(how.executable), *arguments]
    output = how.stdout() if how.stdout else subprocess.PIPE
    started = time.monotonic()
    try:
        done = subprocess.run(
            command, check=False, timeout=LIMIT_SECONDS, input=text.encode(), stdout=output, stderr=subprocess.PIPE,
            env=how.env, cwd=how.cwd, preexec_fn=how.before,
            close_fds=not how.keep_open, **how.user,
        )  # fmt: skip
    finally:
        if output >= 0:
            os.close(output)
    if done.returncode == NO_NAMESPACE:
        raise RuntimeError(f"the surroundings could not be made: {done.stderr.decode()}")
    out, err = (stream.decode(errors="surrogateescape") for stream in (done.stdout or b"", done.stderr))
    return Ended(done.returncode, out, err, time.monotonic() - started)


def _in_namespace(mounts: str, folder: Path) -> list[str]:
    script = f"DIR=$0; set -e; trap 'exit {NO_NAMESPACE}' EXIT; {mounts}; trap - EXIT; exec $IN \"$@\""
    return [*_UNSHARE, "sh", "-c", script, str(folder)]


_UNSHARE = ["unshare", "--mount", "--propagation", "private", *(["--map-root-user"] if os.geteuid() else [])]


@functools.lru_cache
def no_namespaces() -> str:
    """Why there is no mount namespace of one's own to be had, "" if there is."""
    try:
        done = subprocess.run([*_UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"], check=False, capture_output=True)
    except FileNotFoundError:
        return "there is no unshare (package util-linux)"
    return f"this user gets no mount namespace: {done.stderr.decode().strip()}" if done.returncode else ""
