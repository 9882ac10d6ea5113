"""What this node registered, remembered until the next boot: one small file a disk in /run/fence_pr_ioctl.

The truth is on the disk. These files only say which key is this node's own where it cannot be computed, and whether
it was ever unfenced since the machine started.
"""

from __future__ import annotations

import os

from .errors import UsageError
from .keys import Registrant, parse_key

FOLDER = "/run/fence_pr_ioctl"


def save(identity: str, registrant: Registrant, folder: str = FOLDER) -> None:
    """Remember, atomically, that this node is `registrant` on the disk `identity`. Raises OSError."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = _path(identity, folder)
    temporary = f"{path}.{os.getpid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, f"key=0x{registrant.key:x}\nnode={registrant.node}\n".encode("utf-8", "surrogateescape"))
    finally:
        os.close(fd)
    os.rename(temporary, path)


def load(identity: str, folder: str = FOLDER) -> Registrant | None:
    """What this node registered on the disk `identity`; None if nothing. Raises OSError or ValueError (damaged)."""
    try:
        with open(_path(identity, folder), encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return None
    values = dict(line.partition("=")[::2] for line in lines)
    try:
        return Registrant(values["node"], parse_key("key", values["key"]))
    except (KeyError, UsageError) as error:
        raise ValueError(f"{_path(identity, folder)} is damaged; run the action on again") from error


def _path(identity: str, folder: str) -> str:
    plain = "".join(
        chr(byte) if chr(byte).isascii() and (chr(byte).isalnum() or byte in b".-_") else f"%{byte:02x}"
        for byte in identity.encode("utf-8", "surrogateescape")
    )
    return f"{folder}/{plain}"
