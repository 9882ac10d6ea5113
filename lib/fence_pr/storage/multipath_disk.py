"""A dm-multipath map over SCSI paths."""

from __future__ import annotations

import _thread
import time

from ..errors import (
    ABORTING,
    AnotherDisk,
    Conflict,
    DeviceFailure,
    FenceError,
    IncompleteAnswer,
    Invalid,
    Notice,
    NotPermitted,
    NotSupported,
    PathFailure,
    ReservationError,
    UnitAttention,
)
from ..parallel import Patience, Unanswered, in_time, on_each
from .device import SCSI, Device
from .disk import Disk
from .joining import Joining
from .scsi_disk import ScsiDisk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from .disk import Judge, Path, Watch
    from .joining import Nexus
    from .pr_ioctl import Capabilities
    from .snapshot import Snapshot

    Result = TypeVar("Result")
    Reading = tuple[ScsiDisk, Snapshot]
    Readings = list[Reading]

# What another path is asked for as well, without this one being dead. A path without registration gets the first two
# for reserve and preempt: it was dead during 'on'.
_REFUSALS = (Conflict, DeviceFailure, UnitAttention, Invalid, NotSupported)
_REFUSED_QUESTIONS = (Conflict, IncompleteAnswer, Invalid, NotSupported, UnitAttention)
# A preempt may be waiting for the commands that it ends.
_SHARE_OF_A_CHANGE = 2
# How often paths may differ because the registrations change just then. Each time another node has come or gone.
_READS_UNTIL_ALIKE = 20


