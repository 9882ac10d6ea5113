"""What the agent has complained about last on this node, as Pacemaker's log has it, or else the journal."""

from __future__ import annotations

import os
import re

from ...errors import FenceError
from ..cluster import ask

LOG = "/var/log/pacemaker/pacemaker.log"
_TAIL_BYTES = 1 << 18
_MOST_LINES = 4
# A line of the log: … warning: fence_pr_ioctl[2734] stderr: [ Failed: … ]
_LINE = re.compile(r"fence_pr_ioctl[^\[ ]*\[(?P<process>\d+)\].*?Failed: (?P<said>.*?)(?: \])?\s*$")
_JOURNAL = ("--identifier=fence_pr_ioctl", "--lines=40", "--no-pager", "--output=short")


def last_complaints(seconds: float, path: str = LOG) -> list[str]:
    """The failures of the call that failed last; none if nobody can tell. Waits for at most so long."""
    return complaints(_tail(path)) or complaints(_journal(seconds))


def complaints(text: str) -> list[str]:
    """The failures of the last call of the agent in a log that has any. Pure."""
    found = [match for match in map(_LINE.search, text.splitlines()) if match]
    last = [match["said"] for match in found if match["process"] == found[-1]["process"]]
    return list(dict.fromkeys(last))[:_MOST_LINES]


def _tail(path: str) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        os.lseek(fd, max(0, os.fstat(fd).st_size - _TAIL_BYTES), os.SEEK_SET)
        return os.read(fd, _TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(fd)


def _journal(seconds: float) -> str:
    try:
        return (ask("journalctl", _JOURNAL, seconds, "status-unread") or b"").decode("utf-8", "replace")
    except FenceError:
        return ""
