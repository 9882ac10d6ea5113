"""One disk that the guard watches: its paths, and what they say."""

from __future__ import annotations

import os
import time

from . import device, files, pr_ioctl, state
from .errors import DeviceRefused, FenceError
from .guard_plan import FENCED, REGISTERED, UNREADABLE, View, judge, proved, unregistered_paths, whom_to_ask
from .guard_reaction import registered_sentence, sentence
from .guard_reader import Path
from .guard_returned import Outcome, register_returned
from .guard_threads import Threads, Worker
from .log import FAILURE, NOTE, STEP
from .record import Record
from .reservation import open_disk
from .status import failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable

    from .guard_options import Settings
    from .guard_reaction import Reactor
    from .plan import Snapshot
    from .reservation import Watch


class Surroundings(Record):
    """What all disks share. registering: held by whoever sends a REGISTER that must be taken back if it came late."""

    settings: Settings
    reactor: Reactor
    say: Callable[[int, str], None]
    registering: LockType
    threads: Threads
    state_folder: str = state.FOLDER
    places: device.Places = device.SYSTEM


def locate(identity: str, places: device.Places = device.SYSTEM) -> device.Device:
    """The disk with this `stable_name`, as it is attached now. Raises DeviceRefused."""
    bare = identity[len("naa.") :] if identity.startswith("naa.") else identity
    found = device.resolve(bare, places)
    if found.stable_name() != identity:
        raise DeviceRefused(identity, f"{bare} leads to the disk {found.stable_name()}")
    fields = {**vars(found), "name": identity}
    return device.Device(**fields)


def ways(found: device.Device) -> list[device.Device]:
    """The paths to a disk, each as a disk of its own."""
    if found.kind != device.MULTIPATH:
        return [found]
    return [device.Device(found.name, path, found.identity, device.SCSI) for path in found.paths]


def complete_reading(way: device.Device, watch: Watch) -> Snapshot:
    """Open, read and close. Raises ReservationError."""
    disk = open_disk(way, watch)
    try:
        return disk.snapshot()
    finally:
        disk.close()


def refuse_another_disk(way: device.Device, places: device.Places = device.SYSTEM) -> None:
    """Raise FenceError if the device node is another disk's by now. Asked after a reading, it holds for the reading."""
    name, attribute = os.path.basename(way.node), "wwid" if way.kind == device.NVME else "device/wwid"
    found = device.read_attribute(f"{places.sysfs}/block/{name}/{attribute}")
    if way.identity and found != way.identity:
        raise FenceError(f"{way.node} is another disk by now: {found or 'none'}")


