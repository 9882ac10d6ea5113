"""A status as the kernel hands it out → one of the errors of `errors`. Pure.

Three vocabularies reach user space through the same positive integer:

* `enum pr_status` of linux/pr.h (Linux 6.2 and later);
* the raw SCSI result up to 6.1: SAM status in bits 0-7, the midlayer's verdict in bits 8-15
  (drivers/scsi/scsi_priv.h), host byte in bits 16-23 (include/scsi/scsi_status.h);
* the raw NVMe status up to 6.1: code and type in bits 0-10, More in bit 13, Do Not Retry in bit 14
  (include/linux/nvme.h).

The ranges overlap for no status that a reservation command can end with, so the value alone decides. (302h, a
namespace that is not accessible, would on SCSI be a medium error, which no reservation command meets.)
"""

from __future__ import annotations

import errno

from .. import errors
from ..errors import Notice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import ReservationError

    Verdict = tuple[type[ReservationError], str]  # and the code of what was said

# enum pr_status, linux/pr.h
PR_IOERR = 0x2
PR_RESERVATION_CONFLICT = 0x18
PR_RETRY_PATH_FAILURE = 0xE0000
PR_PATH_FAST_FAILED = 0xF0000
PR_PATH_FAILED = 0x10000

# SAM-5 status codes
SCSI_CHECK_CONDITION = 0x02
SCSI_RESERVATION_CONFLICT = 0x18
_SCSI_STATUSES = {
    0x00: "good",
    0x02: "check condition",
    0x04: "condition met",
    0x08: "busy",
    0x18: "reservation conflict",
    0x28: "task set full",
    0x30: "ACA active",
    0x40: "task aborted",
}

_MIDLAYER_TARGET_FAILURE = 0x04
_MIDLAYER_LAST = 0x05

_HOST_BYTES = {
    0x01: "no-connection",
    0x02: "bus-busy",
    0x03: "no-answer-of-host",
    0x04: "bad-target",
    0x05: "aborted-by-host",
    0x06: "parity-error",
    0x07: "host-adapter-error",
    0x08: "bus-reset",
    0x0E: "transport-disrupted",
    0x0F: "transport-failed",
    0x14: "transport-marginal",
}
_HOST_TARGET_FAILURE = 0x10
_HOST_NEXUS_FAILURE = 0x11
# Old kernels fold all of these into one number.
_REFUSED = "command-refused"

# NVMe base specification, generic command status and command specific status of the NVM command set
_NVME_STATUSES: dict[int, Verdict] = {
    0x001: (errors.NotSupported, "no-reservation-commands"),
    0x002: (errors.Invalid, "field-refused"),
    0x004: (errors.DeviceFailure, "transfer-error"),
    0x006: (errors.DeviceFailure, "target-internal-error"),
    0x007: (errors.DeviceFailure, "command-aborted"),
    0x00B: (errors.DeviceFailure, "invalid-namespace"),
    0x018: (errors.Invalid, "host-identifier-inconsistent"),
    0x021: (errors.DeviceFailure, "command-interrupted"),
    0x022: (errors.DeviceFailure, "transport-error-that-passes"),
    0x082: (errors.DeviceFailure, "namespace-not-ready"),
    0x083: (errors.Conflict, "in-conflict"),
    0x301: (errors.PathFailure, "ana-lost"),
    0x302: (errors.PathFailure, "ana-inaccessible"),
    0x303: (errors.PathFailure, "ana-changing"),
    0x371: (errors.PathFailure, "command-aborted-by-host"),
}
_NVME_STATUS_MASK = 0x7FF
_NVME_PATH_TYPE = 0x3

# Asymmetric namespace access: persistent loss, inaccessible, transition; as the kernel hands them out, without and with
# Do Not Retry.
_NVME_NOT_ACCESSIBLE = (0x301, 0x302, 0x303, 0x4301, 0x4302, 0x4303)
_SCSI_NO_ROOM = (0x08, 0x28)  # BUSY, TASK SET FULL

_PR_STATUSES: dict[int, Verdict] = {
    PR_IOERR: (errors.DeviceFailure, "error-or-attention"),
    PR_RESERVATION_CONFLICT: (errors.Conflict, "in-conflict"),
    PR_RETRY_PATH_FAILURE: (errors.PathFailure, "path-retry"),
    PR_PATH_FAST_FAILED: (errors.PathFailure, "path-failed-fast"),
    PR_PATH_FAILED: (errors.PathFailure, "path-failed"),
}

