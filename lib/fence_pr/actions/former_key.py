"""The key that this node's nexus has when 'on' comes: whose it may be, and whether it may be replaced."""

from __future__ import annotations

from .. import key_form
from ..errors import DiskNotAsAsked, Notice
from ..storage.device import NVME
from .registrants import Stranger, packed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..storage.device import Device
    from .job import Job


def judge(job: Job, device: Device, own_key: int) -> Callable[[int], None]:
    """Called with the key that stands where this node is to be registered, raises DiskNotAsAsked if it must stay.

    It must if it is another node's: then two nodes are one registrant, and to fence one would mean nothing. And if it
    is declared, or has the form of LVM's keys: LVM and the cluster would fence each other's nodes. Where keys are given
    one by one nobody knows the others', so there it must be noted as this node's own. Everything else is its own, from
    before it was renamed or from another agent.
    """
    nodes, known = job.nodes, job.nodes.registered_if_readable(device)  # a damaged file is replaced by this very action

    def refuse_or_say(key: int) -> None:
        if key_form.origin(key) == "lvm":
            standing = packed([Stranger(key)])
            raise DiskNotAsAsked("keys-of-lvm", operation="register", answer="registered", standing=standing)
        if key in job.request.foreign_keys:
            raise DiskNotAsAsked("nexus-of-another", operation="register", answer="registered", key=key, node="")
        noted = key in nodes.bindings(device).own_keys or bool(known and known.key == key)
        owner = nodes.by_key([device]).get(key, "")
        other = "" if noted or owner == nodes.local_name() else owner
        is_another = bool(other) or not (noted or owner or nodes.know_all())
        if device.kind == NVME and (is_another or (known and known.key == own_key)):
            fields = {"operation": "reservation report", "answer": "registered", "key": key, "node": other}
            raise DiskNotAsAsked("shared-host-identifier", **fields)
        if is_another:
            raise DiskNotAsAsked("nexus-of-another", operation="register", answer="registered", key=key, node=other)
        job.say(Notice("replacing-former-key", {"disk": device.label(), "key": key}))

    return refuse_or_say
