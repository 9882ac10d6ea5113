"""What a pre-flight tries only where the operator does his part: a new login, and a restart of the target."""

from __future__ import annotations

import subprocess
import time

from ...errors import FenceError
from ...storage.snapshot import TYPE_NAMES
from .bench import Outcome, failed, passed, skipped, warned
from .hand import DONE
from .stream import OK, REFUSED
from .write import told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .bench import Bench, Party

# A target that comes back is found by the initiator within its replacement time, two minutes by default.
_BACK_SECONDS = 150.0
_PAUSE_SECONDS = 0.5


def relogin(command: str) -> Callable[[Bench], Outcome]:
    """The step in which the operator's command makes this node's connection anew."""

    def step(bench: Bench) -> Outcome:
        one = bench.one
        if ended := _held_through(bench, command, [one]):
            return ended
        # Not by its writes alone: LIO lets those of the same initiator's new session through.
        answer, _ = bench.write(one)
        is_own = one.ask("register", old=one.key, key=one.key)["outcome"] == DONE
        if is_own and answer == OK:
            return passed("session-keeps-its-key")
        return warned("session-is-another", answer=answer)

    return step


def restart(command: str) -> Callable[[Bench], Outcome]:
    """The step in which the operator's command restarts the target, as a power loss would."""

    def step(bench: Bench) -> Outcome:
        one, kind = bench.one, bench.usual_type()
        if ended := _held_through(bench, command, bench.parties()):
            return ended
        answer, _ = bench.write(one)
        if answer != OK:
            return warned("session-is-another", answer=answer)
        answer = bench.write(bench.other)[0] if bench.other else REFUSED
        if bench.other and answer != REFUSED:
            code = "write-let-through" if answer == OK else "refused-otherwise"
            return failed(code, writer=bench.other.name, type=TYPE_NAMES[kind], answer=answer)
        return passed("registrations-outlive-a-restart", type=TYPE_NAMES[kind])

    return step


def _held_through(bench: Bench, command: str, parties: Iterable[Party]) -> Outcome | None:
    """Register and reserve, have the command do its part, and see that both still stand; what the step came to if not.

    parties: those whose disk comes back anew
    """
    one, kind = bench.one, bench.usual_type()
    if not one.found["identity"]:
        return skipped("identity-needed")
    one.register()
    one.must("reserve", key=one.key, kind=kind)
    if ended := _run(command):
        return failed("operators-command-failed", command=command, answer=ended)
    for party in parties:
        _come_back(party)
    said = one.must("read")
    if one.key not in said["keys"] or said["type"] != kind:
        return failed("registrations-forgotten", key=one.key, answer=told(said))
    return None


def _run(command: str) -> str:
    """How it ended, "" if well. It may ask the operator on the terminal, and takes the time that it takes."""
    done = subprocess.run(["/bin/sh", "-c", command], check=False, stdout=2)
    return f"it ended with {done.returncode}" if done.returncode else ""


def _come_back(party: Party) -> None:
    """Open the disk again. Raises FenceError if it does not come back."""
    until = time.monotonic() + _BACK_SECONDS
    while True:
        try:
            party.open()
        except FenceError as error:
            if time.monotonic() > until or error.code.startswith("other-node"):
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return
