"""State files: what this node registered since it started, one small file a disk in /run/fence_pr_ioctl.

The truth is on the disk. These files only say which key is this node's own where it cannot be computed, and whether
it was ever unfenced since the machine started.
"""

from __future__ import annotations

import os

from . import files
from .errors import UsageError
from .keys import Registrant, parse_key

FOLDER = "/run/fence_pr_ioctl"
# What is noted beside: that a disk lost this node's registration without a fencing, and 'on' has not run since; that
# its target could not write a removal down.
LOST, UNWRITTEN = "lost", "unwritten"
_MOST_BYTES = 1 << 20
_PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_"


def save(identity: str, registrant: Registrant, folder: str = FOLDER) -> None:
    """Write, all or nothing, that this node is `registrant` on the disk `identity`. Raises OSError."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    text = f"key=0x{registrant.key:x}\nnode={registrant.node}\n"
    files.write(_path(identity, folder), text.encode("utf-8", "surrogateescape"))
    mark(LOST, identity, folder, holds=False)


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
        raise ValueError(f"{path} is damaged") from error


def forget(identity: str, folder: str = FOLDER) -> None:
    """Remove the state file of the disk `identity`. Raises OSError."""
    _remove(_path(identity, folder))


def mark(note: str, identity: str, folder: str = FOLDER, *, holds: bool) -> None:
    """Note LOST or UNWRITTEN of the disk `identity`, or that it is over. Raises OSError."""
    path = _note_path(note, identity, folder)
    if holds:
        files.write(path, b"")
    else:
        _remove(path)


def is_marked(note: str, identity: str, folder: str = FOLDER) -> bool:
    """Whether that was noted since this node started, and is not over."""
    return os.path.exists(_note_path(note, identity, folder))


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def identities(folder: str = FOLDER) -> list[str]:
    """The disks that have a state file. Raises OSError."""
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
    return f"{folder}/{encoded(identity)}"


def _note_path(note: str, identity: str, folder: str) -> str:
    """No name of a state file, nor of bindings, has a second +."""
    return f"{folder}/+{note}+{encoded(identity)}"


def encoded(identity: str) -> str:
    """A disk's identity as the name of a file: the same for the same disk, another for any other."""
    plain = identity
    if identity.strip(_PLAIN):  # something is left that is not plain
        data = identity.encode("utf-8", "surrogateescape")
        plain = "".join(chr(byte) if chr(byte) in _PLAIN else f"%{byte:02x}" for byte in data)
    return plain.replace(".", "%2e") if plain in (".", "..") else plain
