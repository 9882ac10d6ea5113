"""Reading and writing a disk, with the kernel's answer as a word: "ok", or the name of the errno."""

from __future__ import annotations

import errno
import mmap
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 4096


def write(path: str, fill: int, offset: int) -> str:
    """Write one block of bytes `fill`, past the page cache."""
    return _word(lambda: _direct(path, os.O_WRONLY, os.pwritev, bytes([fill]) * BLOCK, offset))


def write_buffered(path: str, fill: int, offset: int) -> str:
    """Write one block through the page cache and fsync it."""

    def transfer() -> None:
        fd = os.open(path, os.O_WRONLY)
        try:
            os.pwrite(fd, bytes([fill]) * BLOCK, offset)
            os.fsync(fd)
        finally:
            os.close(fd)

    return _word(transfer)


def read(path: str, offset: int) -> str:
    """Read one block, past the page cache."""
    return _word(lambda: content(path, offset))


def content(path: str, offset: int, length: int = BLOCK) -> bytes:
    """One block, or more, as on the disk; raises OSError."""
    return _direct(path, os.O_RDONLY, os.preadv, bytes(length), offset)


def _direct(
    path: str, mode: int, transfer: Callable[[int, list[mmap.mmap], int], int], data: bytes, offset: int
) -> bytes:
    with mmap.mmap(-1, len(data)) as aligned:
        aligned[:] = data
        fd = os.open(path, mode | os.O_DIRECT)
        try:
            transfer(fd, [aligned], offset)
        finally:
            os.close(fd)
        return aligned[:]


def _word(transfer: Callable[[], object]) -> str:
    try:
        transfer()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "ok"
