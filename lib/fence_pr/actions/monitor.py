"""The action "monitor": is every disk as it must be, and can this node fence over it?"""

from __future__ import annotations

from ..errors import FenceError, Notice
from . import explained, own_nexus, plan, written
from .plan import Done, Refused
from .registrants import packed
from .report import Report
from .shared_disk import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .explained import Daylight
    from .job import Job
    from .shared_disk import SharedDisk


def monitor(job: Job) -> Report:
    """Every disk can be read and carries a fitting reservation, and this node is registered if it ever was."""
    devices = job.resolve()
    own_keys = job.nodes.own_keys(devices)
    job.nodes.require_names(devices)
    job.warn_of_other_disks(devices)
    disks = job.read(devices, own_keys)
    rule = explained.Daylight(job.nodes.are_guessed(devices), job.nodes.one_is_unknown(devices))
    outcomes = [it if isinstance(it, FenceError) else _health(job, it, rule) for it in disks]
    warnings = [
        outcome.warning.about(device.label())
        for device, outcome in zip(devices, outcomes)
        if isinstance(outcome, Done) and outcome.warning
    ]
    return Report.of(devices, outcomes, warnings=warnings)


def _health(job: Job, disk: SharedDisk, rule: Daylight) -> Done | FenceError:
    job.warn_of_paths(disk.disk, disk.snapshot, disk.own_key)
    job.warn_of_type(disk.disk, disk.snapshot)
    job.bind(disk)
    if otherwise := job.nodes.made_otherwise(disk.device):
        job.warn(otherwise)
    if disk.no_abort:
        return disk.no_abort
    unfenced = job.nodes.registered(disk.device) is not None
    decision = plan.health(disk.snapshot, disk.own_key, unfenced)
    if isinstance(decision, Refused):
        return refused(decision.why, disk.snapshot)
    if disk.own_key in disk.snapshot.keys and (stale := own_nexus.refusal(job, disk, ask=False)):
        if unfenced:
            return stale
        decision = Done(Notice("not-unfenced-anew", {"own_key": disk.own_key}))
    if unwritten := written.refusal(job, disk):
        return unwritten
    if not rule.guessed and (shared := explained.on_two_hosts(disk)):
        # A name makes a key for one node alone, which may have two hosts.
        job.say(Notice("key-on-two-hosts", {"disk": disk.device.label(), "standing": packed(shared)}))
    return rule.refusal(disk) or decision
