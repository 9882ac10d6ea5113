"""What the guard makes of what it reads. Pure: no I/O, no clock."""

from __future__ import annotations

from .. import key_form
from ..errors import Notice
from ..record import Record
from ..storage.snapshot import OFF, ON, UNPROVED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..storage.snapshot import Snapshot

REACTIONS = LOG, STOP, REBOOT = "log", "stop", "reboot"
RETURNED_PATHS = REPORT, REGISTER = "report", "register"

# REGISTERED   this node's key is on the disk.
# FENCED       it is not, and a reservation is in force that keeps this node out: just what a proved off leaves behind.
# OTHERWISE    it is not, and a reservation is in force, but this node is registered with another key: somebody has put
#              that one in its place. It can write, so nobody has fenced it.
# UNPROTECTED  it is not, and nothing keeps anybody out: the target has lost its registrations, or somebody cleared
#              them. No node was fenced; were all of them to reboot now, the whole cluster would be gone.
# UNREADABLE   nobody can tell.
REGISTERED, FENCED, OTHERWISE, UNPROTECTED, UNREADABLE = (
    "registered", "fenced", "registered otherwise", "unprotected", "unreadable"
)  # fmt: skip
# What readings alone may leave open: the key is gone beside an NVMe host with key 0, which may be this one.
UNTOLD = "untold"
_SUSPECTED = (FENCED, UNTOLD)


class Reading(Record):
    """A complete reading of a disk, and this node's key as its state file said right before."""

    own_key: int
    snapshot: Snapshot


class Finding(Record):
    """A verdict, and why. reading: the last one that tells so."""

    verdict: str
    why: Notice
    reading: Reading | None = None

    def suspects(self) -> bool:
        """Whether it depends on the keys with which this very node is registered."""
        return self.verdict in _SUSPECTED


def examine(read: Callable[[], Reading | None], wait: Callable[[], None]) -> Finding | None:
    """What a disk says of this node: only what two complete readings, one after the other, both say counts against it.

    read  a reading; None if the disk is not to be judged now. What it raises goes through
    wait  lets some time pass between the two
    """
    reading = read()
    if reading is None:
        return None
    verdict = judge(reading.snapshot, reading.own_key)
    if verdict != REGISTERED:
        wait()
        second = read()
        if second is None:
            return None
        verdict = proved(verdict, judge(second.snapshot, second.own_key))
        if verdict != UNPROTECTED or second.snapshot.type == 0:
            reading = second  # else it is the first that tells why
    return Finding(verdict, why(verdict, reading.own_key, reading.snapshot), reading)


def judge(snapshot: Snapshot, own_key: int) -> str:
    """What one complete reading says of the node with the key `own_key`."""
    state = snapshot.state_of(own_key)
    if state == UNPROVED:
        return UNTOLD if snapshot.type else UNPROTECTED
    return {ON: REGISTERED, OFF: FENCED}[state]


def proved(first: str, second: str) -> str:
    """What two complete readings, one after the other, prove."""
    if REGISTERED in (first, second):
        return REGISTERED
    if UNPROTECTED in (first, second):
        return UNPROTECTED
    return UNTOLD if UNTOLD in (first, second) else FENCED


def settled(finding: Finding, nexus_keys: tuple[int, ...] | None) -> Finding:
    """A finding once it is known with which keys this very node is registered (`Disk.nexus_keys`).

    Where nobody tells, a node whose key is gone was fenced, and beside a key 0 it is as if nothing kept it out.
    """
    if finding.verdict not in _SUSPECTED or not finding.reading:
        return finding
    own_key, snapshot = finding.reading.own_key, finding.reading.snapshot
    if nexus_keys is None:
        verdict = FENCED if finding.verdict == FENCED else UNPROTECTED
    elif own_key in nexus_keys:
        verdict = REGISTERED
    else:
        verdict = OTHERWISE if nexus_keys else FENCED
    return Finding(verdict, why(verdict, own_key, snapshot, nexus_keys or ()), finding.reading)


