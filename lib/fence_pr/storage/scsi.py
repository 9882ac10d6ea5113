"""SCSI commands through SG_IO, above all PERSISTENT RESERVE IN: reading where the kernel has no ioctl for it.

SG_IO retries nothing and says exactly what the target said, so it also explains failures that the reservation ioctls
fold into one number. Sources: SPC-4 clause 6.16, SAM-5 clause 5.3, include/scsi/sg.h.
"""

from __future__ import annotations

import fcntl
import struct

from .. import errors
from ..errors import ABORTING, Notice
from . import kernel_status
from .memory import Memory
from .pr_ioctl import Capabilities, Keys, Reservation, device_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import ReservationError

_SG_IO = 0x2285
_TO_DEVICE, _FROM_DEVICE = -2, -3
_HEADER = struct.Struct("@iiBBHIPPPIIiPBBBBHHiII0P")  # struct sg_io_hdr
_REQUEST = struct.Struct("@iiBBHIPPPI")  # its first ten fields, which the caller fills in
_SENSE_SIZE = 96
_DRIVER_SENSE = 0x08
_TIMEOUT_MILLISECONDS = 30_000

_PERSISTENT_RESERVE_IN = 0x5E
_READ_KEYS, _READ_RESERVATION, _REPORT_CAPABILITIES = 0, 1, 2
_PERSISTENT_RESERVE_OUT = 0x5F
_PREEMPT, _PREEMPT_AND_ABORT = 4, 5
_MOST_BYTES = 0xFFF8  # the allocation length is 16 bits wide; whole keys only
_FIRST_BYTES = 520  # header and 64 keys
_ANSWER_HEADER = 8

_SENSE_NOT_READY, _SENSE_ILLEGAL_REQUEST, _SENSE_UNIT_ATTENTION = 0x2, 0x5, 0x6
_INVALID_COMMAND = 0x20
# SPC-4 5.15.2: in these states a target port is no way to the disk, while others may be.
_PORT_STATES = {
    (0x04, 0x0A): "port-changing",
    (0x04, 0x0B): "port-in-standby",
    (0x04, 0x0C): "port-unavailable",
}
_UNIT_ATTENTIONS_IN_A_ROW = 8

# SPC-4 table 36: the standard's reservation type → enum pr_type
TYPES = {1: 1, 3: 2, 5: 3, 6: 4, 7: 5, 8: 6}


def read_keys(fd: int) -> Keys:
    """All registered keys.

    Raises NotSupported if the target has no reservations, UnitAttention, PathFailure, DeviceFailure, and
    IncompleteAnswer rather than a part of the list.
    """
    answer = read_all(fd, "read keys", _READ_KEYS)
    generation, length = struct.unpack_from(">II", answer)
    if length % 8:
        raise _incomplete(fd, "read keys", Notice("keys-not-whole", {"length": length}))
    return Keys(generation, struct.unpack_from(f">{length // 8}Q", answer, _ANSWER_HEADER))


def read_reservation(fd: int) -> Reservation:
    """The reservation in force, type 0 if none. Raises as `read_keys`."""
    answer = read_all(fd, "read reservation", _READ_RESERVATION)
    generation, length = struct.unpack_from(">II", answer)
    if length == 0:
        return Reservation(generation, 0, 0)
    if length < 16:
        raise _incomplete(fd, "read reservation", Notice("descriptor-too-short", {"length": length}))
    (key,) = struct.unpack_from(">Q", answer, 8)
    standard_type = answer[21] & 0xF
    if standard_type not in TYPES:
        raise _incomplete(fd, "read reservation", Notice("type-unknown", {"type": standard_type}))
    return Reservation(generation, TYPES[standard_type], key)


def report_capabilities(fd: int) -> Capabilities:
    """What the target says it can do (SPC-4 6.16.4); many do not implement this. Raises as `read_keys`."""
    operation = "report capabilities"
    answer = _persistent_reserve_in(fd, operation, _REPORT_CAPABILITIES, 8)
    if len(answer) < 8:
        raise _incomplete(fd, operation, Notice("too-few-bytes", {"length": len(answer)}))
    mask_valid, mask = answer[3] & 0x80, answer[4] | answer[5] << 8
    types = tuple(TYPES[standard] for standard in TYPES if mask >> standard & 1)
    return Capabilities(types if mask_valid else None, bool(answer[3] & 0x01), bool(answer[2] & 0x01))


def read_all(fd: int, operation: str, service_action: int, size: int = _FIRST_BYTES, room: int = 1) -> bytes:
    """The whole answer, header included: asked for again with more room until it fits.

    size: bytes to begin with; room: bytes that must be left for the answer to be a whole one. Raises as `read_keys`.
    """
    while True:
        answer = _persistent_reserve_in(fd, operation, service_action, size)
        if len(answer) < _ANSWER_HEADER:
            raise _incomplete(fd, operation, Notice("too-few-bytes", {"length": len(answer)}))
        needed = _ANSWER_HEADER + int.from_bytes(answer[4:8], "big")
        # An answer that leaves no room may be cut short: old versions of LIO count only the keys that had room.
        if needed + room <= size and needed <= len(answer):
            return answer[:needed]
        if needed + room <= size or size == _MOST_BYTES:
            raise _incomplete(
                fd, operation, Notice("fewer-bytes-than-announced", {"announced": needed, "came": len(answer)})
            )
        size = min(max(needed + max(room, 8), 2 * size), _MOST_BYTES)


