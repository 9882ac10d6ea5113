"""The decisions of fencing. Pure: (snapshot, request) → next step or verdict; no I/O, no clock.

One disk at a time, one step at a time: whoever carries a step out reads the disk again and asks again. So a return
code is never a proof, a step that was lost is taken again, and a second run after a crash does the right thing.
"""

from __future__ import annotations

from .pr_ioctl import EXCLUSIVE_ACCESS, TYPE_NAMES, WRITE_EXCLUSIVE
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .keys import Registrant

SINGLE_NEXUS_TYPES = (WRITE_EXCLUSIVE, EXCLUSIVE_ACCESS)


class Snapshot(Record):
    """A disk's reservation state at one moment.

    keys    every registration, one a nexus: complete, or there would be no snapshot
    type    the reservation in force, enum pr_type; 0: none
    holder  its key; 0 if none, and under all-registrants types on SCSI
    """

    generation: int
    keys: tuple[int, ...]
    type: int
    holder: int

    def type_name(self) -> str:
        """The reservation's type in words."""
        return TYPE_NAMES.get(self.type, f"type {self.type}") if self.type else "none"

    def __str__(self) -> str:
        listed = ", ".join(f"0x{key:x}" for key in self.keys) or "none"
        return f"registered keys: {listed}; reservation: {self.type_name()}"


class Register(Record):
    """Register this nexus with its own key, whatever it had before; `listed`: the disk has the key already."""

    listed: bool

    def says(self, own: int) -> str:
        """The step in words, for the log."""
        return f"register 0x{own:x}"


class Reserve(Record):
    """Take the reservation with this type."""

    type: int

    def says(self, own: int) -> str:
        """The step in words, for the log."""
        return f"reserve with 0x{own:x}, {TYPE_NAMES[self.type]}"


class Preempt(Record):
    """Remove the victim's registrations, keeping this type in force."""

    victim: int
    type: int

    def says(self, own: int) -> str:
        """The step in words, for the log."""
        return f"preempt and abort 0x{self.victim:x} with 0x{own:x}, {TYPE_NAMES[self.type]}"


class Done(Record):
    """The disk is as asked; `note` is what the person should know nevertheless."""

    note: str = ""


class Refused(Record):
    """The disk cannot be brought there from here; `why` in one sentence, what to do in `hint`."""

    why: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.why} ({self.hint})" if self.hint else self.why


def off(snapshot: Snapshot, own: int, victim: Registrant, reservation_type: int) -> Reserve | Preempt | Done | Refused:
    """Shut `victim` out. Never registers: a node that was shut out must not come back by fencing the others.

    Always preempts with the type in force, because targets create the new reservation with the type they are given.
    """
    if own == victim.key:
        return Refused("this node's own key is the victim's; a node cannot shut itself out")
    if own not in snapshot.keys:
        return _own_key_missing(snapshot, own)
    if not snapshot.type:
        return Reserve(reservation_type)
    if victim.key in snapshot.keys:
        return Preempt(victim.key, snapshot.type)
    if 0 in snapshot.keys:
        return Refused(
            "a host is registered with key 0 and can write: it may be the node to shut out",
            "an NVMe host that was unregistered by replacing its key; run the action on there, or clear the disk",
        )
    return Done()


def _own_key_missing(snapshot: Snapshot, own: int) -> Refused:
    missing = f"this node's key 0x{own:x} is not registered"
    if snapshot.keys:
        return Refused(missing, "it was fenced, or never unfenced: run the action on here")
    lost = "the disk lost its registrations, or never had them: run the action on here and on every other node"
    return Refused(f"{missing}, and nothing is reserved: every node can write", lost)


def on(
    snapshot: Snapshot, own: int, reservation_type: int, registered: bool, was_listed: bool
) -> Register | Reserve | Done | Refused:
    """Let this node take part.

    registered  this very nexus was registered by this call
    was_listed  the key was on the disk when this call looked before
    A listed key may stand for a nexus that is long gone, so this nexus is registered whatever the list says. A
    reservation that all registrants share is accepted as it is: another node was faster, or a migration is under way.
    """
    if for_one := for_one_node(snapshot):
        return for_one
    listed = own in snapshot.keys
    if not listed and (registered or was_listed):
        return Refused(f"key 0x{own:x} was registered a moment ago and is gone", "was this node fenced at this moment?")
    if not registered:
        return Register(listed)
    return Done() if snapshot.type else Reserve(reservation_type)


ON, OFF, UNPROVED = "ON", "OFF", "UNKNOWN"


def status(snapshot: Snapshot, key: int) -> str:
    """ON: registered. OFF: proved shut out. UNKNOWN: not registered, but nothing is reserved, so it can write."""
    if key in snapshot.keys:
        return ON
    if 0 in snapshot.keys:  # an NVMe host without a proper key: nobody knows whose, and it can write
        return UNPROVED
    return OFF if snapshot.type else UNPROVED


def health(snapshot: Snapshot, own: int | None, unfenced: bool) -> Done | Refused:
    """Monitor's judgement of one disk. own: this node's key, None if unknown; unfenced: it was registered here."""
    if own is not None and own not in snapshot.keys:
        missing = f"this node's key 0x{own:x} is not registered"
        if unfenced and snapshot.keys:
            return Refused(f"{missing} any more", "it was fenced: stop what writes here, then run the action on")
        if unfenced:
            lost = "the disk lost its registrations, or somebody cleared them: run the action on on every node"
            return Refused(f"{missing} any more, and nothing is reserved: every node can write", lost)
        return _health_of_reservation(snapshot) or Done(missing)
    return _health_of_reservation(snapshot) or Done()


def _health_of_reservation(snapshot: Snapshot) -> Refused | None:
    if snapshot.keys and not snapshot.type:
        return Refused("nodes are registered but nothing is reserved: every node can write", "run the action on")
    return for_one_node(snapshot)


def for_one_node(snapshot: Snapshot) -> Refused | None:
    """A reservation that nodes cannot share is in force: some other program's."""
    if snapshot.type not in SINGLE_NEXUS_TYPES:
        return None
    return Refused(
        f"the reservation in force is {snapshot.type_name()}, held with key 0x{snapshot.holder:x}:"
        " only its holder can write",
        "release it where it is held",
    )


def foreign(snapshot: Snapshot, known: frozenset[int]) -> tuple[int, ...]:
    """Registered keys that belong to no known node, each once, in order."""
    return tuple(sorted(set(snapshot.keys) - known))
