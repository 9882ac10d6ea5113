"""What a name leads to: which disk, its identity, and whether reservations on it are safe.

Only names, device nodes' numbers and sysfs are looked at; no disk is opened here.
"""

from __future__ import annotations

import os
import stat

from .errors import DeviceRefused, DevicesRefused
from .record import Record

SCSI, NVME, MULTIPATH = "scsi", "nvme", "multipath"


class Device(Record):
    """A disk that can be reserved.

    name      as the caller wrote it
    node      the kernel's device node, for example /dev/sdb
    identity  worldwide unique name of the disk in the kernel's spelling (sysfs `wwid`), "" if it has none;
              for a multipath map that of its paths
    kind      SCSI, NVME or MULTIPATH
    paths     of a multipath map: the device nodes below it
    map_name  of a multipath map: its device-mapper name
    host_id   of an NVMe namespace: this host's identifier, as its controllers tell it to the target; b"" if unknown
    """

    name: str
    node: str
    identity: str
    kind: str = "scsi"
    paths: tuple[str, ...] = ()
    host_id: bytes = b""
    map_name: str = ""

    def label(self) -> str:
        """For messages: the name given, and the kernel's where it differs."""
        return self.name if self.name == self.node else f"{self.name} ({self.node})"

    def stable_name(self) -> str:
        """The identity, or the device node of a disk that has none."""
        return self.identity or self.node


class Places(Record):
    """Where the kernel and udev publish devices; tests point it elsewhere."""

    sysfs: str = "/sys"
    dev: str = "/dev"


SYSTEM = Places()

# How udev and people write a WWID → the links to try; the kernel's own spelling is looked up in sysfs
_LINKS = tuple(
    f"{folder}{{}}"
    for folder in (
        "mapper/",
        "disk/by-id/",
        "disk/by-id/wwn-",
        "disk/by-id/wwn-0x",
        "disk/by-id/scsi-",
        "disk/by-id/nvme-",
    )
)

_NOT_RESERVABLE = {
    "loop": "a loop device has no persistent reservations",
    "md": "a software RAID array has no persistent reservations",
    "zram": "a compressed RAM disk has no persistent reservations",
    "ram": "a RAM disk has no persistent reservations",
    "sr": "an optical drive cannot be reserved",
    "nbd": "a network block device has no persistent reservations",
    "rbd": "a Ceph block device has no persistent reservations",
    "drbd": "a DRBD device has no persistent reservations",
    "bcache": "a bcache device has no persistent reservations",
}
_HOST_ID_DIGITS = 32
_DISK_TYPES = ("0", "7", "14", "20")  # SPC-4 table 141: direct access, optical memory, reduced block, zoned


def resolve_all(names: tuple[str, ...], places: Places = SYSTEM) -> list[Device]:
    """The disks behind `names`, sorted by identity.

    The order is the same on all nodes, whatever their local names, as long as the disks are the same.
    Raises DevicesRefused with every reason for which a name cannot be used, or not beside the others.
    """
    devices: list[Device] = []
    refusals: list[DeviceRefused] = []
    for name in names:
        try:
            devices.append(resolve(name, places))
        except DeviceRefused as refusal:
            refusals.append(refusal)
    devices.sort(key=lambda device: device.identity)
    refusals += _ambiguous(devices)
    if refusals:
        raise DevicesRefused(refusals)
    return devices


def _ambiguous(devices: list[Device]) -> list[DeviceRefused]:
    problems: list[DeviceRefused] = []
    first: dict[str, Device] = {}
    for device in devices if len(devices) > 1 else []:
        if not device.identity:
            problem = "has no worldwide unique name, so it cannot be used beside other disks"
            problems.append(DeviceRefused(device.label(), problem))
        elif device.identity in first:
            problem = f"is the same disk as {first[device.identity].label()}: {device.identity}"
            problems.append(DeviceRefused(device.label(), problem))
        else:
            first[device.identity] = device
    return problems


