"""A machine's device nodes and sysfs in a folder. Device nodes need root: here os.stat says what they would be."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from fence_pr.storage.device import Device, Places, resolve

if TYPE_CHECKING:
    from pathlib import Path

_REAL_STAT = os.stat


class Machine:
    """Disks as the kernel and udev show them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.places = Places(sysfs=str(folder / "sys"), dev=str(folder / "dev"), stat=self.stat)
        self._modes: dict[str, tuple[int, int]] = {}
        for name in ("dev", "sys/dev/block", "sys/block", "sys/bus/scsi", "sys/bus/nvme", "sys/bus/virtio"):
            (folder / name).mkdir(parents=True)

    def find(self, name: str) -> Device:
        """The disk behind a name."""
        return resolve(name, self.places)

    def node(self, name: str, kind: int, major: int = 0, minor: int = 0) -> str:
        """A special file; kind as in `stat`."""
        path = self.folder / "dev" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._modes[str(path)] = kind, os.makedev(major, minor)
        return str(path)

    def block(self, name: str, minor: int, bus: str = "", **attributes: str) -> str:
        """A block device called `name`: attributes of its device, in sysfs. Returns its node's path."""
        folder = self.folder / "sys/devices" / name / "block" / name
        (folder / "holders").mkdir(parents=True)
        (self.folder / "sys/block" / name).symlink_to(folder)
        (self.folder / f"sys/dev/block/8:{minor}").symlink_to(folder)
        if bus:
            device = self.folder / "sys/devices" / name / "device"
            device.mkdir()
            (folder / "device").symlink_to(device)
            (device / "subsystem").symlink_to(self.folder / "sys/bus" / bus)
            for attribute, value in attributes.items():
                (device / attribute).write_text(f"{value}\n")
        return self.node(name, stat.S_IFBLK, 8, minor)

    def disk(self, name: str, minor: int, wwid: str = "") -> str:
        """A SCSI disk."""
        attributes = {"wwid": wwid} if wwid else {}
        return self.block(name, minor, "scsi", type="0", **attributes)

    def namespace(self, name: str, minor: int, wwid: str, host_id: str = "", controller: str = "") -> str:
        """An NVMe namespace; the controller is the device itself, or one below the subsystem."""
        node = self.block(name, minor, "nvme")
        (self.folder / "sys/devices" / name / "block" / name / "wwid").write_text(f"{wwid}\n")
        shown = self.folder / "sys/devices" / name / "device" / controller
        shown.mkdir(exist_ok=True)
        if host_id:
            (shown / "hostid").write_text(f"{host_id}\n")
        return node

    def partition(self, disk: str, name: str, minor: int) -> str:
        """A partition of a disk."""
        folder = self.folder / "sys/devices" / disk / "block" / disk / name
        folder.mkdir()
        (folder / "partition").write_text("1\n")
        (self.folder / f"sys/dev/block/8:{minor}").symlink_to(folder)
        return self.node(name, stat.S_IFBLK, 8, minor)

    def mapped(self, name: str, minor: int, uuid: str, title: str, *paths: str) -> str:
        """A device-mapper device above these disks."""
        node = self.block(name, minor)
        folder = self.folder / "sys/devices" / name / "block" / name
        (folder / "dm").mkdir()
        (folder / "slaves").mkdir()
        (folder / "dm/uuid").write_text(f"{uuid}\n")
        (folder / "dm/name").write_text(f"{title}\n")
        for path in paths:
            below = self.folder / "sys/devices" / path / "block" / path
            (below / "holders" / name).symlink_to(folder)
            (folder / "slaves" / path).symlink_to(below)
        return node

    def link(self, name: str, target: str) -> str:
        """A link in /dev."""
        path = self.folder / "dev" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
        return str(path)

    def stat(
        self, path: str | int | Path, *, dir_fd: int | None = None, follow_symlinks: bool = True
    ) -> os.stat_result:
        """In place of os.stat."""
        found = _REAL_STAT(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        special = None if isinstance(path, int) else self._modes.get(os.path.realpath(path))
        if special is None or not follow_symlinks:
            return found
        kind, number = special
        return os.stat_result((kind | 0o660, *found[1:10]), {"st_rdev": number})
