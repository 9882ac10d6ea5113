"""Small files, read so that nothing in their place can hang the reader or fill its memory."""

from __future__ import annotations

import errno
import os

UNFINISHED = "~"  # how the name of a file ends that `write` has not finished


def read(path: str, most: int, flags: int = 0) -> bytes:
    """The whole file, which must have at most `most` bytes; a pipe's writer is not waited for. Raises OSError.

    flags: more flags of `os.open`
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    try:
        data = chunk = os.read(fd, most + 1)
        while chunk and len(data) <= most:
            chunk = os.read(fd, most + 1 - len(data))
            data += chunk
    except OSError as error:  # only open() names the file
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        os.close(fd)
    if len(data) > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
    return data


def write(path: str, data: bytes) -> None:
    """A new file for this user alone in place of whatever is there; all of it or nothing. Raises OSError."""
    temporary = f"{path}.{os.getpid()}{UNFINISHED}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            while data:
                data = data[os.write(fd, data) :]
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def more_descriptors() -> bool:
    """Let this process have as many files open as it ever may; whether these are more than before."""
    import resource  # few calls need it

    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now == most:
        return False
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError):
        return False
    return True


def what_failed(error: OSError | ValueError) -> str:
    """What the system said, and of which file; of what is in a file, the sentence as it is."""
    if isinstance(error, ValueError):
        return str(error)
    place = error.filename2 or error.filename
    return f"{error.strerror}: {place}" if place else f"{error.strerror}"