def resolve(name: str, places: Places = SYSTEM) -> Device:
    """The disk that `name` (a path or a WWID) leads to.

    Raises DeviceRefused with one sentence for anything that is not a whole disk with reservations behind it.
    """
    path = name if name.startswith("/") else _find_wwid(name, places)
    try:
        status = os.stat(path)
    except OSError as error:
        raise DeviceRefused(name, _cannot_stat(path, error)) from error
    if not stat.S_ISBLK(status.st_mode):
        raise DeviceRefused(name, _not_a_block_device(status.st_mode))
    return _from_number(name, os.major(status.st_rdev), os.minor(status.st_rdev), places)


def _cannot_stat(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "dangling link, the device is gone" if os.path.islink(path) else "no such device"
    return error.strerror or str(error)


def _not_a_block_device(mode: int) -> str:
    if stat.S_ISCHR(mode):
        return "is a character device, not a disk; name the block device"
    if stat.S_ISREG(mode):
        return "is a regular file, not a disk"
    if stat.S_ISDIR(mode):
        return "is a directory, not a disk"
    return "is not a block device"


def _from_number(name: str, major: int, minor: int, places: Places) -> Device:
    folder = _target(f"{places.sysfs}/dev/block/{major}:{minor}")
    if not os.path.isdir(folder):
        raise DeviceRefused(name, f"the kernel has no block device {major}:{minor}")
    kernel_name = os.path.basename(folder)
    if os.path.exists(f"{folder}/partition"):
        disk = os.path.basename(os.path.dirname(folder))
        raise DeviceRefused(name, f"is a partition; reservations are for whole disks, name /dev/{disk}")
    _refuse_path_of_map(name, folder)
    node = f"{places.dev}/{kernel_name}"
    if kernel_name.startswith("dm-"):
        return _map(name, node, folder, places)
    if kernel_name.startswith("nvme"):
        return Device(name, node, read_attribute(f"{folder}/wwid"), NVME, (), _host_id(folder))
    _refuse_kind(name, kernel_name, folder)
    return Device(name, node, read_attribute(f"{folder}/device/wwid"), SCSI)


def identity_of_open(fd: int, kind: str, places: Places = SYSTEM) -> str | None:
    """The identity of the disk that is open: its number is not given to another one as long as it is.

    kind: SCSI or NVME. None for what is no block device, which no reservation command can do anything to.
    """
    status = os.fstat(fd)
    if not stat.S_ISBLK(status.st_mode):
        return None
    folder = f"{places.sysfs}/dev/block/{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    return read_attribute(f"{folder}/wwid" if kind == NVME else f"{folder}/device/wwid")


def _refuse_kind(name: str, kernel_name: str, folder: str) -> None:
    kind = kernel_name.rstrip("0123456789")
    if kind in _NOT_RESERVABLE:
        raise DeviceRefused(name, _NOT_RESERVABLE[kind])
    if os.path.basename(_target(f"{folder}/device/subsystem")) != "scsi":
        raise DeviceRefused(name, "is neither a SCSI nor an NVMe disk; its driver has no persistent reservations")
    if read_attribute(f"{folder}/device/type") not in _DISK_TYPES:
        raise DeviceRefused(name, "is a SCSI device, but not a disk")


def _map(name: str, node: str, folder: str, places: Places) -> Device:
    """A device-mapper device: only multipath maps over SCSI paths of one disk pass reservations on as they should."""
    if not read_attribute(f"{folder}/dm/uuid").startswith("mpath-"):
        problem = "is a device-mapper volume, not a disk: a reservation through it would cover the whole disk below"
        raise DeviceRefused(name, problem, "name the disk")
    paths = _entries(f"{folder}/slaves")
    if not paths:
        raise DeviceRefused(name, "is a multipath map without a path")
    if any(path.startswith("nvme") for path in paths):
        problem = "is a multipath map over NVMe; use the kernel's own NVMe multipath (nvme_core.multipath=Y)"
        raise DeviceRefused(name, problem)
    identities = {path: read_attribute(f"{folder}/slaves/{path}/device/wwid") for path in paths}
    # A path that was taken away stays in the map until multipathd makes the map anew: a link that leads nowhere.
    identities = {path: it for path, it in identities.items() if it or os.path.exists(f"{folder}/slaves/{path}")}
    if not identities:
        raise DeviceRefused(name, "is a multipath map whose paths are all gone")
    if len(set(identities.values())) != 1 or not all(identities.values()):
        listed = ", ".join(f"{path}: {identity or 'none'}" for path, identity in identities.items())
        raise DeviceRefused(name, f"is a multipath map over different disks ({listed})")
    nodes = tuple(f"{places.dev}/{path}" for path in paths)
    identity = next(iter(identities.values()))
    return Device(name, node, identity, MULTIPATH, nodes, map_name=read_attribute(f"{folder}/dm/name"))


def _host_id(folder: str) -> bytes:
    """The host identifier of the controllers behind a namespace. Only fabrics controllers show one."""
    controller = f"{folder}/device"
    for candidate in [controller, *(f"{controller}/{entry}" for entry in _entries(controller))]:
        digits = read_attribute(f"{candidate}/hostid").replace("-", "")
        if len(digits) == _HOST_ID_DIGITS and not digits.strip("0123456789abcdefABCDEF"):
            return bytes.fromhex(digits)
    return b""


def _refuse_path_of_map(name: str, folder: str) -> None:
    over = _map_over(folder)
    if over:
        map_name = read_attribute(f"{folder}/holders/{over}/dm/name")
        raise DeviceRefused(name, f"is only one path of the multipath map {map_name}", f"name /dev/mapper/{map_name}")


def _map_over(folder: str) -> str:
    """The kernel's name of the multipath map that has this disk as a path, "" if there is none."""
    holders = f"{folder}/holders"
    for holder in _entries(holders):
        if read_attribute(f"{holders}/{holder}/dm/uuid").startswith("mpath-"):
            return holder
    return ""


def _target(link: str) -> str:
    """Where a link in sysfs leads, "" if the device is gone. One system call; realpath takes one for each folder.

    Where the link's own folder is reached over another link only the last part is right.
    """
    try:
        return os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link)))
    except OSError:
        return ""


