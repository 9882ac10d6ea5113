"""The ioctls of linux/pr.h, as the lab itself needs them: numbers in, the kernel's answer out.

The lab has its own so that the code under test does not judge itself.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct

# Name: request number, format of the arguments.
CALLS = {
    "register": (0x401870C8, "=QQII"),  # old key, new key, flags
    "reserve": (0x401070C9, "=QII"),  # key, type, flags
    "release": (0x401070CA, "=QII"),  # key, type, flags
    "preempt": (0x401870CB, "=QQII"),  # own key, victim's key, type, flags
    "preempt_abort": (0x401870CC, "=QQII"),  # own key, victim's key, type, flags
    "clear": (0x401070CD, "=QII"),  # key, flags
}
IGNORE_KEY = 1
LAB_KEY = 0x6C6162  # nobody else's

SG_IO = 0x2285
SG_DXFER_NONE = -1
MOST_ATTENTIONS = 16


class SgIo(ctypes.Structure):
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


def call(path: str, name: str, *numbers: int) -> int:
    """One call to the disk at `path`: 0, or the kernel's positive status, or minus an errno (also of open)."""
    request, form = CALLS[name]
    fields = len(form) - 1
    argument = bytearray(struct.pack(form, *numbers, *[0] * (fields - len(numbers))))
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return int(fcntl.ioctl(fd, request, argument, True))
        finally:
            os.close(fd)
    except OSError as error:
        return -(error.errno or 0)


def clear(path: str) -> None:
    """Leave the disk without registrations and reservation. Those who were registered get a unit attention.

    Unregistered first: LIO may not go by a registration that it lists, but by one that is new.
    """
    drain(path)
    anew = (0, 0, IGNORE_KEY), (0, LAB_KEY, IGNORE_KEY)
    for name, numbers in (*(("register", it) for it in anew), ("clear", (LAB_KEY,))):
        status = call(path, name, *numbers)
        if status:
            raise OSError(f"{name} on {path} ended with {status:#x}")


def drain(path: str) -> int:
    """Let the disk tell all pending unit attentions; how many there were."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        for count in range(MOST_ATTENTIONS):
            if _test_unit_ready(fd) == 0:
                return count
    finally:
        os.close(fd)
    raise OSError(f"{path} does not get ready")


def _test_unit_ready(fd: int) -> int:
    """The SCSI status; raises OSError if the command did not get there."""
    command = ctypes.create_string_buffer(6)
    sense = ctypes.create_string_buffer(32)
    header = SgIo(
        interface_id=ord("S"),
        dxfer_direction=SG_DXFER_NONE,
        cmd_len=6,
        mx_sb_len=32,
        cmdp=ctypes.addressof(command),
        sbp=ctypes.addressof(sense),
        timeout=5000,
    )
    fcntl.ioctl(fd, SG_IO, header)
    if header.host_status:
        raise OSError(f"TEST UNIT READY: host status {header.host_status:#x}")
    return int(header.status)
