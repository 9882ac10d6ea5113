"""What the guard makes of what it reads. Pure: no I/O, no clock."""

from __future__ import annotations

from . import plan
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .plan import Snapshot

REACTIONS = LOG, STOP, REBOOT = "log", "stop", "reboot"
RETURNED_PATHS = REPORT, REGISTER = "report", "register"

# REGISTERED   this node's key is on the disk.
# FENCED       it is not, and a reservation is in force that shuts this node out: just what a proved off leaves behind.
# UNPROTECTED  it is not, and nothing shuts anybody out: the target has lost its registrations, or somebody cleared
#              them. No node was fenced; were all of them to reboot now, the whole cluster would be gone.
# UNREADABLE   nobody can tell.
REGISTERED, FENCED, UNPROTECTED, UNREADABLE = "registered", "fenced", "unprotected", "unreadable"
_VERDICTS = {plan.ON: REGISTERED, plan.OFF: FENCED, plan.UNPROVED: UNPROTECTED}


def judge(snapshot: Snapshot, own: int) -> str:
    """What one complete reading says of the node with the key `own`."""
    return _VERDICTS[plan.status(snapshot, own)]


def proved(first: str, second: str) -> str:
    """What two complete readings, one after the other, prove: only what both say counts against this node."""
    if REGISTERED in (first, second):
        return REGISTERED
    return FENCED if first == second == FENCED else UNPROTECTED


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
        table = {FENCED: self.fenced, UNPROTECTED: self.unprotected, UNREADABLE: self.unreadable}
        return table.get(verdict, "")

    def is_unreadable(self, silent_for: float) -> bool:
        """Whether a disk without a complete reading for so many seconds is UNREADABLE."""
        return silent_for >= self.unreadable_after


class View(Record):
    """One path as the guard knows it.

    busy      a reading is under way, perhaps for ever
    failed    the last reading that ended gave no keys
    answered  when the last complete answer came, in seconds of any clock; 0: never
    """

    busy: bool
    failed: bool
    answered: float


def whom_to_ask(views: list[View], *, everybody: bool = False) -> list[int]:
    """The paths (positions) to read through now: one that works is enough, without one every idle path is tried.

    everybody: every idle path, to learn which ones live
    """
    idle = [position for position, view in enumerate(views) if not view.busy]
    good = [position for position in idle if views[position].answered and not views[position].failed]
    if everybody or not good:
        return idle
    return [max(good, key=lambda position: views[position].answered)]


def unregistered_paths(live: int, registrations: int) -> int:
    """How many of the paths that answer have no registration, as far as numbers tell.

    0 where this node has no registration at all: then it was fenced, and no path of it is to be registered.
    """
    return max(0, live - registrations) if registrations else 0
