"""'validate-all': everything that can be checked without changing a disk."""

from __future__ import annotations

from .. import keys
from ..errors import DevicesRefused, DiskNotAsAsked, FenceError, Notice, ReservationError
from ..option_table import ABORT_AUTO
from ..storage.snapshot import TYPE_NAMES
from . import explained, plan
from .plan import Done
from .report import Report
from .shared_disk import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .explained import Daylight
    from .job import Job
    from .shared_disk import SharedDisk


# How long Pacemaker waits for 'off' unless told otherwise, and the part of that after which it begins no other try.
PACEMAKERS_SECONDS, FIRST_TRY_SHARE = 60, 0.7


def validate(job: Job) -> Report:
    """Check everything that can be checked without changing a disk."""
    problems: list[Notice] = []
    try:
        _validate_keys(job)
    except FenceError as error:
        problems += error.notices()
    try:
        devices = job.resolve()
    except DevicesRefused as error:
        return Report.failed(*problems, *error.notices())
    try:
        job.nodes.require_names(devices)
    except FenceError as error:
        problems += error.notices()
    job.warn_of_other_disks(devices)
    _validate_limit(job)
    disks = job.read(devices, job.nodes.own_keys_if_readable(devices))
    rule = explained.Daylight(job.nodes.are_guessed(devices), job.nodes.one_is_unknown(devices))
    outcomes = job.on_each(lambda disk: _validate_disk(job, disk, rule), disks)
    return Report.of(devices, outcomes, problems=problems)


def _validate_limit(job: Job) -> None:
    """Whether a first try at 'off' leaves the cluster time for a second one. How long it waits it tells nobody."""
    request = job.request
    if request.limit is None:
        return
    limit = request.limit - request.waiting() + max(request.power_wait, request.settle_time)
    if limit > PACEMAKERS_SECONDS * FIRST_TRY_SHARE:
        fields = {"seconds": round(limit), "least": int(limit / FIRST_TRY_SHARE) + 1, "usual": PACEMAKERS_SECONDS}
        job.warn(Notice("limit-needs-more", fields))


def _validate_keys(job: Job) -> None:
    request = job.request
    if request.key or keys.is_number(request.plug):
        job.nodes.named()
    else:
        # Whoever checks a configuration may name any node, so only what holds for every node is checked.
        keys.check(job.nodes.cluster, request.key_method)


def _validate_disk(job: Job, disk: SharedDisk | FenceError, rule: Daylight) -> Done:
    if isinstance(disk, FenceError):
        raise disk
    if unfit := plan.unfit(disk.snapshot):
        raise refused(unfit.why, disk.snapshot)
    if disk.no_abort:
        raise disk.no_abort
    if why := rule.refusal(disk):
        raise why
    if otherwise := job.nodes.made_otherwise(disk.device):
        job.warn(otherwise)
    if disk.device.is_named_by_kernel():
        job.warn(Notice("name-of-this-boot", {"disk": disk.device.label()}))
    job.warn_of_access(disk.disk)
    _validate_target(job, disk)
    return Done()


def _validate_target(job: Job, disk: SharedDisk) -> None:
    """What the target can do."""
    label = disk.device.label()
    if job.request.abort == ABORT_AUTO and (harm := disk.disk.abort_harm()):
        job.say(Notice("abort-avoided", {"disk": label, "answer": harm.pack()}))
    if job.request.drains:
        from . import drain

        if obstacle := drain.obstacle(job, disk):
            job.warn(Notice("drain-impossible", {"disk": label, "answer": obstacle.pack()}))
    try:
        capabilities = disk.disk.capabilities()
    except ReservationError as error:
        job.say(Notice("capabilities-untold", {"disk": label, "answer": error.notice().pack()}))
        return
    wanted = job.request.type_for(disk.device)
    if capabilities.types is not None and wanted not in capabilities.types:
        fields = {"answer": Notice("type-untold", {}).pack(), "type": TYPE_NAMES[wanted]}
        raise DiskNotAsAsked("type-missing", operation="report capabilities", **fields)
    if not capabilities.persistence_possible:
        job.warn(Notice("persistence-missing", {"disk": label}))
    elif disk.snapshot.keys and not capabilities.persistence_active:
        job.say(Notice("persistence-inactive", {"disk": label}))
