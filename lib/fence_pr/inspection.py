"""The actions that only read: status, monitor, list, list-status, validate-all."""

from __future__ import annotations

from . import keys, plan
from .errors import DevicesRefused, DiskNotAsAsked, FenceError, ReservationError
from .fencing import foreign_notes
from .keys import Registrant
from .parallel import on_each
from .pr_ioctl import TYPE_NAMES
from .report import Report, from_outcomes
from .request import Reading
from .reservation import NO_PERSISTENCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .device import Device
    from .plan import Snapshot
    from .request import Job


def status(job: Job) -> Report:
    """ON if the named node is registered everywhere, OFF if it is shut out everywhere, else a failure."""
    node = job.named()
    devices = job.resolve()
    job.require_keys_made_alike(devices, node)
    readings = job.read(devices)
    for reading in readings:
        if isinstance(reading, Reading):
            job.note_paths(reading.disk, reading.snapshot)
    states = [_state(job, it.snapshot, node) if isinstance(it, Reading) else plan.UNPROVED for it in readings]
    if len(set(states)) == 1 and states[0] != plan.UNPROVED:
        return Report(True, states[0])
    return from_outcomes(devices, [_status_of(job, it, node) for it in readings])


def _state(job: Job, snapshot: Snapshot, node: Registrant) -> str:
    state = plan.status(snapshot, node.key)
    return plan.UNPROVED if state == plan.OFF and job.not_shut_out(node, snapshot) else state


def _status_of(job: Job, reading: Reading | FenceError, node: Registrant) -> FenceError:
    if isinstance(reading, FenceError):
        return reading
    can_write = job.not_shut_out(node, reading.snapshot)
    words = {
        plan.ON: f"{node} is registered",
        plan.OFF: f"{node} is shut out",
        plan.UNPROVED: can_write or f"{node} is not registered, but nothing is reserved: it can write",
    }
    return DiskNotAsAsked(words[_state(job, reading.snapshot, node)])


def monitor(job: Job) -> Report:
    """Every disk can be read and carries a fitting reservation, and this node is registered if it ever was."""
    devices = job.resolve()
    owns = job.own_keys(devices)
    readings = job.read(devices)
    outcomes = [_health(job, *it) for it in zip(devices, owns, readings)]
    notes = [
        f"{device.label()}: {outcome.note}"
        for device, outcome in zip(devices, outcomes)
        if isinstance(outcome, plan.Done) and outcome.note
    ]
    snapshots = [it.snapshot if isinstance(it, Reading) else it for it in readings]
    notes += foreign_notes(job, devices, snapshots, [own for own in owns if own is not None]) or []
    return from_outcomes(devices, outcomes, notes=notes)


def _health(job: Job, device: Device, own: int | None, reading: Reading | FenceError) -> plan.Done | FenceError:
    if isinstance(reading, FenceError):
        return reading
    job.note_paths(reading.disk, reading.snapshot)
    decision = plan.health(reading.snapshot, own, job.remembered(device) is not None)
    return DiskNotAsAsked(str(decision)) if isinstance(decision, plan.Refused) else decision


def list_nodes(job: Job) -> Report:
    """The nodes that can be fenced: those of corosync.conf, else the keys that are registered."""
    if job.cluster.nodes:
        return Report(True, rows=tuple((name, "") for name in job.cluster.names()))
    if not job.request.devices:
        raise FenceError("no nodelist in corosync.conf and no devices: nothing to list")
    found = list_status(job)
    return Report(found.ok, "", found.disks, found.problems, rows=tuple(row[:2] for row in found.rows))


def list_status(job: Job) -> Report:
    """Every node of corosync.conf and every other registered key, with its state over all disks."""
    devices = job.resolve()
    readings = job.read(devices)
    snapshots = [reading.snapshot for reading in readings if isinstance(reading, Reading)]
    named = job.node_keys()
    rows: list[tuple[str, ...]] = []
    if named and (doubt := job.keys_made_otherwise(devices)):
        job.note(f"{doubt}: which keys the nodes have cannot be told (are cluster_name and key_value as they were?)")
        rows = [(name, "", plan.UNPROVED) for name in named.values()]
        named = {}
    others = {key for snapshot in snapshots for key in snapshot.keys} - set(named)
    nodes = [Registrant(name, key) for key, name in named.items()] + [Registrant("", key) for key in sorted(others)]
    for node in nodes:
        states = {_state(job, snapshot, node) for snapshot in snapshots}
        rows.append((node.node or f"0x{node.key:x}", "", states.pop() if len(states) == 1 else plan.UNPROVED))
    report = from_outcomes(devices, readings)
    return Report(report.ok, "", report.disks, rows=tuple(rows))


def validate(job: Job) -> Report:
    """Check everything that can be checked without changing a disk."""
    problems: list[str] = []
    try:
        _validate_keys(job)
    except FenceError as error:
        problems.append(str(error))
    try:
        devices = job.resolve()
    except DevicesRefused as error:
        return Report(False, problems=(*problems, *map(str, error.refusals)))
    outcomes = on_each(lambda reading: _validate_disk(job, reading), job.read(devices))
    return from_outcomes(devices, outcomes, problems=problems)


def _validate_keys(job: Job) -> None:
    request = job.request
    if request.key or keys.is_number(request.plug):
        job.named()
    else:
        # Whoever checks a configuration may name any node, so only what holds for every node is checked.
        keys.require_cluster_name(job.cluster)
        keys.of_cluster(job.cluster, request.key_method)


def _validate_disk(job: Job, reading: Reading | FenceError) -> None:
    if isinstance(reading, FenceError):
        raise reading
    if for_one := plan.for_one_node(reading.snapshot):
        raise DiskNotAsAsked(str(for_one))
    job.note_cautions(reading.disk)
    label = reading.disk.device.label()
    try:
        capabilities = reading.disk.capabilities()
    except ReservationError as error:
        job.say(f"{label}: {error.what()}; the target need not say what it can do")
        return
    wanted = job.reservation_type(reading.disk.device)
    if capabilities.types is not None and wanted not in capabilities.types:
        raise DiskNotAsAsked(f"the target has no reservation type '{TYPE_NAMES[wanted]}'")
    if not capabilities.persistence_possible:
        job.note(f"{label}: {NO_PERSISTENCE}")
    elif reading.snapshot.keys and not capabilities.persistence_active:
        job.say(f"{label}: registrations do not survive a power loss of the target")
