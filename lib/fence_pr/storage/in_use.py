"""Who may still write to a disk: what is mounted or built on it, has it open for writing, or waits to be written."""

from __future__ import annotations

import _thread
import errno
import os
import stat

from ..errors import Notice
from .device import SYSTEM, entries, read_attribute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .device import Device, Places

_OPEN_FOR_WRITING = os.O_WRONLY | os.O_RDWR
# A volume may lie on several disks, which are looked at all at once: who claims it meanwhile must not be one of them.
_one_claims = _thread.allocate_lock()


def users(device: Device, places: Places = SYSTEM, processes: str = "/proc") -> list[Notice]:
    """Everything that is found, in words. No command goes to the disk.

    Not found is what lies in the page cache of a disk that nobody has open any more, and what other machines do.
    """
    names = list(dict.fromkeys(_layers(os.path.basename(device.node), f"{places.sysfs}/class/block")))
    return [
        *_claimed(names, places),
        *_waiting(names, places),
        *_writers(names, places, processes),
        *_of_kernel(names, places),
    ]


def _layers(name: str, block: str) -> Iterator[str]:
    """A disk, its partitions, and the device-mapper volumes on any of these."""
    yield name
    partitions = [entry for entry in entries(f"{block}/{name}") if os.path.exists(f"{block}/{name}/{entry}/partition")]
    for above in (*partitions, *entries(f"{block}/{name}/holders")):
        if above in partitions or above.startswith("dm-"):
            yield from _layers(above, block)


def _claimed(names: Iterable[str], places: Places) -> list[Notice]:
    """Mounted, swapped to, or part of something else, in whatever namespace: the kernel lets nobody else claim such a
    device, and tells no more. A volume of the device mapper claims what it lies on, and counts by itself.
    """
    found = []
    for name in names:
        folder = f"{places.sysfs}/class/block/{name}"
        above = [it for it in entries(f"{folder}/holders") if not it.startswith("dm-")]
        is_divided = any(os.path.exists(f"{folder}/{entry}/partition") for entry in entries(folder))
        has_volumes = bool(entries(f"{folder}/holders"))
        if above or not (is_divided or has_volumes or _may_claim(f"{places.dev}/{name}")):
            found.append(Notice("disk-claimed", {"device": f"{places.dev}/{name}"}))
    return found


def _may_claim(node: str) -> bool:
    try:
        with _one_claims:
            os.close(os.open(node, os.O_RDONLY | os.O_EXCL | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return error.errno != errno.EBUSY
    return True


def _waiting(names: Iterable[str], places: Places) -> list[Notice]:
    """Writes that the kernel has begun and not ended, those that a map keeps among them."""
    found = []
    for name in names:
        counts = read_attribute(f"{places.sysfs}/class/block/{name}/inflight").split()
        if len(counts) > 1 and counts[1].isdigit() and int(counts[1]):
            found.append(Notice("writes-under-way", {"device": f"{places.dev}/{name}", "count": int(counts[1])}))
    return found


def _writers(names: Iterable[str], places: Places, processes: str) -> list[Notice]:
    """Processes that have it open for writing. Only what looks like a device node is looked up: no other file system is
    asked, which could hang.
    """
    numbers = {read_attribute(f"{places.sysfs}/class/block/{name}/dev") for name in names} - {""}
    found = {}
    for process in filter(str.isdigit, entries(processes)):
        for opened in entries(f"{processes}/{process}/fd"):
            if _number_of_opened(f"{processes}/{process}/fd/{opened}") in numbers and _writes(
                processes, process, opened
            ):
                name = read_attribute(f"{processes}/{process}/comm")
                found[process] = Notice("open-for-writing", {"program": name, "process": process})
    return list(found.values())


def _of_kernel(names: Iterable[str], places: Places) -> list[Notice]:
    """What the kernel itself writes to without a claim: under a loop device, or given on by its NVMe target."""
    block, given = f"{places.sysfs}/class/block", f"{places.sysfs}/kernel/config/nvmet/subsystems"
    below = [(it, f"{block}/{it}/loop/backing_file") for it in entries(block) if it.startswith("loop")]
    below += [
        (f"nvmet {subsystem}", f"{given}/{subsystem}/namespaces/{it}/device_path")
        for subsystem in entries(given)
        for it in entries(f"{given}/{subsystem}/namespaces")
    ]
    numbers = {read_attribute(f"{block}/{name}/dev") for name in names} - {""}
    return [
        Notice("taken-by-kernel", {"device": user})
        for user, file in below
        if _number(read_attribute(file), places.stat) in numbers
    ]


def _number_of_opened(link: str) -> str:
    try:
        return _number(os.readlink(link), lambda _: os.stat(link))
    except OSError:
        return ""


def _number(name: str, status_of: Callable[[str], os.stat_result]) -> str:
    """Of the device node of this name; "" if it is none."""
    try:
        if not name.startswith("/dev/"):
            return ""
        status = status_of(name)
    except OSError:
        return ""
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}" if stat.S_ISBLK(status.st_mode) else ""


def _writes(processes: str, process: str, opened: str) -> bool:
    lines = read_attribute(f"{processes}/{process}/fdinfo/{opened}").splitlines()
    flags = next((line.split()[1] for line in lines if line.startswith("flags:")), "0")
    return bool(int(flags, 8) & _OPEN_FOR_WRITING)
