"""The guard: one small process on each node that acts when the node has been fenced.

Fencing takes the disks away, not the machine: the node lives on, serves what it has in memory, and waits. The guard
reads the registered keys of every disk on which 'on' registered this node, once a second, and reboots the
machine (or stops Pacemaker, or logs) when its own key is gone.

What could go wrong with such a process, and what is done about it:

1. It could bring a fenced node back. It never registers, except a path that returned, and only if it is told to
   (returned_paths=register): no command registers on condition that this node has not been fenced meanwhile, so the
   default is to report such a path. What remains possible otherwise stands in returned_paths.py. While it only
   reports, the guard sends a disk nothing but reads, and where its key is gone REGISTER from a listed key to itself,
   which registers nobody (examination.py).
2. It could reboot a healthy node. "Gone" takes two complete readings, some time apart, with the key in the state file
   at that moment, from a device node that still is that disk, and a reservation in force: where nothing is reserved
   nobody was fenced, and all nodes would reboot at once; nor by the reservation that the first of them takes
   afterwards. No other path may list the key, nor may the node be
   registered with another one. What cannot be read proves nothing, nor does the time in which the guard itself stood
   still.
3. It could sleep while the node is fenced. Paths are read in threads, of which there are as many; one path that hangs
   (no signal ends that) holds up no other for longer than a moment, nor the sign of life to systemd. That sign is sent
   only while every thread is idle, or at work for a short time, or waits for a disk; a disk that gives no answer at all
   is a matter of the option unreadable.
4. It could be unable to reboot. What that takes is opened, loaded and locked in memory at the start; no message is
   sent before it that could be held up, and nothing is written back to a disk that hangs.
5. It could act where it should not. Before the first 'on' since the machine started there is no state file, and
   nothing to do: no loop of reboots. An 'on' that changes the key removes the state file before. A disk that leaves the
   cluster is forgotten first (forget.py).
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` itself takes a tenth of the guard's memory
import _thread
import os
import time

from .. import __version__, files, state_file
from ..errors import Notice, UsageError
from ..log import FAILURE, STEP, WARNING, SystemLog, one_line, write_line
from ..messages import sentences
from ..storage import nvme_disk, scsi_disk  # noqa: F401 - what reads a path is in memory before a disk can hang
from .machine import Machine, lock_memory
from .options import CHECK, FORGET, GUARD, HELP, REPAIR, TEST, VERSION, help_text, parse
from .reaction import Reactor
from .systemd import ALIVE, READY, STOPPING, Notifier
from .threads import Threads
from .watched_disk import GuardedDisk, Surroundings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from .threads import Worker

# How long one thread may be alone with all disks.
_HESITATION_SECONDS = 0.1
# How long a thread may be at work otherwise than waiting for a disk.
_PATIENCE_SECONDS = 4.0
_STATE_SETTLES_NANOSECONDS = 1_000_000_000
_END_SECONDS = 1.5
# A turn that took more intervals than that: this process, or the machine, stood still. No disk was silent meanwhile.
_LONGEST_TURN = 2
# How many signs of life systemd gets in the time after which it would miss one; each wakes it up.
_SIGNS_OF_LIFE = 4
_LONGEST_SLEEP_SECONDS = 1.0


def main(arguments: list[str]) -> int:
    """Run the guard with the command line `arguments` (without the program's name); returns the exit status."""
    try:
        settings = parse(arguments)
    except UsageError as error:
        write_line(2, one_line(f"{GUARD}: {error}. Please use '-h' for usage"))
        return 1
    if settings.mode in (HELP, VERSION):
        write_line(1, help_text() if settings.mode == HELP else f"{GUARD} {__version__}")
        return 0
    if settings.mode == REPAIR:
        return settings.code
    sentences.load(guard=True)
    say = messages(settings.verbose)
    if settings.mode == FORGET:
        from . import forget

        return forget.forget(settings.disk, say)
    if settings.mode in (CHECK, TEST):
        from . import check

        return check.check(settings, say)
    reactor = Reactor(settings.policy, Machine(), say)
    return Guard(Surroundings(settings, reactor, say, _thread.allocate_lock(), Threads()), Notifier()).run()


def messages(verbose: bool) -> Callable[[int, Notice], None]:
    """What takes a level of `log` and what is to be said: the system's log; a person's terminal too, but not systemd's
    journal, which has /dev/log already and whose stream could hold the guard up.
    """
    to_person = "JOURNAL_STREAM" not in os.environ

    def say(level: int, notice: Notice) -> None:
        message = one_line(str(notice))
        if to_person and (verbose or level <= WARNING):
            write_line(2, f"{GUARD}: {message}")
        SystemLog(GUARD).send(level, message)

    return say


class Guard:
    """The disks that are watched, and the loop of the main thread."""

    def __init__(self, around: Surroundings, notifier: Notifier) -> None:
        self._around, self._notifier = around, notifier
        self._disks: dict[str, GuardedDisk] = {}
        # When the state folder last changed; None: to be looked at, whenever that was.
        self._noted_at: int | None = None
        self._unreadable: dict[str, Notice] = {}
        self._everybody_at = 0.0
        self._judged_at = around.clock()
        self._alive_at = 0.0
        self._ready = False
        self._status: Notice | None = None

    def run(self) -> int:
        """For ever, or until a thread dies of a mistake in this program."""
        lock_memory()
        _signal.signal(_signal.SIGTERM, self._end)
        while self.turn():
            pass
        return 1

    def turn(self) -> bool:
        """Have every disk read, and judge when the interval is over; False if this process must not go on."""
        interval = self._around.settings.interval
        until = self._around.clock() + interval
        everybody = self.ask()
        if not self._ready:
            self._notifier.tell(READY)
            self._ready = True
        time.sleep(min(_HESITATION_SECONDS, interval))
        self._around.threads.relieve()
        while (left := until - self._around.clock()) > _LONGEST_SLEEP_SECONDS:
            time.sleep(_LONGEST_SLEEP_SECONDS)
            self._show_life()
        time.sleep(max(0.0, left))
        return self.judge(paths=everybody)

    def ask(self) -> bool:
        """Begin a reading of every disk; whether all paths are asked."""
        self._follow_state_files()
        now = self._around.clock()
        everybody = now >= self._everybody_at
        if everybody:
            self._everybody_at = now + self._around.settings.path_interval
        for disk in self._disks.values():
            disk.ask(everybody=everybody)
        self._around.threads.begin()
        return everybody

    def judge(self, *, paths: bool) -> bool:
        """See what has been read, and tell systemd that all is well; False if this process must not go on."""
        now = self._around.clock()
        for crashed in (worker for worker in self._workers() if worker.crash):
            self._around.say(FAILURE, Notice("internal-error", {"answer": crashed.crash}))
            return False
        passed = min(now - self._judged_at, _LONGEST_TURN * self._around.settings.interval)
        self._judged_at = now
        for disk in self._disks.values():
            disk.judge_suspicion()
            disk.judge_contradiction()
            disk.judge_nexus()
            disk.judge_silence(passed)
            if paths:
                disk.judge_paths()
        self._around.threads.begin()
        self._show_life()
        return True

    def _workers(self) -> list[Worker]:
        return [worker for disk in self._disks.values() for worker in disk.workers()]

    def _show_life(self) -> None:
        now = self._around.clock()
        if not self._notifier.watchdog or now < self._alive_at:
            return
        patience = _PATIENCE_SECONDS + self._around.settings.confirm_after  # that long a thread waits on purpose
        if not any(worker.overdue(now, patience) for worker in self._workers()):
            self._alive_at = now + self._notifier.watchdog / _SIGNS_OF_LIFE
            self._notifier.tell(ALIVE)

    def _follow_state_files(self) -> None:
        """Bring the disks up to date with the state files that 'on' has written."""
        folder = self._around.state_folder
        try:
            noted_at = os.stat(folder).st_mtime_ns
        except OSError:
            noted_at = 0
        if noted_at == self._noted_at:
            return
        # Two changes within one tick of the kernel's clock have one time: look again later.
        self._noted_at = noted_at if abs(time.time_ns() - noted_at) > _STATE_SETTLES_NANOSECONDS else None
        try:
            identities = state_file.identities(folder)
        except OSError as error:
            self._not_watched(folder, error)
            return
        for identity in set(self._disks) - set(identities):
            self._disks.pop(identity).retire()
            self._around.say(STEP, Notice("watch-ended", {"disk": identity, "folder": folder}))
        for identity in identities:
            self._watch(identity, folder)
        self._show()

    def _watch(self, identity: str, folder: str) -> None:
        try:
            registrant = state_file.load(identity, folder)
        except (OSError, ValueError) as error:
            self._not_watched(identity, error)
            return
        if registrant is None:
            return
        self._unreadable.pop(identity, None)
        if identity not in self._disks:
            self._disks[identity] = GuardedDisk(identity, registrant.key, self._around)
            self._everybody_at = 0.0
            self._around.say(STEP, Notice("watch-begun", {"disk": identity, "own_key": registrant.key}))
        self._disks[identity].own_key = registrant.key

    def _not_watched(self, what: str, error: OSError | ValueError) -> None:
        problem = Notice("not-watched", {"disk": what, "answer": files.what_failed(error)})
        if self._unreadable.get(what) != problem:
            self._unreadable[what] = problem
            self._around.say(FAILURE, problem)

    def _show(self) -> None:
        watching = Notice("watching", {"disks": len(self._disks)})
        status = watching if self._disks else Notice("nothing-to-watch", {})
        if status != self._status:
            self._status = status
            self._notifier.status(str(status))

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        """SIGTERM. A registration under way is finished first: it may have to be taken back."""
        self._around.registering.acquire(timeout=_END_SECONDS)
        self._notifier.tell(STOPPING)
        os._exit(0)
