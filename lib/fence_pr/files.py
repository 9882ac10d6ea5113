"""Small files, read so that nothing in their place can hang the reader or fill its memory."""

from __future__ import annotations

import errno
import os

from .errors import UsageError

_STANDARD_STREAMS = (0, 1, 2)
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


def occupy_standard_streams() -> None:
    """See that none is closed: it would be taken by the first file opened, a disk, and then be written to.

    Raises UsageError if that cannot be done.
    """
    for stream in _STANDARD_STREAMS:
        try:
            os.fstat(stream)
        except OSError:
            try:
                # The lowest free number is this stream's: those below are taken by now.
                os.open("/dev/null", os.O_RDWR)
            except OSError as error:
                fields = {"option": "standard stream", "value": str(stream), "answer": error.strerror}
                raise UsageError("stream-closed", **fields) from error
