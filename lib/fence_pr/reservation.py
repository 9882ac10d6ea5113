"""One open disk and its reservations, whatever the transport: read a snapshot, register, reserve, preempt.

Each command is announced before it is sent, so that whoever waits knows what hangs, and can forbid it.
"""

from __future__ import annotations

import abc
import os
import time

from . import nvme, pr_ioctl, scsi, status
from .device import MULTIPATH, NVME, SCSI, Device, identity_of_open
from .errors import (
    Conflict,
    DeviceFailure,
    FenceError,
    IncompleteAnswer,
    Invalid,
    NotSupported,
    PathFailure,
    ReservationError,
    UnitAttention,
)
from .parallel import Patience, Unanswered, on_each
from .plan import Snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TypeVar

    from .pr_ioctl import Capabilities

    class Watch(Protocol):
        """Whoever wants to know which command is under way on which disk."""

        def announce(self, disk: str, operation: str) -> None:
            """A command is about to be sent; raises Abandoned to forbid it."""

        def finished(self, disk: str) -> None:
            """The disk has answered."""

    Answer = TypeVar("Answer", pr_ioctl.Keys, pr_ioctl.Reservation)
    Result = TypeVar("Result")

# Up to Linux 6.8 a pending unit attention ends a command, unexecuted, with the same 2 as a real error. A target may
# have queued several (SAM-5 5.14); every repetition takes one away, and each of our commands may be repeated safely.
_REPETITIONS = 4
_READS_UNTIL_STABLE = 20
# What a path without registration gets for reserve and preempt. Such a path is one that was dead during the action on.
_REFUSALS = (Conflict, DeviceFailure)
NO_PERSISTENCE = (
    "the target cannot keep registrations over a power loss, and refuses them where that is asked for (APTPL),"
    " as the kernel always does"
)


def open_disk(device: Device, watch: Watch, patience: float | None = None) -> Disk:
    """Open a disk for reservation commands.

    patience: seconds after which a path of a multipath map that does not answer counts as dead; None: for ever
    Raises ReservationError, Abandoned from `watch`.
    """
    if device.kind == MULTIPATH:
        return MultipathDisk(device, watch, patience)
    return NvmeDisk(device, watch) if device.kind == NVME else ScsiDisk(device, watch)


class Disk(abc.ABC):
    """An open disk. Methods raise `errors.ReservationError`, or Abandoned from the watch.

    registered  whether every live path of this node was registered through this object
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.registered = False

    @abc.abstractmethod
    def snapshot(self) -> Snapshot:
        """Registrations and reservation of one moment."""

    @abc.abstractmethod
    def keys(self) -> tuple[int, ...]:
        """Every registration, one a nexus: what a snapshot begins with, in one command."""

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of the device nodes; the object cannot be used any more."""

    @abc.abstractmethod
    def register(self, key: int, *, listed: bool = False) -> None:
        """Register this node with `key`, whatever key it had before; the reservation stays as it is.

        listed: the key is on the disk by now; raises Conflict if it is gone when the command is carried out
        """

    @abc.abstractmethod
    def reserve(self, own: int, reservation_type: int) -> None:
        """Take the reservation, type as enum pr_type."""

    @abc.abstractmethod
    def preempt(self, own: int, victim: int, reservation_type: int, *, abort: bool) -> None:
        """Remove the victim's registrations, and with `abort` its commands; keep `reservation_type` in force."""

    @abc.abstractmethod
    def capabilities(self) -> Capabilities:
        """What the target says it can do."""

    def live_paths(self) -> int:
        """Number of paths that answer; each should be registered."""
        return 1

    def dead_paths(self) -> dict[str, str]:
        """Device node → what is wrong, for each path that does not answer."""
        return {}

    def registered_as(self) -> int | None:
        """The key that the target has for this very host, where it tells hosts apart; None if it cannot say."""
        return None

    def cautions(self) -> list[str]:
        """What the person should know about this node's access to the disk."""
        return []


