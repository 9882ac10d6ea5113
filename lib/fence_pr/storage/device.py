"""What a name leads to: which disk, its identity, and whether reservations on it are safe.

Only names, device nodes' numbers and sysfs are looked at; no disk is opened here. So what is found is a candidate: who
it is the disk itself must say when it is opened (`disk`).
"""

from __future__ import annotations

import os
import stat

from ..errors import DeviceRefused, DevicesRefused
from ..record import Record
from . import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SCSI, NVME, MULTIPATH = "scsi", "nvme", "multipath"


class Device(Record):
    """A disk that can be reserved.

    name      as the caller wrote it
    node      the kernel's device node, for example /dev/sdb
    identity  what the kernel takes the disk for: its worldwide unique name in the kernel's spelling (sysfs `wwid`), ""
              if it has none; for a multipath map that of its paths
    kind      SCSI, NVME or MULTIPATH
    paths     of a multipath map: the device nodes below it
    map_name  of a multipath map: its device-mapper name
    host_id   of an NVMe namespace: this host's identifier, as its controllers tell it to the target; b"" if unknown
    head      of an NVMe namespace: whether the kernel's own multipath has it, and hides its paths
    """

    name: str
    node: str
    identity: str
    kind: str = "scsi"
    paths: tuple[str, ...] = ()
    host_id: bytes = b""
    map_name: str = ""
    head: bool = False

    def label(self) -> str:
        """For messages: the name given, and the kernel's where it differs."""
        return self.name if self.is_named_by_kernel() else f"{self.name} ({self.node})"

    def is_named_by_kernel(self) -> bool:
        """Whether the caller used the kernel's own name, which it gives in the order in which it finds disks."""
        return self.name == self.node

    def stable_name(self) -> str:
        """The identity, or the device node of a disk that has none."""
        return self.identity or self.node


class Places(Record):
    """Where the kernel and udev publish devices; tests point it elsewhere."""

    sysfs: str = "/sys"
    dev: str = "/dev"
    stat: Callable[[str], os.stat_result] = os.stat


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
    "loop": "a loop device",
    "md": "a software RAID array",
    "zram": "a compressed RAM disk",
    "ram": "a RAM disk",
    "sr": "an optical drive",
    "nbd": "a network block device",
    "rbd": "a Ceph block device",
    "drbd": "a DRBD device",
    "bcache": "a bcache device",
}
_HOST_ID_DIGITS = 32
_PAGE_BYTES = 4096
# What may pass while a machine starts: the target is not connected yet, udev or multipathd is not done; so a link may
# lead to a path that lies below a map already.
MAY_COME = (
    "device-missing", "device-gone", "wwid-unknown", "several-paths", "map-without-path", "map-paths-gone",
    "path-of-map",
)  # fmt: skip
_DISK_TYPES = ("0", "7", "14", "20")  # SPC-4 table 141: direct access, optical memory, reduced block, zoned


def resolve_all(names: tuple[str, ...], find: Callable[[str], Device]) -> list[Device]:
    """The disks behind `names`, sorted by identity. find: the disk behind one name, or DeviceRefused.

    The order is the same on all nodes, whatever their local names, as long as the disks are the same.
    Raises DevicesRefused with every reason for which a name cannot be used, or not beside the others.
    """
    devices: list[Device] = []
    refusals: list[DeviceRefused] = []
    for name in names:
        try:
            devices.append(find(name))
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
        if not device.identity or identity.is_last_resort(device.identity):
            problems.append(DeviceRefused("identity-missing", device.label(), identity=device.identity))
        elif device.identity in first:
            other = first[device.identity].label()
            problems.append(DeviceRefused("same-disk", device.label(), other=other, identity=device.identity))
        else:
            first[device.identity] = device
    return problems


