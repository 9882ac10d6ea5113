"""Is this node's listed key this node's still? It may stand for a former session, or for a path that is dead.

A node to which that happens is refused when it fences others, and by most targets when it writes (LIO goes by the
initiator's name there). So it must not begin: it would win one disk, be stopped at the next, and have left nobody who
can use both.
"""

from __future__ import annotations

from ..errors import Conflict, DiskNotAsAsked, FenceError, Notice, ReservationError
from ..parallel import Unanswered
from .shared_disk import not_as_asked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..storage.device import Device
    from .job import Job
    from .shared_disk import SharedDisk


def refusals(job: Job, disks: Sequence[SharedDisk]) -> dict[Device, DiskNotAsAsked]:
    """Of disks that this node is about to change: why that would be refused.

    A map may be refused because the path that is registered is away for a moment: then that one is waited for.
    """
    found, again = _refused(job, disks), None
    while found:
        again = again or job.repetition()
        maps = [disk for disk in disks if disk.device in found]
        passing = [next(filter(again.is_worthwhile, disk.disk.away()), None) for disk in maps]
        if not (first := passing[0]) or None in passing:
            break
        again.pause(first)
        seen = [disk for disk, it in zip(maps, job.on_each(_look_again, maps)) if not isinstance(it, FenceError)]
        left = {disk.device: found[disk.device] for disk in maps if disk not in seen}
        found = {**left, **_refused(job, seen, found)}
    return found


def _look_again(disk: SharedDisk) -> None:
    """Take dead paths back, and read: what a path has not answered it is not asked by REGISTER."""
    disk.disk.away(again=True)
    disk.disk.snapshot()


def _refused(
    job: Job, disks: Sequence[SharedDisk], before: Mapping[Device, DiskNotAsAsked] | None = None
) -> dict[Device, DiskNotAsAsked]:
    """The same as it is now. A disk that is silent has the time of a path, where there are several of two, and no more:
    fencing does not depend on it. But what was refused before holds until the target says otherwise.
    """
    before = before or {}

    def judge(disk: SharedDisk) -> None:
        if why := refusal(job, disk, ask=True, untold=before.get(disk.device)):
            raise why

    patience = job.time.for_the_last_question(max((it.disk.live_paths() for it in disks), default=1))
    if patience and len(disks) == 1:
        found = [job.here.in_time(judge, disks[0], patience)]
    else:
        found = job.on_each(judge, list(disks), patience)
    for at, (disk, it) in enumerate(zip(disks, found)):
        if isinstance(it, Unanswered):
            _say(job, disk, it)
            found[at] = before.get(disk.device)
    return {disk.device: it for disk, it in zip(disks, found) if isinstance(it, DiskNotAsAsked)}


def refusal(job: Job, disk: SharedDisk, *, ask: bool, untold: DiskNotAsAsked | None = None) -> DiskNotAsAsked | None:
    """That the target refuses this node, although it lists its key. None if it does not; `untold` if nobody can tell.

    ask: by REGISTER, which some targets write down each time, also where the target tells nothing otherwise; what it
    tells against this node is always asked again so, since targets differ in how they number their ports
    """
    own_key = disk.own_key
    assert own_key
    code = "own-key-stale"
    try:
        told = _told(job, disk, own_key)
        if told is False or (told is None and ask):
            job.persistently(lambda: disk.disk.ask_registered(own_key))
        code = "own-key-unheeded"
        job.persistently(lambda: disk.disk.ask_heeded(own_key))
    except Conflict as refused:
        return _stale(job, disk, code, refused, untold)
    except ReservationError as error:
        _say(job, disk, error)
        return untold
    return None


def _told(job: Job, disk: SharedDisk, own_key: int) -> bool | None:
    """None also where the question comes to nothing: some drivers answer it as if the path were lost, and whether it is
    the next question shows.
    """
    try:
        return job.persistently(lambda: disk.disk.tells_registered(own_key), only_of_target=True)
    except ReservationError:
        return None


def _stale(
    job: Job, disk: SharedDisk, code: str, refused: Conflict, untold: DiskNotAsAsked | None
) -> DiskNotAsAsked | None:
    """If the key is not listed any more this node has been fenced, or another one is faster: the plan says it. Who
    holds the reservation by now is refused the question, and nothing else.
    """
    try:
        now = disk.disk.snapshot()
    except ReservationError as error:
        _say(job, disk, error)
        return untold
    if disk.own_key not in now.keys or (code == "own-key-unheeded" and now.holder == disk.own_key):
        return None
    return not_as_asked(code, now, own_key=disk.own_key, last_answer=refused.notice().pack())


def _say(job: Job, disk: SharedDisk, error: FenceError) -> None:
    fields = {"disk": disk.device.label(), "answer": error.notice().pack()}
    job.say(Notice("nexus-untold", fields))
