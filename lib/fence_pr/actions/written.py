"""Will a target still know after its restart what was done to it? LIO writes that down, and may be unable to.

It carries a removal out, answers well, and has the removed key back when it restarts. Only whoever registers is told
that it cannot write; and to register makes it write all that it has. So a REGISTER from the own key to itself, after
the last removal, tells, and puts right what can be put right by then.
"""

from __future__ import annotations

from ..errors import DiskNotAsAsked, Notice, ReservationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..keys import Registrant
    from .job import Job
    from .shared_disk import SharedDisk


def look_after_removal(job: Job, disk: SharedDisk, victim: Registrant) -> None:
    """Warn, and note for `monitor`, that the victim's key would be back after a restart of the target."""
    if why := _why_not(job, disk):
        who = {"node": victim.node, "key": victim.key}
        job.warn(Notice("removal-unwritten", {"disk": disk.device.label(), "answer": why.pack(), **who}))
        job.here.note_unwritten(disk.device, unwritten=True)


def refusal(job: Job, disk: SharedDisk) -> DiskNotAsAsked | None:
    """That what was noted still holds; None if nothing was, or if it is over: then the target has written by now."""
    if not job.here.is_unwritten(disk.device):
        return None
    if why := _why_not(job, disk):
        return DiskNotAsAsked("registrations-unwritten", operation="register", answer=why.pack())
    job.here.note_unwritten(disk.device, unwritten=False)
    return None


def _why_not(job: Job, disk: SharedDisk) -> Notice | None:
    assert disk.own_key
    try:
        return disk.disk.unwritten(disk.own_key)
    except ReservationError as error:
        fields = {"disk": disk.device.label(), "answer": error.notice().pack()}
        job.say(Notice("written-untold", fields))
        return None
