"""What of this machine matters for fencing, beside its disks: the guard, and the settings of its neighbours.

Only small files and links are read, no program is run.
"""

from __future__ import annotations

import os

from ... import files
from ...record import Record
from ...storage.device import entries, read_attribute
from ..metrics import guard_runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_BYTES = 1 << 20
_GUARD = "pr_fence_guard"
_MULTIPATH = ("/etc/multipath.conf", "/etc/multipath/conf.d")
_LVM = ("/etc/lvm/lvmlocal.conf", "/etc/lvm/lvm.conf")
_WATCHDOG, _DLM = "/etc/watchdog.d", "/etc/dlm/dlm.conf"
_POLICIES, _MODULE = "/var/lib/selinux", "fence_pr_ioctl"
_KEY = "reservation_key"


class Machine(Record):
    """Its settings.

    guard           whether pr_fence_guard runs, or the watchdog daemon calls it
    enforcing       whether SELinux enforces a policy without the module for this agent
    watchdog_links  links to the guard in the watchdog daemon's folder
    dlm             the file in which dlm_controld is told to use this agent, "" if it is not
    multipath_keys  (file, value) of each reservation_key that multipathd is given
    lvm_key         the file that gives LVM a key of its own, "" if none does
    """

    guard: bool = True
    enforcing: bool = False
    watchdog_links: tuple[str, ...] = ()
    dlm: str = ""
    multipath_keys: tuple[tuple[str, str], ...] = ()
    lvm_key: str = ""


def look(root: str = "") -> Machine:
    """This machine's. root: the folder that stands for / (tests)."""
    return Machine(
        guard_runs(f"{root}/proc") or _is_called(f"{root}{_WATCHDOG}"),
        read_attribute(f"{root}/sys/fs/selinux/enforce").strip() == "1" and not _has_module(f"{root}{_POLICIES}"),
        tuple(_links(f"{root}{_WATCHDOG}")),
        _DLM if any("fence_pr_ioctl" in line for line in _settings(f"{root}{_DLM}")) else "",
        tuple((path, it) for path in _multipath_files(root) for it in _values(f"{root}{path}", _KEY)),
        next((path for path in _LVM if _values(f"{root}{path}", "pr_key")), ""),
    )


def _has_module(folder: str) -> bool:
    """Whether a policy has the module: each has a folder for each priority, and there one for each module."""
    places = (f"{folder}/{policy}/active/modules" for policy in entries(folder))
    return any(_MODULE in entries(f"{place}/{priority}") for place in places for priority in entries(place))


def _is_called(folder: str) -> bool:
    """Whether the watchdog daemon calls the guard, directly or by a script."""
    scripts = (line for name in entries(folder) for line in _settings(f"{folder}/{name}"))
    return any(_links(folder)) or any(_GUARD in line for line in scripts)


def _links(folder: str) -> Iterator[str]:
    for name in entries(folder):
        path = f"{folder}/{name}"
        if os.path.basename(os.path.realpath(path)) == _GUARD and os.path.islink(path):
            yield path


def _multipath_files(root: str) -> list[str]:
    single, folder = _MULTIPATH
    return [single, *(f"{folder}/{name}" for name in sorted(entries(f"{root}{folder}")) if name.endswith(".conf"))]


def _values(path: str, name: str) -> list[str]:
    """What a setting is given, wherever it stands in the file."""
    words = (line.replace("=", " ").split(None, 1) for line in _settings(path))
    return [it[1].strip().strip('"') for it in words if len(it) > 1 and it[0] == name]


def _settings(path: str) -> list[str]:
    """The lines without comments; none of a file that cannot be read."""
    try:
        text = files.read(path, _MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    lines = (line.partition("#")[0].partition("!")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]