class _SinglePath(Disk):
    """A disk behind one device node."""

    def __init__(self, device: Device, watch: Watch) -> None:
        super().__init__(device)
        self._watch = watch
        self._fd = self._watched("open", self._open)

    def register(self, key: int, *, listed: bool = False) -> None:
        if not listed or not self._is_registered(key):
            self._register_anew(key)
        self.registered = True

    @abc.abstractmethod
    def _register_anew(self, key: int) -> None:
        """Register this very nexus, whatever key it had before, if any."""

    def _is_registered(self, key: int) -> bool:
        """Whether this very nexus has the key. Raises Conflict if nobody has it any more.

        Asked by REGISTER from the key to itself, which a nexus without registration is refused (SPC-4 5.14.7, NVMe
        Reservation Register). So where a disk hangs just now, and another node fences this one before it goes on,
        what goes on then does not bring this node back.
        """
        try:
            self._send("register", lambda: pr_ioctl.register(self._fd, key, key))
        except Conflict:
            if key not in self.keys():
                raise
            return False
        return True

    def reserve(self, own: int, reservation_type: int) -> None:
        self._send("reserve", lambda: pr_ioctl.reserve(self._fd, own, reservation_type))

    def preempt(self, own: int, victim: int, reservation_type: int, *, abort: bool) -> None:
        operation, command = (pr_ioctl.ABORTING, pr_ioctl.preempt_abort) if abort else ("preempt", pr_ioctl.preempt)
        self._send(operation, lambda: command(self._fd, own, victim, reservation_type))

    def close(self) -> None:
        os.close(self._fd)

    def _open(self) -> int:
        """Raises PathFailure if the node has become another disk's since its name was looked up."""
        try:
            fd = pr_ioctl.open_disk(self.device.node)
        except OSError as error:
            raise status.failure(self.device.node, "open", -(error.errno or 0)) from error
        found = identity_of_open(fd, self.device.kind)
        if found is not None and self.device.identity not in ("", found):
            os.close(fd)
            raise PathFailure(self.device.node, "open", 0, f"is another disk by now: {found or 'none'}")
        return fd

    def _send(self, operation: str, command: Callable[[], None]) -> None:
        for _ in range(_REPETITIONS):
            try:
                return self._watched(operation, command)
            except (DeviceFailure, UnitAttention) as error:
                failure = error
        raise failure

    def _watched(self, operation: str, command: Callable[[], Result]) -> Result:
        self._watch.announce(self.device.label(), operation)
        try:
            return command()
        finally:
            self._watch.finished(self.device.label())


class ScsiDisk(_SinglePath):
    """A SCSI disk: a registrant is one I_T nexus."""

    _reads_by_ioctl = True

    def snapshot(self) -> Snapshot:
        """Read in the order keys, reservation, keys.

        If both key lists have one generation, no registration changed meanwhile (SPC-4 5.14.2; a reservation alone
        does not change the generation). Raises IncompleteAnswer if that does not happen soon.
        """
        before = self._keys()
        for _ in range(_READS_UNTIL_STABLE):
            held = self._reservation()
            after = self._keys()
            if after == before:
                return Snapshot(after.generation, after.keys, held.type, held.key)
            before = after
        problem = f"registrations changed during each of {_READS_UNTIL_STABLE} reads"
        raise IncompleteAnswer(self.device.node, "read keys", 0, problem)

    def keys(self) -> tuple[int, ...]:
        return self._keys().keys

    def _register_anew(self, key: int) -> None:
        try:
            self._send("register", lambda: pr_ioctl.register(self._fd, 0, key, pr_ioctl.FLAG_IGNORE_KEY))
        except Invalid as error:
            raise self._explained(error) from error

    def _explained(self, refusal: Invalid) -> Invalid:
        """With what the target says of itself, if that is the reason."""
        try:
            possible = self.capabilities().persistence_possible
        except ReservationError:
            return refusal
        if possible:
            return refusal
        return Invalid(refusal.device, refusal.operation, refusal.status, refusal.words, NO_PERSISTENCE)

    def capabilities(self) -> Capabilities:
        return self._watched("report capabilities", lambda: scsi.report_capabilities(self._fd))

    def _keys(self) -> pr_ioctl.Keys:
        return self._watched("read keys", lambda: self._read(pr_ioctl.read_keys, scsi.read_keys))

    def _reservation(self) -> pr_ioctl.Reservation:
        return self._watched("read reservation", lambda: self._read(pr_ioctl.read_reservation, scsi.read_reservation))

    def _read(self, by_ioctl: Callable[[int], Answer], by_scsi: Callable[[int], Answer]) -> Answer:
        """By ioctl; where the kernel has none, or cannot say what is wrong, by asking the target itself."""
        if self._reads_by_ioctl:
            try:
                return by_ioctl(self._fd)
            except (NotSupported, Invalid, DeviceFailure):
                self._reads_by_ioctl = False
        return by_scsi(self._fd)