_ERRNOS: dict[int, Verdict] = {
    errno.EOPNOTSUPP: (errors.NotSupported, "not-supported-told"),
    errno.ENOTTY: (errors.NotSupported, "not-supported-told"),
    errno.EINVAL: (errors.Invalid, "refused-as-invalid"),
    errno.EPERM: (errors.NotPermitted, "not-permitted-told"),
    errno.EACCES: (errors.NotPermitted, "not-permitted-told"),
    errno.EBADE: (errors.Conflict, "in-conflict"),
    errno.EAGAIN: (errors.PathFailure, "no-usable-path"),
    errno.ENOENT: (errors.PathFailure, "disk-is-gone"),
    errno.ENODEV: (errors.PathFailure, "disk-is-gone"),
    errno.ENXIO: (errors.PathFailure, "disk-is-gone"),
    errno.ENOLINK: (errors.PathFailure, "link-down"),
    errno.ETIMEDOUT: (errors.PathFailure, "transport-silent"),
    errno.EMFILE: (errors.OutOfDescriptors, "process-files-exhausted"),
    errno.ENFILE: (errors.OutOfDescriptors, "system-files-exhausted"),
    errno.ENOMEM: (errors.OutOfMemory, "no-memory"),
    errno.EINTR: (errors.DeviceFailure, "cancelled-under-way"),
}


def explain(status: int) -> tuple[type[ReservationError], Notice]:
    """Error class and what was said, for a failed call.

    status: the positive return of a PR ioctl, or -errno. Zero is no failure and must not be asked about.
    """
    if status < 0:
        kind, code = _ERRNOS.get(-status, (errors.DeviceFailure, "kernel-error"))
    elif status in _PR_STATUSES:
        kind, code = _PR_STATUSES[status]
    elif status in _NVME_NOT_ACCESSIBLE:
        return _explain_nvme(status)
    else:
        return _explain_scsi(status) or _explain_nvme(status)
    return kind, Notice(code, {})


def _explain_scsi(result: int) -> tuple[type[ReservationError], Notice] | None:
    sam, midlayer, host = result & 0xFF, result >> 8 & 0xFF, result >> 16 & 0xFF
    if sam not in _SCSI_STATUSES or midlayer > _MIDLAYER_LAST:
        return None
    if sam == SCSI_RESERVATION_CONFLICT or host == _HOST_NEXUS_FAILURE:
        return errors.Conflict, Notice("in-conflict", {})
    if midlayer == _MIDLAYER_TARGET_FAILURE or host == _HOST_TARGET_FAILURE:
        return errors.Invalid, Notice(_REFUSED, {})
    if host:
        return errors.PathFailure, Notice(_HOST_BYTES.get(host, "transport-error"), {})
    return errors.DeviceFailure, Notice("scsi-status", {"name": _SCSI_STATUSES[sam]})


def _explain_nvme(status: int) -> tuple[type[ReservationError], Notice]:
    code = status & _NVME_STATUS_MASK
    path = code >> 8 == _NVME_PATH_TYPE
    other = (errors.PathFailure, "nvme-path-error") if path else (errors.DeviceFailure, "unknown-status")
    kind, said = _NVME_STATUSES.get(code, other)
    return kind, Notice(said, {})


def was_not_carried_out(error: ReservationError, *, nvme: bool) -> bool:
    """Whether the answer proves that the command changed nothing, and tells nothing of what is registered.

    Of the initiator's answers only that no path was there to send it: a path failure may come after the command has
    been carried out, and from Linux 6.2 on most of the target's answers are one number.
    """
    if isinstance(error, (errors.NotPermitted, errors.UnitAttention)):
        return True
    return error.status == -errno.EAGAIN or error.status in (_NVME_NOT_ACCESSIBLE if nvme else _SCSI_NO_ROOM)


def failure(device: str, operation: str, status: int) -> ReservationError:
    """The exception for a failed PR ioctl on `device` (see `explain` for `status`)."""
    kind, answer = explain(status)
    return kind(device, operation, status, answer)


def failure_of_nvme(device: str, operation: str, status: int) -> ReservationError:
    """The exception for a failed NVMe command sent directly; `status` as the controller gave it."""
    kind, answer = _explain_nvme(status)
    return kind(device, operation, status, answer)
