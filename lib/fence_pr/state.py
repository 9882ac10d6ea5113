"""What this node registered, remembered until the next boot: one small file a disk in /run/fence_pr_ioctl.

The truth is on the disk. These files only say which key is this node's own where it cannot be computed, and whether
it was ever unfenced since the machine started.
"""

from __future__ import annotations

import os

from . import files
from .errors import UsageError
from .keys import Registrant, parse_key

FOLDER = "/run/fence_pr_ioctl"
_MOST_BYTES = 1 << 20


def save(identity: str, registrant: Registrant, folder: str = FOLDER) -> None:
    """Remember, atomically, that this node is `registrant` on the disk `identity`. Raises OSError."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    text = f"key=0x{registrant.key:x}\nnode={registrant.node}\n"
    files.write(_path(identity, folder), text.encode("utf-8", "surrogateescape"))


def load(identity: str, folder: str = FOLDER) -> Registrant | None:
    """What this node registered on the disk `identity`; None if nothing. Raises OSError or ValueError (damaged)."""
    path = _path(identity, folder)
    try:
        data = files.read(path, _MOST_BYTES, os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    key, _, node = data.decode("utf-8", "surrogateescape").partition("\n")
    try:
        if not (key.startswith("key=") and node.startswith("node=") and node.endswith("\n")):
            raise ValueError("cut off, or not ours")
        return Registrant(node[len("node=") : -1], parse_key("key", key[len("key=") :]))
    except (ValueError, UsageError) as error:
        raise ValueError(f"{path} is damaged; run the action on again") from error


def forget(identity: str, folder: str = FOLDER) -> None:
    """Remember nothing of the disk `identity` any more. Raises OSError."""
    try:
        os.unlink(_path(identity, folder))
    except FileNotFoundError:
        return


def identities(folder: str = FOLDER) -> list[str]:
    """The disks of which something is remembered. Raises OSError."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    found = {name: _identity(name) for name in names if not name.endswith(files.UNFINISHED)}
    return sorted(identity for name, identity in found.items() if _path(identity, folder) == f"{folder}/{name}")


def _identity(name: str) -> str:
    """The inverse of `_path`; anything else than that for a name that is none of ours."""
    first, *rest = name.split("%")
    data = os.fsencode(first)
    for part in rest:
        try:
            data += bytes.fromhex(part[:2])
        except ValueError:
            return ""
        data += os.fsencode(part[2:])
    return data.decode("utf-8", "surrogateescape")


def _path(identity: str, folder: str) -> str:
    plain = "".join(
        chr(byte) if chr(byte).isascii() and (chr(byte).isalnum() or byte in b".-_") else f"%{byte:02x}"
        for byte in identity.encode("utf-8", "surrogateescape")
    )
    if plain in (".", ".."):
        plain = plain.replace(".", "%2e")
    return f"{folder}/{plain}"
