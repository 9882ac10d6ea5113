"""The actions that only read: status, monitor, list, list-status."""

from __future__ import annotations

from ..errors import DiskNotAsAsked, FenceError, Notice
from ..keys import Registrant
from ..storage.snapshot import OFF, ON, UNPROVED
from . import plan
from .plan import Done, Refused
from .report import Report
from .shared_disk import not_as_asked, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .explained import Daylight
    from .job import Job
    from .report import Outcome
    from .shared_disk import SharedDisk


def status(job: Job) -> Report:
    """ON if the named node is registered everywhere, OFF if it is fenced everywhere, else a failure."""
    named = job.nodes.named()
    devices = job.resolve()
    job.nodes.require_known_key(named, devices)
    disks = job.read(devices, job.nodes.own_keys_if_readable(devices), victim=named)
    node = job.victim(named, disks)
    guessed = job.nodes.are_guessed(devices)
    for disk in disks:
        if not isinstance(disk, FenceError):
            job.warn_of_paths(disk.disk, disk.snapshot, disk.own_key)
    found = [it if isinstance(it, FenceError) else state_of(job, it, node, guessed) for it in disks]
    states = [UNPROVED if isinstance(it, FenceError) else it[0] for it in found]
    if len(set(states)) == 1 and states[0] != UNPROVED:
        return Report(True, states[0])
    return Report.of(devices, [it if isinstance(it, FenceError) else it[1] for it in found])


def state_of(job: Job, disk: SharedDisk, node: Registrant, guessed: bool) -> tuple[str, DiskNotAsAsked]:
    """ON, OFF or UNPROVED, and what that is where another disk says otherwise."""
    from . import explained  # a call that no disk answers does without

    snapshot, who = disk.snapshot, {"node": node.node, "key": node.key}
    if not set(node.all_keys()).isdisjoint(snapshot.keys):
        return ON, not_as_asked("registered-here", snapshot, **who)
    shared = explained.shared(disk, node) if guessed else None
    can_write = shared or explained.why_not_out(job, disk, snapshot, disk.told, node)
    if snapshot.state_of(node.key) == OFF and not can_write:
        return OFF, not_as_asked("fenced-here", snapshot, **who)
    return UNPROVED, can_write or not_as_asked("can-write", snapshot, **who)


def monitor(job: Job) -> Report:
    """Every disk can be read and carries a fitting reservation, and this node is registered if it ever was."""
    devices = job.resolve()
    own_keys = job.nodes.own_keys(devices)
    job.nodes.require_names(devices)
    job.warn_of_other_disks(devices)
    disks = job.read(devices, own_keys)
    from . import explained

    rule = explained.Daylight(job.nodes.are_guessed(devices), job.nodes.one_is_unknown(devices))
    outcomes = [it if isinstance(it, FenceError) else _health(job, it, rule) for it in disks]
    warnings = [
        outcome.warning.about(device.label())
        for device, outcome in zip(devices, outcomes)
        if isinstance(outcome, Done) and outcome.warning
    ]
    return Report.of(devices, outcomes, warnings=warnings)


def _snapshots(disks: Sequence[SharedDisk | FenceError]) -> list[Outcome]:
    return [it if isinstance(it, FenceError) else it.snapshot for it in disks]


def _health(job: Job, disk: SharedDisk, rule: Daylight) -> Done | FenceError:
    from . import own_nexus, written
    from .explained import on_two_hosts
    from .registrants import packed

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
    if not rule.guessed and (shared := on_two_hosts(disk)):
        # A name makes a key for one node alone, which may have two hosts.
        job.say(Notice("key-on-two-hosts", {"disk": disk.device.label(), "standing": packed(shared)}))
    return rule.refusal(disk) or decision


def list_nodes(job: Job) -> Report:
    """The nodes that can be fenced: those that are known by name, else the keys that are registered."""
    cluster = job.nodes.cluster
    if cluster.nodes and not cluster.lists_all():
        raise FenceError("names-unknown")
    if names := cluster.names():
        return Report(True, rows=tuple((name, "") for name in names))
    if not job.request.devices:
        raise FenceError("nothing-to-list")
    found = list_status(job)
    return Report(found.ok, "", found.disks, found.problems, rows=tuple(row[:2] for row in found.rows))


def list_status(job: Job) -> Report:
    """Every node of corosync.conf and every other registered key, with its state over all disks."""
    devices = job.resolve()
    disks = job.read(devices, job.nodes.own_keys_if_readable(devices))
    readable = [it for it in disks if not isinstance(it, FenceError)]
    strange = any(it.known.strangers(it.snapshot.keys, it.told) for it in readable)
    known = job.nodes.all(devices if strange else ())
    rows: list[tuple[str, ...]] = []
    if known and (changed := job.nodes.keys_changed(devices)):
        job.warn(Notice("keys-unknown", changed))
        rows = [(it.node, "", UNPROVED) for it in known]
        known = []
    others = {key for it in readable for key in it.snapshot.keys} - {key for it in known for key in it.all_keys()}
    guessed = job.nodes.are_guessed(devices)
    nodes = [*known, *(Registrant("", key) for key in sorted(others))]
    for node in nodes:
        states = {state_of(job, it, node, guessed)[0] for it in readable}
        rows.append((node.node or f"0x{node.key:x}", "", states.pop() if len(states) == 1 else UNPROVED))
    report = Report.of(devices, _snapshots(disks))
    return Report(report.ok, "", report.disks, rows=tuple(rows))
