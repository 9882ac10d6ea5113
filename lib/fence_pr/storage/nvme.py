"""NVMe reservations through NVME_IOCTL_IO_CMD: what the reservation ioctls do not show or do wrongly.

Reservation Report gives registrants, host identifiers, holder, type and generation of one moment in one command, on
every kernel. Reservation Register can really unregister, which the ioctl turns into "replace my key by 0".
Sources: NVM Express base specification 2.0, section 7.6 and figures 402 to 408; include/uapi/linux/nvme_ioctl.h.
"""

from __future__ import annotations

import fcntl
import struct

from ..errors import IncompleteAnswer, Invalid, Notice, NotSupported
from ..record import Record
from . import kernel_status
from .identity import Identity, kind_of, of_nvme
from .memory import Memory
from .pr_ioctl import Capabilities, device_name, request_number

_COMMAND = struct.Struct("=BBHIIIQQIIIIIIIIII")  # struct nvme_passthru_cmd
_IOCTL_ID = request_number("N", 0x40)
_IOCTL_ADMIN_COMMAND = request_number("N", 0x41, _COMMAND.size, write=True, read=True)
_IOCTL_IO_COMMAND = request_number("N", 0x43, _COMMAND.size, write=True, read=True)
_TIMEOUT_MILLISECONDS = 30_000

_REGISTER, _REPORT = 0x0D, 0x0E
_IDENTIFY, _IDENTIFY_NAMESPACE, _IDENTIFY_CONTROLLER, _IDENTIFY_DESCRIPTORS = 0x06, 0, 1, 3
_GET_FEATURES, _HOST_IDENTIFIER = 0x0A, 0x81
_UNREGISTER_ACTION = 1
_EXTENDED = 1
_HOST_ID_INCONSISTENT = 0x18
_STATUS_MASK = 0x7FF

_HEADER_BYTES = 24
_MOST_REGISTRANTS = 1023  # what fits the 64 KiB that any controller transfers at once
_MOST_TYPE = 6


class RegisteredHost(Record):
    """One registered host. host_id: 16 bytes, or 8 where the controller has no extended identifiers."""

    key: int
    host_id: bytes
    holder: bool


class ReservationReport(Record):
    """A namespace's reservation state. type: enum pr_type (NVMe uses the same numbers), 0 for none."""

    generation: int
    type: int
    persistent: bool
    registrants: tuple[RegisteredHost, ...]


def report(fd: int) -> ReservationReport:
    """The state of the namespace behind `fd`, complete.

    Raises NotSupported or Invalid if the controller has no reservations, IncompleteAnswer if the answer is cut short
    or contradicts itself, PathFailure, DeviceFailure.
    """
    try:
        return _report(fd, extended=True)
    except Invalid as error:
        # Not "this host's identifier is wrong" but "ask for the short form": controllers without 128-bit identifiers.
        if error.status & _STATUS_MASK != _HOST_ID_INCONSISTENT:
            raise
    return _report(fd, extended=False)


def unregister(fd: int, key: int) -> None:
    """Remove this host's registration, whose key is `key`. Raises Conflict if it is not."""
    data = Memory(struct.pack("<QQ", key, 0))
    _send(fd, "unregister", _REGISTER, data, _UNREGISTER_ACTION, 0)


