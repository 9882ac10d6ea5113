"""When a pre-flight does not write to a disk: it is in use, or something stands on it that somebody may want."""

from __future__ import annotations

import os

from ...errors import DeviceRefused, FenceError, Notice, UsageError
from ...log import one_line, write_line
from ...storage import device as names
from ..cluster import fence_devices
from .keys import foreign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..options import Call
    from ..report import Json
    from .bench import Bench, Party

# The part of the time that Pacemaker's tool may take.
_CLUSTER_SHARE = 0.5
_COROSYNC = "/etc/corosync/corosync.conf"
_REMOTE = "/etc/pacemaker/authkey"  # a node without corosync has that of Pacemaker alone
_MOST_TYPED_BYTES = 4096


def refusal(call: Call, bench: Bench) -> FenceError | None:
    """Why the disk is not written to; None if nothing speaks against it, or its identity was typed out. Raises
    UsageError if another one was.
    """
    identity = bench.one.found["identity"] or bench.one.found["device"]
    label = call.words[0]
    if another := _another_disk(bench):
        return another
    try:
        users, reasons = _reasons(call, bench)
    except FenceError as error:
        return error
    if users:
        return FenceError("disk-used-here", disk=label, users=users)
    given = call.values["yes"]
    if reasons and not given and os.isatty(0):
        given = _typed(reasons)
    if given and given != identity:
        raise UsageError("identity-unconfirmed", disk=label, identity=identity, value=given)
    if given or not reasons:
        return None
    return FenceError("disk-not-free", disk=label, reasons=reasons, identity=identity)


def _another_disk(bench: Bench) -> FenceError | None:
    """What would be written to may be another disk. What was typed is not that one's identity."""
    for party in bench.parties():
        if away := party.elsewhere():
            return FenceError(away[0].code, **away[0].fields)
        if party.found["identity"] != bench.one.found["identity"]:
            fields = {"node": party.name, "identity": party.found["identity"] or "none"}
            return FenceError("other-node-has-another-disk", **fields)
    return None


def _reasons(call: Call, bench: Bench) -> tuple[list[Json], list[Json]]:
    """Who has it in use, and what else speaks against writing to it. Raises FenceError."""
    users: list[Json] = []
    reasons: list[Json] = []
    for party in bench.parties():
        found = party.must("use")
        users += found["users"]
        reasons += [it for it in found["content"] if it not in reasons]
    if others := foreign(key for party in bench.parties() for key in party.look["keys"]):
        reasons.append(Notice("keys-are-registered", {"keys": others}).pack())
    return users, [*reasons, *(it.pack() for it in _of_cluster(bench.one, call.seconds("timeout")))]


def _typed(reasons: list[Json]) -> str:
    """What somebody types on the terminal who has seen what speaks against it."""
    for it in reasons:
        write_line(2, one_line(Notice.unpack(it).what()))
    os.write(2, b"preflight: what stands there is lost. Type the disk's identity to go on: ")
    return os.read(0, _MOST_TYPED_BYTES).decode("utf-8", "replace").strip()


def _of_cluster(one: Party, seconds: float) -> list[Notice]:
    """The fence devices that name the disk; where nobody can tell, that counts, too."""
    untold: Notice | None = None
    try:
        devices = fence_devices(seconds * _CLUSTER_SHARE)
        if devices is None:
            untold = Notice("cib-unread", {"program": "cibadmin", "answer": "it is not installed"})
    except FenceError as error:
        devices, untold = None, error.notice()
    if untold:
        return [untold] if any(map(os.path.exists, (_COROSYNC, _REMOTE))) else []
    return [why for it in devices or () for name in it.disks() if (why := _named(it.name, name, one))]


def _named(fence_device: str, name: str, one: Party) -> Notice | None:
    """What a fence device calls so is this disk, or may be: for example a path of the map that is tried."""
    try:
        found = names.resolve(name)
    except DeviceRefused as error:
        fields = {"name": fence_device, "device": name, "answer": error.notice()}
        return Notice("fence-device-disk-unknown", fields)
    if found.node == one.found["device"] or (found.identity and found.identity == one.found["identity"]):
        return Notice("named-by-fence-device", {"name": fence_device})
    return None
