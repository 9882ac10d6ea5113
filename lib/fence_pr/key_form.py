"""Which other program a key may be of, by its form. Pure."""

from __future__ import annotations

_LVM, _FENCE_SCSI_BITS = 0x100000, 32


def origin(key: int) -> str:
    """Which other program makes keys of this form: "lvm", "fence_scsi", or "" if none is known. A form proves nothing.

    lvm         0x100000, then 24 bits of a generation and 16 of a host_id (lvm2, lib/device/persist.c)
    fence_scsi  32 bits, as key_value=hash and id make them here, too
    """
    if key >> 40 == _LVM and key & 0xFFFF:
        return "lvm"
    return "fence_scsi" if 0 < key < 1 << _FENCE_SCSI_BITS else ""
