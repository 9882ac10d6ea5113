"""One check of every disk, with an exit status: for the watchdog daemon, and for people."""

from __future__ import annotations

import time

from . import deadline, device, files, state
from .errors import FenceError
from .guard_disk import locate
from .guard_plan import FENCED, LOG, REBOOT, REGISTERED, STOP, UNPROTECTED, UNREADABLE, judge, proved
from .guard_reaction import sentence
from .guard_system import Machine
from .log import FAILURE, STEP
from .parallel import Patience, on_each
from .reservation import open_disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .deadline import Channel
    from .guard_options import Settings

    Finding = tuple[str, str, str]  # disk, verdict, why

EXIT_OK, EXIT_UNREADABLE, EXIT_REBOOT = 0, 5, 254  # 5: EIO; 254: watchdog(8), reset without an orderly shutdown
_LIMIT_SECONDS = 4.0
_PATH_SECONDS, _DISK_SECONDS = 1.0, 3.0
_ORDER = (REGISTERED, UNREADABLE, UNPROTECTED, FENCED)


def check(settings: Settings, say: Callable[[int, str], None], folder: str = state.FOLDER) -> int:
    """Check, say what is found, and react; the exit status."""
    try:
        identities = state.identities(folder)
    except OSError as error:
        identities, problem = [], f"{folder}: {error.strerror}"
        say(FAILURE, problem)
    findings = _findings(settings, identities, folder) if identities else []
    code = EXIT_OK
    for label, verdict, why in sorted(findings, key=lambda finding: _ORDER.index(finding[1])):
        say(STEP if verdict == REGISTERED else FAILURE, f"{label}: {why}")
        code = max(code, _react(settings, verdict, say))
    return code


def _react(settings: Settings, verdict: str, say: Callable[[int, str], None]) -> int:
    reaction = settings.policy.reaction(verdict)
    if verdict == UNREADABLE:
        # How long it has been so nobody knows here; the watchdog daemon has its own time for that.
        return EXIT_OK if reaction == LOG else EXIT_UNREADABLE
    if reaction == STOP:
        problem = Machine().stop_pacemaker()
        say(FAILURE, problem or "Pacemaker is being stopped")
    return EXIT_REBOOT if reaction == REBOOT else EXIT_OK


def _findings(settings: Settings, identities: list[str], folder: str) -> list[Finding]:
    """In a child: this process must end in time whatever hangs."""

    def work(channel: Channel) -> list[Finding]:
        now = time.monotonic()
        patience = Patience(now + _DISK_SECONDS, now + _DISK_SECONDS)
        outcomes = on_each(lambda identity: _finding(settings, identity, folder, channel), identities, patience)
        return [
            outcome if isinstance(outcome, tuple) else (identity, UNREADABLE, str(outcome))
            for identity, outcome in zip(identities, outcomes)
        ]

    outcome = deadline.run(work, _LIMIT_SECONDS, lambda _kind, _text: None)
    if outcome.result is not None:
        return list(outcome.result)
    why = outcome.crash.strip() or "; ".join(
        f"{disk}: no answer to {it}" for disk, it in (outcome.pending or {}).items()
    )
    return [(identity, UNREADABLE, why or "no answer in time") for identity in identities]


def _finding(settings: Settings, identity: str, folder: str, channel: Channel) -> Finding:
    """Two complete readings if the key is gone in the first. Raises FenceError."""
    label = identity
    verdicts: list[str] = []
    while True:
        try:
            registrant = state.load(identity, folder)
        except (OSError, ValueError) as error:
            raise FenceError(f"what this node registered cannot be read: {files.what_failed(error)}") from error
        if registrant is None:
            return label, REGISTERED, "its note is gone: not watched any more"
        found = locate(identity, device.SYSTEM)
        label = found.label()
        disk = open_disk(found, channel, _PATH_SECONDS)
        snapshot = disk.snapshot()
        disk.close()
        verdicts.append(judge(snapshot, registrant.key))
        if REGISTERED in verdicts or len(verdicts) == 2:
            verdict = proved(verdicts[0], verdicts[-1])
            return label, verdict, sentence(verdict, registrant.key, snapshot)
        time.sleep(settings.confirm_after)
