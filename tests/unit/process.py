"""The agent as the cluster runs it: a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests import told

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parent.parent.parent
AGENT = PROJECT / "fence_pr_ioctl"
NO_HINT = ". Please use '-h' for usage\n"


class Ended(NamedTuple):
    """How the process ended."""

    code: int
    out: str
    err: str
    seconds: float


def agent(*arguments: str, stdin: bytes | int = subprocess.DEVNULL, executable: Path = AGENT, **how: Any) -> Ended:
    """Run the agent to its end. stdin: what it reads, or a descriptor; how: for subprocess."""
    how["stdin" if isinstance(stdin, int) else "input"] = stdin
    how.setdefault("stdout", subprocess.PIPE)
    how.setdefault("stderr", subprocess.PIPE)
    started = time.monotonic()
    done = subprocess.run([executable, *arguments], check=False, timeout=30, **how)
    seconds = time.monotonic() - started
    told.heard((done.stderr or b"").decode())
    return Ended(done.returncode, (done.stdout or b"").decode(), (done.stderr or b"").decode(), seconds)


def nobody() -> dict[str, Any]:
    """For subprocess: an unprivileged user, if this one may choose."""
    if os.geteuid():
        return {}
    return {"user": "nobody", "group": "nogroup", "extra_groups": []}


@contextmanager
def public_copy() -> Iterator[Path]:
    """The agent where every user can read it, whatever the permissions above the project are."""
    folder = Path(tempfile.mkdtemp(prefix="fence_pr_ioctl-"))
    try:
        folder.chmod(0o755)
        shutil.copy(AGENT, folder)
        shutil.copytree(PROJECT / "lib", folder / "lib", ignore=shutil.ignore_patterns("__pycache__"))
        yield folder / AGENT.name
    finally:
        shutil.rmtree(folder)
