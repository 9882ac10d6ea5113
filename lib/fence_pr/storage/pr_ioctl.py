"""linux/pr.h in Python: every persistent reservation ioctl, its structures, types and errors.

Knows no transport and no fencing. Usable on its own:

    from fence_pr.storage import pr_ioctl

    fd = pr_ioctl.open_disk("/dev/sdb")
    pr_ioctl.register(fd, 0, 0x2A, pr_ioctl.FLAG_IGNORE_KEY)
    pr_ioctl.reserve(fd, 0x2A, pr_ioctl.WRITE_EXCLUSIVE_REG_ONLY)

Keys are unsigned 64-bit integers. Every function raises a subclass of `errors.ReservationError` when the kernel,
the path or the target does not do what was asked; an ioctl that returns a positive number has failed too.
Sources: include/uapi/linux/pr.h, block/ioctl.c, drivers/scsi/sd.c, drivers/nvme/host/pr.c; SPC-4 clause 5.14.
"""

from __future__ import annotations

import fcntl
import os
import struct

from ..errors import ABORTING, IncompleteAnswer, Notice
from ..record import Record
from . import kernel_status
from .memory import Memory
from .snapshot import (
    EXCLUSIVE_ACCESS,
    EXCLUSIVE_ACCESS_ALL_REGS,
    EXCLUSIVE_ACCESS_REG_ONLY,
    TYPE_NAMES,
    WRITE_EXCLUSIVE,
    WRITE_EXCLUSIVE_ALL_REGS,
    WRITE_EXCLUSIVE_REG_ONLY,
)

__all__ = [
    "EXCLUSIVE_ACCESS",
    "EXCLUSIVE_ACCESS_ALL_REGS",
    "EXCLUSIVE_ACCESS_REG_ONLY",
    "FLAG_IGNORE_KEY",
    "MOST_KEYS",
    "REQUESTS",
    "TYPE_NAMES",
    "WRITE_EXCLUSIVE",
    "WRITE_EXCLUSIVE_ALL_REGS",
    "WRITE_EXCLUSIVE_REG_ONLY",
    "Capabilities",
    "Keys",
    "Requests",
    "Reservation",
    "clear",
    "device_name",
    "open_disk",
    "preempt",
    "preempt_abort",
    "read_keys",
    "read_reservation",
    "register",
    "release",
    "request_number",
    "requests_of",
    "reserve",
]

FLAG_IGNORE_KEY = 1

# asm/ioctl.h: number in bits 0-7, type in 8-15, size from 16, direction above. Where that is three bits from 29 on, and
# where it is two from 30 on as everywhere else, but the other way round (uname -m → none, write, read).
_THREE_BITS = ("alpha", "mips", "ppc", "sparc")
_TURNED = ("parisc",)


def request_number(
    kind: str, number: int, size: int = 0, *, write: bool = False, read: bool = False, machine: str = ""
) -> int:
    """What the macros _IO, _IOW, _IOR and _IOWR make on `machine` (as `uname -m` says; "": this one)."""
    machine = machine or os.uname().machine
    if machine.startswith(_THREE_BITS):
        direction = ((4 if write else 0) | (2 if read else 0) or 1) << 29
    elif machine.startswith(_TURNED):
        direction = ((2 if write else 0) | (1 if read else 0)) << 30
    else:
        direction = ((1 if write else 0) | (2 if read else 0)) << 30
    return direction | size << 16 | ord(kind) << 8 | number


def _request(number: int, size: int, *, write: bool, read: bool, machine: str) -> int:
    return request_number("p", number, size, write=write, read=read, machine=machine)


class Requests(Record):
    """The ioctl request numbers of one processor architecture."""

    register: int
    reserve: int
    release: int
    preempt: int
    preempt_abort: int
    clear: int
    read_keys: int
    read_reservation: int


_REGISTRATION = struct.Struct("=QQII")  # pr_registration: old_key, new_key, flags, pad
_RESERVATION = struct.Struct("=QII")  # pr_reservation: key, type, flags
_PREEMPT = struct.Struct("=QQII")  # pr_preempt: old_key, new_key, type, flags
_CLEAR = struct.Struct("=QII")  # pr_clear: key, flags, pad
_READ_KEYS = struct.Struct("=IIQ")  # pr_read_keys: generation, num_keys, keys_ptr
_READ_RESERVATION = struct.Struct("=QII")  # pr_read_reservation: key, generation, type


def requests_of(machine: str) -> Requests:
    """Request numbers on `machine` (as `uname -m` says)."""
    return Requests(
        register=_request(200, _REGISTRATION.size, write=True, read=False, machine=machine),
        reserve=_request(201, _RESERVATION.size, write=True, read=False, machine=machine),
        release=_request(202, _RESERVATION.size, write=True, read=False, machine=machine),
        preempt=_request(203, _PREEMPT.size, write=True, read=False, machine=machine),
        preempt_abort=_request(204, _PREEMPT.size, write=True, read=False, machine=machine),
        clear=_request(205, _CLEAR.size, write=True, read=False, machine=machine),
        read_keys=_request(206, _READ_KEYS.size, write=True, read=True, machine=machine),
        read_reservation=_request(207, _READ_RESERVATION.size, write=False, read=True, machine=machine),
    )


REQUESTS = requests_of(os.uname().machine)

# An answer must fit the 16-bit allocation length of PERSISTENT RESERVE IN: 8 bytes header, 8 bytes a key (sd.c).
MOST_KEYS = 8190
_FIRST_CAPACITY = 64


class Keys(Record):
    """All registered keys. SCSI lists one a registered I_T nexus, so a key may stand there several times."""

    generation: int
    keys: tuple[int, ...]


