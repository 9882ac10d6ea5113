"""What one disk says, as a part of a report: who it is, paths, registrations, reservation, and the state of nodes."""

from __future__ import annotations

from ..actions import plan
from ..actions.inspection import state_of
from ..actions.shared_disk import refused
from ..errors import FenceError, Invalid, NotSupported
from ..record import Record
from .report import key_text, told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..actions.explained import Daylight
    from ..actions.job import Job
    from ..actions.shared_disk import SharedDisk
    from ..errors import Notice
    from ..keys import Registrant
    from ..storage.device import Device
    from .report import Json

NODE, DECLARED, FOREIGN = "node", "declared", "foreign"
# What is said of a disk that was asked, and not of one that could not be.
_ANSWERS = (NotSupported, Invalid)


class Facts(Record):
    """One disk of a report. said: its part of it; problem, unseen: what is wrong, or why it could not be examined."""

    said: Json
    problem: Notice | None = None
    unseen: Notice | None = None


def refusal(name: str, error: FenceError, fence_device: str) -> Facts:
    """Of a name that leads to no disk."""
    said = {"name": name, "device": "", "identity": "", "kind": "", "fence_device": fence_device}
    return Facts({**said, **_UNREAD, "problem": told(error.notice())}, error.notice())


def unread(device: Device, error: FenceError, fence_device: str) -> Facts:
    """Of a disk that did not answer as a disk with reservations does."""
    notice = error.notice().about(device.label())
    said = {**_identified(device, fence_device), **_UNREAD, "problem": told(notice)}
    return Facts(said, notice) if isinstance(error, _ANSWERS) else Facts(said, None, notice)


_UNREAD: Json = {"paths": None, "registrations": None, "reservation": None, "generation": None, "persistent": None,
                 "states": []}  # fmt: skip


def _identified(device: Device, fence_device: str) -> Json:
    return {
        "name": device.name,
        "device": device.node,
        "identity": device.identity,
        "kind": device.kind,
        "fence_device": fence_device,
    }


def read(job: Job, disk: SharedDisk, nodes: Sequence[Registrant], rule: Daylight, fence_device: str) -> Facts:
    """What an open disk says. Raises FenceError if it does not say it any more.

    nodes: whose state is told
    """
    disk.disk.confirm_identity()
    snapshot, guessed = disk.snapshot, rule.guessed
    problem = _problem(job, disk, rule)
    states = []
    for node in nodes:
        state, why = state_of(job, disk, node, guessed)
        states.append({"node": node.node, "state": state, "why": told(why.notice())})
    said = {
        **_identified(disk.device, fence_device),
        "paths": _paths(disk),
        "registrations": registrations(disk),
        "reservation": _reservation(disk),
        "generation": snapshot.generation,
        "persistent": _persistent(disk),
        "states": states,
        "problem": told(problem) if problem else None,
    }
    return Facts(said, problem)


def _problem(job: Job, disk: SharedDisk, rule: Daylight) -> Notice | None:
    """What `monitor` would say, as far as it reads; nothing of a disk that is no cluster's."""
    unfenced = job.nodes.registered_if_readable(disk.device) is not None
    decision = plan.health(disk.snapshot, disk.own_key, unfenced)
    failure: FenceError | None = None
    if isinstance(decision, plan.Refused):
        failure = refused(decision.why, disk.snapshot)
    elif job.nodes.by_key() or unfenced:
        failure = rule.refusal(disk)
    return failure.notice().about(disk.device.label()) if failure else None


def _paths(disk: SharedDisk) -> Json:
    live = disk.disk.live_paths()
    registered = disk.snapshot.keys.count(disk.own_key) if disk.own_key else 0
    return {
        "live": live,
        "dead": [{"path": path, "why": told(why)} for path, why in disk.disk.dead_paths().items()],
        "unregistered": max(0, live - registered),
    }


def registrations(disk: SharedDisk) -> list[Json]:
    """Each key once, with how often it is registered and whose it is, as far as anybody here knows."""
    return [_registration(disk, key) for key in dict.fromkeys(sorted(disk.snapshot.keys))]


def _registration(disk: SharedDisk, key: int) -> Json:
    strangers = {it.key: it for it in disk.known.strangers([key], disk.told)}
    node = disk.known.nodes.get(key, "")
    owner = FOREIGN if key in strangers or key == 0 else DECLARED if key in disk.known.declared else NODE
    hosts = sorted((disk.told or {}).get(key, ()))
    return {
        "key": key_text(key),
        "count": disk.snapshot.keys.count(key),
        "node": node,
        "own": key == disk.own_key,
        "owner": owner,
        "hosts": hosts,
    }


def _reservation(disk: SharedDisk) -> Json | None:
    snapshot = disk.snapshot
    if not snapshot.type:
        return None
    return {
        "type": snapshot.type,
        "name": snapshot.type_name(),
        "holder_key": key_text(snapshot.holder) if snapshot.holder else None,
        "holder": disk.known.nodes.get(snapshot.holder, "") if snapshot.holder else "",
    }


def _persistent(disk: SharedDisk) -> bool | None:
    try:
        return disk.disk.capabilities().persistence_active
    except FenceError:
        return None