def resolve(name: str, places: Places = SYSTEM) -> Device:
    """The disk that `name` (a path or a WWID) leads to.

    Raises DeviceRefused for anything that is not a whole disk with reservations behind it.
    """
    path = name if name.startswith("/") else _find_wwid(name, places)
    try:
        status = places.stat(path)
    except OSError as error:
        raise _cannot_stat(name, path, error) from error
    if not stat.S_ISBLK(status.st_mode):
        raise DeviceRefused("not-a-block-device", name, found=_kind_of_file(status.st_mode))
    return _from_number(name, os.major(status.st_rdev), os.minor(status.st_rdev), places)


def _cannot_stat(name: str, path: str, error: OSError) -> DeviceRefused:
    if isinstance(error, FileNotFoundError):
        return DeviceRefused("device-gone" if os.path.islink(path) else "device-missing", name)
    return DeviceRefused("device-unreadable", name, answer=error.strerror or str(error))


def _kind_of_file(mode: int) -> str:
    if stat.S_ISCHR(mode):
        return "a character device"
    if stat.S_ISREG(mode):
        return "a regular file"
    return "a directory" if stat.S_ISDIR(mode) else "a pipe or a socket"


def _from_number(name: str, major: int, minor: int, places: Places) -> Device:
    folder = _target(f"{places.sysfs}/dev/block/{major}:{minor}")
    if not os.path.isdir(folder):
        raise DeviceRefused("device-number-unknown", name, number_of_device=f"{major}:{minor}")
    kernel_name = os.path.basename(folder)
    if os.path.exists(f"{folder}/partition"):
        disk = os.path.basename(os.path.dirname(folder))
        raise DeviceRefused("partition", name, whole=disk)
    _refuse_path_of_map(name, folder)
    node = f"{places.dev}/{kernel_name}"
    if kernel_name.startswith("dm-"):
        return _map(name, node, folder, places)
    if kernel_name.startswith("nvme"):
        head = os.path.basename(_target(f"{folder}/device")).startswith("nvme-subsys")
        return Device(name, node, read_attribute(f"{folder}/wwid"), NVME, (), _host_id(folder), head=head)
    _refuse_kind(name, kernel_name, folder)
    return Device(name, node, _of_scsi(f"{folder}/device"), SCSI)


def _of_scsi(folder: str) -> str:
    """What the kernel takes a SCSI disk for: by the rule of `identity`, as far as it shows what the disk once told.

    Its own choice, sysfs `wwid`, followed another rule until October 2020.
    """
    from . import inquiry  # a call that names no SCSI disk does without

    try:
        remembered = identity.of_scsi(inquiry.parse(_content(f"{folder}/vpd_pg83")))
    except OSError:
        remembered = identity.Identity()
    return remembered.text or read_attribute(f"{folder}/wwid")


def identity_of_open(fd: int, kind: str, places: Places = SYSTEM) -> str | None:
    """The identity of the disk that is open: its number is not given to another one as long as it is.

    kind: SCSI or NVME. None for what is no block device, which no reservation command can do anything to.
    """
    status = os.fstat(fd)
    if not stat.S_ISBLK(status.st_mode):
        return None
    folder = f"{places.sysfs}/dev/block/{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    return read_attribute(f"{folder}/wwid") if kind == NVME else _of_scsi(f"{folder}/device")


def _refuse_kind(name: str, kernel_name: str, folder: str) -> None:
    kind = kernel_name.rstrip("0123456789")
    if kind in _NOT_RESERVABLE:
        raise DeviceRefused("driver-without-reservations", name, found=_NOT_RESERVABLE[kind])
    if os.path.basename(_target(f"{folder}/device/subsystem")) != "scsi":
        raise DeviceRefused("neither-scsi-nor-nvme", name)
    if read_attribute(f"{folder}/device/type") not in _DISK_TYPES:
        raise DeviceRefused("not-a-scsi-disk", name)