def _report(fd: int, *, extended: bool) -> ReservationReport:
    entry = 64 if extended else 24
    first = 64 if extended else _HEADER_BYTES
    room = 16
    while True:
        data = Memory(bytes(first + room * entry))
        _send(fd, "reservation report", _REPORT, data, len(data.data) // 4 - 1, _EXTENDED if extended else 0)
        count = int.from_bytes(data.data[5:7], "little")
        # A report that leaves no room may be cut short: SPDK counts only the registrants that had room.
        if count < room:
            return parse(device_name(fd), bytes(data.data), extended=extended)
        if room == _MOST_REGISTRANTS:
            raise IncompleteAnswer(
                device_name(fd), "reservation report", 0, Notice("too-many-registrants", {"count": count})
            )
        room = min(max(count + 1, 2 * room), _MOST_REGISTRANTS)


def parse(device: str, data: bytes, *, extended: bool) -> ReservationReport:
    """The report in `data`. Pure. Raises IncompleteAnswer."""
    entry, position = (64, 64) if extended else (24, _HEADER_BYTES)
    if len(data) < position:
        raise IncompleteAnswer(device, "reservation report", 0, Notice("too-few-bytes", {"length": len(data)}))
    generation, reservation_type, count = struct.unpack_from("<IBH", data)
    if len(data) < position + count * entry:
        raise IncompleteAnswer(
            device, "reservation report", 0, Notice("registrants-beyond-bytes", {"count": count, "length": len(data)})
        )
    entry_of = _extended_registrant if extended else _registrant
    registrants = [entry_of(data[start : start + entry]) for start in range(position, position + count * entry, entry)]
    if reservation_type > _MOST_TYPE:
        raise IncompleteAnswer(device, "reservation report", 0, Notice("type-unknown", {"type": reservation_type}))
    if reservation_type and not registrants:
        raise IncompleteAnswer(device, "reservation report", 0, Notice("nobody-holds", {}))
    return ReservationReport(generation, reservation_type, bool(data[9]), tuple(registrants))


def _registrant(entry: bytes) -> RegisteredHost:
    return RegisteredHost(int.from_bytes(entry[16:24], "little"), entry[8:16], bool(entry[2] & 1))


def _extended_registrant(entry: bytes) -> RegisteredHost:
    return RegisteredHost(int.from_bytes(entry[8:16], "little"), entry[16:32], bool(entry[2] & 1))


def capabilities(fd: int) -> Capabilities:
    """Reservation types and persistence of the namespace. Raises NotSupported if the controller has no reservations.

    ONCS bit 5 of Identify Controller, RESCAP of Identify Namespace.
    """
    controller = _identify(fd, _IDENTIFY_CONTROLLER)
    if not int.from_bytes(controller[520:522], "little") & 1 << 5:
        raise NotSupported(device_name(fd), "identify", 0, Notice("controller-without-reservations", {}))
    rescap = _identify(fd, _IDENTIFY_NAMESPACE)[31]
    if not rescap:
        raise NotSupported(device_name(fd), "identify", 0, Notice("namespace-without-reservations", {}))
    return Capabilities(tuple(kind for kind in range(1, _MOST_TYPE + 1) if rescap >> kind & 1), bool(rescap & 1))


def identity(fd: int, kind: str) -> Identity:
    """Who the namespace is. kind: of the name to compare with (`identity.kind_of`): asked for until there is one.

    Most tell all in their list of descriptors; those made before NVM Express 1.3 have no such list.
    Raises NotSupported or Invalid if nothing is told at all, PathFailure, DeviceFailure.
    """
    try:
        descriptors = _identify(fd, _IDENTIFY_DESCRIPTORS)
    except (NotSupported, Invalid):
        descriptors = b""
    found = of_nvme(descriptors)
    if not _has(found, kind):
        namespace = _identify(fd, _IDENTIFY_NAMESPACE)
        found = of_nvme(descriptors, namespace)
        if not _has(found, kind):
            found = of_nvme(descriptors, namespace, _identify(fd, _IDENTIFY_CONTROLLER), fcntl.ioctl(fd, _IOCTL_ID))
    return found


def _has(found: Identity, kind: str) -> bool:
    return kind in map(kind_of, found.names)


def host_identifier(fd: int) -> bytes:
    """This host's identifier as its controller has it: 16 bytes, or 8 if that is all it keeps; zeros if none was set.

    Feature 81h (section 5.27.1.25). Linux sets it for fabrics controllers, and never for PCIe ones.
    Raises NotSupported or Invalid if the controller does not tell, PathFailure, DeviceFailure.
    """
    try:
        return _host_identifier(fd, 16)
    except Invalid:
        return _host_identifier(fd, 8)


def _host_identifier(fd: int, length: int) -> bytes:
    data = Memory(bytes(length))
    _send(fd, "get features", _GET_FEATURES, data, _HOST_IDENTIFIER, int(length == 16), _IOCTL_ADMIN_COMMAND)
    return bytes(data.data)


def _identify(fd: int, what: int) -> bytes:
    data = Memory(bytes(4096))
    _send(fd, "identify", _IDENTIFY, data, what, 0, _IOCTL_ADMIN_COMMAND)
    return bytes(data.data)


def _send(
    fd: int, operation: str, opcode: int, data: Memory, dword10: int, dword11: int, ioctl: int = _IOCTL_IO_COMMAND
) -> None:
    try:
        namespace = fcntl.ioctl(fd, _IOCTL_ID)
        command = bytearray(
            _COMMAND.pack(
                opcode, 0, 0, namespace, 0, 0, 0, data.address, 0, len(data.data),
                dword10, dword11, 0, 0, 0, 0, _TIMEOUT_MILLISECONDS, 0,
            )
        )  # fmt: skip
        returned = fcntl.ioctl(fd, ioctl, command, True)
    except OSError as error:
        raise kernel_status.failure(device_name(fd), operation, -(error.errno or 0)) from error
    if returned:
        raise kernel_status.failure_of_nvme(device_name(fd), operation, returned)