class MultipathDisk(Disk):
    """A dm-multipath map over SCSI paths: every command goes to a path, never to the map.

    The map would register all paths or none, dead ones included, and drop the abort from preempt-and-abort
    (drivers/md/dm.c: dm_call_pr, dm_pr_preempt). A path that does not answer a read gets no other command either: a
    REGISTER that is stuck in a dead path's queue could be carried out after this node was fenced.

    Each live path is a witness: two paths that tell different things of one disk at one time lead to two disks,
    whatever these say they are. A path that hangs, refuses or says that it leads to another disk is no witness: it
    counts as dead, is named, and passed over.
    """

    def __init__(self, device: Device, watch: Watch, patience: Patience | None) -> None:
        super().__init__(device)
        self._seconds = None if patience is None else max(0.0, patience.until - time.monotonic())
        self._dead: dict[str, FenceError] = {}
        # Never changed in place: a question that was given up goes on in its thread, and may bury a path meanwhile.
        self._live: list[ScsiDisk] = []
        self._lock = _thread.allocate_lock()
        self._last_snapshot: Snapshot | None = None

        def identify(path: str) -> ScsiDisk:
            return ScsiDisk(Device(device.name, path, device.identity, SCSI), watch)

        self._identify = identify
        failures: list[FenceError] = [PathFailure(device.node, "open", 0, Notice("map-has-no-path", {}))]
        for path, outcome in zip(device.paths, on_each(identify, list(device.paths), patience)):
            if isinstance(outcome, FenceError):
                failures.append(_of_path(outcome))
                self._dead[path] = outcome
            else:
                self._live.append(outcome)
        if not self._live:
            raise _most_telling(failures)

    def _waiting(self, times: int = 1) -> Patience | None:
        """As long as at opening, or several times that, from now on."""
        return None if self._seconds is None else Patience(time.monotonic() + times * self._seconds)

    def _each(
        self, command: Callable[[ScsiDisk], Result], paths: list[ScsiDisk], patience: Patience | None
    ) -> list[Result | FenceError]:
        """As `on_each`: no path is waited for longer while there is another one."""
        if len(paths) == 1 < len(self._live) and patience:
            return [in_time(command, paths[0], patience)]
        return on_each(command, paths, patience)

    def snapshot(self) -> Snapshot:
        """What all live paths tell.

        Raises IncompleteAnswer if one tells something else although nothing changes meanwhile.
        """
        readings = self._read(self._live)
        for _ in range(_READS_UNTIL_ALIKE):
            if not _unlike(readings):
                self._last_snapshot = readings[0][1]
                return self._last_snapshot
            witness = readings[0][0]
            before = self._read([witness])
            others = self._read([path for path in self._live if path is not witness])
            after = self._read([witness]) if before else []
            readings = [*after, *others]
            if after and _what(before[0]) == _what(after[0]) and (unlike := _unlike(readings)):
                raise self._contradiction(after[0], unlike[0])
        count = str(_READS_UNTIL_ALIKE)
        raise IncompleteAnswer(self.device.node, "read keys", 0, count, "registrations-unsettled")

    def _read(self, paths: list[ScsiDisk]) -> Readings:
        return self._ask_all(lambda path: path.snapshot(), paths)

    def _ask_all(self, command: Callable[[ScsiDisk], Result], paths: list[ScsiDisk]) -> list[tuple[ScsiDisk, Result]]:
        """The answers of all these paths at once; those that do not answer are dead. Raises if no path is left."""
        answers: list[tuple[ScsiDisk, Result]] = []
        failures: list[tuple[ScsiDisk, FenceError]] = []
        for path, outcome in zip(paths, self._each(command, paths, self._waiting())):
            if isinstance(outcome, FenceError):
                failures.append((path, _of_path(outcome)))
            else:
                answers.append((path, outcome))
        failing = [path for path, _ in failures]
        if failures and all(path in failing for path in self._live):
            raise _most_telling([error for _, error in failures])  # with every path left in place, to be asked again
        for path, error in failures:
            self._bury(path, error)
        return answers

    def _contradiction(self, one: Reading, other: Reading) -> IncompleteAnswer:
        told = Notice("paths-tell", {"told": [{"disk": path.device.node, **it.told()} for path, it in (one, other)]})
        return IncompleteAnswer(self.device.node, "read keys", 0, told, "paths-contradict")

    def confirm_identity(self) -> None:
        self._ask_all(lambda path: path.confirm_identity(), self._live)

    def keys(self) -> tuple[int, ...]:
        return self._through_any(lambda path: path.keys())

    def close(self) -> None:
        for path in self._live:
            path.close()

    def register(
        self, key: int, *, listed: bool = False, former: Sequence[int] = (), judge: Judge | None = None
    ) -> None:
        """Every live path; at least one must succeed."""
        before = self._last_snapshot or self.snapshot()
        paths = self._live
        try:
            Joining(self, key, former, judge, late=self.joined).register(paths, before, listed=listed)
        finally:
            self.blindly = any(path.blindly for path in paths)
            self.joined = self.joined or any(path.joined for path in paths)
        self.registered = True

    def witness(self) -> Snapshot:
        return self._through_any(lambda path: path.snapshot())

    def over(self, paths: Sequence[Nexus], command: Callable[[Nexus], Result]) -> list[tuple[Nexus, Result]]:
        answers: list[tuple[Nexus, Result]] = []
        dead: list[tuple[Nexus, PathFailure]] = []
        for path, outcome in zip(paths, on_each(command, list(paths))):
            if isinstance(outcome, PathFailure):
                dead.append((path, outcome))
            elif isinstance(outcome, FenceError):
                raise outcome
            else:
                answers.append((path, outcome))
        for path, failure in dead:
            self._bury(path, failure)
        if dead and not answers:
            raise dead[0][1]
        return answers

    def tells_registered(self, key: int) -> bool | None:
        """What one path tells counts for all: they lead to one disk."""
        described = self._through_any(lambda path: path.described())
        told = [(path, path.is_among(described, key)) for path in self._live]
        if registered := next((path for path, it in told if it), None):
            self._prefer(registered)
            return True
        return False if all(it is False for _, it in told) else None

    def ask_registered(self, key: int) -> None:
        self._ask_of_nexus(lambda path: path.ask_registered(key))

    def ask_heeded(self, own_key: int) -> None:
        self._ask_of_nexus(lambda path: path.ask_heeded(own_key))

    def _ask_of_nexus(self, question: Callable[[ScsiDisk], None]) -> None:
        """One path that is not refused is enough."""

        def ask(path: ScsiDisk) -> tuple[ScsiDisk, ReservationError | None]:
            try:
                question(path)
            except (Conflict, PathFailure):
                raise
            except ReservationError as error:
                return path, error  # nobody can tell, and no other path is asked
            return path, None

        path, error = self._through_any(ask)
        if error:
            raise error
        self._prefer(path)

    def _prefer(self, path: ScsiDisk) -> None:
        """Commands go to this path first."""
        with self._lock:
            self._live = sorted(self._live, key=lambda it: it is not path)

    def reserve(self, own_key: int, reservation_type: int) -> None:
        self._change("reserve", lambda path: path.reserve(own_key, reservation_type))

    def preempt(self, own_key: int, victim: int, reservation_type: int, *, abort: bool) -> None:
        operation = ABORTING if abort else "preempt"
        self._change(operation, lambda path: path.preempt(own_key, victim, reservation_type, abort=abort))

    def _change(self, operation: str, command: Callable[[ScsiDisk], None]) -> None:
        """Through the first path that carries it out. Where a path does not answer it may yet: so the disk must be read
        before another path is tried.
        """
        try:
            self._through_any(command, _REFUSALS, self._waiting(_SHARE_OF_A_CHANGE), ask_on=False)
        except Unanswered as error:
            raise PathFailure(self.device.node, operation, 0, Notice("path-silent", {})) from error

    def capabilities(self) -> Capabilities:
        return self._through_any(lambda path: path.capabilities())

    def nexus_keys(self, absent: int) -> tuple[int, ...] | None:
        """Who does not answer in time, or with an error, tells nothing."""
        outcomes = on_each(lambda path: path.nexus_keys(absent), self._live, self._waiting())
        told = [() if isinstance(it, FenceError) or it is None else it for it in outcomes]
        found = tuple(sorted({key for keys in told for key in keys}))
        return found if found or all(it == () for it in outcomes) else None

    def hosts(self) -> dict[int, frozenset[str]] | None:
        return self._through_any(lambda path: path.hosts())

    def own_hosts(self) -> frozenset[str]:
        """By every live path: each may belong to another port, or to another session."""
        return frozenset().union(*(path.own_hosts() for path in self._live))

    def abort_harm(self) -> Notice | None:
        return self._through_any(lambda path: path.abort_harm())

    def unwritten(self, own_key: int) -> Notice | None:
        return self._through_any(lambda path: path.unwritten(own_key))

    def paths(self) -> Sequence[Path]:
        return [*self._live]

    def live_paths(self) -> int:
        return len(self._live)

    def dead_paths(self) -> dict[str, Notice]:
        return {path: why.notice() for path, why in self._dead.items()}

    def away(self, *, again: bool = False) -> list[FenceError]:
        dead = list(self._dead) if again else []
        patience = self._waiting()
        if patience and len(dead) == 1:
            found = [in_time(self._identify, dead[0], patience)]
        else:
            found = on_each(self._identify, dead, patience)
        for path, outcome in zip(dead, found):
            if not isinstance(outcome, FenceError):
                with self._lock:
                    self._dead.pop(path, None)
                    self._live = [*self._live, outcome]
        return list(self._dead.values())

    def _through_any(
        self,
        command: Callable[[ScsiDisk], Result],
        refusals: tuple[type[FenceError], ...] = _REFUSED_QUESTIONS,
        patience: Patience | None = None,
        *,
        ask_on: bool = True,
    ) -> Result:
        """The answer of the first path that gives one. What answers otherwise is dead, but for `refusals`, and unless
        all do: what is away for a moment on each path may be back on any. ask_on: also after a path that does not
        answer at all
        """
        failures: list[FenceError] = []
        dead: list[ScsiDisk] = []
        for path in self._live:
            (outcome,) = self._each(command, [path], patience or self._waiting())
            if not isinstance(outcome, FenceError):
                return outcome
            failures.append(_of_path(outcome))
            if not isinstance(outcome, refusals):
                self._bury(path, outcome)
                dead += [] if isinstance(outcome, Unanswered) else [path]
            if isinstance(outcome, Unanswered) and not ask_on:
                raise outcome
        if not any(isinstance(it, refusals) for it in failures):
            self._revive(dead)
        raise _most_telling(failures)

    def _bury(self, path: Nexus, error: FenceError) -> None:
        """The last one stays, to be asked again."""
        with self._lock:
            if path in self._live and len(self._live) > 1:
                self._live = [it for it in self._live if it is not path]
                self._dead[path.device.node] = error

    def _revive(self, paths: list[ScsiDisk]) -> None:
        with self._lock:
            for path in paths:
                self._dead.pop(path.device.node, None)
            self._live = [*self._live, *(path for path in paths if path not in self._live)]


def _of_path(outcome: FenceError) -> FenceError:
    """What makes a path a dead one; raised if it is nothing that another path could do better."""
    if isinstance(outcome, Unanswered) or (
        isinstance(outcome, ReservationError) and not isinstance(outcome, NotPermitted)
    ):
        return outcome
    raise outcome


def _most_telling(failures: list[FenceError]) -> FenceError:
    """What the disk itself has said, rather than that a path is dead."""
    said = [it for it in failures if not isinstance(it, (PathFailure, Unanswered)) or isinstance(it, AnotherDisk)]
    return (said or failures)[-1]


def _what(reading: Reading) -> tuple[list[int], int, int]:
    """What all paths must tell alike. The generation is none of it: targets may count for each port."""
    _, snapshot = reading
    return sorted(snapshot.keys), snapshot.type, snapshot.holder


def _unlike(readings: Readings) -> Readings:
    """Those that tell something else than the first."""
    return [it for it in readings if _what(it) != _what(readings[0])]
