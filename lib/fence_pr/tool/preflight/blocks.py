"""Blocks that say which they are: each carries the run's name and its own number, so that a look at the disk tells what
has landed of a stream of writes. Past the page cache of this machine.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import struct
import zlib

from ...record import Record
from ...storage.pr_ioctl import request_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 4096
SLOTS = 256
_AREA = BLOCK * SLOTS
_MAGIC = b"fence_pr preflight"
_HEADER = struct.Struct(f"={len(_MAGIC)}s8sQI")
_BLKGETSIZE64 = request_number("\x12", 114, struct.calcsize("N"), read=True)  # size_t, though 8 bytes are written


class Area(Record):
    """Where on the disk is written: `SLOTS` blocks from this offset on, in bytes."""

    offset: int

    @classmethod
    def of(cls, size: int) -> Area:
        """In the middle of a disk of so many bytes: what partitions and file systems begin and end with stands
        elsewhere. Raises ValueError if there is no room.
        """
        if not cls.fits(size):
            raise ValueError(f"the disk has only {size} bytes")
        return cls(size // 2 // _AREA * _AREA)

    @staticmethod
    def fits(size: int) -> bool:
        """Whether there is room on a disk of so many bytes."""
        return size >= 4 * _AREA


def block(run: str, number: int) -> bytes:
    """The block with this number. run: 16 hexadecimal digits."""
    name = bytes.fromhex(run)
    head = _HEADER.pack(_MAGIC, name, number, zlib.crc32(name + number.to_bytes(8, "big")))
    return (head * (BLOCK // len(head) + 1))[:BLOCK]


def number_of(run: str, data: bytes) -> int:
    """Which block of this run it is; 0 if it is none, or not a whole one."""
    magic, name, number, _ = _HEADER.unpack_from(data)
    return number if magic == _MAGIC and name == bytes.fromhex(run) and data[:BLOCK] == block(run, number) else 0


def is_ours(data: bytes) -> bool:
    """Whether it is a block of any run."""
    return data.startswith(_MAGIC)


class Direct:
    """A device node, read and written past the page cache. Methods raise OSError."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._fds: dict[int, int] = {}

    def claim(self) -> None:
        """As long as this is open nobody mounts it, formats it, or builds on it. Nothing of it was opened before."""
        self._fds[os.O_RDONLY] = os.open(self._node, os.O_RDONLY | os.O_EXCL | os.O_DIRECT | os.O_CLOEXEC)

    def size(self) -> int:
        """In bytes."""
        answer = bytearray(8)
        fcntl.ioctl(self._fd(os.O_RDONLY), _BLKGETSIZE64, answer, True)
        return int.from_bytes(answer, "little" if struct.pack("=H", 1)[0] else "big")

    def read(self, offset: int, length: int = BLOCK) -> bytes:
        """What is on the disk; offset and length are multiples of the disk's own block, at most BLOCK."""
        with mmap.mmap(-1, length) as room:
            got = os.preadv(self._fd(os.O_RDONLY), [room], offset)
            if got != length:
                raise OSError(errno.EIO, f"{got} of {length} bytes")
            return bytes(room)

    def write(self, offset: int, data: bytes) -> None:
        """All of it, which is a multiple of BLOCK long."""
        with mmap.mmap(-1, len(data)) as room:
            room[:] = data
            done = os.pwritev(self._fd(os.O_WRONLY), [room], offset)
        if done != len(data):
            raise OSError(errno.EIO, f"{done} of {len(data)} bytes")

    def _fd(self, mode: int) -> int:
        """Opened when it is first needed: to close what is open for writing makes udev look at the disk anew."""
        if mode not in self._fds:
            self._fds[mode] = os.open(self._node, mode | os.O_DIRECT | os.O_CLOEXEC)
        return self._fds[mode]

    def close(self) -> None:
        """Let go of the device node."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()


def numbers(run: str, area: bytes) -> Iterator[int]:
    """What stands in each slot of an area."""
    return (number_of(run, area[at : at + BLOCK]) for at in range(0, len(area), BLOCK))


def word(error: OSError) -> str:
    """The name of the system's error."""
    return errno.errorcode.get(error.errno or 0, str(error))
