"""What the guard does about a verdict: nothing twice, and a reboot before everything else."""

from __future__ import annotations

import _thread

from .guard_options import GUARD
from .guard_plan import FENCED, REBOOT, REGISTERED, STOP, UNREADABLE
from .log import FAILURE, NOTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .guard_plan import Policy
    from .guard_system import Machine
    from .plan import Snapshot


def registered_sentence(own: int) -> str:
    """What is said of a disk on which all is well."""
    return f"this node is registered (key 0x{own:x})"


def sentence(verdict: str, own: int, snapshot: Snapshot) -> str:
    """A verdict in words."""
    if verdict == REGISTERED:
        return registered_sentence(own)
    gone = f"this node's key 0x{own:x} is gone"
    if verdict == FENCED:
        return f"this node was fenced: {gone} and the reservation shuts it out; {snapshot}"
    if snapshot.type:
        return f"{gone}, and a host is registered with key 0: it may be this one; run the action on; {snapshot}"
    return (
        f"{gone}, but nothing shuts anybody out: the target lost its registrations, or somebody cleared them;"
        f" stop the guards, then run the action on on every node; {snapshot}"
    )


class Reactor:
    """Knows the last verdict on each disk. Safe to use from several threads.

    say  called with a level of `log` and a sentence
    """

    def __init__(self, policy: Policy, machine: Machine, say: Callable[[int, str], None]) -> None:
        self._policy, self._machine, self._say = policy, machine, say
        self._verdicts: dict[str, str] = {}
        self._problems: dict[str, str] = {}
        self._stopped_for: set[str] = set()
        self._lock = _thread.allocate_lock()

    def verdict(self, identity: str) -> str:
        """The last verdict on a disk."""
        return self._verdicts.get(identity, REGISTERED)

    def found(self, identity: str, label: str, verdict: str, why: str) -> None:
        """React to a verdict on the disk `identity`. Where the reaction fails it is tried again at the next call."""
        if verdict == REGISTERED == self.verdict(identity):
            return
        reaction = self._policy.reaction(verdict)
        problem = self._machine.reboot(f"{GUARD}: {label}: {why}; rebooting at once") if reaction == REBOOT else ""
        with self._lock:
            if verdict == REGISTERED:
                self._stopped_for.discard(identity)
            elif reaction == STOP:
                problem = self._stop(identity)
            news = verdict != self.verdict(identity) or problem != self._problems.get(identity, "")
            self._verdicts[identity], self._problems[identity] = verdict, problem
        if news:
            level = NOTE if verdict in (REGISTERED, UNREADABLE) and not problem else FAILURE
            done = problem or ("Pacemaker is being stopped" if reaction == STOP else "")
            self._say(level, f"{label}: {why}" + (f"; {done}" if done else ""))

    def forget(self, identity: str) -> None:
        """The disk is not watched any more."""
        with self._lock:
            self._verdicts.pop(identity, None)
            self._problems.pop(identity, None)
            self._stopped_for.discard(identity)

    def _stop(self, identity: str) -> str:
        """Stop Pacemaker, once for all disks."""
        problem = "" if self._stopped_for else self._machine.stop_pacemaker()
        if not problem:
            self._stopped_for.add(identity)
        return problem
