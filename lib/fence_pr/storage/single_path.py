"""A disk behind one device node, of any transport.

Each command is announced before it is sent, so that whoever waits knows what hangs, and can forbid it.
"""

from __future__ import annotations

import abc
import errno
import os

from ..errors import (
    ABORTING,
    Conflict,
    DeviceFailure,
    DiskNotAsAsked,
    FenceError,
    Invalid,
    NotPermitted,
    NotSupported,
    ReservationError,
    UnitAttention,
)
from ..files import more_descriptors
from . import another_disk, kernel_status, pr_ioctl
from .device import NVME, identity_of_open
from .disk import Disk
from .identity import Identity, known_as
from .joining import Joining

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Concatenate, ParamSpec, TypeVar

    from .device import Device
    from .disk import Judge, Path, Watch
    from .joining import Nexus
    from .snapshot import Snapshot

    Result = TypeVar("Result")
    Arguments = ParamSpec("Arguments")
    # A function of a descriptor and `Arguments`.
    Command = Callable[Concatenate[int, Arguments], Result]

# Up to Linux 6.8 a pending unit attention ends a command, unexecuted, with the same 2 as a real error. A target may
# have queued several (SAM-5 5.14); every repetition takes one away, and each of our commands may be repeated safely.
REPETITIONS = 4