def _entries(folder: str) -> list[str]:
    """What is in the folder, in order; nothing if it is gone, as the device it belongs to may be at any moment."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def read_attribute(path: str) -> str:
    """A sysfs attribute without surrounding blanks, "" if there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as attribute:
            return attribute.read().strip()
    except OSError:
        return ""


def _find_wwid(name: str, places: Places) -> str:
    """The device node of a bare WWID: by udev's links, else by what sysfs says of every disk."""
    if "/" in name or name in (".", ".."):
        raise DeviceRefused(name, "is neither a path that begins with / nor a WWID")
    for pattern in _LINKS:
        link = f"{places.dev}/{pattern.format(name)}"
        if os.path.exists(link):
            return link
    wanted, block = canonical_wwid(name), f"{places.sysfs}/block"
    if not wanted:
        raise DeviceRefused(name, "is no WWID")
    found = [
        disk
        for disk in _entries(block)
        if wanted in (canonical_wwid(read_attribute(f"{block}/{disk}/{place}")) for place in ("device/wwid", "wwid"))
    ]
    if not found:
        raise DeviceRefused(name, "no disk with this WWID, and no path (a path begins with /)")
    maps = {_map_over(f"{block}/{disk}") for disk in found}
    if len(maps) == 1 and "" not in maps:
        return f"{places.dev}/{maps.pop()}"
    if len(found) > 1:
        raise DeviceRefused(name, f"several paths lead to this disk ({', '.join(found)}) and no multipath map")
    return f"{places.dev}/{found[0]}"


def canonical_wwid(text: str) -> str:
    """One spelling for what udev, multipath, people and the kernel write for one WWID. Pure.

    "wwn-0x6001405…", "scsi-36001405…", "36001405…", "0x6001405…", "naa.6001405…" → "naa.6001405…".
    """
    text = text.lower()
    for prefix in ("wwn-", "scsi-", "0x", "naa."):
        text = text[len(prefix) :] if text.startswith(prefix) else text
    digits = len(text) if not text.strip("0123456789abcdef") else 0
    if digits in (17, 33) and text[0] == "3":  # scsi_id puts the identifier's type, 3 for NAA, in front
        text, digits = text[1:], digits - 1
    return f"naa.{text}" if digits in (16, 32) else text
