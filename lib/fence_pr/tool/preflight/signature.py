"""What a disk is used for, by what stands on it: a file system, LVM, a partition table, or something that nobody knows.

blkid, or else wipefs, is asked where there is one, and the disk is read here as well: neither knows all. Only a disk on
which nothing at all stands, where such things begin and end and where a pre-flight writes, counts as empty.
Sources: util-linux libblkid/src/superblocks and partitions; the makers' documents for what that lacks.
"""

from __future__ import annotations

import os
import shutil
import subprocess

from ...errors import Notice
from ...record import Record
from .blocks import BLOCK, SLOTS, Area, is_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .blocks import Direct

_FOLDERS = "/usr/sbin:/usr/bin:/sbin:/bin"
_SECONDS = 5
_LOOKED_AT = (2 << 20) + BLOCK  # VMFS begins a megabyte, or two, behind the beginning
_SECTOR = 512

# What → where in the part that is looked at it stands, and how it begins.
_AT_START: tuple[tuple[str, int, bytes], ...] = (
    ("an MBR partition table", 510, b"\x55\xaa"),
    *(("a GPT partition table", sector, b"EFI PART") for sector in (512, 4096)),
    *(("an LVM physical volume", sector * _SECTOR, b"LABELONE") for sector in range(4)),
    *(("LVM2 metadata", at, b"\x20LVM2 x[5A%r0N*>") for at in (4100, 2052)),
    ("an ext2, ext3 or ext4 file system", 1080, b"\x53\xef"),
    ("an XFS file system", 0, b"XFSB"),
    ("a btrfs file system", 0x10040, b"_BHRfS_M"),
    ("a bcachefs file system, or bcache", 4096 + 24, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")),
    ("a GFS2 file system", 0x10000, bytes.fromhex("01161970")),
    *(("an OCFS2 file system", size * 2, b"OCFSV2") for size in (512, 1024, 2048, 4096)),
    ("an F2FS file system", 1024, bytes.fromhex("1020f5f2")),
    ("a VxFS file system", 1024, bytes.fromhex("f5fc01a5")),
    ("a VxFS file system", 8192, bytes.fromhex("a501fcf5")),
    ("a JFS file system", 0x8000, b"JFS1"),
    ("a ReiserFS file system", 0x10034, b"ReIsEr"),
    ("a NILFS2 file system", 1030, b"\x34\x34"),
    ("an NTFS file system", 3, b"NTFS    "),
    ("an exFAT file system", 3, b"EXFAT   "),
    ("a FAT file system", 54, b"FAT"),
    ("a FAT file system", 82, b"FAT32   "),
    ("a squashfs file system", 0, b"hsqs"),
    ("an EROFS file system", 1024, bytes.fromhex("e2e1f5e0")),
    ("an ISO 9660 file system", 0x8001, b"CD001"),
    ("a VMFS volume", 0x100000, b"\x0d\xd0\x01\xc0"),
    ("a VMFS file system", 0x200000, b"\x5e\xf1\xab\x2f"),
    *(("swap space", page - 10, b"SWAPSPACE2") for page in (4096, 8192, 16384, 65536)),
    ("a LUKS container", 0, b"LUKS\xba\xbe"),
    ("BitLocker", 3, b"-FVE-FS-"),
    *(("a member of a software RAID array", at, bytes.fromhex("fc4e2ba9")) for at in (0, 4096)),
    ("a Stratis pool", 512 + 4, b"!Stra0tis\x86\xff\x02^\x41rh"),
    ("a VDO volume", 0, b"dmvdo001"),
    ("an SBD device", 0, b"SBD_SBD_"),
    ("a sanlock lease area", 0, bytes.fromhex("10202112")),
    ("an Oracle ASM disk", 32, b"ORCLDISK"),
    ("a Ceph OSD", 0, b"bluestore block device"),
    *(("a ZFS pool", at, bytes.fromhex("0cb1ba0000000000")) for at in range(0x20000, 0x40000, 1024)),
    *(("a ZFS pool", at, bytes.fromhex("0000000000bab10c")) for at in range(0x20000, 0x40000, 1024)),
)
# The same, before the end of the disk.
_AT_END: tuple[tuple[str, int, bytes], ...] = (
    *(("a GPT partition table's copy", sector, b"EFI PART") for sector in (512, 4096)),
    ("a member of a software RAID array", 8192, bytes.fromhex("fc4e2ba9")),
    ("a member of a software RAID array", 0x10000, bytes.fromhex("fc4e2ba9")),
    ("DRBD's metadata", 4096 - 60, bytes.fromhex("8374026b")),
)
_BLKID = ("blkid", "--probe", "--output", "export")
_WIPEFS = ("wipefs", "--no-act", "--noheadings", "--output", "TYPE")
_BLKID_NOTHING, _BLKID_SEVERAL = 2, 8


class Signature(Record):
    """What stands on a disk. reasons: why it must not be taken for empty, () if nothing stands there."""

    reasons: tuple[Notice, ...] = ()


def of_disk(node: str, disk: Direct) -> Signature:
    """Raises OSError if the disk cannot be read."""
    return Signature((*by_reading(disk), *by_program(node)))


def by_reading(disk: Direct) -> tuple[Notice, ...]:
    """What is known by its look; what stands there and is not known counts, too. Raises OSError."""
    size = disk.size()
    length = min(_LOOKED_AT, size // BLOCK * BLOCK)
    start, end = disk.read(0, length), disk.read(size - length, length)
    pieces = [start, end, *([disk.read(Area.of(size).offset, SLOTS * BLOCK)] if Area.fits(size) else [])]
    known = dict.fromkeys((*_known(start), *_known_at_end(end)))
    if known:
        return tuple(Notice("disk-has-signature", {"name": it}) for it in known)
    return () if all(map(_is_empty, pieces)) else (Notice("disk-has-content", {}),)


def _known(start: bytes) -> Iterator[str]:
    return (name for name, at, magic in _AT_START if start[at : at + len(magic)] == magic)


def _known_at_end(end: bytes) -> Iterator[str]:
    return (name for name, back, magic in _AT_END if end[len(end) - back :][: len(magic)] == magic)


def _is_empty(data: bytes) -> bool:
    """Nothing but zeros, and what an earlier run has left."""
    return all(
        not any(data[at : at + BLOCK]) or is_ours(data[at : at + BLOCK]) for at in range(0, len(data), BLOCK)
    )  # fmt: skip


def by_program(node: str) -> tuple[Notice, ...]:
    """What blkid says, or else wipefs; () where there is neither. What they do not say clearly counts, too."""
    for command in (_BLKID, _WIPEFS):
        if program := shutil.which(command[0], path=f"{os.environ.get('PATH', '')}:{_FOLDERS}"):
            return _told(program, [program, *command[1:], node], blkid=command is _BLKID)
    return ()


def _told(program: str, command: list[str], *, blkid: bool) -> tuple[Notice, ...]:
    try:
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS,
                              env={**os.environ, "LC_ALL": "C"})  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        answer = error.strerror if isinstance(error, OSError) else "no answer"
        return (Notice("signature-untold", {"program": program, "answer": answer}),)
    said = done.stdout.decode("utf-8", "replace")
    if blkid and done.returncode == _BLKID_SEVERAL:
        return (Notice("disk-has-signature", {"name": "several that contradict each other, says blkid"}),)
    if done.returncode and not (blkid and done.returncode == _BLKID_NOTHING):
        answer = done.stderr.decode("utf-8", "replace").strip() or f"it ended with {done.returncode}"
        return (Notice("signature-untold", {"program": program, "answer": answer}),)
    found = _of_blkid(said) if blkid else said.split()
    return tuple(Notice("disk-has-signature", {"name": f"{it}, says {os.path.basename(program)}"}) for it in found)


def _of_blkid(said: str) -> list[str]:
    pairs = dict(line.partition("=")[::2] for line in said.splitlines())
    return [pairs[name] for name in ("TYPE", "PTTYPE") if pairs.get(name)]
