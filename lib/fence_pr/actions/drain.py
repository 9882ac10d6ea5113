"""drain=reset: after the removal, a reset of the disk ends what it had accepted, where no abort did.

The reset ends every node's commands, not only the victim's, and two at a time can take the session of their sender
down. So it is sent once a disk, over one path, by the node that removed the key alone, and only where there is time to
see what came of it. Success is a proof. Anything else leaves unknown what may still land: the node is fenced all the
same.
"""

from __future__ import annotations

from ..errors import FenceError, Notice
from ..storage import unit_reset
from ..storage.device import NVME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..storage.device import Device
    from .job import Job
    from .shared_disk import SharedDisk


def not_drained(job: Job, disks: Sequence[SharedDisk], others: Sequence[Device]) -> list[SharedDisk]:
    """Reset all these at once; those of which nobody knows what may still land, each with a warning that says why.

    others: where another node removed a key of the victim
    """
    spared = [_why_not(job, disk, is_others=disk.device in others) for disk in disks]
    due = [disk for disk, why in zip(disks, spared) if why is None]
    patience = job.time.for_draining()

    def reset(disk: SharedDisk) -> None:
        path = disk.disk.paths()[0]  # the first is the one that was proved
        job.say(Notice("draining", {"disk": disk.device.label(), "path": path.device.node}))
        path.carry_out(unit_reset.OPERATION, unit_reset.reset)

    if patience and len(due) == 1:
        outcomes = [job.here.in_time(reset, due[0], patience)]
    else:
        outcomes = job.on_each(reset, due, patience)
    failed = {disk.device: it.notice() for disk, it in zip(due, outcomes) if isinstance(it, FenceError)}
    failed.update({disk.device: why for disk, why in zip(disks, spared) if why})
    for device, why in failed.items():
        job.warn(Notice("drain-unproved", {"disk": device.label(), "answer": why.pack()}))
    return [disk for disk in disks if disk.device in failed]


def _why_not(job: Job, disk: SharedDisk, *, is_others: bool) -> Notice | None:
    if why := obstacle(job, disk):
        return why
    if is_others or not disk.disk.removed:
        return Notice("drain-left-to-another", {})
    return None if job.time.is_half_left() else Notice("drain-too-late", {})


def obstacle(job: Job, disk: SharedDisk) -> Notice | None:
    """Why a reset of this disk proves nothing, or cannot be sent; None if nothing speaks against it."""
    if disk.device.kind == NVME:
        return Notice("drain-only-of-scsi", {})
    return next(filter(None, (job.here.reset_obstacle(path.device.node) for path in disk.disk.paths()[:1])), None)
