"""The decisions of fencing. Pure: (snapshot, request) → next step or verdict; no I/O, no clock.

One disk at a time, one step at a time: whoever carries a step out reads the disk again and asks again. So a return
code is never a proof, a step that was lost is taken again, and a second run after a crash does the right thing.
"""

from __future__ import annotations

from ..errors import Notice
from ..record import Record
from ..storage.snapshot import SINGLE_HOLDER_TYPES, TYPE_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..keys import Registrant
    from ..storage.snapshot import Snapshot


class Register(Record):
    """Register this nexus with its own key, whatever it had before; `listed`: the disk has the key already."""

    listed: bool

    def told(self, own_key: int) -> Notice:
        """What the log says of the step."""
        return Notice("registering", {"own_key": own_key})


class Reserve(Record):
    """Take the reservation with this type."""

    type: int

    def told(self, own_key: int) -> Notice:
        """What the log says of the step."""
        return Notice("reserving", {"own_key": own_key, "type": TYPE_NAMES[self.type]})


class Preempt(Record):
    """Remove the victim's registrations, keeping this type in force."""

    victim: int
    type: int

    def told(self, own_key: int) -> Notice:
        """What the log says of the step."""
        fields = {"victim_key": self.victim, "own_key": own_key, "type": TYPE_NAMES[self.type]}
        return Notice("preempting", fields)


if TYPE_CHECKING:
    Step = Register | Reserve | Preempt


class Done(Record):
    """The disk is as asked; `warning` is what the person should know nevertheless."""

    warning: Notice | None = None


class Refused(Record):
    """The disk cannot be brought there from here, and why."""

    why: Notice


def _refused(code: str, **fields: Any) -> Refused:
    return Refused(Notice(code, fields))


def off(
    snapshot: Snapshot, own_key: int, victim: Registrant, reservation_type: int
) -> Reserve | Preempt | Done | Refused:
    """Fence `victim`. Never registers: a node that was fenced must not come back by fencing the others.

    Always preempts with the type in force, because targets create the new reservation with the type they are given.
    """
    if own_key in victim.all_keys():
        return _refused("victim-is-this-node", node=victim.node, key=victim.key)
    if own_key not in snapshot.keys:
        return single_holder(snapshot) or _own_key_missing(snapshot, own_key)  # else 'on' would refuse as well
    if not snapshot.type:
        return Reserve(reservation_type)
    for key in victim.all_keys():
        if key in snapshot.keys:
            return Preempt(key, snapshot.type)
    if 0 in snapshot.keys:
        return _refused("key-zero")
    return Done()


def _own_key_missing(snapshot: Snapshot, own_key: int) -> Refused:
    return _refused("own-key-missing" if snapshot.keys else "no-keys", own_key=own_key)


# Refusals of 'on' after which nothing but another call may register this node.
FENCED_MEANWHILE = ("key-vanished", "maybe-fenced")


def on(
    snapshot: Snapshot,
    before: Snapshot | None,
    own_key: int,
    reservation_type: int,
    registered: bool,
    joined: Snapshot | None,
) -> Register | Reserve | Done | Refused:
    """Unfence this node.

    before      what this call read before its last step; None if it has taken none
    registered  this very nexus was registered by this call
    joined      what this call read before a REGISTER that may have been carried out, whatever was answered; None if it
                has sent none
    A listed key may stand for a nexus that is long gone, so this nexus is registered whatever the list says. A
    reservation that all registrants share is accepted as it is: another node was faster, or a migration is under way.
    """
    if refused := single_holder(snapshot):
        return refused
    listed = own_key in snapshot.keys
    was_listed = before is not None and own_key in before.keys
    if not listed and (registered or was_listed):
        return _refused("key-vanished", own_key=own_key)
    if not listed and joined and not joined.only_grew_to(snapshot):
        return _refused("maybe-fenced", own_key=own_key)
    if not registered:
        return Register(listed)
    return Done() if snapshot.type else Reserve(reservation_type)


def was_fenced(snapshot: Snapshot, keys: tuple[int, ...]) -> bool:
    """Whether a node that was registered with one of these keys has been shut out since; not if all was lost."""
    return bool(snapshot.type) and not any(key in snapshot.keys for key in keys)


def health(snapshot: Snapshot, own_key: int | None, unfenced: bool) -> Done | Refused:
    """Monitor's judgement of one disk. own_key: this node's key, None if unknown; unfenced: it was registered here."""
    if own_key is not None and own_key not in snapshot.keys:
        if unfenced:
            return _refused("own-key-gone" if snapshot.keys else "registrations-lost", own_key=own_key)
        return _health_of_reservation(snapshot) or Done(Notice("not-unfenced", {"own_key": own_key}))
    return _health_of_reservation(snapshot) or Done(Notice("not-known-here", {}) if own_key is None else None)


def _health_of_reservation(snapshot: Snapshot) -> Refused | None:
    if snapshot.keys and not snapshot.type:
        return _refused("nothing-reserved")
    return unfit(snapshot)


def unfit(snapshot: Snapshot) -> Refused | None:
    """What keeps any node from being called fenced there, or from writing."""
    return _refused("key-zero") if 0 in snapshot.keys else single_holder(snapshot)


def single_holder(snapshot: Snapshot) -> Refused | None:
    """A reservation that nodes cannot share is in force: some other program's."""
    if snapshot.type not in SINGLE_HOLDER_TYPES:
        return None
    return _refused("held-by-one", type=snapshot.type_name(), holder_key=snapshot.holder)