def _incomplete(fd: int, operation: str, problem: Notice) -> errors.IncompleteAnswer:
    return errors.IncompleteAnswer(device_name(fd), operation, 0, problem)


def _persistent_reserve_in(fd: int, operation: str, service_action: int, size: int) -> bytes:
    command = struct.pack(">BB5xHx", _PERSISTENT_RESERVE_IN, service_action, size)
    for _ in range(_UNIT_ATTENTIONS_IN_A_ROW):
        try:
            return send(fd, operation, command, size)
        except errors.UnitAttention as error:
            attention = error
    raise attention


def preempt(fd: int, own_key: int, victim_key: int, reservation_type: int, *, abort: bool) -> None:
    """As `pr_ioctl.preempt` and `preempt_abort`, but what the target refuses it says. Raises as `send`."""
    operation, action = (ABORTING, _PREEMPT_AND_ABORT) if abort else ("preempt", _PREEMPT)
    standard_type = next(standard for standard, it in TYPES.items() if it == reservation_type)
    parameters = struct.pack(">QQ8x", own_key, victim_key)
    command = struct.pack(">BBB2xIx", _PERSISTENT_RESERVE_OUT, action, standard_type, len(parameters))
    send(fd, operation, command, len(parameters), parameters)


def send(fd: int, operation: str, command: bytes, size: int, parameters: bytes = b"") -> bytes:
    """Send a command that reads, and return the at most `size` bytes that came; or one that takes these parameters.

    Raises NotSupported, Invalid, UnitAttention, PathFailure, DeviceFailure, Conflict, NotPermitted.
    """
    data, sense, cdb = Memory(parameters or bytes(size)), Memory(bytes(_SENSE_SIZE)), Memory(command)
    request = _REQUEST.pack(
        ord("S"), _TO_DEVICE if parameters else _FROM_DEVICE, len(command), _SENSE_SIZE, 0, size,
        data.address, cdb.address, sense.address, _TIMEOUT_MILLISECONDS,
    )  # fmt: skip
    header = bytearray(request.ljust(_HEADER.size, b"\0"))
    try:
        fcntl.ioctl(fd, _SG_IO, header, True)
    except OSError as error:
        raise kernel_status.failure(device_name(fd), operation, -(error.errno or 0)) from error
    *_, sam, _, _, sense_length, host, driver, residual, _, _ = _HEADER.unpack(header)
    if sam or host or driver:
        problem = judge(device_name(fd), operation, sam, host, driver, bytes(sense.data[:sense_length]))
        if problem:
            raise problem
    return bytes(data.data[: size - residual]) if 0 <= residual <= size else b""


def judge(device: str, operation: str, sam: int, host: int, driver: int, sense: bytes) -> ReservationError | None:
    """What SG_IO's answer means: None if the command was carried out. Pure.

    sam: SAM-5 status; host, driver: the kernel's host_status and driver_status; sense: sense data, may be empty.
    """
    if host or driver & ~_DRIVER_SENSE:
        return errors.PathFailure(
            device, operation, host << 16 | sam, Notice("host-status", {"host": host, "driver": driver})
        )
    if sam == kernel_status.SCSI_CHECK_CONDITION:
        return _judge_sense(device, operation, sense)
    return kernel_status.failure(device, operation, sam) if sam else None


def _judge_sense(device: str, operation: str, sense: bytes) -> ReservationError:
    key, code, qualifier = parse_sense(sense)
    answer = Notice("sense", {"sense": f"{key:x}", "additional": f"{code:02x}/{qualifier:02x}"})
    kind: type[ReservationError] = errors.DeviceFailure
    if key == _SENSE_UNIT_ATTENTION:
        kind = errors.UnitAttention
    elif key == _SENSE_NOT_READY and (code, qualifier) in _PORT_STATES:
        kind, answer = errors.PathFailure, Notice(_PORT_STATES[code, qualifier], {})
    elif key == _SENSE_ILLEGAL_REQUEST and code == _INVALID_COMMAND:
        kind = errors.NotSupported
        if operation not in (ABORTING, "preempt"):  # whose target may lack nothing else
            answer = Notice("target-without-reservations", {})
    elif key == _SENSE_ILLEGAL_REQUEST:
        kind = errors.Invalid
    return kind(device, operation, kernel_status.SCSI_CHECK_CONDITION, answer)


def parse_sense(sense: bytes) -> tuple[int, int, int]:
    """Sense key, additional sense code and qualifier, zeros where missing; both formats (SPC-4 4.5)."""
    padded = sense.ljust(14, b"\0")
    if padded[0] & 0x7F in (0x72, 0x73):
        return padded[1] & 0xF, padded[2], padded[3]
    return padded[2] & 0xF, padded[12], padded[13]
