"""Bindings: what this node remembers of a disk beyond its own boot, one small file a disk in /var/lib/fence_pr_ioctl.

They say how names made keys when 'on' ran here, which keys this node had, and behind which hosts nodes were seen. They
are evidence, never a verdict: whether a node is fenced the disk says each time. Without them less is explained, so
less is called fenced.

'off' must not wait for the disk under /var/lib. So there is a second copy beside the state files, which are in memory.
"""

from __future__ import annotations

import os

from . import files
from .errors import UsageError
from .keys import parse_key
from .record import Record
from .state_file import encoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    Item = TypeVar("Item")

FOLDER = "/var/lib/fence_pr_ioctl"
_MOST_BYTES = 1 << 20
_MOST_PARAMETERS, _MOST_KEYS, _MOST_HOSTS = 4, 8, 1024
_MOST = {"parameters": _MOST_PARAMETERS, "key": _MOST_KEYS, "host": _MOST_HOSTS, "shared": 1}
_END = "end"


class Parameters(Record):
    """How names made keys: key_value, and the cluster's name."""

    method: str
    cluster: str


class Bindings(Record):
    """What is remembered of one disk.

    node        what this node was called when that was written; "" if nobody could tell
    parameters  how names made keys whenever 'on' ran here, newest first
    own_keys    the keys that this node registered, newest first
    hosts       (host, node): a host as the target tells it, and the node whose key was registered from there; newest
                first, each host once
    shared      how many paths 'on' registered over, and how many registrations that made, on a target whose ports share
                them; zeros on all others
    """

    parameters: tuple[Parameters, ...] = ()
    own_keys: tuple[int, ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()
    node: str = ""
    shared: tuple[int, int] = (0, 0)

    def with_own(self, key: int, parameters: Parameters | None, node: str = "") -> Bindings:
        """After this node registered `key`, made with `parameters`; None: it was given, so that names tell nothing."""
        made = _newest(parameters, self.parameters, _MOST_PARAMETERS) if parameters else ()
        return Bindings(made, _newest(key, self.own_keys, _MOST_KEYS), self.hosts, node, self.shared)

    def with_shared(self, paths: int, registrations: int) -> Bindings:
        """After this node registered over each of so many paths, which made so many registrations."""
        shared = (paths, registrations) if 0 < registrations < paths else (0, 0)
        return Bindings(self.parameters, self.own_keys, self.hosts, self.node, shared)

    def are_enough(self, registrations: int, paths: int) -> bool:
        """Whether this node can write over each of so many paths with so many registrations."""
        known_paths, known = self.shared
        return registrations >= (known if paths <= known_paths else paths)

    def with_hosts(self, seen: dict[str, str]) -> Bindings:
        """After nodes were seen behind hosts: host → node. What was seen last of a host holds."""
        if not seen.items() - set(self.hosts):
            return self
        new = [(host, node) for host, node in sorted(seen.items()) if (host, node) not in self.hosts]
        old = [(host, node) for host, node in self.hosts if seen.get(host, node) == node]
        return Bindings(self.parameters, self.own_keys, (*new, *old)[:_MOST_HOSTS], self.node, self.shared)


def _newest(new: Item, old: tuple[Item, ...], most: int) -> tuple[Item, ...]:
    return (new, *(it for it in old if it != new))[:most]


def load(identity: str, folder: str, memory: str = "") -> Bindings:
    """What is remembered of the disk `identity`: from the copy in `memory`, else from `folder`; nothing if neither is.

    Raises OSError, or ValueError if the file is damaged or another disk's.
    """
    for path in _paths(identity, folder, memory):
        try:
            data = files.read(path, _MOST_BYTES, os.O_NOFOLLOW)
        except FileNotFoundError:
            continue
        return _parsed(data.decode("utf-8", "surrogateescape"), identity, path)
    return Bindings()


def save(identity: str, bindings: Bindings, folder: str, memory: str = "") -> None:
    """Write it down, all or nothing; the copy in `memory` first. Raises OSError."""
    lines = [
        f"disk={identity}",
        f"node={bindings.node}",
        *(f"parameters={it.method} {it.cluster}" for it in bindings.parameters),
        *(f"key=0x{key:x}" for key in bindings.own_keys),
        *(f"host={host} {node}" for host, node in bindings.hosts),
        *([f"shared={bindings.shared[0]} {bindings.shared[1]}"] if any(bindings.shared) else []),
        _END,
    ]
    data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    for path in _paths(identity, folder, memory):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        files.write(path, data)


def _paths(identity: str, folder: str, memory: str) -> list[str]:
    """A state file never begins with +."""
    return [*([f"{memory}/+{encoded(identity)}"] if memory else []), f"{folder}/{encoded(identity)}"]


def _parsed(text: str, identity: str, path: str) -> Bindings:
    disk, *lines = text.split("\n")
    if disk != f"disk={identity}":
        raise ValueError(f"{path} is another disk's, or damaged")
    if lines[-2:] != [_END, ""] or not lines[0].startswith("node="):
        raise ValueError(f"{path} is damaged")
    node, *lines = lines
    found: dict[str, list[str]] = {"parameters": [], "key": [], "host": [], "shared": []}
    for line in lines[:-2]:
        name, equals, value = line.partition("=")
        if not equals or name not in found:
            raise ValueError(f"{path} is damaged")
        found[name].append(value)
    if any(len(found[name]) > most for name, most in _MOST.items()):
        raise ValueError(f"{path} is damaged")
    try:
        return Bindings(
            tuple(Parameters(*_two(it)) for it in found["parameters"]),
            tuple(parse_key("key", it) for it in found["key"]),
            tuple(_two(it) for it in found["host"]),
            node[len("node=") :],
            next((_numbers(it) for it in found["shared"]), (0, 0)),
        )
    except (ValueError, UsageError) as error:
        raise ValueError(f"{path} is damaged") from error


def _numbers(text: str) -> tuple[int, int]:
    first, second = _two(text)
    return int(first), int(second)


def _two(text: str) -> tuple[str, str]:
    first, blank, second = text.partition(" ")
    if not (first and blank and second):
        raise ValueError(text)
    return first, second
