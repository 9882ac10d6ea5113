"""What can go wrong, as classes that carry a code and fields. Their sentences are in `messages`.

Only `agent` prints them. `status` fields hold what the kernel gave: a positive ioctl return, or -errno.
"""

from __future__ import annotations

from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ABORTING = "preempt-and-abort"  # the operation that ends the victim's commands as well


class Notice(Record):
    """Something that a person is told, as data: a code of `messages`, and the fields that its sentence is made from.

    fields  plain values, and packed notices; `disk` is the disk that it is about
    """

    code: str
    fields: dict[str, Any]

    def what(self) -> str:
        """The sentence without the disk's name, for a text that names it already."""
        from .messages import sentences

        return sentences.sentence(self.code, self.fields)

    def __str__(self) -> str:
        disk = self.fields.get("disk", "")
        return f"{disk}: {self.what()}" if disk else self.what()

    def about(self, disk: str) -> Notice:
        """The same, about this disk."""
        return Notice(self.code, {**self.fields, "disk": disk})

    def pack(self) -> dict[str, Any]:
        """As plain values, which can pass between processes and be a field of another notice."""
        return {"code": self.code, **self.fields}

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Notice:
        """What was packed."""
        return cls(packed["code"], {name: value for name, value in packed.items() if name != "code"})


class FenceError(Exception):
    """Anything this package reports. str() is the sentence for the person."""

    def __init__(self, code: str, **fields: Any) -> None:
        super().__init__(code, fields)
        self.code, self.fields = code, fields

    def notice(self) -> Notice:
        """The failure as data."""
        return Notice(self.code, self.fields)

    def notices(self) -> tuple[Notice, ...]:
        """Every failure that this stands for."""
        return (self.notice(),)

    def what(self) -> str:
        """The sentence without the disk's name, for a text that names it already."""
        return self.notice().what()

    def __str__(self) -> str:
        return "\n".join(map(str, self.notices()))


class UsageError(FenceError):
    """The call itself is wrong; nothing was touched. Fields `option` and `value` are what was given, if anything."""


class DeviceRefused(FenceError):
    """The name does not lead to a disk that can be reserved safely."""

    def __init__(self, code: str, disk: str, **fields: Any) -> None:
        super().__init__(code, disk=disk, **fields)


class DevicesRefused(FenceError):
    """Some of the names do not lead to disks that can be used together; `refusals` says each reason."""

    def __init__(self, refusals: list[DeviceRefused]) -> None:
        super().__init__(refusals[0].code, **refusals[0].fields)
        self.refusals = refusals

    def notices(self) -> tuple[Notice, ...]:
        return tuple(refusal.notice() for refusal in self.refusals)


class NodeUnknown(FenceError):
    """The key of a node cannot be known."""


class DiskNotAsAsked(FenceError):
    """The disk could be read, and what it says is not what was asked for."""


class Abandoned(FenceError):
    """The time limit has passed or the process that waits for the answer is gone: no further step is taken."""


class ReservationError(FenceError):
    """The kernel, the path or the target did not do what was asked.

    device     path of the block device
    operation  what was asked, for example "preempt-and-abort"
    status     positive: return value of the ioctl, or the SCSI status; negative: -errno; 0: the call itself succeeded
    answer     what the kernel, the path or the target said, as data, or as it said it
    code       a special case of what the class stands for, with more fields
    usual      the code, if it is no special case
    kind       the code of what was said, if nobody said more
    """

    usual: str
    kind: str

    def __init__(
        self, device: str, operation: str, status: int, answer: Notice | str = "", code: str = "", **fields: Any
    ) -> None:
        self.device, self.operation, self.status = device, operation, status
        self.answer = answer or Notice(self.kind, {})
        told = self.answer.pack() if isinstance(self.answer, Notice) else self.answer
        given = {"disk": device, "operation": operation, "status": status, "answer": told}
        super().__init__(code or self.usual, **given, **fields)


class Conflict(ReservationError):
    """Reservation conflict: the key given is not the registered one, or another nexus holds the disk."""

    usual, kind = "reservation-conflict", "in-conflict"


class NotSupported(ReservationError):
    """The driver, the kernel or the target has no such function."""

    usual, kind = "not-supported", "not-supported-told"


class Invalid(ReservationError):
    """The target or the kernel refused an argument."""

    usual, kind = "invalid-request", "invalid-request-told"


class NotPermitted(ReservationError):
    """The caller lacks the right."""

    usual, kind = "not-permitted", "not-permitted-told"


class OutOfDescriptors(ReservationError):
    """Nothing was sent: the device node could not be opened."""

    usual, kind = "out-of-descriptors", "too-many-open-files-told"


class OutOfMemory(ReservationError):
    """This machine had no memory for the command. It may or may not have been carried out."""

    usual, kind = "out-of-memory", "no-memory"


class PathFailure(ReservationError):
    """The command did not reach the target, or its answer did not come back."""

    usual, kind = "path-failure", "path-failure-told"


class AnotherDisk(PathFailure):
    """The path leads to another disk than it is taken for: nothing that it says or does counts."""

    usual, kind = "another-disk", "another-disk-told"


class DeviceFailure(ReservationError):
    """The target answered with an error. The command may or may not have been carried out."""

    usual, kind = "device-failure", "device-failure-told"


class UnitAttention(ReservationError):
    """The target keeps reporting that something changed, and did not carry the command out."""

    usual, kind = "unit-attention", "unit-attention-told"


class IncompleteAnswer(ReservationError):
    """The answer was cut short, contradicts itself or never settled: it must not be believed."""

    usual, kind = "incomplete-answer", "incomplete-answer-told"
