"""A SCSI disk behind one device node."""

from __future__ import annotations

import os

from ..errors import Conflict, DeviceFailure, Invalid, Notice, NotSupported, ReservationError
from . import identity, inquiry, lio, pr_ioctl, scsi
from .single_path import REPETITIONS, SinglePath
from .snapshot import (
    EXCLUSIVE_ACCESS,
    EXCLUSIVE_ACCESS_REG_ONLY,
    WRITE_EXCLUSIVE,
    WRITE_EXCLUSIVE_REG_ONLY,
    Snapshot,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence
    from typing import TypeVar

    from .disk import Judge
    from .full_status import Registration
    from .identity import Identity
    from .inquiry import Designator
    from .pr_ioctl import Capabilities

    Read = TypeVar("Read", pr_ioctl.Keys, pr_ioctl.Reservation)
    Told = TypeVar("Told")

# Of those that one nexus holds: another one that it does not hold while this is in force.
_ANOTHER_TYPE = {
    WRITE_EXCLUSIVE: EXCLUSIVE_ACCESS,
    EXCLUSIVE_ACCESS: WRITE_EXCLUSIVE,
    WRITE_EXCLUSIVE_REG_ONLY: WRITE_EXCLUSIVE,
    EXCLUSIVE_ACCESS_REG_ONLY: WRITE_EXCLUSIVE,
}
# A cluster has fewer. Each costs a command, and whoever asks waits.
_MOST_ASKED = 64


class ScsiDisk(SinglePath):
    """A SCSI disk: a registrant is one I_T nexus."""

    _reads_by_ioctl = True
    _telling_preempt = staticmethod(scsi.preempt)
    _abort_was_judged = False
    _abort_harm: Notice | None = None
    _designators: tuple[Designator, ...] = ()
    _last_keys: pr_ioctl.Keys | None = None
    _described: tuple[Registration, ...] | None = None

    def _ask_identity(self) -> Identity:
        self._designators = self._send("inquiry", inquiry.designators)
        return identity.of_scsi(self._designators)

    def snapshot(self) -> Snapshot:
        """The reservation, then the keys, each once.

        So what is listed is not older than what is in force. Nobody waits for a moment in which no other node
        registers: one that does so all the time could otherwise keep every proof from coming about.
        """
        held = self._reservation()
        listed = self._last_keys = self._keys()
        self._last_snapshot = Snapshot(listed.generation, listed.keys, held.type, held.key)
        return self._last_snapshot

    def keys(self) -> tuple[int, ...]:
        self._described = None  # it may be another registration by now
        return self._keys().keys

    def add(self, key: int, former: Sequence[int], judge: Judge | None) -> bool:
        try:
            return self._register_where_none_or_known(key, former, judge)
        except Invalid as error:
            raise self._explained(error) from error

    def _register_where_none_or_known(self, key: int, former: Sequence[int], judge: Judge | None) -> bool:
        """REGISTER from no key, which a nexus with a key is refused; then from the key that it has.

        That one is found by REGISTER from each listed key to itself: it changes nothing, and is refused to every nexus
        but the one that has the key (SPC-4 5.14.7). IGNORE would replace what another node over the same nexus, or
        another program, has registered: it is left for targets that refuse everything else, too.
        """
        before = self._last_snapshot
        if not self._register_from(0, key):
            return False
        asked = {0}  # from no key to none is never refused
        for _ in range(REPETITIONS):  # what is listed may change meanwhile
            listed = set(self.keys()) - asked
            if not listed:
                break
            old = self._which_of(dict.fromkeys((key, *former, *sorted(listed))), listed)
            if old == key:
                return True
            if old is not None:
                self._replace(old, key, judge)
                return True
            asked |= listed
        self._replace_unseen("register", 0, key, before)
        self.blindly = True
        return True

    def _which_of(self, keys: Iterable[int], listed: Container[int]) -> int | None:
        """The first of `keys` that is listed and that this very nexus has; None if it has none of them."""
        return next((it for it in keys if it in listed and not self._register_from(it, it)), None)

    def nexus_keys(self, absent: int) -> tuple[int, ...] | None:
        """Asked as for `_register_where_none_or_known`.

        What a target says is believed only if it refuses a key that nobody has, and lists no registration more than
        before: else its word could keep a node alive that was fenced.
        """
        listed = self.keys()
        asked = sorted(set(listed))
        if 0 in asked or len(asked) > _MOST_ASKED:
            return None
        found = self._which_of(asked, listed)
        if found is None:
            return ()
        refuses = found == absent or self._register_from(absent, absent)
        return (found,) if refuses and self.keys().count(found) <= listed.count(found) else None

    def _explained(self, refusal: Invalid) -> Invalid:
        """With what the target says of itself, if that is the reason."""
        try:
            possible = self.capabilities().persistence_possible
        except ReservationError:
            return refusal
        if possible:
            return refusal
        return Invalid(refusal.device, refusal.operation, refusal.status, refusal.answer, "no-persistence")

    def capabilities(self) -> Capabilities:
        return self._ask("report capabilities", scsi.report_capabilities)

    def hosts(self) -> dict[int, frozenset[str]] | None:
        from . import full_status  # most calls meet no key whose host they want to know

        self._described = described = self._describe()
        return None if described is None else full_status.hosts(described, self._listed())

    def _describe(self) -> tuple[Registration, ...] | None:
        """READ FULL STATUS; None if the target has no such command."""
        from . import full_status

        try:
            return self._ask(full_status.OPERATION, full_status.read)
        except (NotSupported, Invalid):
            return None

    def _listed(self) -> tuple[int, ...]:
        return (self._last_keys or self._keys()).keys

    def described(self) -> tuple[Registration, ...] | None:
        """As the target described its registrations when it was asked for them last; None if it does not."""
        if self._described is None:
            self._described = self._describe()
        return self._described

    def tells_registered(self, key: int) -> bool | None:
        return self.is_among(self.described(), key)

    def is_among(self, described: tuple[Registration, ...] | None, key: int) -> bool | None:
        """Whether the registration of this path's nexus is one of these, which any path may have told; None: nobody
        knows.
        """
        if described is None:
            return None
        from . import full_status

        return full_status.tells(
            described, self._listed(), key, self.own_port(), inquiry.target_port(self._designators)
        )

    def own_port(self) -> str:
        """This path's initiator port as a target names it; "" if nobody knows."""
        from . import own_hosts

        return own_hosts.port_of_scsi(os.fstat(self._fd).st_rdev)

    def own_hosts(self) -> frozenset[str]:
        from . import own_hosts

        return own_hosts.of_scsi(os.fstat(self._fd).st_rdev)

    def abort_harm(self) -> Notice | None:
        if not self._abort_was_judged:
            sign = self._sign_of_lio()
            self._abort_harm = Notice("abort-harm-of-lio", {"sign": sign.pack()}) if sign else None
            self._abort_was_judged = True
        return self._abort_harm

    def unwritten(self, own_key: int) -> Notice | None:
        """LIO removes registrations although it cannot write that down; only to a REGISTER it says so."""
        if not self.abort_harm():
            return None
        try:
            self.ask_registered(own_key)
        except (DeviceFailure, Invalid) as refusal:
            return refusal.notice()
        return None

    def ask_heeded(self, own_key: int) -> None:
        """LIO may refuse a registered nexus (`lio.py`): asked there by RELEASE of a type that is not in force.

        That is answered well to whoever is registered and holds nothing (SPC-4 5.14.11.2.2), and nothing can be
        released by it. Who holds is heeded.
        """
        last = self._last_snapshot
        if not last or last.type not in _ANOTHER_TYPE or last.holder == own_key or not self.abort_harm():
            return
        self.carry_out("release", pr_ioctl.release, own_key, _ANOTHER_TYPE[last.type])

    def depends_on(self, key: int) -> bool:
        """Whether one of these registrations is LIO's for another session of this initiator over the same port."""
        if not self.abort_harm():
            return False
        own_hosts, port = self.own_hosts(), inquiry.target_port(self._designators)
        with_key = [it for it in self.described() or () if it.key == key]
        return any(it.host in own_hosts and it.target_port in (None, port) for it in with_key)

    def _sign_of_lio(self) -> Notice | None:
        found = self._designators
        return lio.sign("", found) or lio.sign(self._told(inquiry.vendor) or "", found)

    def _told(self, ask: Callable[[int], Told]) -> Told | None:
        """What the disk says of itself; None if it does not."""
        try:
            return self._ask("inquiry", ask)
        except (NotSupported, Invalid, DeviceFailure):
            return None

    def _keys(self) -> pr_ioctl.Keys:
        return self._ask("read keys", self._read, pr_ioctl.read_keys, scsi.read_keys)

    def _reservation(self) -> pr_ioctl.Reservation:
        return self._ask("read reservation", self._read, pr_ioctl.read_reservation, scsi.read_reservation)

    def _read(self, fd: int, by_ioctl: Callable[[int], Read], by_scsi: Callable[[int], Read]) -> Read:
        """By ioctl; where the kernel has none, or cannot say what is wrong, by asking the target itself."""
        try:
            if self._reads_by_ioctl:
                try:
                    return by_ioctl(fd)
                except (NotSupported, Invalid, DeviceFailure):
                    self._reads_by_ioctl = False
            return by_scsi(fd)
        except Conflict as error:  # what is persistent never keeps anybody from reading it (SPC-4 5.14.2)
            fields = (error.device, error.operation, error.status, error.answer)
            raise Conflict(*fields, "reserved-by-older-command") from error