def _map(name: str, node: str, folder: str, places: Places) -> Device:
    """A device-mapper device: only multipath maps over SCSI paths of one disk pass reservations on as they should."""
    if not read_attribute(f"{folder}/dm/uuid").startswith("mpath-"):
        raise DeviceRefused("device-mapper-volume", name)
    paths = entries(f"{folder}/slaves")
    if not paths:
        raise DeviceRefused("map-without-path", name)
    if any(path.startswith("nvme") for path in paths):
        raise DeviceRefused("map-over-nvme", name)
    identities = {path: _of_scsi(f"{folder}/slaves/{path}/device") for path in paths}
    # A path that was taken away stays in the map until multipathd makes the map anew: a link that leads nowhere.
    identities = {path: it for path, it in identities.items() if it or os.path.exists(f"{folder}/slaves/{path}")}
    if not identities:
        raise DeviceRefused("map-paths-gone", name)
    if len(set(identities.values())) != 1 or not all(identities.values()):
        listed = tuple(f"{path}: {found or 'none'}" for path, found in identities.items())
        raise DeviceRefused("map-over-different-disks", name, found=listed)
    nodes = tuple(f"{places.dev}/{path}" for path in paths)
    common = next(iter(identities.values()))
    return Device(name, node, common, MULTIPATH, nodes, map_name=read_attribute(f"{folder}/dm/name"))


def _host_id(folder: str) -> bytes:
    """The host identifier of the controllers behind a namespace."""
    controller = f"{folder}/device"
    candidates = [controller, *(f"{controller}/{entry}" for entry in entries(controller))]
    return next(filter(None, map(host_id, candidates)), b"")


def host_id(controller: str) -> bytes:
    """The host identifier that this NVMe controller's folder shows; b"" if none: only fabrics controllers have one."""
    digits = read_attribute(f"{controller}/hostid").replace("-", "")
    if len(digits) == _HOST_ID_DIGITS and not digits.strip("0123456789abcdefABCDEF"):
        return bytes.fromhex(digits)
    return b""


def _refuse_path_of_map(name: str, folder: str) -> None:
    over = _map_over(folder)
    if over:
        map_name = read_attribute(f"{folder}/holders/{over}/dm/name")
        raise DeviceRefused("path-of-map", name, map_name=map_name)


def _map_over(folder: str) -> str:
    """The kernel's name of the multipath map that has this disk as a path, "" if there is none."""
    holders = f"{folder}/holders"
    for holder in entries(holders):
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


def entries(folder: str) -> list[str]:
    """What is in the folder, in order; nothing if it is gone, as the device it belongs to may be at any moment."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def read_attribute(path: str) -> str:
    """A sysfs attribute without surrounding blanks, "" if there is none."""
    try:
        return _content(path).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _content(path: str) -> bytes:
    """A file of sysfs in the fewest system calls: every disk has several. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = part = os.read(fd, _PAGE_BYTES)
        while len(part) == _PAGE_BYTES:  # one call returns no more
            part = os.read(fd, _PAGE_BYTES)
            data += part
    finally:
        os.close(fd)
    return data


def _find_wwid(name: str, places: Places) -> str:
    """The device node of a bare WWID: by udev's links, else by what sysfs says of every disk."""
    if "/" in name or name in (".", ".."):
        raise DeviceRefused("neither-path-nor-wwid", name)
    for pattern in _LINKS:
        link = f"{places.dev}/{pattern.format(name)}"
        if os.path.exists(link):
            return link
    canonical, block = identity.canonical_wwid, f"{places.sysfs}/block"
    wanted = canonical(name)
    if not wanted:
        raise DeviceRefused("not-a-wwid", name)
    # The paths below an NVMe namespace are devices, too, but the kernel gives them no nodes.
    found = [
        disk
        for disk in entries(block)
        if wanted in (canonical(read_attribute(f"{block}/{disk}/{place}")) for place in ("device/wwid", "wwid"))
        and read_attribute(f"{block}/{disk}/hidden") != "1"
    ]
    if not found:
        raise DeviceRefused("wwid-unknown", name)
    maps = {_map_over(f"{block}/{disk}") for disk in found}
    if len(maps) == 1 and "" not in maps:
        return f"{places.dev}/{maps.pop()}"
    if len(found) > 1:
        raise DeviceRefused("several-paths", name, paths=tuple(found))
    return f"{places.dev}/{found[0]}"
