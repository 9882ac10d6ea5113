"""Page 83h as a target sends it, written down once more from SPC-4 7.8.6."""

from __future__ import annotations

import struct


def designator(kind: int, data: bytes, association: int = 0) -> bytes:
    """One of page 83h."""
    return struct.pack(">BBxB", 1, association << 4 | kind, len(data)) + data


def page(*found: bytes) -> bytes:
    """Page 83h with these designators."""
    joined = b"".join(found)
    return struct.pack(">BBH", 0, 0x83, len(joined)) + joined


def of_naa(text: str) -> bytes:
    """Page 83h with one NAA designator, in the kernel's spelling."""
    return page(designator(3, bytes.fromhex(text.removeprefix("naa."))))


def kernels_choice(found: list[bytes]) -> str:
    """scsi_vpd_lun_id of Linux 7.3 in a second reading, but for lengths that it has no format for."""
    best, size, text = 0, 0, ""
    for it in found:
        kind, association, length, data = it[1] & 15, it[1] >> 4 & 3, it[3], it[4:]
        if association or not length:
            continue
        naa_of = {3: 1, 4: 4, 5: 5, 6: 8}.get(data[0] >> 4, 0) if length in (8, 16) else 0
        rank = {8: 9, 3: naa_of, 2: {16: 7, 12: 6, 8: 3}.get(length, 0), 1: 1}.get(kind, 0)
        if not rank or best > rank or (kind in (1, 8) and size > length):
            continue
        if kind == 8:
            candidate = data.decode("utf-8", "replace").strip()
        elif kind == 1:
            candidate = f"t10.{escaped(data)}".strip()
        else:
            candidate = {2: "eui.", 3: "naa."}[kind] + data.hex()
        if candidate:
            best, size, text = rank, length, candidate
    return text


ESCAPES = {0: "\\0", 7: "\\a", 12: "\\f", 10: "\\n", 13: "\\r", 9: "\\t", 11: "\\v", 27: "\\e"}


def escaped(data: bytes) -> str:
    """%pE."""
    shown = b""
    for code in data:
        printable = 32 <= code < 127 or code >= 160
        shown += bytes([code]) if printable else ESCAPES.get(code, f"\\{code:03o}").encode()
    return shown.decode("utf-8", "replace")
