"""The agent's real code, command by command: what an action does next is a function of the answers it has got.

An action is carried out from its start, with the recorded answers, until it needs one more. So no thread is involved,
whoever explores may go back to any moment, and equal moments are one however they were reached.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

from fence_pr import (
    actions,
    corosync,
    device,
    fencing,
    inspection,
    keys,
    multipathd,
    nvme,
    parallel,
    pr_ioctl,
    record,
    request,
    reservation,
    state,
    status,
)
from fence_pr.errors import FenceError
from fence_pr.plan import Snapshot
from fence_pr.report import Report
from fence_pr.request import Job

from .kernel import Command, Contents, Kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .site import Site

    Answer = int | Contents | None  # None: there never comes one
    History = tuple[tuple[int, ...], ...]  # of each channel the numbers of its answers


class Call(NamedTuple):
    """A node carries out an action on a node."""

    node: str
    action: str
    plug: str

    def __str__(self) -> str:
        return f"{self.node}: {self.action} {self.plug}"


class Sent(NamedTuple):
    """A command that an action has sent over a channel, and what came back."""

    fd: int
    command: Command
    answer: Answer


class Moment(NamedTuple):
    """How far an action has come: what it has sent so far, what it waits for, and at the end its report."""

    sent: tuple[Sent, ...]
    waiting: tuple[tuple[int, Command], ...]
    report: Report | None

    def issued(self, fd: int) -> int:
        """How many commands have gone out over a channel."""
        return sum(it.fd == fd for it in self.sent) + sum(it[0] == fd for it in self.waiting)


CRASH = "internal error"


class Pending(BaseException):
    """The code cannot go on without the answers to these commands, each over another channel."""

    def __init__(self, commands: tuple[tuple[Any, Any], ...]) -> None:
        super().__init__(commands)
        self.commands = commands


class Hung(BaseException):
    """The code waits for an answer that never comes."""


class Runs:
    """All moments of all actions on a site, each by a number. Use inside `installed`.

    exact  a snapshot of a SCSI disk is the three commands that it is; else they are one, and generations do not count
    """

    def __init__(self, site: Site, *, exact: bool = True) -> None:
        self.site, self.exact = site, exact
        self._histories: list[tuple[Call, History]] = []
        self._numbers: dict[tuple[Call, History], int] = {}
        self._moments: dict[int, Moment] = {}
        self._after: dict[tuple[int, int, int], int] = {}
        self.answers: list[Answer] = []
        self._answer_numbers: dict[Answer, int] = {}
        self._kernel = Kernel(self._send)
        self._call = Call("", "", "")
        self._left: list[Iterator[int]] = []
        self._sent: list[Sent] = []

    def start(self, call: Call) -> int:
        """The moment in which nothing is answered yet."""
        return self._number(call, ((),) * len(self.site.hosts[call.node].channels))

    def after(self, run: int, fd: int, answer: int) -> int:
        """The moment after one more answer over a channel."""
        if (run, fd, answer) not in self._after:
            call, history = self._histories[run]
            longer = (*history[:fd], (*history[fd], answer), *history[fd + 1 :])
            self._after[run, fd, answer] = self._number(call, longer)
        return self._after[run, fd, answer]

    def without(self, run: int, fd: int, count: int) -> int:
        """The moment in which a channel has given its first `count` answers only."""
        call, history = self._histories[run]
        return self._number(call, (*history[:fd], history[fd][:count], *history[fd + 1 :]))

    def length(self, run: int) -> int:
        """How many answers there were."""
        return sum(map(len, self._histories[run][1]))

    def call_of(self, run: int) -> Call:
        """The action that the moment belongs to."""
        return self._histories[run][0]

    def answer_number(self, answer: Answer) -> int:
        """The number by which an answer goes."""
        if answer not in self._answer_numbers:
            self._answer_numbers[answer] = len(self.answers)
            self.answers.append(answer)
        return self._answer_numbers[answer]

    def count(self) -> int:
        """How many moments there are."""
        return len(self._histories)

    def moment(self, run: int) -> Moment:
        """What the code does in this moment."""
        if run not in self._moments:
            self._moments[run] = self._carry_out(*self._histories[run])
        return self._moments[run]

    def _number(self, call: Call, history: History) -> int:
        key = (call, history)
        if key not in self._numbers:
            self._numbers[key] = len(self._histories)
            self._histories.append(key)
        return self._numbers[key]

    def _carry_out(self, call: Call, history: History) -> Moment:
        self._call, self._sent, self._left = call, [], [iter(answers) for answers in history]
        waiting: tuple[tuple[int, Command], ...] = ()
        report = None
        try:
            notes: list[str] = []
            host = self.site.hosts[call.node]
            job = Job(host.request(call.action, call.plug), _Unwatched(), _unheard, notes)
            report = actions.ACTIONS[call.action](job).with_notes(notes)
        except FenceError as error:
            report = Report(False, problems=(str(error),))
        except Pending as pending:
            waiting = pending.commands
        except Hung:
            report = Report(False, problems=("Timed out",))
        except Exception as error:
            report = Report(False, problems=(f"{CRASH}: {error!r}",))
        return Moment(tuple(self._sent), waiting, report)

    def _send(self, fd: int, command: Command) -> int | Contents:
        number = next(self._left[fd], None)
        if number is None:
            raise Pending(((fd, command),))
        answer = self.answers[number]
        self._sent.append(Sent(fd, command, answer))
        if answer is None:
            raise Hung
        return answer

    def _one_command(self) -> Callable[[reservation.ScsiDisk], Snapshot]:
        """In place of `ScsiDisk.snapshot`."""

        def snapshot(disk: reservation.ScsiDisk) -> Snapshot:
            answer = self._send(disk._fd, Command("snapshot"))
            if isinstance(answer, int):
                raise status.failure(disk.device.node, "read keys", answer)
            return Snapshot(0, answer.listed(), answer.type, answer.holder_key)

        return snapshot

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Whatever the agent would ask of its machine is asked of the site."""

        def resolve(name: str, _places: object = None) -> device.Device:
            return self.site.hosts[self._call.node].devices[name]

        def descriptor(path: str) -> int:
            return self.site.hosts[self._call.node].descriptors[path]

        fields: Any = cache(vars(record.Record)["_fields"].__func__)
        with ExitStack() as stack:
            for module in (request, fencing, inspection, reservation):
                stack.enter_context(patch.object(module, "on_each", in_turn))
            replacements: tuple[tuple[Any, str, object], ...] = (
                (device, "resolve", resolve),
                (pr_ioctl, "open_disk", descriptor),
                (pr_ioctl, "device_name", str),
                (nvme, "device_name", str),
                (pr_ioctl, "fcntl", self._kernel),
                (nvme, "fcntl", self._kernel),
                (fencing, "time", _NoClock),
                (reservation, "time", _NoClock),
                # Two pure functions that would take half of the time.
                (keys, "_digest", cache(keys._digest)),
                (record.Record, "_fields", classmethod(fields)),
                (corosync, "load", lambda _path: self.site.cluster),
                (corosync, "this_machine", lambda: (self._call.node, frozenset())),
                (state, "load", lambda *_: None),
                (state, "save", lambda *_: None),
                (multipathd, "tell_key", lambda *_: None),
            )
            for module, name, replacement in replacements:
                stack.enter_context(patch.object(module, name, replacement))
            if not self.exact:
                stack.enter_context(patch.object(reservation.ScsiDisk, "snapshot", self._one_command()))
            yield


def in_turn(work: Callable[[Any], object], items: Sequence[Any], patience: object = None) -> list[object | FenceError]:
    """As `parallel.on_each`, without threads: what waits for answers does not keep the others from going on."""
    results: list[object | FenceError] = []
    waiting: list[tuple[Any, Any]] = []
    stuck = False
    for item in items:
        try:
            results.append(work(item))
        except FenceError as error:
            results.append(error)
        except Pending as pending:
            waiting += pending.commands
        except Hung:
            results.append(parallel.Unanswered())
            stuck = stuck or patience is None or len(items) == 1
    if waiting:
        raise Pending(tuple(waiting))
    if stuck:
        raise Hung
    return results


class _NoClock:
    """In place of the module `time`: whoever is late here is late by order, not by the clock."""

    @staticmethod
    def monotonic() -> float:
        return 0.0

    @staticmethod
    def sleep(_seconds: float) -> None:
        pass


class _Unwatched:
    def announce(self, disk: str, operation: str) -> None:
        pass

    def finished(self, disk: str) -> None:
        pass


def _unheard(_: str) -> None:
    pass
