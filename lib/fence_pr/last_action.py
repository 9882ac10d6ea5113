"""How the last 'on' and the last 'off' on this node ended: one small file each beside the state files, for metrics."""

from __future__ import annotations

import os

from . import files
from .record import Record
from .state_file import FOLDER

ACTIONS = ("on", "off")
_MOST_BYTES = 4096


class LastAction(Record):
    """How an action ended. node: whom it was about; seconds: how long it took; at: when it ended, since 1970."""

    action: str
    node: str
    ok: bool
    seconds: float
    at: float


def save(last: LastAction, folder: str = FOLDER) -> None:
    """Write it down where there is such a folder. What cannot be written is left: nothing hangs on it."""
    text = f"ok={int(last.ok)}\nseconds={last.seconds:.3f}\nat={last.at:.3f}\nnode={last.node}\n"
    if not os.path.isdir(folder):
        return
    try:
        files.write(_path(last.action, folder), text.encode("utf-8", "surrogateescape"))
    except OSError:
        return


def load(action: str, folder: str = FOLDER) -> LastAction | None:
    """What was written down; None if nothing was, or nobody can read it."""
    try:
        text = files.read(_path(action, folder), _MOST_BYTES, os.O_NOFOLLOW).decode("utf-8", "surrogateescape")
        ok, seconds, at, node = (line.partition("=")[2] for line in text.split("\n", 3))
        return LastAction(action, node.rstrip("\n"), ok == "1", float(seconds), float(at))
    except (OSError, ValueError):
        return None


def _path(action: str, folder: str) -> str:
    """No name of a state file begins so."""
    return f"{folder}/+last+{action}"
