"""What can go wrong, as classes that carry the facts and format themselves.

Only `agent` prints them. `status` fields hold what the kernel gave: a positive ioctl return, or -errno.
"""

from __future__ import annotations

import os


class FenceError(Exception):
    """Anything this package reports. Subclasses carry fields; str() is the sentence for the person."""

    def what(self) -> str:
        """The sentence without the device's name, for a text that names it already."""
        return str(self)


class UsageError(FenceError):
    """The call itself is wrong; nothing was touched.

    `option` and `value` are what was given, `problem` says what is wrong with it.
    """

    def __init__(self, option: str, value: str, problem: str) -> None:
        super().__init__(option, value, problem)
        self.option, self.value, self.problem = option, value, problem

    def __str__(self) -> str:
        return f"option '{self.option}', value '{self.value}': {self.problem}"


class UnreadableCall(UsageError):
    """What was given is none of the options, or not written as one; `problem` quotes it."""

    def __str__(self) -> str:
        return self.problem


class MissingOption(UsageError):
    """An option that this action needs was not given."""

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(option, "", problem)

    def __str__(self) -> str:
        return self.problem


class UnrecognisedAction(UsageError):
    """The action is none of ours. Pacemaker looks for these very words."""

    def __init__(self, value: str) -> None:
        super().__init__("action", value, "no such action")

    def __str__(self) -> str:
        return f"Unrecognised action '{self.value}'"


class DeviceRefused(FenceError):
    """The name does not lead to a disk that can be reserved safely."""

    def __init__(self, device: str, problem: str, hint: str = "") -> None:
        super().__init__(device, problem, hint)
        self.device, self.problem, self.hint = device, problem, hint

    def __str__(self) -> str:
        return f"{self.device}: {self.problem}" + (f" ({self.hint})" if self.hint else "")


class DevicesRefused(FenceError):
    """Some of the names do not lead to disks that can be used together; `refusals` says each reason."""

    def __init__(self, refusals: list[DeviceRefused]) -> None:
        super().__init__(refusals)
        self.refusals = refusals

    def __str__(self) -> str:
        return "\n".join(map(str, self.refusals))


class NodeUnknown(FenceError):
    """The key of a node cannot be known."""

    def __init__(self, node: str, problem: str) -> None:
        super().__init__(node, problem)
        self.node, self.problem = node, problem

    def __str__(self) -> str:
        return f"node {self.node}: {self.problem}" if self.node else self.problem


class DiskNotAsAsked(FenceError):
    """The disk could be read, and what it says is not what was asked for."""


class Abandoned(FenceError):
    """The time limit has passed or the process that waits for the answer is gone: no further step is taken."""


class ReservationError(FenceError):
    """The kernel, the path or the target did not do what was asked.

    device     path of the block device
    operation  what was asked, for example "preempt-and-abort"
    status     positive: return value of the ioctl, or the SCSI status; negative: -errno; 0: the call itself succeeded
    words      the status in words
    """

    kind = "failed"
    hint = ""

    def __init__(self, device: str, operation: str, status: int, words: str = "", hint: str = "") -> None:
        super().__init__(device, operation, status, words, hint)
        self.device, self.operation, self.status = device, operation, status
        self.words = words or self.kind
        self.hint = hint or self.hint

    def what(self) -> str:
        """The sentence without the device's name, for a text that names it already."""
        number = f" (status 0x{self.status:x})" if self.status > 0 else ""
        number = f" ({os.strerror(-self.status)})" if self.status < 0 else number
        return f"{self.operation}: {self.words}{number}" + (f"; {self.hint}" if self.hint else "")

    def __str__(self) -> str:
        return f"{self.device}: {self.what()}"


class Conflict(ReservationError):
    """Reservation conflict: the key given is not the registered one, or another nexus holds the disk."""

    kind = "reservation conflict"


class NotSupported(ReservationError):
    """The driver, the kernel or the target has no such function."""

    kind = "not supported"


class Invalid(ReservationError):
    """The target or the kernel refused an argument."""

    kind = "invalid request"


class NotPermitted(ReservationError):
    """The caller lacks the right."""

    kind = "not permitted"
    hint = "run as root (CAP_SYS_ADMIN and CAP_SYS_RAWIO)"


class PathFailure(ReservationError):
    """The command did not reach the target, or its answer did not come back."""

    kind = "path failure"
    hint = "check the connection to the storage"


class DeviceFailure(ReservationError):
    """The target answered with an error. The command may or may not have been carried out."""

    kind = "device failure"


class UnitAttention(ReservationError):
    """The target keeps reporting that something changed, and did not carry the command out."""

    kind = "unit attention"
    hint = "try again"


class IncompleteAnswer(ReservationError):
    """The answer was cut short, contradicts itself or never settled: it must not be believed."""

    kind = "incomplete answer"
