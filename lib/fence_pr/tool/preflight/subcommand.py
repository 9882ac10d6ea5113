"""'preflight': can this storage be trusted? What the target says is judged, and, where that is asked for, tried."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys

from ...errors import FenceError, Notice, UsageError
from ..report import examined
from ..rights import without_rights
from .bench import Bench, Party, StepFailed
from .flight import Flight
from .keys import ScratchKeys
from .other_node import OtherNode, serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..options import Call
    from ..report import Json
    from ..terminal import Style
    from .bench import Asked

_CLOSING_SECONDS = 10.0
# Why nobody knows anything of the disk, rather than what is wrong with it.
_UNSEEN = ("not-permitted", "other-node-silent", "other-node-unreachable")
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_NODE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]*")


def be_other_end(call: Call) -> None:
    """Have the disk in hand for whoever asks on standard input."""
    from .hand import Hand

    hand = Hand(call.words[0])
    for number in _ENDING:
        signal.signal(number, _end)
    try:
        serve(hand.answer)
    finally:
        hand.end()


def _end(number: int, _frame: object) -> None:
    """What was begun is cleaned up, once."""
    for it in _ENDING:
        signal.signal(it, signal.SIG_IGN)
    sys.exit(128 + number)


def examine(call: Call) -> Json:
    """Go through the steps that the call asks for. Raises UsageError."""
    _check(call)
    keys = ScratchKeys()
    parties: list[Party] = []
    seconds = call.seconds("timeout")
    try:
        for rsh, node, disk, key in _nodes(call, keys):
            name = node or os.uname().nodename
            parties.append(Party(reach(node, rsh, disk), name, key, seconds))
            parties[-1].open()
    except FenceError as error:
        _close(parties)
        notice = Notice.unpack(error.fields["answer"]) if isinstance(error, StepFailed) else error.notice()
        problems, unseen = ([], [notice]) if notice.code in _UNSEEN else ([notice], [])
        return examined(None, problems, *without_rights([], unseen))
    run = os.urandom(8).hex()
    bench = Bench(parties[0], parties[1] if parties[1:] else None, keys, run, call.seconds("settle"))
    try:
        return Flight(call, bench).fly()
    finally:
        _close(parties)


def reach(node: str, rsh: str, disk: str) -> Asked:
    """A node's hand. Raises FenceError."""
    words = ["preflight", "--other-end", "--", disk]
    return OtherNode(node, rsh, words) if node else OtherNode(os.uname().nodename, "", words)


def _close(parties: Sequence[Party]) -> None:
    for it in reversed(parties):
        it.close(_CLOSING_SECONDS)


def _nodes(call: Call, keys: ScratchKeys) -> list[tuple[str, str, str, int]]:
    """Remote shell, name, disk and key of each node; of this one without the first two."""
    disk, other = call.words[0], call.values["with"]
    there = (call.values["rsh"], other, call.values["other_disk"] or disk, keys.other)
    return [("", "", disk, keys.own), *([there] if other else [])]


def _check(call: Call) -> None:
    node = call.values["with"]
    if node and not _NODE.fullmatch(node):
        raise UsageError("other-node-malformed", option="with", value=node)
    try:
        if not any(shlex.split(call.values["rsh"])[:1]):
            raise ValueError("nothing is left of it")
    except ValueError as error:
        raise UsageError("remote-shell-malformed", option="rsh", value=call.values["rsh"], answer=str(error)) from error
    for name in ("restart", "relogin"):
        if call.values[name] and not (call.flag("write") or node):
            raise UsageError("option-needs-write", option=name)


def write(call: Call, made: Json) -> Json:
    """Write the page that was asked for; the report, with what is wrong about that."""
    from . import page

    return page.write(call.values["html"], made)


def text(found: Json, style: Style) -> list[str]:
    """For a person."""
    from . import text

    return text.lines(found, style)
