"""A guest on a network of guests: one has the disks and joins the others' links, each other is a host with two paths.

Runs in both; the names of interfaces, addresses and disks are for the host as well.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.lab.inside import disks as scsi_disks
from tests.lab.inside import layout, nvme, target

PATHS = (1, 2)
# The nodes' own network, for corosync; the storage guest only passes it on.
RING = 3
LINKS = (*PATHS, RING)
STORAGE_NUMBER = 254
BY_ID = Path("/dev/disk/by-id")
CONNECT_SECONDS = 20.0
# Seconds: how soon a dead connection is noticed, tried again, given up for other paths, and given up for good.
PATIENCE = "keep_alive_tmo=1,reconnect_delay=1,fast_io_fail_tmo=1,ctrl_loss_tmo=600"


def address(number: int, path: int) -> str:
    """The address of host `number` (STORAGE_NUMBER for the one with the disks) on a path."""
    return layout.ring_address(layout.NODES[number - 1]) if path == RING else f"10.98.{path}.{number}"


def interface(path: int, place: int = 0) -> str:
    """The interface of a path; in the storage guest, of the path of the host at `place` (from 0)."""
    return f"vec{place * len(LINKS) + path - 1}"


def set_up_storage(hosts: int) -> None:
    """In the storage guest: a switch for each path and the ring, and the targets, iSCSI and NVMe, on both paths."""
    lines = ["link set lo up"]
    for path in LINKS:
        switch = f"switch{path}"
        lines += [f"link add {switch} type bridge"]
        if path in PATHS:
            lines += [f"address add {address(STORAGE_NUMBER, path)}/24 dev {switch}"]
        for place in range(hosts):
            lines += [f"link set {interface(path, place)} master {switch} up"]
        lines += [f"link set {switch} up"]
    _ip(lines)
    portals = [address(STORAGE_NUMBER, path) for path in PATHS]
    target.set_up(portals)
    nvme.set_up(portals)
    nvme.connect(nvme.OBSERVER, "loop", nvme.OBSERVER)


def cut(place: int, path: int) -> None:
    """In the storage guest: from now on nothing passes on the path of the host at `place`."""
    _ip([f"link set {interface(path, place)} nomaster"])


def heal(place: int, path: int) -> None:
    """In the storage guest: end `cut`."""
    _ip([f"link set {interface(path, place)} master switch{path}"])


def join(number: int) -> None:
    """In a host: its addresses."""
    lines = ["link set lo up"]
    for path in LINKS:
        lines += [f"address add {address(number, path)}/24 dev {interface(path)}", f"link set {interface(path)} up"]
    _ip(lines)


def attach(node: str, paths: list[int], like: str) -> dict[int, str]:
    """In a host: connect by TCP over these paths with the identity of `like`; path → controller, such as "nvme1"."""
    controllers = {}
    for path in paths:
        where = f"traddr={address(STORAGE_NUMBER, path)},trsvcid={nvme.TCP_PORT}"
        controllers[path] = nvme.new_controller(like or node, f"transport=tcp,{where},{PATIENCE}")
    deadline = time.monotonic() + CONNECT_SECONDS
    while len(found := disks()) < len(nvme.WITH_PLAIN) or not all(map(usable, found.values())):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{node} has only the namespaces {found}, or cannot open them")
        time.sleep(0.01)
    link()
    return controllers


def log_in(node: str, path: int) -> None:
    """In a host: connect to all its iSCSI targets over a path."""
    scsi_disks.log_in([node], address(STORAGE_NUMBER, path))


def detach() -> None:
    """In a host: end all its connections."""
    for controller in nvme.CONTROLLERS.iterdir():
        (controller / "delete_controller").write_text("1")


def disks() -> dict[str, str]:
    """WWID → device node, of all NVMe disks that have a device node."""
    found = {}
    for folder in Path("/sys/block").glob("nvme*"):
        if (folder / "hidden").read_text().strip() == "0":
            found[(folder / "wwid").read_text().strip()] = f"/dev/{folder.name}"
    return found


def usable(disk: str) -> bool:
    """Whether it can be opened; sysfs shows a disk a moment before."""
    try:
        with open(disk, "rb", buffering=0):
            return True
    except OSError:
        return False


def link() -> None:
    """The names that udev gives NVMe disks, and no others."""
    BY_ID.mkdir(parents=True, exist_ok=True)
    for old in BY_ID.glob("nvme-*"):
        old.unlink()
    for wwid, disk in disks().items():
        (BY_ID / f"nvme-{wwid}").symlink_to(disk)


def controllers() -> dict[str, str]:
    """Controller → state, such as "live" or "connecting"."""
    return {each.name: (each / "state").read_text().strip() for each in nvme.CONTROLLERS.iterdir()}


def _ip(lines: list[str]) -> None:
    subprocess.run(["ip", "-batch", "-"], check=True, input="\n".join([*lines, ""]), text=True)


HOST_CALLS = (join, attach, log_in, detach, disks, link, controllers)