class GuardedDisk:
    """A disk on which this node is registered with the key `own`. The main thread's, except where it says otherwise."""

    def __init__(self, identity: str, own: int, around: Surroundings) -> None:
        self.identity, self.own, self._around = identity, own, around
        self.paths: dict[str, Path] = {}
        self._label = identity
        self._problem = ""
        self._answered = self._silent_for = 0.0
        self._asked_all_since = 0.0
        self._noted = ""
        self._mended: tuple[list[str], int] | None = None
        self._mender: Worker | None = None

    def ask(self, *, everybody: bool) -> None:
        """Let the paths that should be read now be read; look for new ones if need be."""
        if everybody or not any(path.answered and not path.failure for path in self.paths.values()):
            self._find()
        paths = list(self.paths.values())
        views = [View(bool(path.busy_since), bool(path.failure), path.answered) for path in paths]
        now = time.monotonic()
        if everybody:
            self._asked_all_since = now
        for position in whom_to_ask(views, everybody=everybody):
            paths[position].wake(now)

    def workers(self) -> list[Worker]:
        """Every thread that works for this disk."""
        return [*self.paths.values(), *([self._mender] if self._mender else [])]

    def retire(self) -> None:
        """Watch it no more."""
        for worker in self.workers():
            worker.retire()
        self._around.reactor.forget(self.identity)

    def judge_silence(self, seconds: float) -> None:
        """React if the disk has given no complete answer for too long. seconds: since this was last asked."""
        answered = max((path.answered for path in self.paths.values()), default=0.0)
        self._silent_for = 0.0 if answered > self._answered else self._silent_for + seconds
        self._answered = max(answered, self._answered)
        if self._around.settings.policy.is_unreadable(self._silent_for):
            reasons = "; ".join(filter(None, [self._problem, *(_why_silent(path) for path in self.paths.values())]))
            self._react(UNREADABLE, f"no complete answer for {self._silent_for:.0f} s ({reasons})")

    def judge_paths(self) -> None:
        """Say, or mend, that a path lives without a registration. For when all paths have been asked a moment ago."""
        live = [path for path in self.paths.values() if path.answered >= self._asked_all_since and not path.failure]
        if len(self.paths) == 1 or not live or self._around.reactor.verdict(self.identity) != REGISTERED:
            return
        registrations = max(live, key=lambda path: path.answered).registrations
        if self._around.settings.register:
            self._mend([path.device.node for path in live], registrations)
        elif unregistered_paths(len(live), registrations):
            self._note(
                f"{len(live)} paths answer, but this node is registered {registrations} times: writes over the others"
                " fail; run the action on, unless the target shares one registration between its ports"
            )
        elif self._noted:
            self._noted = ""
            self._say(STEP, f"{len(live)} paths answer and are registered")

    def _find(self) -> None:
        """Bring the paths up to date."""
        try:
            found = locate(self.identity, self._around.places)
        except FenceError as error:
            self._problem = str(error)
            return
        self._problem, self._label = "", found.label()
        current = {way.node: way for way in ways(found)}
        for node in set(self.paths) - set(current):
            self.paths.pop(node).retire()
        for node in [node for node in current if node not in self.paths]:
            try:
                self.paths[node] = Path(self._around.threads, current[node], self._look)
            except FenceError as error:
                self._problem = f"{node}: {error}"

    def _look(self, path: Path) -> None:
        """In the path's thread. Raises ReservationError."""
        if path.count(self.own):
            if self._around.reactor.verdict(self.identity) != REGISTERED:
                self._react(REGISTERED, registered_sentence(self.own))
        else:
            self._examine(path, self.own)
        path.answered = time.monotonic()

    def _examine(self, path: Path, own: int) -> None:
        """The key seems to be gone: two complete readings. In the path's thread."""
        verdicts = []
        for pause in (0.0, self._around.settings.confirm_after):
            time.sleep(pause)
            if not self._is_current(own):
                return  # the action on is about to note another key, or the disk is not to be watched any more
            snapshot = complete_reading(path.device, path)
            refuse_another_disk(path.device, self._around.places)
            verdicts.append(judge(snapshot, own))
        verdict = proved(*verdicts)
        self._react(verdict, sentence(verdict, own, snapshot))

    def _is_current(self, own: int) -> bool:
        try:
            remembered = state.load(self.identity, self._around.state_folder)
        except (OSError, ValueError) as error:
            raise FenceError(f"what this node registered cannot be read: {files.what_failed(error)}") from error
        return remembered is not None and remembered.key == own

    def _mend(self, live: list[str], registrations: int) -> None:
        """Register returned paths, in a thread; not again for paths and registrations for which it did nothing."""
        try:
            self._mender = self._mender or Worker(self._around.threads, self._register)
        except FenceError as error:
            self._note(f"returned paths are not registered: {error}")
            return
        if self._mended != (live, registrations) and not self._mender.busy_since:
            self._mended = (live, registrations)
            self._mender.wake(time.monotonic())

    def _register(self) -> None:
        """In the mender's thread."""
        mender, own = self._mender, self.own
        assert mender
        assert self._mended
        live, _ = self._mended
        with self._around.registering:
            outcome = register_returned(live, own, lambda *command: send_register(mender, *command), _boot_time)
        if outcome.unknown or outcome.registered:
            self._mended = None  # what was registered may be lost again before anybody has seen it
        self._tell(outcome, own)

    def _tell(self, outcome: Outcome, own: int) -> None:
        if outcome.stuck:
            listed = ", ".join(f"{path}: {why}" for path, why in outcome.stuck)
            self._react(FENCED, f"fenced while a path of it was registered, which cannot be undone ({listed})")
        for path in outcome.withdrawn:
            self._say(FAILURE, f"{path} was registered, and unregistered at once: this node seems to be fenced")
        for path in outcome.registered:
            self._say(NOTE, f"{path} has returned without a registration: registered with 0x{own:x}")
        for path, why in (*outcome.refused, *outcome.unknown):
            self._say(NOTE, f"{path} is not registered: {why}")
        if not outcome.witnesses:
            self._say(FAILURE, f"0x{own:x} is registered, but as none of this node's paths: no write can succeed")

    def _react(self, verdict: str, why: str) -> None:
        self._around.reactor.found(self.identity, self._label, verdict, why)

    def _note(self, text: str) -> None:
        if text != self._noted:
            self._noted = text
            self._say(NOTE, text)

    def _say(self, level: int, text: str) -> None:
        self._around.say(level, f"{self._label}: {text}")


def _why_silent(path: Path) -> str:
    waiting = f"{path.device.node}: no answer to {path.command}" if path.command else ""
    return waiting or path.failure or f"{path.device.node}: being asked"


def send_register(watch: Watch, path: str, old: int, new: int) -> None:
    """One REGISTER over one path. Raises ReservationError."""
    watch.announce(path, "register")
    try:
        try:
            fd = pr_ioctl.open_disk(path)
        except OSError as error:
            raise failure(path, "open", -(error.errno or 0)) from error
        try:
            pr_ioctl.register(fd, old, new)
        finally:
            os.close(fd)
    finally:
        watch.finished(path)


def _boot_time() -> float:
    """Goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
