"""What the guard does about a verdict: nothing twice, and a reboot before everything else."""

from __future__ import annotations

import _thread

from ..errors import Notice
from ..log import FAILURE, WARNING
from .options import GUARD
from .verdict import OTHERWISE, REBOOT, REGISTERED, STOP, UNPROTECTED, UNREADABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .machine import Machine
    from .verdict import Policy


class Reactor:
    """Knows the last verdict on each disk. Safe to use from several threads.

    say  called with a level of `log` and what is to be said
    """

    def __init__(self, policy: Policy, machine: Machine, say: Callable[[int, Notice], None]) -> None:
        self._policy, self._machine, self._say = policy, machine, say
        self._verdicts: dict[str, str] = {}
        self._problems: dict[str, Notice | None] = {}
        self._whys: dict[str, Notice] = {}
        self._stopped_for: set[str] = set()
        self._lock = _thread.allocate_lock()

    def verdict(self, identity: str) -> str:
        """The last verdict on a disk."""
        return self._verdicts.get(identity, REGISTERED)

    def found(self, identity: str, label: str, verdict: str, why: Notice) -> None:
        """React to a verdict on the disk `identity`. Where the reaction fails it is tried again at the next call."""
        if verdict == REGISTERED == self.verdict(identity):
            return
        reaction, why = self._policy.reaction(verdict), why.about(label)
        problem: Notice | None = None
        if reaction == REBOOT:
            problem = self._machine.reboot(f"{GUARD}: {_with(why, Notice('rebooting', {}))}")
        with self._lock:
            if verdict == REGISTERED:
                self._stopped_for.discard(identity)
            elif reaction == STOP:
                problem = self._stop(identity)
            news = verdict != self.verdict(identity) or problem != self._problems.get(identity)
            news = news or self._tells_more(identity, verdict, why)
            self._verdicts[identity], self._problems[identity], self._whys[identity] = verdict, problem, why
        if news:
            level = WARNING if verdict in (REGISTERED, UNREADABLE) and not problem else FAILURE
            done = problem or (Notice("pacemaker-stopping", {}) if reaction == STOP else None)
            self._say(level, _with(why, done) if done else why)

    def _tells_more(self, identity: str, verdict: str, why: Notice) -> bool:
        """Whether the same verdict has another reason that a person should know."""
        before = self._whys.get(identity)
        if verdict == UNPROTECTED:
            return before is not None and why.code != before.code
        return verdict == OTHERWISE and why != before

    def forget(self, identity: str) -> None:
        """The disk is not watched any more."""
        with self._lock:
            self._verdicts.pop(identity, None)
            self._problems.pop(identity, None)
            self._whys.pop(identity, None)
            self._stopped_for.discard(identity)

    def _stop(self, identity: str) -> Notice | None:
        """Stop Pacemaker, once for all disks."""
        problem = None if self._stopped_for else self._machine.stop_pacemaker()
        if not problem:
            self._stopped_for.add(identity)
        return problem


def _with(why: Notice, reaction: Notice) -> Notice:
    """A finding, and what is done about it."""
    return Notice(why.code, {**why.fields, "reaction": reaction.pack()})