def is_lost(finding: Finding, *, before: bool) -> bool:
    """Whether the target has lost this node's registration, now or before, and nobody has put it back since.

    Then the reservation that another node takes next keeps this node out, too, although nobody has fenced it: were
    every guard to take that for a fencing, the first node to come back would be the only one left.
    """
    unreserved = finding.verdict == UNPROTECTED and finding.reading and not finding.reading.snapshot.type
    return bool(unreserved) or (before and finding.verdict not in (REGISTERED, OTHERWISE))


def after_loss(finding: Finding) -> Finding:
    """What a finding comes to where the registration was lost before, and not by a fencing."""
    if finding.verdict != FENCED or not finding.reading:
        return finding
    fields = {"own_key": finding.reading.own_key, "after": finding.reading.snapshot.told()}
    return Finding(UNPROTECTED, Notice("kept-out-after-loss", fields), finding.reading)


def registered(own_key: int) -> Notice:
    """What is said of a disk on which all is well."""
    return Notice("this-node-registered", {"own_key": own_key})


def why(verdict: str, own_key: int, snapshot: Snapshot, nexus_keys: tuple[int, ...] = ()) -> Notice:
    """What is said of a verdict. nexus_keys: with which this node is registered instead."""
    if verdict == REGISTERED:
        return registered(own_key)
    if verdict == OTHERWISE:
        proper = tuple(key for key in nexus_keys if key)
        standing = [_standing(key) for key in proper]
        return Notice(
            "registered-with-other-key" if proper else "registered-with-zero",
            {"own_key": own_key, "standing": standing},
        )
    code = "key-gone-beside-key-zero" if snapshot.type else "protection-lost"
    code = "this-node-fenced" if verdict == FENCED else code
    return Notice(code, {"own_key": own_key, "after": snapshot.told()})


def _standing(key: int) -> dict[str, Any]:
    code = "key-of-lvm" if key_form.origin(key) == "lvm" else "key-of-nobody"
    return Notice(code, {"standing_key": key}).pack()


class Policy(Record):
    """What is done about each verdict: LOG, STOP (Pacemaker) or REBOOT.

    unreadable_after  seconds without a complete reading after which a disk is UNREADABLE
    """

    fenced: str = REBOOT
    unprotected: str = LOG
    unreadable: str = LOG
    unreadable_after: float = 30.0

    def reaction(self, verdict: str) -> str:
        """LOG, STOP or REBOOT; "" for a healthy disk."""
        table = {
            FENCED: self.fenced, OTHERWISE: LOG, UNPROTECTED: self.unprotected, UNREADABLE: self.unreadable
        }  # fmt: skip
        return table.get(verdict, "")

    def is_unreadable(self, silent_for: float) -> bool:
        """Whether a disk without a complete reading for so many seconds is UNREADABLE."""
        return silent_for >= self.unreadable_after


class View(Record):
    """One path as the guard knows it.

    busy         a reading is under way, perhaps for ever
    failed       the last reading that ended gave no keys
    answered_at  when the last complete answer came, in seconds of any clock; 0: never
    """

    busy: bool
    failed: bool
    answered_at: float


def whom_to_ask(views: list[View], *, everybody: bool = False) -> list[int]:
    """The paths (positions) to read through now: one that works is enough, without one every idle path is tried.

    everybody: every idle path, to learn which ones live
    """
    idle = [position for position, view in enumerate(views) if not view.busy]
    good = [position for position in idle if views[position].answered_at and not views[position].failed]
    if everybody or not good:
        return idle
    return [max(good, key=lambda position: views[position].answered_at)]


def unregistered_paths(live: int, registrations: int) -> int:
    """How many of the paths that answer have no registration, as far as numbers tell.

    0 where this node has no registration at all: then it was fenced, and no path of it is to be registered.
    """
    return max(0, live - registrations) if registrations else 0


class Silence:
    """For how long a disk has given no complete answer.

    seconds  the time without one, as far as it was told of
    """

    def __init__(self) -> None:
        self._answered_at = self.seconds = 0.0

    def passed(self, seconds: float, answered_at: float) -> None:
        """More time has passed. answered_at: when the newest answer came, in seconds of any clock; 0: never."""
        self.seconds = 0.0 if answered_at > self._answered_at else self.seconds + seconds
        self._answered_at = max(answered_at, self._answered_at)
