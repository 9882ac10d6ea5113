"""Which failures pass by themselves, and whose they are. Pure.

What the target answers so it answers to every node: whoever waits loses nothing. What this node's own paths answer
another node may be spared. A conflict never passes: it is the other node's word.

| transport | status | sense, or what the kernel makes of it | whose |
|---|---|---|---|
| SCSI | BUSY 08h, TASK SET FULL 28h, TASK ABORTED 40h | | target |
| SCSI | CHECK CONDITION | 02/04/xx, but for 02 and 03, which wait for a person; 06/xx; 0B/xx | target |
| NVMe | 082h, 021h, 022h: not ready, interrupted, transport | 2 since Linux 6.2 | target |
| NVMe | 302h, 303h: the controller is no way to the namespace (ANA) | | target |
| NVMe | 370h, 371h, 007h: connecting, given up by this host | EAGAIN, EINTR; 0x10000 | initiator |
| any | this machine has no memory, or no file, left | ENOMEM, ENFILE | initiator |
| any | no path, none just now, it breaks | EAGAIN, ENODEV, ENXIO, ENOLINK, ETIMEDOUT, host byte | initiator |
| SCSI | CHECK CONDITION in one number, the sense lost | 2; 0x2 and 0x8000002 up to Linux 6.1 | initiator |

The last line may be any of the others, or an error that stays: so it has the shorter patience.
"""

from __future__ import annotations

from ..errors import AnotherDisk, Notice, PathFailure, ReservationError, UnitAttention

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import FenceError

TARGET, INITIATOR = "target", "initiator"

_OF_TARGET = (
    "port-changing", "port-in-standby", "port-unavailable", "ana-inaccessible", "ana-changing",
    "namespace-not-ready", "command-interrupted", "transport-error-that-passes",
)  # fmt: skip
_UNCLEAR, _UNTOLD = "error-or-attention", "check condition"
_OF_INITIATOR = ("cancelled-under-way", "command-aborted", "no-memory", "system-files-exhausted", _UNCLEAR)
_LASTING = ("ana-lost",)
_STATUSES = {"busy": TARGET, "task set full": TARGET, "task aborted": TARGET, _UNTOLD: INITIATOR}

_NOT_READY, _ATTENTION, _ABORTED = "2", "6", "b"
_LOGICAL_UNIT_NOT_READY, _NEEDS_A_PERSON = "04/", ("04/02", "04/03")


def is_unclear(failure: FenceError) -> bool:
    """Whether the kernel has put so much into one number that a refusal and an error look alike."""
    answer = failure.answer if isinstance(failure, ReservationError) else ""
    return isinstance(answer, Notice) and answer in (Notice(_UNCLEAR, {}), Notice("scsi-status", {"name": _UNTOLD}))


def whose(failure: FenceError) -> str:
    """TARGET or INITIATOR, "" for what does not pass."""
    if isinstance(failure, AnotherDisk) or not isinstance(failure, ReservationError):
        return ""
    if isinstance(failure, UnitAttention):
        return TARGET
    answer = failure.answer
    if isinstance(answer, Notice) and (found := _by_answer(answer)) is not None:
        return found
    return INITIATOR if isinstance(failure, PathFailure) else ""


def _by_answer(answer: Notice) -> str | None:
    """None if what was said tells nothing."""
    if answer.code == "sense":
        return _by_sense(answer.fields["sense"], answer.fields["additional"])
    if answer.code == "scsi-status":
        return _STATUSES.get(answer.fields["name"])
    if answer.code in _OF_TARGET:
        return TARGET
    if answer.code in _OF_INITIATOR:
        return INITIATOR
    return "" if answer.code in _LASTING else None


def _by_sense(key: str, additional: str) -> str:
    if key == _NOT_READY:
        changing = additional.startswith(_LOGICAL_UNIT_NOT_READY) and additional not in _NEEDS_A_PERSON
        return TARGET if changing else ""
    return TARGET if key in (_ATTENTION, _ABORTED) else ""