class SinglePath(Disk):
    """A disk behind one device node."""

    _last_snapshot: Snapshot | None = None
    # The same preempt by another way, over which the target says itself what it refuses; None: there is none.
    _telling_preempt: Callable[..., None] | None = None

    def __init__(self, device: Device, watch: Watch) -> None:
        super().__init__(device)
        self._watch = watch
        watch.announce(device.label(), "open")
        try:
            self._fd = _open(device)
        finally:
            watch.finished(device.label())
        try:
            self.confirm_identity()
        except BaseException:
            self.close()
            raise

    def confirm_identity(self) -> None:
        said = self._identity()
        if said is None:
            found = identity_of_open(self._fd, self.device.kind)
            if found is None:
                return
            said = known_as(found)
        if problem := another_disk.why(self.device, said):
            raise problem

    def _identity(self) -> Identity | None:
        """What the disk says it is; None where its driver passes no such question on."""
        try:
            return self._ask_identity()
        except (NotSupported, Invalid) as refusal:
            # The kernel's own refusal means that nobody was asked; the disk's, that it has no name.
            return None if refusal.status < 0 else Identity()

    @abc.abstractmethod
    def _ask_identity(self) -> Identity:
        """Raises NotSupported or Invalid if the disk or its driver refuses to tell."""

    def register(
        self, key: int, *, listed: bool = False, former: Sequence[int] = (), judge: Judge | None = None
    ) -> None:
        joining = Joining(self, key, former, judge, late=self.joined)
        joining.register([self], self._last_snapshot, listed=listed)
        self.registered = True

    def witness(self) -> Snapshot:
        return self.snapshot()

    def over(self, paths: Sequence[Nexus], command: Callable[[Nexus], Result]) -> list[tuple[Nexus, Result]]:
        return [(path, command(path)) for path in paths]

    @abc.abstractmethod
    def add(self, key: int, former: Sequence[int], judge: Judge | None) -> bool:
        """Register this very nexus; whether it had another key, or this one. Arguments as of `register`."""

    def has_or_had(self, key: int, asked: Sequence[int], judge: Judge | None) -> tuple[int, Conflict | None]:
        """See that this very nexus, if it has one of the keys of `asked`, has `key` in its place.

        How many commands were carried out for that, and the target's refusal if it has none of them. Asked by REGISTER
        from a key to itself, which a nexus without registration is refused (SPC-4 5.14.7, NVMe Reservation Register).
        So where a disk hangs just now, and another node fences this one before it goes on, what goes on then does not
        bring this node back.
        """
        before = self.joined
        for old in asked:
            self.joined = before or old != key
            refusal = self._register_from(old, old)
            if not refusal and old != key:
                self._replace(old, key, judge)
            if not refusal:
                return 1 if old == key else 2, None
        self.joined = before
        return 0, refusal

    def withdraw(self, key: int) -> None:
        """End this very nexus' registration if it is `key`; as well as it can be done."""
        try:
            self._unregister(key)
        except FenceError:
            return

    def _unregister(self, key: int) -> None:
        self.change(key, 0)

    def _register_from(self, old: int, key: int) -> Conflict | None:
        """REGISTER without IGNORE: the target's refusal if `old`, 0 for none, is not what this very nexus has."""
        try:
            (self.change if old else self._add)(old, key)
        except Conflict as refusal:
            return refusal
        return None

    def change(self, old: int, key: int) -> None:
        """REGISTER from the key that this very nexus must have, 0 to end that; adds none, so it may be repeated."""
        self._send("register", pr_ioctl.register, old, key)

    def _add(self, old: int, key: int, flags: int = 0, operation: str = "register") -> None:
        """REGISTER that a nexus without registration is not refused: sent once. What comes of it `joined` remembers."""
        before, self.joined = self.joined, True
        try:
            self._ask(operation, pr_ioctl.register, old, key, flags)
        except ReservationError as error:
            if kernel_status.was_not_carried_out(error, nvme=self.device.kind == NVME):
                self.joined = before
            raise

    def _replace_unseen(self, operation: str, old: int, key: int, before: Snapshot | None) -> None:
        """Put `key` in place of whatever this nexus has, which is not listed. before: read before it was found to have
        something. Raises DiskNotAsAsked if that may have been removed since: then this would bring it back.
        """
        now = self.snapshot()
        if before is None or not before.only_grew_to(now):
            raise DiskNotAsAsked("maybe-fenced", operation="read keys and reservation", answer=now.told(), own_key=key)
        self._add(old, key, pr_ioctl.FLAG_IGNORE_KEY, operation)

    def register_once(self, old: int, new: int) -> None:
        """REGISTER without IGNORE, never repeated: a unit attention may say that this node was fenced just then.

        0 for no key. Raises Conflict if `old` is not what this very nexus has.
        """
        self._ask("register", pr_ioctl.register, old, new)

    def _replace(self, old: int, key: int, judge: Judge | None) -> None:
        """Put `key` in place of `old`, which this very nexus has, and of nothing else."""
        if old != key:
            if not judge:
                raise Conflict(self.device.node, "register", 0, f"registered with 0x{old:x}")
            judge(old)
        self.change(old, key)

    def ask_registered(self, key: int) -> None:
        self.change(key, key)

    def depends_on(self, key: int) -> bool:  # noqa: ARG002 - for targets that may forget a nexus
        """As `Path` of `disk` has it."""
        return False

    def renew(self, own_key: int) -> None:
        """As `Path` of `disk` has it. Not repeated: this node may be fenced meanwhile."""
        self.register_once(own_key, 0)
        self._add(0, own_key)

    def reserve(self, own_key: int, reservation_type: int) -> None:
        self._send("reserve", pr_ioctl.reserve, own_key, reservation_type)

    def preempt(self, own_key: int, victim: int, reservation_type: int, *, abort: bool) -> None:
        operation, command = (ABORTING, pr_ioctl.preempt_abort) if abort else ("preempt", pr_ioctl.preempt)
        try:
            self._send(operation, command, own_key, victim, reservation_type)
        except DeviceFailure as failure:
            from . import transient  # most calls meet nothing of the kind

            if not self._telling_preempt or not transient.is_unclear(failure):
                raise
            try:
                self._ask(operation, self._telling_preempt, own_key, victim, reservation_type, abort=abort)
            except (NotPermitted, NotSupported, Invalid) as refusal:
                # The kernel's own refusal means that nobody was asked.
                raise (failure if refusal.status < 0 else refusal) from None

    def paths(self) -> Sequence[Path]:
        return [self]

    def carry_out(self, operation: str, command: Callable[..., None], *values: int) -> None:
        """Send a command that no other method is for."""
        self._send(operation, command, *values)

    def close(self) -> None:
        os.close(self._fd)

    def _ask(
        self, operation: str, command: Command[Arguments, Result], *values: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Send a command once."""
        self._watch.announce(self.device.label(), operation)
        try:
            return command(self._fd, *values, **named)
        finally:
            self._watch.finished(self.device.label())

    def _send(
        self, operation: str, command: Command[Arguments, Result], *values: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Send a command, again where it may have been a unit attention that ended it."""
        for _ in range(REPETITIONS):
            self._watch.announce(self.device.label(), operation)
            try:
                return command(self._fd, *values, **named)
            except (DeviceFailure, UnitAttention) as error:
                failure = error
            finally:
                self._watch.finished(self.device.label())
        raise failure


def _open(device: Device) -> int:
    try:
        try:
            return pr_ioctl.open_disk(device.node)
        except OSError as error:
            if error.errno != errno.EMFILE or not more_descriptors():
                raise
            return pr_ioctl.open_disk(device.node)
    except OSError as error:
        raise kernel_status.failure(device.node, "open", -(error.errno or 0)) from error
