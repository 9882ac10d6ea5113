"""INQUIRY through SG_IO: what a SCSI disk says of itself. The parsers are pure.

Sources: SPC-4 6.6 (INQUIRY) and 7.8.6 (Device Identification page, 83h).
"""

from __future__ import annotations

import struct

from ..record import Record
from . import scsi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_INQUIRY = 0x12
_VITAL_PRODUCT_DATA = 0x01
_DEVICE_IDENTIFICATION = 0x83
_STANDARD_BYTES = 36
# Disks of SPC-2 and before read the allocation length from one byte only.
_FIRST_BYTES = 0xFC
_MOST_BYTES = 0xFFFF  # the allocation length is 16 bits wide
_RELATIVE_TARGET_PORT = 1, 4  # association and type
_PAGE_HEADER, _DESIGNATOR_HEADER = 4, 4


class Designator(Record):
    """One designator of page 83h.

    association  0 of the logical unit, 1 of the target's port
    type         1 T10 vendor, 3 NAA, 4 relative target port, 8 SCSI name string
    """

    association: int
    type: int
    data: bytes


def vendor(fd: int) -> str:
    """The T10 vendor identification, without the blanks around it.

    Raises PathFailure, DeviceFailure, and Invalid or NotSupported where the driver passes no commands on.
    """
    return _text(_ask(fd, 0, 0, _STANDARD_BYTES)[8:16])


def designators(fd: int) -> tuple[Designator, ...]:
    """Every designator of page 83h. Raises as `vendor`, and Invalid if the disk has no such page."""
    page = _ask(fd, _VITAL_PRODUCT_DATA, _DEVICE_IDENTIFICATION, _FIRST_BYTES)
    needed = _PAGE_HEADER + int.from_bytes(page[2:4], "big")
    if needed > len(page) == _FIRST_BYTES:
        page = _ask(fd, _VITAL_PRODUCT_DATA, _DEVICE_IDENTIFICATION, min(needed, _MOST_BYTES))
    return parse(page)


def parse(page: bytes) -> tuple[Designator, ...]:
    """The designators in page 83h; what is cut short or of another page is left out. Pure."""
    if page[1:2] != bytes([_DEVICE_IDENTIFICATION]):
        return ()
    end = min(len(page), _PAGE_HEADER + int.from_bytes(page[2:4], "big"))
    found, at = [], _PAGE_HEADER
    while at + _DESIGNATOR_HEADER <= end:
        data = at + _DESIGNATOR_HEADER
        after = data + page[at + 3]
        if after > end:
            break
        found.append(Designator(page[at + 1] >> 4 & 0x3, page[at + 1] & 0xF, page[data:after]))
        at = after
    return tuple(found)


def target_port(found: Iterable[Designator]) -> int:
    """The relative number of the target's port that was asked; 0 if it is not told."""
    told = {int.from_bytes(it.data[2:4], "big") for it in found if (it.association, it.type) == _RELATIVE_TARGET_PORT}
    return told.pop() if len(told) == 1 else 0


def vendor_of(designator: Designator) -> str:
    """The vendor identification in a T10 vendor designator."""
    return _text(designator.data[:8])


def _ask(fd: int, flags: int, page: int, size: int) -> bytes:
    return scsi.send(fd, "inquiry", struct.pack(">BBBHx", _INQUIRY, flags, page, size), size)


def _text(data: bytes) -> str:
    return data.decode("ascii", "replace").strip(" \0")
