"""What 'repair' does to a disk: each deed knows when it must not be done, and ends with a look at the disk."""

from __future__ import annotations

import abc
import os

from ..actions.shared_disk import not_as_asked, refused
from ..errors import Conflict, DiskNotAsAsked, FenceError, Notice, ReservationError
from ..files import what_failed
from ..storage import multipathd, nvme, pr_ioctl
from ..storage.device import MULTIPATH, NVME
from ..storage.snapshot import (
    EXCLUSIVE_ACCESS_ALL_REGS,
    EXCLUSIVE_ACCESS_REG_ONLY,
    SINGLE_HOLDER_TYPES,
    TYPE_NAMES,
    WRITE_EXCLUSIVE_ALL_REGS,
    WRITE_EXCLUSIVE_REG_ONLY,
    Snapshot,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..actions.job import Job
    from ..actions.shared_disk import SharedDisk
    from ..keys import Registrant

LEAVE, CLEAR, RELEASE = "leave", "clear", "release"
# What one node holds → the same for all registrants.
_SHARED = {
    WRITE_EXCLUSIVE_REG_ONLY: WRITE_EXCLUSIVE_ALL_REGS,
    EXCLUSIVE_ACCESS_REG_ONLY: EXCLUSIVE_ACCESS_ALL_REGS,
}
_KEY_BYTES = 8


class Deed(abc.ABC):
    """Something to be done to one open disk.

    say    told of each step before it is taken
    force  whether it is to be done although something speaks against it
    """

    def __init__(self, job: Job, disk: SharedDisk, say: Callable[[Notice], None], *, force: bool) -> None:
        self._job, self._shared, self._say, self._force = job, disk, say, force
        self._disk, self._label = disk.disk, disk.device.label()

    def refusal(self) -> FenceError | None:
        """Why it must not be done; None if nothing speaks against it."""
        return None

    @abc.abstractmethod
    def do(self) -> None:
        """Raises FenceError if it is not done, and proved by what the disk says afterwards."""

    def _step(self, code: str, **fields: object) -> None:
        self._say(Notice(code, {"disk": self._label, **fields}))

    def _forget(self) -> None:
        """First of all: between a key that is gone and its state file the guard would take this node for a fenced one.

        Raises FenceError.
        """
        try:
            self._job.here.forget(self._shared.device)
        except OSError as error:
            fields = {"folder": self._job.here.state_folder, "answer": what_failed(error)}
            raise DiskNotAsAsked("state-file-in-the-way", operation="remove", **fields) from error

    def _own_or_new_key(self) -> tuple[int, bool]:
        """A key that this node is registered with now, and whether it is a new one. Whatever it had is replaced."""
        own = self._shared.own_key
        if own and own in self._shared.snapshot.keys and self._is_own(own):
            return own, False
        key = int.from_bytes(os.urandom(_KEY_BYTES), "big") or 1
        self._step("registering", own_key=key)
        self._disk.snapshot()
        self._disk.register(key, judge=lambda _old: None)
        return key, True

    def _is_own(self, key: int) -> bool:
        try:
            self._disk.ask_registered(key)
        except ReservationError:
            return False
        return True

    def _unregister(self, key: int) -> None:
        """Over every path that answers; one that has another key, or none, is left alone."""
        self._step("unregistering", own_key=key)
        for path in self._disk.paths():
            try:
                if path.device.kind == NVME:  # the kernel's own call would leave key 0 in its place
                    path.carry_out("unregister", nvme.unregister, key)
                else:
                    path.change(key, 0)
            except Conflict:
                continue

    def _require(self, done: bool, now: Snapshot) -> None:
        if not done:
            raise not_as_asked("still-there", now)


class Leave(Deed):
    """This node goes out in order: at no moment whoever was shut out can write."""

    def refusal(self) -> FenceError | None:
        now, own = self._shared.snapshot, self._shared.own_key
        if not own or own not in now.keys:
            return not_as_asked("not-registered-here", now, own_key=own or 0)
        if now.type in SINGLE_HOLDER_TYPES:
            fields = {"type": now.type_name(), "holder_key": now.holder}
            return refused(Notice("held-by-one", fields), now)
        if not self._force and not self._others(now):
            return not_as_asked("last-to-leave", now)
        return None

    def _others(self, now: Snapshot) -> set[int]:
        return {key for key in now.keys if key not in (self._shared.own_key, 0)}

    def do(self) -> None:
        own, noted = self._shared.own_key or 0, self._job.nodes.registered_if_readable(self._shared.device)
        self._forget()
        try:
            self._hand_over(own)
            if self._shared.device.kind == MULTIPATH:
                multipathd.forget_key(self._shared.device.map_name, self._job.warn)
            before = self._job.persistently(self._disk.snapshot)
            self._unregister(own)
            now = self._job.persistently(self._disk.snapshot)
            self._require(own not in now.keys and (now.type == before.type or not self._others(now)), now)
        except FenceError:
            self._put_back(own, noted)
            raise

    def _hand_over(self, own: int) -> None:
        """A holder's reservation among registrants ends with its registration, so all registrants get it first: a
        preempt of the own key changes the type in one step (SPC-4 5.14.11.4, NVMe Reservation Acquire).
        """
        now = self._shared.snapshot
        wanted = _SHARED.get(now.type)
        if wanted is None or now.holder != own or not self._others(now):
            return
        self._step("handing-over", own_key=own, type=TYPE_NAMES[wanted])
        try:
            self._disk.preempt(own, own, wanted, abort=False)
        except ReservationError as error:
            raise DiskNotAsAsked("not-handed-over", operation="preempt", answer=error.notice().pack()) from error
        after = self._job.persistently(self._disk.snapshot)
        if after.type != wanted:
            raise DiskNotAsAsked("not-handed-over", operation="preempt", answer=after.told())

    def _put_back(self, own: int, noted: Registrant | None) -> None:
        """The state file, where this node is still registered: the guard must go on watching."""
        try:
            if noted and own in self._disk.snapshot().keys:
                self._job.here.save(self._shared.device, noted)
        except (FenceError, OSError):
            return  # why the disk was not left is told


class Clear(Deed):
    """No registration and no reservation is left."""

    def do(self) -> None:
        self._forget()
        key, _ = self._own_or_new_key()
        self._step("clearing", own_key=key)
        self._disk.paths()[0].carry_out("clear", pr_ioctl.clear, key)
        now = self._job.persistently(self._disk.snapshot)
        self._require(not now.keys and not now.type, now)


class Release(Deed):
    """The reservation that a dead host holds alone is ended, and its registration removed. holder: its key."""

    holder = 0

    def refusal(self) -> FenceError | None:
        now = self._shared.snapshot
        if now.type in SINGLE_HOLDER_TYPES and now.holder == self.holder:
            return None
        held = {"holder_key": now.holder} if now.holder else {}
        return not_as_asked("holder-is-another", now, key=self.holder, type=now.type_name(), **held)

    def do(self) -> None:
        held = self._shared.snapshot.type
        key, is_new = self._own_or_new_key()
        name = TYPE_NAMES[held]
        if key != self.holder:
            self._step("taking-over", holder_key=self.holder, own_key=key, type=name)
            self._disk.preempt(key, self.holder, held, abort=False)
        self._step("releasing", own_key=key, type=name)
        self._disk.paths()[0].carry_out("release", pr_ioctl.release, key, held)
        if is_new:
            self._unregister(key)
        now = self._job.persistently(self._disk.snapshot)
        gone = self.holder not in now.keys or key == self.holder
        self._require(gone and not now.type and not (is_new and key in now.keys), now)


def deed(name: str) -> type[Deed]:
    """The class of a deed."""
    return {LEAVE: Leave, CLEAR: Clear, RELEASE: Release}[name]