class NvmeDisk(_SinglePath):
    """An NVMe namespace: a registrant is one host, whatever its controllers."""

    def snapshot(self) -> Snapshot:
        report = self._report()
        holder = next((it.key for it in report.registrants if it.holder), 0)
        return Snapshot(report.generation, tuple(it.key for it in report.registrants), report.type, holder)

    def keys(self) -> tuple[int, ...]:
        return tuple(it.key for it in self._report().registrants)

    def _register_anew(self, key: int) -> None:
        """Without a registration REGISTER sets the key; with one, also with key 0, only REPLACE does (IEKEY)."""
        try:
            self._send("register", lambda: pr_ioctl.register(self._fd, 0, key))
        except Conflict:
            self._send("replace key", lambda: pr_ioctl.register(self._fd, key, key, pr_ioctl.FLAG_IGNORE_KEY))

    def capabilities(self) -> Capabilities:
        return self._read("identify", lambda: nvme.capabilities(self._fd))

    def registered_as(self) -> int | None:
        mine = self._host_identifier()
        if not mine.strip(b"\0"):
            return None
        return next((it.key for it in self._report().registrants if it.host_id == mine), None)

    def cautions(self) -> list[str]:
        """A controller takes each connection of a host without identifier for another host."""
        mine = self._host_identifier()
        if not mine or mine.strip(b"\0"):
            return []
        return [
            "this host has not told the controller an identifier (NVMe feature 81h): when the controller is reset it"
            " forgets this node's registration, and the node is shut out until the next action on"
        ]

    def _host_identifier(self) -> bytes:
        """b"" if nobody tells."""
        if self.device.host_id:
            return self.device.host_id
        try:
            return self._read("get features", lambda: nvme.host_identifier(self._fd))
        except (NotSupported, Invalid, DeviceFailure):
            return b""

    def _report(self) -> nvme.Report:
        return self._read("reservation report", lambda: nvme.report(self._fd))

    def _read(self, operation: str, command: Callable[[], Result]) -> Result:
        """The kernel's multipath does not move a command of ours to another path, but takes one for the next."""
        for _ in range(_REPETITIONS):
            try:
                return self._watched(operation, command)
            except (PathFailure, DeviceFailure) as error:
                failure = error
        raise failure


class MultipathDisk(Disk):
    """A dm-multipath map over SCSI paths: every command goes to a path, never to the map.

    The map would register all paths or none, dead ones included, and drop the abort from preempt-and-abort
    (drivers/md/dm.c: dm_call_pr, dm_pr_preempt). A path that does not answer a read gets no other command either: a
    REGISTER that is stuck in a dead path's queue could be carried out after this node was fenced.
    """

    def __init__(self, device: Device, watch: Watch, patience: float | None) -> None:
        super().__init__(device)
        self._dead: dict[str, str] = {}
        self._live: list[ScsiDisk] = []
        failure: FenceError = PathFailure(device.node, "open", 0, "the map has no path")
        until = None if patience is None else time.monotonic() + patience
        waiting = None if until is None else Patience(until, until)

        def probe(path: str) -> ScsiDisk:
            disk = ScsiDisk(Device(device.name, path, device.identity, SCSI), watch)
            disk.snapshot()
            return disk

        for path, outcome in zip(device.paths, on_each(probe, list(device.paths), waiting)):
            if isinstance(outcome, ScsiDisk):
                self._live.append(outcome)
            elif isinstance(outcome, (PathFailure, Unanswered)):
                failure = outcome
                self._dead[path] = outcome.what()
            else:
                raise outcome
        if not self._live:
            raise failure

    def snapshot(self) -> Snapshot:
        return self._through_any(lambda path: path.snapshot())

    def keys(self) -> tuple[int, ...]:
        return self._through_any(lambda path: path.keys())

    def close(self) -> None:
        for path in self._live:
            path.close()

    def register(self, key: int, *, listed: bool = False) -> None:
        """Every live path; at least one must succeed."""
        outcomes = on_each(lambda path: path.register(key, listed=listed), self._live)
        dead = [(path, outcome) for path, outcome in zip(self._live, outcomes) if isinstance(outcome, PathFailure)]
        if len(dead) == len(self._live):
            raise dead[0][1]  # with every path left in place: there must be one to ask again
        for path, failure in dead:
            self._bury(path, failure)
        for outcome in outcomes:
            if isinstance(outcome, FenceError) and not isinstance(outcome, PathFailure):
                raise outcome
        self.registered = True

    def reserve(self, own: int, reservation_type: int) -> None:
        self._through_any(lambda path: path.reserve(own, reservation_type), *_REFUSALS)

    def preempt(self, own: int, victim: int, reservation_type: int, *, abort: bool) -> None:
        self._through_any(lambda path: path.preempt(own, victim, reservation_type, abort=abort), *_REFUSALS)

    def capabilities(self) -> Capabilities:
        return self._through_any(lambda path: path.capabilities())

    def live_paths(self) -> int:
        return len(self._live)

    def dead_paths(self) -> dict[str, str]:
        return dict(self._dead)

    def _through_any(self, command: Callable[[ScsiDisk], Result], *refusals: type[FenceError]) -> Result:
        """The answer of the first path that gives one; `refusals` of one path leave the others their turn."""
        refusal: FenceError | None = None
        for path in list(self._live):
            try:
                return command(path)
            except PathFailure as error:
                if len(self._live) == 1:
                    raise
                self._bury(path, error)
            except refusals as error:
                refusal = error
        assert refusal
        raise refusal

    def _bury(self, path: ScsiDisk, error: FenceError) -> None:
        self._live.remove(path)
        self._dead[path.device.node] = error.what()
