"""The guard: one small process on each node that acts when the node has been fenced.

Fencing takes the disks away, not the machine: the node lives on, serves what it has in memory, and waits. The guard
reads the registered keys of every disk on which the action on registered this node, once a second, and reboots the
machine (or stops Pacemaker, or logs) when its own key is gone.

What could go wrong with such a process, and what is done about it:

1. It could bring a fenced node back. It never registers, except a path that returned, and only if it is told to
   (returned_paths=register): no command registers on condition that this node has not been fenced meanwhile, so the
   default is to report such a path. What remains possible otherwise stands in guard_returned.py. While it only
   reports, the guard sends nothing but reads to a disk.
2. It could reboot a healthy node. "Gone" takes two complete readings, some time apart, with the key that is noted
   at that moment, from a device node that still is that disk, and a reservation in force: where nothing is reserved
   nobody was fenced, and all nodes would reboot at once. What cannot be read proves nothing, nor does the time in
   which the guard itself stood still.
3. It could sleep while the node is fenced. Paths are read in threads, of which there are as many; one path that hangs
   (no signal ends that) holds up no other for longer than a moment, nor the sign of life to systemd. That sign is sent
   only while every thread is idle, or at work for a short time, or waits for a disk; a disk that gives no answer at all
   is a matter of the option unreadable.
4. It could be unable to reboot. What that takes is opened, loaded and locked in memory at the start; no message is
   sent before it that could be held up, and nothing is written back to a disk that hangs.
5. It could act where it should not. Before the first action on since the machine started nothing is noted, and there
   is nothing to do: no loop of reboots. An action on that changes the key removes the note before. Whoever takes a
   registration away on purpose stops the guard, or removes the note.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` itself takes a tenth of the guard's memory
import _thread
import os
import time

from . import __version__, state
from .errors import UsageError
from .guard_disk import GuardedDisk, Surroundings
from .guard_notify import ALIVE, READY, STOPPING, Notifier
from .guard_options import CHECK, GUARD, HELP, REPAIR, VERSION, help_text, parse
from .guard_reaction import Reactor
from .guard_system import Machine, lock_memory
from .guard_threads import Threads
from .log import FAILURE, NOTE, STEP, SystemLog, one_line, write_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .guard_threads import Worker

# How long one thread may be alone with all disks.
_HESITATION_SECONDS = 0.1
# How long a thread may be at work otherwise than waiting for a disk.
_PATIENCE_SECONDS = 5.0
_STATE_SETTLES_NANOSECONDS = 1_000_000_000
_END_SECONDS = 5.0
# A turn that took more intervals than that: this process, or the machine, stood still. No disk was silent meanwhile.
_LONGEST_TURN = 2
# How many signs of life systemd gets in the time after which it would miss one; each wakes it up.
_SIGNS_OF_LIFE = 4


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
    say = messages(settings.verbose)
    if settings.mode == CHECK:
        from . import guard_check

        return guard_check.check(settings, say)
    reactor = Reactor(settings.policy, Machine(), say)
    return Guard(Surroundings(settings, reactor, say, _thread.allocate_lock(), Threads()), Notifier()).run()


def messages(verbose: bool) -> Callable[[int, str], None]:
    """What takes a level of `log` and a message: the system's log; a person's terminal too, but not systemd's journal,
    which has /dev/log already and whose stream could hold the guard up.
    """
    to_person = "JOURNAL_STREAM" not in os.environ

    def say(level: int, message: str) -> None:
        message = one_line(message)
        if to_person and (verbose or level <= NOTE):
            write_line(2, f"{GUARD}: {message}")
        SystemLog(GUARD).send(level, message)

    return say


class Guard:
    """The disks that are watched, and the loop of the main thread."""

    def __init__(self, around: Surroundings, notifier: Notifier) -> None:
        self._around, self._notifier = around, notifier
        self._disks: dict[str, GuardedDisk] = {}
        self._noted: int | None = -1
        self._unreadable: dict[str, str] = {}
        self._everybody_at = 0.0
        self._judged_at = time.monotonic()
        self._alive_at = 0.0
        self._ready = False
        self._status = ""

    def run(self) -> int:
        """For ever, or until a thread dies of a mistake in this program."""
        lock_memory()
        _signal.signal(_signal.SIGTERM, self._end)
        settings = self._around.settings
        if 0 < self._notifier.watchdog < 2 * settings.interval:
            self._around.say(FAILURE, f"the interval is too long for WatchdogSec={self._notifier.watchdog:g}")
        while self.turn():
            pass
        return 1

    def turn(self) -> bool:
        """Have every disk read, and judge when the interval is over; False if this process must not go on."""
        interval = self._around.settings.interval
        until = time.monotonic() + interval
        everybody = self.ask()
        if not self._ready:
            self._notifier.tell(READY)
            self._ready = True
        time.sleep(min(_HESITATION_SECONDS, interval))
        self._around.threads.relieve()
        time.sleep(max(0.0, until - time.monotonic()))
        return self.judge(paths=everybody)

    def ask(self) -> bool:
        """Begin a reading of every disk; whether all paths are asked."""
        self._remember()
        now = time.monotonic()
        everybody = now >= self._everybody_at
        if everybody:
            self._everybody_at = now + self._around.settings.path_interval
        for disk in self._disks.values():
            disk.ask(everybody=everybody)
        self._around.threads.begin()
        return everybody

    def judge(self, *, paths: bool) -> bool:
        """See what has been read, and tell systemd that all is well; False if this process must not go on."""
        now = time.monotonic()
        workers = [worker for disk in self._disks.values() for worker in disk.workers()]
        for crashed in (worker for worker in workers if worker.crash):
            self._around.say(FAILURE, f"internal error: {crashed.crash}")
            return False
        passed = min(now - self._judged_at, _LONGEST_TURN * self._around.settings.interval)
        self._judged_at = now
        for disk in self._disks.values():
            disk.judge_silence(passed)
            if paths:
                disk.judge_paths()
        self._around.threads.begin()
        self._show_life(now, workers)
        return True

    def _show_life(self, now: float, workers: list[Worker]) -> None:
        if not self._notifier.watchdog or now < self._alive_at:
            return
        if not any(worker.overdue(now, _PATIENCE_SECONDS) for worker in workers):
            self._alive_at = now + self._notifier.watchdog / _SIGNS_OF_LIFE
            self._notifier.tell(ALIVE)

    def _remember(self) -> None:
        """Bring the disks up to date with what the action on has noted."""
        folder = self._around.state_folder
        try:
            noted = os.stat(folder).st_mtime_ns
        except OSError:
            noted = 0
        if noted == self._noted:
            return
        # Two changes within one tick of the kernel's clock have one time: look again later.
        self._noted = noted if abs(time.time_ns() - noted) > _STATE_SETTLES_NANOSECONDS else None
        try:
            identities = state.identities(folder)
        except OSError as error:
            self._note_unreadable(folder, f"{folder}: {error.strerror}")
            return
        for identity in set(self._disks) - set(identities):
            self._disks.pop(identity).retire()
            self._around.say(STEP, f"{identity}: not watched any more, its note in {folder} is gone")
        for identity in identities:
            self._watch(identity, folder)
        self._show()

    def _watch(self, identity: str, folder: str) -> None:
        try:
            registrant = state.load(identity, folder)
        except (OSError, ValueError) as error:
            self._note_unreadable(identity, f"{identity}: {error}")
            return
        if registrant is None:
            return
        self._unreadable.pop(identity, None)
        if identity not in self._disks:
            self._disks[identity] = GuardedDisk(identity, registrant.key, self._around)
            self._everybody_at = 0.0
            self._around.say(STEP, f"{identity}: watched, this node is registered with 0x{registrant.key:x}")
        self._disks[identity].own = registrant.key

    def _note_unreadable(self, what: str, why: str) -> None:
        if self._unreadable.get(what) != why:
            self._unreadable[what] = why
            self._around.say(FAILURE, f"{why}; what is noted there is not watched")

    def _show(self) -> None:
        status = f"watching {len(self._disks)} disks" if self._disks else "nothing to watch before the action on"
        if status != self._status:
            self._status = status
            self._notifier.status(status)

    def _end(self, *_: object) -> None:
        """SIGTERM. A registration under way is finished first: it may have to be taken back."""
        self._around.registering.acquire(timeout=_END_SECONDS)
        self._notifier.tell(STOPPING)
        os._exit(0)