class Reservation(Record):
    """The reservation in force. type 0: none. key is 0 under the all-registrants types on SCSI."""

    generation: int
    type: int
    key: int


class Capabilities(Record):
    """What a target says it can do. types: enum pr_type, None where it does not say.

    persistence_active    registrations survive a power loss of the target
    persistence_possible  they could; a SCSI target that cannot refuses a registration that asks for it (SPC-4 6.17.3)
    """

    types: tuple[int, ...] | None
    persistence_active: bool
    persistence_possible: bool = True


def open_disk(path: str) -> int:
    """Open a block device for reservation ioctls and return the descriptor.

    Read-only, because closing a descriptor opened for writing makes udev rescan the disk; the ioctls are allowed by
    CAP_SYS_ADMIN, not by the open mode. Raises OSError.
    """
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def device_name(fd: int) -> str:
    """The path behind a descriptor, for messages."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return f"file descriptor {fd}"


def register(fd: int, old_key: int, new_key: int, flags: int = 0) -> None:
    """Register this I_T nexus (SCSI) or host (NVMe) with `new_key`; 0 unregisters.

    `old_key` is the key registered now, 0 for none. With FLAG_IGNORE_KEY whatever stood before is replaced.
    The kernel always asks the target to keep registrations over power loss (APTPL, CPTPL).
    Raises Conflict if `old_key` is not what is registered. SPC-4 5.14.7, NVMe NVM command set 3.2.5.
    """
    _call(fd, "register", REQUESTS.register, _REGISTRATION.pack(old_key, new_key, flags, 0))


def reserve(fd: int, key: int, reservation_type: int, flags: int = 0) -> None:
    """Reserve the disk with one of the six types; `key` is this nexus' own.

    Raises Conflict if another holder or another type is in force. SPC-4 5.14.9.
    """
    _call(fd, "reserve", REQUESTS.reserve, _RESERVATION.pack(key, reservation_type, flags))


def release(fd: int, key: int, reservation_type: int, flags: int = 0) -> None:
    """Release the reservation that this nexus holds. Succeeds without effect if it holds none. SPC-4 5.14.11.2."""
    _call(fd, "release", REQUESTS.release, _RESERVATION.pack(key, reservation_type, flags))


def preempt(fd: int, own_key: int, victim_key: int, reservation_type: int, flags: int = 0) -> None:
    """Remove every registration of `victim_key`; if it held the reservation, take it over with the given type.

    The caller's key goes into `old_key` and the victim's into `new_key`: that is what sd.c and nvme/host/pr.c send,
    whatever Documentation/block/pr.rst says. Commands that the target accepted from the victim may still be carried
    out afterwards. Raises Conflict if this nexus is not registered with `own_key`, and on most targets also if
    nobody is registered with `victim_key`. SPC-4 5.14.11.4.
    """
    _call(fd, "preempt", REQUESTS.preempt, _PREEMPT.pack(own_key, victim_key, reservation_type, flags))


def preempt_abort(fd: int, own_key: int, victim_key: int, reservation_type: int, flags: int = 0) -> None:
    """As `preempt`, and abort the commands that the target had accepted from the victim. SPC-4 5.14.11.5."""
    _call(fd, ABORTING, REQUESTS.preempt_abort, _PREEMPT.pack(own_key, victim_key, reservation_type, flags))


def clear(fd: int, key: int, flags: int = 0) -> None:
    """Remove the reservation and all registrations; `key` is this nexus' own. SPC-4 5.14.11.6."""
    _call(fd, "clear", REQUESTS.clear, _CLEAR.pack(key, flags, 0))


def read_keys(fd: int) -> Keys:
    """All registered keys (Linux 6.19 and later). SPC-4 6.16.2.

    Raises NotSupported or Invalid on kernels and drivers without this ioctl, IncompleteAnswer if there are more keys
    than a kernel can list.
    """
    capacity = _FIRST_CAPACITY
    while True:
        keys = Memory(bytes(8 * capacity))
        answer = _call(fd, "read keys", REQUESTS.read_keys, _READ_KEYS.pack(0, capacity, keys.address))
        generation, total, _ = _READ_KEYS.unpack(answer)
        # A list that leaves no room may be cut short: old versions of LIO count only the keys that had room.
        if total < capacity:
            return Keys(generation, struct.unpack_from(f"={total}Q", keys.data))
        if capacity == MOST_KEYS:
            problem = Notice("too-many-registrations", {"count": total, "most": MOST_KEYS})
            raise IncompleteAnswer(device_name(fd), "read keys", 0, problem)
        capacity = min(max(total + 1, 2 * capacity), MOST_KEYS)


def read_reservation(fd: int) -> Reservation:
    """The reservation in force (Linux 6.19 and later). SPC-4 6.16.3. Raises as `read_keys`."""
    answer = _call(fd, "read reservation", REQUESTS.read_reservation, bytes(_READ_RESERVATION.size))
    key, generation, reservation_type = _READ_RESERVATION.unpack(answer)
    return Reservation(generation, reservation_type, key)


def _call(fd: int, operation: str, request: int, argument: bytes) -> bytes:
    # A bytearray, because fcntl.ioctl hides a positive return when it is given bytes.
    buffer = bytearray(argument)
    try:
        returned = fcntl.ioctl(fd, request, buffer, True)
    except OSError as error:
        raise kernel_status.failure(device_name(fd), operation, -(error.errno or 0)) from error
    if returned:
        raise kernel_status.failure(device_name(fd), operation, returned)
    return bytes(buffer)
