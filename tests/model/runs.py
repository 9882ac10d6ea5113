"""The agent's real code, command by command: what an action does next is a function of the answers it has got.

An action is carried out from its start, with the recorded answers, until it needs one more. So no thread is involved,
whoever explores may go back to any moment, and equal moments are one however they were reached.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

from fence_pr import bindings, keys, state_file
from fence_pr.actions import perform
from fence_pr.actions.job import Job
from fence_pr.actions.report import Report
from fence_pr.errors import FenceError, Notice
from fence_pr.storage import (
    full_status,
    kernel_status,
    multipath_disk,
    nvme,
    own_hosts,
    pr_ioctl,
    scsi,
    single_path,
    transport_id,
    unit_reset,
)
from fence_pr.storage.scsi_disk import ScsiDisk
from fence_pr.storage.single_path import SinglePath
from fence_pr.storage.snapshot import Snapshot

from . import files, kernel
from .configuration import DEFAULT, Conf
from .deeds import DEEDS
from .files import Files, Opened
from .here import Here, Hung, Pending, Unwatched, alone, in_turn, unheard
from .kernel import Command, Contents, Kernel, host_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .files import Content
    from .site import Kind, Site

    Answer = int | Contents | None  # None: there never comes one
    History = tuple[tuple[int, ...], ...]  # of each channel the numbers of its answers


class Call(NamedTuple):
    """A node carries out an action on a node, by its configuration; or a deed (`deeds`) is done to it."""

    node: str
    action: str
    plug: str
    conf: Conf = DEFAULT

    def __str__(self) -> str:
        changed = [f"{name} {value}" for name, value in self.conf._asdict().items() if value != getattr(DEFAULT, name)]
        by = f" ({', '.join(changed)})" if changed else ""
        return f"{self.node}: {self.action} {self.plug}{by}".rstrip()

    def is_deed(self) -> bool:
        """Whether no agent runs."""
        return self.action in DEEDS


class Sent(NamedTuple):
    """A command that an action has sent over a channel, and what came back."""

    fd: int
    command: Command
    answer: Answer


class Moment(NamedTuple):
    """How far an action has come: what it has sent so far, what it waits for, and at the end its report.

    writes  what it has written to its node's files
    """

    sent: tuple[Sent, ...]
    waiting: tuple[tuple[int, Command], ...]
    report: Report | None
    writes: dict[tuple[str, str], Content]

    def issued(self, fd: int) -> int:
        """How many commands have gone out over a channel."""
        return sum(it.fd == fd for it in self.sent) + sum(it[0] == fd for it in self.waiting)


CRASH = "internal-error"


class Runs:
    """All moments of all actions on a site, each by a number. Use inside `installed`.

    What an action reads of its node's files it reads as they were when it began.

    exact   a snapshot of a SCSI disk is the two commands that it is; else they are one
    asking  to ask a disk who it is is a command like others; else it is answered at once
    """

    def __init__(self, site: Site, *, exact: bool = True, asking: bool = False) -> None:
        self.site, self.exact, self._asking = site, exact, asking
        self._histories: list[tuple[Call, int, History]] = []
        self._numbers: dict[tuple[Call, int, History], int] = {}
        self.files: list[Files] = [files.NONE]
        self._file_numbers: dict[Files, int] = {files.NONE: 0}
        self._moments: dict[int, Moment] = {}
        self._after: dict[tuple[int, int, int], int] = {}
        self.answers: list[Answer] = []
        self._answer_numbers: dict[Answer, int] = {}
        self._kernel = Kernel(
            self._send, self._who, self._tells, site.host, lambda fd: self._kind(fd).vendor,
            lambda fd: self._kind(fd).answers,
        )  # fmt: skip
        self._call = Call("", "", "")
        self._left: list[Iterator[int]] = []
        self._open = Opened(files.NONE)
        self._sent: list[Sent] = []

    def start(self, call: Call, kept: int = 0) -> int:
        """The moment in which nothing is answered yet. kept: number of the node's files."""
        return self._number(call, kept, ((),) * len(self.site.hosts[call.node].channels))

    def after(self, run: int, fd: int, answer: int) -> int:
        """The moment after one more answer over a channel."""
        if (run, fd, answer) not in self._after:
            call, kept, history = self._histories[run]
            longer = (*history[:fd], (*history[fd], answer), *history[fd + 1 :])
            self._after[run, fd, answer] = self._number(call, kept, longer)
        return self._after[run, fd, answer]

    def without(self, run: int, fd: int, count: int) -> int:
        """The moment in which a channel has given its first `count` answers only."""
        call, kept, history = self._histories[run]
        return self._number(call, kept, (*history[:fd], history[fd][:count], *history[fd + 1 :]))

    def files_number(self, kept: Files) -> int:
        """The number by which a node's files go; 0: there are none."""
        if kept not in self._file_numbers:
            self._file_numbers[kept] = len(self.files)
            self.files.append(kept)
        return self._file_numbers[kept]

    def files_after(self, kept: int, before: int, run: int) -> int:
        """The node's files after it has come from one moment, or from none (-1), to another."""
        old = self.moment(before).writes if before >= 0 else {}
        new = {name: it for name, it in self.moment(run).writes.items() if name not in old or old[name] != it}
        return self.files_number(self.files[kept].written(new)) if new else kept

    def length(self, run: int) -> int:
        """How many answers there were."""
        return sum(map(len, self._histories[run][2]))

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

    def _number(self, call: Call, kept: int, history: History) -> int:
        key = (call, kept, history)
        if key not in self._numbers:
            self._numbers[key] = len(self._histories)
            self._histories.append(key)
        return self._numbers[key]

    def _carry_out(self, call: Call, kept: int, history: History) -> Moment:
        self._call, self._sent, self._left = call, [], [iter(answers) for answers in history]
        waiting: tuple[tuple[int, Command], ...] = ()
        report = None
        host = self.site.hosts[call.node]
        here, self._open = Here(host, self.site.cluster(call.conf)), Opened(self.files[kept])
        if call.is_deed():
            return Moment((), (), None, {})
        try:
            warnings: list[Notice] = []
            job = Job(host.request(call.action, call.plug, call.conf), Unwatched(), unheard, warnings, here)
            report = perform.action(call.action)(job).with_warnings(warnings)
        except FenceError as error:
            report = Report.failed(*error.notices())
        except Pending as pending:
            waiting = pending.commands
        except Hung:
            report = Report.failed(Notice("timed-out", {}))
        except Exception as error:
            report = Report.failed(Notice(CRASH, {"answer": repr(error)}))
        return Moment(tuple(self._sent), waiting, report, self._open.writes)

    def _send(self, fd: int, command: Command) -> int | Contents:
        number = next(self._left[fd], None)
        if number is None:
            raise Pending(((fd, command),))
        answer = self.answers[number]
        self._sent.append(Sent(fd, command, answer))
        if answer is None:
            raise Hung
        return answer

    def _who(self, fd: int) -> int:
        if not self._asking:
            return self.site.says[self.site.hosts[self._call.node].channels[fd].disk]
        answer = self._send(fd, Command("identify"))
        assert isinstance(answer, int)
        return answer

    def _kind(self, fd: int) -> Kind:
        return self.site.kinds[self.site.hosts[self._call.node].channels[fd].disk]

    def _tells(self, fd: int) -> bool:
        return self._kind(fd).tells

    def _own_host(self) -> Callable[[ScsiDisk], frozenset[str]]:
        """In place of `ScsiDisk.own_hosts`."""

        def own_hosts(disk: ScsiDisk) -> frozenset[str]:
            return frozenset({self.site.host(self.site.hosts[self._call.node].channels[disk._fd].nexus)})

        return own_hosts

    def _own_ports(self) -> frozenset[str]:
        """In place of `own_hosts.fc_ports`."""
        channels = self.site.hosts[self._call.node].channels
        return frozenset(filter(transport_id.is_fc_port, (self.site.host(it.nexus) for it in channels)))

    def _own_nvme_hosts(self, identifier: bytes) -> frozenset[str]:
        """In place of `own_hosts.of_nvme`."""
        more = [host_id(self.site.host(nexus)) for nexus in self.site.more.get(self._call.node, ())]
        return frozenset(transport_id.nvme_host(it) for it in (identifier, *more))

    def _own_port(self) -> Callable[[ScsiDisk], str]:
        """In place of `ScsiDisk.own_port`."""

        def own_port(disk: ScsiDisk) -> str:
            nexus = self.site.hosts[self._call.node].channels[disk._fd].nexus
            return transport_id.port_of(kernel.transport_id(self.site.host(nexus), kernel.session(nexus)))

        return own_port

    def _told_before(self) -> Callable[[ScsiDisk], tuple[full_status.Registration, ...] | None]:
        """In place of `ScsiDisk._describe`, where a snapshot is one command: that one has told it."""

        def describe(disk: ScsiDisk) -> tuple[full_status.Registration, ...] | None:
            told = [it.answer for it in self._sent if it.fd == disk._fd and isinstance(it.answer, Contents)]
            if not self._tells(disk._fd) or not told:
                return None
            return full_status.parse("", kernel.full_status(told[-1], self.site.host))

        return describe

    def _one_command(self) -> Callable[[ScsiDisk], Snapshot]:
        """In place of `ScsiDisk.snapshot`."""

        def snapshot(disk: ScsiDisk) -> Snapshot:
            answer = self._send(disk._fd, Command("snapshot"))
            if isinstance(answer, int):
                raise kernel_status.failure(disk.device.node, "read keys", answer)
            disk._last_keys = pr_ioctl.Keys(answer.generation, answer.listed())
            disk._last_snapshot = Snapshot(answer.generation, answer.listed(), answer.type, answer.holder_key)
            return disk._last_snapshot

        return snapshot

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Whatever the agent would ask of its kernel is asked of the site."""

        def descriptor(path: str) -> int:
            return self.site.hosts[self._call.node].descriptors[path]

        with ExitStack() as stack:
            replacements: tuple[tuple[Any, str, object], ...] = (
                (pr_ioctl, "open_disk", descriptor),
                (pr_ioctl, "device_name", str),
                (full_status, "device_name", str),
                (nvme, "device_name", str),
                (scsi, "device_name", str),
                (pr_ioctl, "fcntl", self._kernel),
                (nvme, "fcntl", self._kernel),
                (scsi, "fcntl", self._kernel),
                (unit_reset, "fcntl", self._kernel),
                (unit_reset, "device_name", str),
                (unit_reset, "_wait_for_recovery", lambda _: None),
                (single_path, "identity_of_open", lambda *_: None),
                (multipath_disk, "on_each", in_turn),
                (multipath_disk, "in_time", alone),
                (ScsiDisk, "own_hosts", self._own_host()),
                (ScsiDisk, "own_port", self._own_port()),
                (own_hosts, "of_nvme", self._own_nvme_hosts),
                (own_hosts, "fc_ports", self._own_ports),
                (state_file, "load", lambda disk, _: self._open.registered(disk)),
                (state_file, "save", lambda disk, it, _: self._open.write(disk, files.STATE, it)),
                (state_file, "forget", lambda disk, _: self._open.write(disk, files.STATE, None)),
                (state_file, "is_marked", lambda *_: False),
                (state_file, "identities", lambda _: self._open.disks()),
                (bindings, "load", lambda disk, *_: self._open.bindings(disk)),
                (bindings, "save", lambda disk, it, *_: self._open.write(disk, files.MEMORY, it, files.LASTING)),
                # A pure function that would take much of the time.
                (keys, "_digest", cache(keys._digest)),
                (SinglePath, "close", lambda _: None),
            )
            for module, name, replacement in replacements:
                stack.enter_context(patch.object(module, name, replacement))
            if not self.exact:
                stack.enter_context(patch.object(ScsiDisk, "snapshot", self._one_command()))
                stack.enter_context(patch.object(ScsiDisk, "_describe", self._told_before()))
            yield
