"""A registration that the target lists and does not go by (LIO, `storage.lio`): 'on' ends it, and adds it again.

Between the two this node has no key, and if it were fenced just then nothing would tell. So it is done only where
nothing of this node uses the disk: then nothing of it can land that is older than the fencing.
"""

from __future__ import annotations

from ..errors import Conflict, FenceError, Notice, ReservationError
from . import plan
from .shared_disk import not_as_asked
from .steps import drive, forget, save

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..keys import Registrant
    from ..storage.disk import Disk, Path
    from ..storage.snapshot import Snapshot
    from .job import Job


def renewed(job: Job, disk: Disk, snapshot: Snapshot, me: Registrant) -> Snapshot:
    """What is left after each path that is not heeded is registered anew. Raises DiskNotAsAsked, ReservationError.

    Over a map each: what meets a reservation conflict over one path is tried over no other by the kernel.
    """
    unheeded = [(path, why) for path in disk.paths() if (why := _refusal(job, disk, path, me.key))]
    if not unheeded:
        return snapshot
    now = job.persistently(disk.snapshot)
    if me.key not in now.keys:
        raise not_as_asked("key-vanished", now, own_key=me.key)
    if now.holder == me.key:
        return now  # by another call here: who holds is heeded, and would give the reservation up
    if users := job.here.users(disk.device):
        fields = {"own_key": me.key, "last_answer": unheeded[0][1].notice().pack()}
        raise not_as_asked("own-key-unheeded", now, **fields, users=[it.pack() for it in users])
    after = _register_anew(job, disk, [path for path, _ in unheeded], me)
    if after.type or not now.type:
        return after
    # Another call here has made this node the holder since that reading: the reservation went with its registration.
    return drive(job, disk, me.key, lambda it, _: plan.Done() if it.type else plan.Reserve(now.type))


def _refusal(job: Job, disk: Disk, path: Path, own_key: int) -> Conflict | None:
    try:
        # A path that goes where another is left is a dead one, as everywhere; nobody waits for it.
        job.persistently(lambda: path.ask_heeded(own_key), only_of_target=disk.live_paths() > 1)
    except Conflict as refusal:
        return refusal
    except ReservationError as error:
        job.say(Notice("nexus-untold", {"disk": disk.device.label(), "answer": error.notice().pack()}))
    return None


def _register_anew(job: Job, disk: Disk, paths: Sequence[Path], me: Registrant) -> Snapshot:
    """Without the state file meanwhile: the guard would take this node for fenced."""
    forget(job, disk.device)
    failure: FenceError | None = None
    try:
        for path in paths:
            job.say(Notice("registering-anew", {"disk": path.device.node, "own_key": me.key}))
            path.renew(me.key)
    except FenceError as error:
        failure = error
    after = _reading(job, disk)
    if after and me.key in after.keys:
        save(job, disk.device, me)
    if failure:
        raise failure
    if not after or me.key not in after.keys:
        raise not_as_asked("key-vanished", after or job.persistently(disk.snapshot), own_key=me.key)
    return after


def _reading(job: Job, disk: Disk) -> Snapshot | None:
    try:
        return job.persistently(disk.snapshot)
    except FenceError:
        return None
