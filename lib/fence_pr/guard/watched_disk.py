"""One disk that the guard watches: its paths, and what they say."""

from __future__ import annotations

import time

from .. import files, state_file
from ..errors import FenceError, Notice
from ..log import FAILURE, STEP, WARNING
from ..record import Record
from .attached import Attached, ways
from .examination import Examiner
from .loss import Loss
from .own_nexus import OwnNexus
from .path_reader import CONTRADICTION, PathReader
from .returned_paths import ReturnedPaths
from .verdict import (
    FENCED,
    REGISTERED,
    UNREADABLE,
    Reading,
    Silence,
    View,
    registered,
    unregistered_paths,
    whom_to_ask,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable

    from ..storage.device import Device
    from ..storage.disk import Watch
    from .options import Settings
    from .reaction import Reactor
    from .returned_paths import Findings
    from .threads import Threads, Worker
    from .verdict import Finding


# It costs some commands each time, and resets nobody: every so many times that all paths are asked.
_NEXUS_ROUNDS = 6


class Surroundings(Record):
    """What all disks share.

    registering  held by whoever sends a REGISTER that must be taken back if it came late
    clock        seconds that only go on, of a start that does not matter
    """

    settings: Settings
    reactor: Reactor
    say: Callable[[int, Notice], None]
    registering: LockType
    threads: Threads
    state_folder: str = state_file.FOLDER
    attached: Attached = Attached()
    clock: Callable[[], float] = time.monotonic


class GuardedDisk:
    """A disk on which this node is registered with the key `own_key`. The main thread's, unless it says otherwise."""

    def __init__(self, identity: str, own_key: int, around: Surroundings) -> None:
        self.identity, self.own_key, self._around = identity, own_key, around
        self.paths: dict[str, PathReader] = {}
        self._returned: ReturnedPaths | None = None
        self._nexus: OwnNexus | None = None
        self._nexus_at = 0.0
        self._trouble: Notice | None = None
        self._found_as: Device | None = None
        self._label = identity
        self._problem: Notice | None = None
        self._silence = Silence()
        self._asked_all_at = 0.0
        self._warned: Notice | None = None
        self._contradiction: Notice | None = None
        self._loss = Loss(identity, around.state_folder, lambda warning: self._say(WARNING, warning))
        self._examiner = Examiner(
            self.paths, around.threads, around.clock, self._nexus_keys, around.settings.confirm_after
        )

    def ask(self, *, everybody: bool) -> None:
        """Let the paths that should be read now be read; look for new ones if need be."""
        if everybody or not any(path.answered_at and not path.failure for path in self.paths.values()):
            self._find()
        paths = list(self.paths.values())
        views = [View(bool(path.busy_since), bool(path.failure), path.answered_at) for path in paths]
        now = self._around.clock()
        if everybody:
            self._asked_all_at = now
        for position in whom_to_ask(views, everybody=everybody):
            paths[position].wake(now)
        if everybody and self._nexus and now >= self._nexus_at:
            self._nexus_at = now + _NEXUS_ROUNDS * self._around.settings.path_interval
            self._nexus.wake(now)

    def workers(self) -> list[Worker]:
        """Every thread that works for this disk."""
        return [*self.paths.values(), *filter(None, (self._returned, self._nexus))]

    def retire(self) -> None:
        """Watch it no more."""
        for worker in self.workers():
            worker.retire()
        self._around.reactor.forget(self.identity)

    def judge_suspicion(self) -> None:
        """React in the place of a path that was to find out more and hangs."""
        if finding := self._examiner.overdue():
            self._judge(finding, lost=any(path.lost for path in self.paths.values() if path.suspicion))

    def judge_contradiction(self) -> None:
        """Say once that paths contradict each other."""
        failures = (path.failure for path in self.paths.values() if path.gone)
        found = next((it for it in failures if it and it.code == CONTRADICTION), None)
        if found and found != self._contradiction:
            self._say(FAILURE, found)
        self._contradiction = found

    def judge_nexus(self) -> None:
        """Say once that this node can fence nobody there, or that nobody is kept out, and once that this is over."""
        if not self._nexus or self._nexus.trouble == self._trouble:
            return
        self._trouble = self._nexus.trouble
        if self._trouble:
            self._say(FAILURE, self._trouble)
        else:
            self._say(STEP, registered(self.own_key))

    def judge_silence(self, seconds: float) -> None:
        """React if the disk has given no complete answer for too long. seconds: since this was last asked."""
        answers = [path.answered_at for path in self.paths.values()]
        self._silence.passed(seconds, max(answers, default=0.0))
        if self._around.settings.policy.is_unreadable(self._silence.seconds):
            reasons = [*filter(None, [self._problem]), *map(_why_silent, self.paths.values())]
            fields = {"seconds": self._silence.seconds, "answer": [it.pack() for it in reasons]}
            self._found(UNREADABLE, Notice("disk-unreadable", fields))

    def judge_paths(self) -> None:
        """Say that a working path is not registered, or register it. All paths have been asked a moment ago."""
        live = [path for path in self.paths.values() if path.answered_at >= self._asked_all_at and not path.failure]
        if len(self.paths) == 1 or not live or self._around.reactor.verdict(self.identity) != REGISTERED:
            return
        registrations = max(live, key=lambda path: path.answered_at).registrations
        if self._around.settings.register:
            self._register([path.device.node for path in live], registrations)
        elif unregistered_paths(len(live), registrations):
            self._warn(Notice("paths-unregistered", {"live": len(live), "registrations": registrations}))
        elif self._warned:
            self._warned = None
            self._say(STEP, Notice("paths-registered", {"live": len(live)}))

    def _find(self) -> None:
        """Bring the paths up to date."""
        threads, attached = self._around.threads, self._around.attached
        try:
            found = attached.locate(self.identity)
        except FenceError as error:
            self._problem = error.notice().about(self.identity)
            return
        self._problem, self._label, self._found_as = None, found.label(), found
        current = {way.node: way for way in ways(found)}
        for node in set(self.paths) - set(current):
            self.paths.pop(node).retire()
        for node in [node for node in current if node not in self.paths]:
            try:
                self.paths[node] = PathReader(threads, current[node], attached.open, self._look)
            except FenceError as error:
                self._problem = error.notice().about(node)
        try:
            self._nexus = self._nexus or OwnNexus(threads, self._troubled)
        except FenceError as error:
            self._problem = error.notice().about(self.identity)

    def _troubled(self, watch: Watch) -> Notice | None:
        """In a thread."""
        assert self._found_as
        return self._around.attached.trouble(self._found_as, watch, self.own_key)

    def _look(self, path: PathReader) -> None:
        """In the path's thread. Raises ReservationError."""
        own_key, now = self.own_key, self._around.clock()
        if path.count(own_key, now, confirm=self._examiner.busy()):
            self._examiner.refuse_contradiction(path, own_key)
            self._loss.is_over()
            if self._around.reactor.verdict(self.identity) != REGISTERED:
                self._found(REGISTERED, registered(own_key))
        else:
            path.lost = self._loss.stands()
            finding = self._examiner.finding(path, lambda: self._reading(path, own_key))
            if finding:
                self._judge(finding, lost=path.lost)
        path.answered_at = self._around.clock()

    def _judge(self, finding: Finding, *, lost: bool) -> None:
        """React to what readings say. In any thread. lost: whether the registration was lost when they began."""
        found = self._loss.explained(finding, before=lost)
        self._found(found.verdict, found.why)

    def _reading(self, path: PathReader, own_key: int) -> Reading | None:
        """None if 'on' is about to write another key, or the disk is not watched any more. In the path's thread."""
        try:
            noted = state_file.load(self.identity, self._around.state_folder)
        except (OSError, ValueError) as error:
            raise FenceError("state-file-unreadable", answer=files.what_failed(error)) from error
        if noted is None or noted.key != own_key:
            return None
        return Reading(own_key, self._around.attached.read(path.device, path))

    def _nexus_keys(self, path: PathReader, own_key: int) -> tuple[int, ...] | None:
        """In the path's thread. Raises ReservationError."""
        return self._around.attached.nexus_keys(path.device, path, own_key)

    def _register(self, live: list[str], registrations: int) -> None:
        around = self._around
        try:
            self._returned = self._returned or ReturnedPaths(
                around.threads, self._send_register, around.registering, lambda: self.own_key, self._tell
            )
        except FenceError as error:
            self._warn(Notice("returned-paths-left", {"answer": error.notice().pack()}))
            return
        self._returned.ask(live, registrations, around.clock())

    def _send_register(self, watch: Watch, path: str, old: int, new: int) -> None:
        """In the thread that registers. Raises ReservationError."""
        self._around.attached.register(watch, self.identity, path, old, new)

    def _tell(self, findings: Findings, own_key: int) -> None:
        """In the thread that registers."""
        if findings.stuck:
            answers = [it.pack() for it in findings.stuck]
            self._found(FENCED, Notice("fenced-with-a-path-registered", {"answer": answers}))
        for path in findings.withdrawn:
            self._say(FAILURE, Notice("path-withdrawn", {"path": path}))
        for path in findings.registered:
            self._say(WARNING, Notice("path-registered", {"path": path, "own_key": own_key}))
        for notice in (*findings.refused, *findings.unknown):
            self._say(WARNING, notice)
        if not findings.witnesses and not findings.unknown:
            self._say(FAILURE, Notice("registered-on-no-path", {"own_key": own_key}))

    def _found(self, verdict: str, why: Notice) -> None:
        self._around.reactor.found(self.identity, self._label, verdict, why)

    def _warn(self, warning: Notice) -> None:
        if warning != self._warned:
            self._warned = warning
            self._say(WARNING, warning)

    def _say(self, level: int, notice: Notice) -> None:
        self._around.say(level, notice.about(self._label))


def _why_silent(path: PathReader) -> Notice:
    waiting = Notice("no-answer", {"operation": path.command}) if path.command else None
    return (waiting or path.failure or Notice("path-being-asked", {})).about(path.device.node)
