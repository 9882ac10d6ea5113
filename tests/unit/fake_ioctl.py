"""In place of fcntl.ioctl: a disk that answers reservation ioctls and SG_IO as a test says.

Structures are written down once more here, with ctypes, from the kernel's headers.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import patch

from fence_pr.storage.pr_ioctl import request_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SG_IO = 0x2285
PERSISTENT_RESERVE_OUT = 0x5F
NVME_IOCTL_ID = request_number("N", 0x40)  # tests/conformance compares with the kernel's headers
NAMESPACE = 3


class Registration(ctypes.Structure):
    """struct pr_registration; pr_clear and pr_preempt have the same shape where this is used for them."""

    _fields_ = (
        ("old_key", ctypes.c_uint64),
        ("new_key", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("pad", ctypes.c_uint32),
    )


class Reservation(ctypes.Structure):
    """struct pr_reservation."""

    _fields_ = (("key", ctypes.c_uint64), ("type", ctypes.c_uint32), ("flags", ctypes.c_uint32))


class Preempt(ctypes.Structure):
    """struct pr_preempt."""

    _fields_ = (
        ("old_key", ctypes.c_uint64),
        ("new_key", ctypes.c_uint64),
        ("type", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
    )


class Clear(ctypes.Structure):
    """struct pr_clear."""

    _fields_ = (("key", ctypes.c_uint64), ("flags", ctypes.c_uint32), ("pad", ctypes.c_uint32))


class ReadKeys(ctypes.Structure):
    """struct pr_read_keys."""

    _fields_ = (("generation", ctypes.c_uint32), ("num_keys", ctypes.c_uint32), ("keys_ptr", ctypes.c_uint64))


class ReadReservation(ctypes.Structure):
    """struct pr_read_reservation."""

    _fields_ = (("key", ctypes.c_uint64), ("generation", ctypes.c_uint32), ("type", ctypes.c_uint32))


class SgHeader(ctypes.Structure):
    """struct sg_io_hdr of scsi/sg.h."""

    _fields_ = (
        ("interface_id", ctypes.c_int),
        ("dxfer_direction", ctypes.c_int),
        ("cmd_len", ctypes.c_ubyte),
        ("mx_sb_len", ctypes.c_ubyte),
        ("iovec_count", ctypes.c_ushort),
        ("dxfer_len", ctypes.c_uint),
        ("dxferp", ctypes.c_void_p),
        ("cmdp", ctypes.c_void_p),
        ("sbp", ctypes.c_void_p),
        ("timeout", ctypes.c_uint),
        ("flags", ctypes.c_uint),
        ("pack_id", ctypes.c_int),
        ("usr_ptr", ctypes.c_void_p),
        ("status", ctypes.c_ubyte),
        ("masked_status", ctypes.c_ubyte),
        ("msg_status", ctypes.c_ubyte),
        ("sb_len_wr", ctypes.c_ubyte),
        ("host_status", ctypes.c_ushort),
        ("driver_status", ctypes.c_ushort),
        ("resid", ctypes.c_int),
        ("duration", ctypes.c_uint),
        ("info", ctypes.c_uint),
    )


class NvmeCommand(ctypes.Structure):
    """struct nvme_passthru_cmd of linux/nvme_ioctl.h."""

    _fields_ = (
        ("opcode", ctypes.c_uint8),
        ("flags", ctypes.c_uint8),
        ("rsvd1", ctypes.c_uint16),
        ("nsid", ctypes.c_uint32),
        ("cdw2", ctypes.c_uint32),
        ("cdw3", ctypes.c_uint32),
        ("metadata", ctypes.c_uint64),
        ("addr", ctypes.c_uint64),
        ("metadata_len", ctypes.c_uint32),
        ("data_len", ctypes.c_uint32),
        ("cdw10", ctypes.c_uint32),
        ("cdw11", ctypes.c_uint32),
        ("cdw12", ctypes.c_uint32),
        ("cdw13", ctypes.c_uint32),
        ("cdw14", ctypes.c_uint32),
        ("cdw15", ctypes.c_uint32),
        ("timeout_ms", ctypes.c_uint32),
        ("result", ctypes.c_uint32),
    )


class Answer(NamedTuple):
    """What a target answers to one SCSI command. residual None: what the data leaves of the room."""

    data: bytes = b""
    status: int = 0
    sense: bytes = b""
    host: int = 0
    driver: int = 0
    residual: int | None = None


class Call(NamedTuple):
    """One reservation ioctl: request number and its argument's bytes."""

    request: int
    argument: bytes


@contextmanager
def disk(
    ioctl: Callable[[int, bytearray], int] | None = None, scsi: Callable[[bytes, int], Answer] | None = None
) -> Iterator[list[Call | bytes]]:
    """Every ioctl goes to these; without one it is EINVAL. Gives the calls: `Call`s, and CDBs as bytes."""
    calls: list[Call | bytes] = []

    def fake(_fd: int, request: int, buffer: bytearray | int = 0, mutate: bool = True) -> int:
        if request == NVME_IOCTL_ID:
            return NAMESPACE
        assert isinstance(buffer, bytearray), "with bytes, fcntl.ioctl hides a positive return"
        assert mutate
        if request == SG_IO:
            if scsi is None:
                asked = _command(buffer)[:3]
                assert asked == b"\x12\1\x83" or asked[0] == PERSISTENT_RESERVE_OUT, "SG_IO was not expected"
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            calls.append(send(buffer, scsi))
            return 0
        calls.append(Call(request, bytes(buffer)))
        if ioctl is None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return ioctl(request, buffer)

    with patch.object(fcntl, "ioctl", fake):
        yield calls


def send(buffer: bytearray, scsi: Callable[[bytes, int], Answer]) -> bytes:
    """SG_IO to a disk; the command."""
    header = SgHeader.from_buffer(buffer)
    assert len(buffer) == ctypes.sizeof(SgHeader)
    assert header.interface_id == ord("S")
    assert header.timeout >= 1000
    command = _command(buffer)
    if command[0] == PERSISTENT_RESERVE_OUT:
        command += ctypes.string_at(header.dxferp, header.dxfer_len)
    assert header.dxfer_direction == (-2 if command[0] == PERSISTENT_RESERVE_OUT else -3)
    answer = scsi(command, header.dxfer_len)
    data, sense = answer.data[: header.dxfer_len], answer.sense[: header.mx_sb_len]
    ctypes.memmove(header.dxferp, data, len(data))
    ctypes.memmove(header.sbp, sense, len(sense))
    header.status, header.sb_len_wr = answer.status, len(sense)
    header.host_status, header.driver_status = answer.host, answer.driver
    header.resid = header.dxfer_len - len(data) if answer.residual is None else answer.residual
    return command


def _command(buffer: bytearray) -> bytes:
    header = SgHeader.from_buffer(buffer)
    return ctypes.string_at(header.cmdp, header.cmd_len)


def fill(buffer: bytearray, structure: ctypes.Structure | bytes) -> None:
    """Write a structure where the kernel would."""
    buffer[:] = bytes(structure)


def write_keys(address: int, keys: list[int]) -> None:
    """Keys into the caller's memory, as copy_to_user does."""
    array = (ctypes.c_uint64 * len(keys))(*keys)
    ctypes.memmove(address, array, ctypes.sizeof(array))


class Unwatched:
    """Allows everything."""

    def announce(self, disk: str, operation: str) -> None:
        """As `disk.Watch`."""

    def finished(self, disk: str) -> None:
        """As `disk.Watch`."""
