"""One check of every disk, with an exit status: for the watchdog daemon, and for people."""

from __future__ import annotations

import os
import time

from .. import child, files, state_file
from ..errors import FenceError, Notice, NotPermitted
from ..log import FAILURE, STEP
from ..parallel import Patience, in_time, on_each
from ..storage import device
from ..storage.open import open_disk
from .attached import locate
from .loss import Loss
from .machine import Machine
from .options import TEST
from .verdict import (
    FENCED,
    LOG,
    OTHERWISE,
    REBOOT,
    REGISTERED,
    STOP,
    UNPROTECTED,
    UNREADABLE,
    Reading,
    examine,
    settled,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..child import Channel
    from .options import Settings
    from .verdict import Finding

    Found = tuple[str, str, dict[str, Any]]  # disk, verdict, why; plain values, which can pass from child to parent

EXIT_OK, EXIT_UNREADABLE, EXIT_REFUSED = 0, 5, 13  # EIO and EACCES: the watchdog daemon says what these mean
EXIT_REBOOT = 254  # watchdog(8): reset without an orderly shutdown
# This process may not ask: nothing that it is told to do about disks that cannot be read makes that well.
_REFUSED = "refused"
_LIMIT_SECONDS = 4.0
_PATH_SECONDS, _NEXUS_SECONDS, _DISK_SECONDS = 1.0, 0.5, 3.0
_ORDER = (REGISTERED, UNREADABLE, _REFUSED, UNPROTECTED, OTHERWISE, FENCED)


def check(settings: Settings, say: Callable[[int, Notice], None], folder: str = state_file.FOLDER) -> int:
    """Check, say what is found, and react; the exit status."""
    code = EXIT_OK
    try:
        identities = state_file.identities(folder)
    except OSError as error:
        identities = []
        say(FAILURE, Notice("not-watched", {"disk": folder, "answer": error.strerror}))
        code = _react(settings, _REFUSED if isinstance(error, PermissionError) else UNREADABLE, say)
    findings = _findings(settings, identities, folder) if identities else []
    for label, verdict, why in sorted(findings, key=lambda found: _ORDER.index(found[1])):
        say(STEP if verdict == REGISTERED else FAILURE, Notice.unpack(why).about(label))
        code = max(code, _react(settings, verdict, say))
    return code


def _react(settings: Settings, verdict: str, say: Callable[[int, Notice], None]) -> int:
    if verdict == _REFUSED:
        return EXIT_REFUSED
    reaction = settings.policy.reaction(verdict)
    if verdict == UNREADABLE:
        # How long it has been so nobody knows here; the watchdog daemon has its own time for that, and resets.
        return EXIT_OK if reaction == LOG and settings.mode == TEST else EXIT_UNREADABLE
    if reaction == STOP:
        problem = Machine().stop_pacemaker()
        say(FAILURE, problem or Notice("pacemaker-stopping", {}))
    return EXIT_REBOOT if reaction == REBOOT else EXIT_OK


def _findings(settings: Settings, identities: list[str], folder: str) -> list[Found]:
    """In a child: this process must end in time whatever hangs."""

    def work(channel: Channel) -> list[Found]:
        now = time.monotonic()
        patience = Patience(now + _DISK_SECONDS)
        outcomes = on_each(lambda identity: _finding(settings, identity, folder, channel), identities, patience)
        return [
            outcome if isinstance(outcome, tuple) else (identity, _unread(outcome), outcome.notice().pack())
            for identity, outcome in zip(identities, outcomes)
        ]

    try:
        ending = child.run(work, _LIMIT_SECONDS, lambda _kind, _text: None)
    except FenceError as error:
        return [(identity, UNREADABLE, error.notice().pack()) for identity in identities]
    if ending.result is not None:
        return list(ending.result)
    return [(identity, UNREADABLE, _why_unfinished(ending).pack()) for identity in identities]


def _unread(error: FenceError) -> str:
    """The verdict on a disk whose reading ended so: could it not be read, or may this process not ask?"""
    if isinstance(error, NotPermitted) or not os.access(f"{device.SYSTEM.sysfs}/class/block", os.R_OK | os.X_OK):
        return _REFUSED
    cause: BaseException | None = error
    while cause and not isinstance(cause, PermissionError):
        cause = cause.__cause__
    return _REFUSED if cause else UNREADABLE


def _why_unfinished(ending: child.Ending) -> Notice:
    if ending.lost or ending.crash:
        return Notice("internal-error", {"answer": ending.lost.pack() if ending.lost else ending.crash.strip()})
    silent = [Notice("no-answer", {"disk": disk, "operation": it}) for disk, it in (ending.pending or {}).items()]
    return Notice("no-answer-in-time", {"after": [it.pack() for it in silent]})


def _finding(settings: Settings, identity: str, folder: str, channel: Channel) -> Found:
    """Raises FenceError."""
    label = identity

    def read() -> Reading | None:
        nonlocal label
        try:
            noted = state_file.load(identity, folder)
        except (OSError, ValueError) as error:
            raise FenceError("state-file-unreadable", answer=files.what_failed(error)) from error
        if noted is None:
            return None
        found = locate(identity)
        label = found.label()
        until = time.monotonic() + _PATH_SECONDS
        disk = open_disk(found, channel, Patience(until))
        snapshot = disk.snapshot()
        disk.close()
        return Reading(noted.key, snapshot)

    # What cannot be noted is told by the next check: the verdict of now does not depend on it.
    loss = Loss(identity, folder, lambda _warning: None)
    lost = loss.stands()
    finding = examine(read, lambda: time.sleep(settings.confirm_after))
    if finding is None:
        return label, REGISTERED, Notice("watch-ended", {"folder": folder}).pack()
    if finding.suspects():
        finding = settled(finding, _nexus_keys(identity, finding, channel))
    finding = loss.explained(finding, before=lost)
    return label, finding.verdict, finding.why.pack()


def _nexus_keys(identity: str, finding: Finding, channel: Channel) -> tuple[int, ...] | None:
    """With which keys this node is registered; None if nobody tells, or nobody answers in time."""
    assert finding.reading
    own_key, now = finding.reading.own_key, time.monotonic()
    until, until_open = now + _NEXUS_SECONDS, now + _NEXUS_SECONDS / 3

    def ask(identity: str) -> tuple[int, ...] | None:
        disk = open_disk(locate(identity), channel, Patience(until_open))
        keys = disk.nexus_keys(own_key)
        disk.close()
        return keys

    outcome = in_time(ask, identity, Patience(until))
    return None if isinstance(outcome, FenceError) else outcome
