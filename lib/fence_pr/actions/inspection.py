"""The actions that say which nodes are shut out: status, list, list-status."""

from __future__ import annotations

from ..errors import DiskNotAsAsked, FenceError, Notice
from ..keys import Registrant
from ..storage.snapshot import OFF, ON, UNPROVED
from .report import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

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
    from .shared_disk import not_as_asked

    snapshot, who = disk.snapshot, {"node": node.node, "key": node.key}
    if not set(node.all_keys()).isdisjoint(snapshot.keys):
        return ON, not_as_asked("registered-here", snapshot, **who)
    shared = explained.shared(disk, node) if guessed else None
    can_write = shared or explained.why_not_out(job, disk, snapshot, disk.told, node)
    if snapshot.state_of(node.key) == OFF and not can_write:
        return OFF, not_as_asked("fenced-here", snapshot, **who)
    return UNPROVED, can_write or not_as_asked("can-write", snapshot, **who)


def _snapshots(disks: Sequence[SharedDisk | FenceError]) -> list[Outcome]:
    return [it if isinstance(it, FenceError) else it.snapshot for it in disks]


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
