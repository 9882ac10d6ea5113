"""One disk of a call, from its first reading to the proof."""

from __future__ import annotations

from ..errors import DiskNotAsAsked
from ..record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..errors import Notice
    from ..storage.device import Device
    from ..storage.disk import Disk
    from ..storage.snapshot import Snapshot
    from .registrants import Known, Told


class SharedDisk(Record):
    """A disk that was opened and read.

    device    what its name leads to
    own_key   this node's key there; None if nobody knows, or if the action does not ask
    disk      the open disk
    snapshot  what was read when it was opened
    known     what this node knows of its registrants
    told      the hosts behind the keys; None if nobody had to know, or the target does not tell
    no_abort  why abort=require cannot be met there; None if it can, or is not asked for
    """

    device: Device
    own_key: int | None
    disk: Disk
    snapshot: Snapshot
    known: Known
    told: Told = None
    no_abort: DiskNotAsAsked | None = None


def not_as_asked(code: str, snapshot: Snapshot, **fields: Any) -> DiskNotAsAsked:
    """A failure that follows from what was read."""
    return DiskNotAsAsked(code, operation="read keys and reservation", answer=snapshot.told(), **fields)


def refused(why: Notice, snapshot: Snapshot, **fields: Any) -> DiskNotAsAsked:
    """What the plan refused, as a failure."""
    return not_as_asked(why.code, snapshot, **why.fields, **fields)
