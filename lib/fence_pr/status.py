"""A status as the kernel hands it out → one of the errors of `errors`. Pure.

Three vocabularies reach user space through the same positive integer:

* `enum pr_status` of linux/pr.h (Linux 6.2 and later);
* the raw SCSI result up to 6.1: SAM status in bits 0-7, the midlayer's verdict in bits 8-15
  (drivers/scsi/scsi_priv.h), host byte in bits 16-23 (include/scsi/scsi_status.h);
* the raw NVMe status up to 6.1: code and type in bits 0-10, More in bit 13, Do Not Retry in bit 14
  (include/linux/nvme.h).

The ranges do not overlap for any status that a reservation command can end with, so the value alone decides.
"""

from __future__ import annotations

import errno

from . import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .errors import ReservationError

    Verdict = tuple[type[ReservationError], str]

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
    0x01: "no connection to the target",
    0x02: "the bus stayed busy",
    0x03: "timed out",
    0x04: "bad target",
    0x05: "aborted by the host",
    0x06: "parity error",
    0x07: "host adapter error",
    0x08: "bus reset",
    0x0E: "transport disrupted",
    0x0F: "transport failed",
    0x14: "transport is marginal",
}
_HOST_TARGET_FAILURE = 0x10
_HOST_NEXUS_FAILURE = 0x11
_LOOK = "the kernel's log (dmesg) may have the target's reason"
# Old kernels fold all of these into one number.
_REFUSED = "the target refused the command: no such function or type, or the disk is write-protected or taken away"

# NVMe base specification, generic command status and command specific status of the NVM command set
_NVME_STATUSES: dict[int, Verdict] = {
    0x001: (errors.NotSupported, "the target has no reservation commands (invalid opcode)"),
    0x002: (errors.Invalid, "the target refused a field of the command"),
    0x004: (errors.DeviceFailure, "data transfer error"),
    0x006: (errors.DeviceFailure, "internal error of the target"),
    0x007: (errors.DeviceFailure, "command aborted"),
    0x00B: (errors.DeviceFailure, "invalid namespace or format"),
    0x018: (errors.Invalid, "host identifier inconsistent"),
    0x083: (errors.Conflict, "reservation conflict"),
    0x371: (errors.PathFailure, "command aborted by the host"),
}
_NVME_STATUS_MASK = 0x7FF
_NVME_PATH_TYPE = 0x3

_PR_STATUSES: dict[int, Verdict] = {
    PR_IOERR: (errors.DeviceFailure, "the target answered with an error, or a unit attention was pending"),
    PR_RESERVATION_CONFLICT: (errors.Conflict, "reservation conflict"),
    PR_RETRY_PATH_FAILURE: (errors.PathFailure, "path failure, may be retried"),
    PR_PATH_FAST_FAILED: (errors.PathFailure, "path failed fast"),
    PR_PATH_FAILED: (errors.PathFailure, "path failed"),
}

_ERRNOS: dict[int, Verdict] = {
    errno.EOPNOTSUPP: (errors.NotSupported, "not supported"),
    errno.ENOTTY: (errors.NotSupported, "not supported"),
    errno.EINVAL: (errors.Invalid, "refused as invalid"),
    errno.EPERM: (errors.NotPermitted, "not permitted"),
    errno.EACCES: (errors.NotPermitted, "not permitted"),
    errno.EBADE: (errors.Conflict, "reservation conflict"),
    errno.EAGAIN: (errors.PathFailure, "no usable path, or the device is suspended"),
    errno.ENOENT: (errors.PathFailure, "the device is gone"),
    errno.ENODEV: (errors.PathFailure, "the device is gone"),
    errno.ENXIO: (errors.PathFailure, "the device is gone"),
    errno.ENOLINK: (errors.PathFailure, "the link to the target is down"),
    errno.ETIMEDOUT: (errors.PathFailure, "the transport timed out"),
    errno.EINTR: (errors.DeviceFailure, "cancelled under way, may have been carried out"),
}


def explain(status: int) -> Verdict:
    """Error class and words for a failed call.

    status: the positive return of a PR ioctl, or -errno. Zero is no failure and must not be asked about.
    """
    if status < 0:
        return _ERRNOS.get(-status, (errors.DeviceFailure, "the kernel reported an error"))
    return _PR_STATUSES.get(status) or _explain_scsi(status) or _explain_nvme(status)


def _explain_scsi(result: int) -> Verdict | None:
    sam, midlayer, host = result & 0xFF, result >> 8 & 0xFF, result >> 16 & 0xFF
    if sam not in _SCSI_STATUSES or midlayer > _MIDLAYER_LAST:
        return None
    if sam == SCSI_RESERVATION_CONFLICT or host == _HOST_NEXUS_FAILURE:
        return errors.Conflict, "reservation conflict"
    if midlayer == _MIDLAYER_TARGET_FAILURE or host == _HOST_TARGET_FAILURE:
        return errors.Invalid, _REFUSED
    if host:
        return errors.PathFailure, _HOST_BYTES.get(host, "transport error")
    return errors.DeviceFailure, f"SCSI status {_SCSI_STATUSES[sam]}"


def _explain_nvme(status: int) -> Verdict:
    code = status & _NVME_STATUS_MASK
    if code in _NVME_STATUSES:
        return _NVME_STATUSES[code]
    if code >> 8 == _NVME_PATH_TYPE:
        return errors.PathFailure, "NVMe path error"
    return errors.DeviceFailure, "unknown status of the target"


def failure(device: str, operation: str, status: int) -> ReservationError:
    """The exception for a failed PR ioctl on `device` (see `explain` for `status`)."""
    kind, words = explain(status)
    return kind(device, operation, status, words, _LOOK if kind in (errors.DeviceFailure, errors.Invalid) else "")


def failure_of_nvme(device: str, operation: str, status: int) -> ReservationError:
    """The exception for a failed NVMe command sent directly; `status` as the controller gave it."""
    kind, words = _explain_nvme(status)
    return kind(device, operation, status, words)
