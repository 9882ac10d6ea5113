"""NVMe in a guest: a target (nvmet) with two namespaces on RAM disks, and a host for each node.

With nvme_core.multipath=N on the kernel's command line every host's controller gives disks of its own.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab.inside import layout, pr, slow, system

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIGFS = Path("/sys/kernel/config")
SUBSYSTEM = CONFIGFS / "nvmet/subsystems/nqn.2026-01.lab:shared"
PORTS = CONFIGFS / "nvmet/ports"
FABRICS = "/dev/nvme-fabrics"
CONTROLLERS = Path("/sys/class/nvme")


@dataclass(frozen=True)
class Namespace:
    """A namespace, known by a UUID or by an NGUID."""

    reservations: bool = True
    uuid: str = "00000000-0000-0000-0000-000000000000"
    nguid: str = "00000000-0000-0000-0000-000000000000"

    @property
    def wwid(self) -> str:
        """The identity as sysfs gives it."""
        return f"uuid.{self.uuid}" if self.uuid.strip("0-") else f"eui.{self.nguid.replace('-', '')}"

    @property
    def by_id(self) -> str:
        """The stable name that udev would make."""
        return f"/dev/disk/by-id/nvme-{self.wwid}"


# The identities sort the other way round than the numbers.
NAMESPACES = {
    1: Namespace(uuid="e4a8a4c2-5f0e-4d52-9d0f-000000000001"),
    2: Namespace(nguid="0b7d1c3e-8a61-4b7f-a3c4-000000000002"),
}
PLAIN_NUMBER = 3
WITH_PLAIN = {**NAMESPACES, PLAIN_NUMBER: Namespace(False, uuid="77c1d0aa-93b5-4d0e-8a52-000000000003")}
TCP_ADDRESS, TCP_PORT = "127.0.0.1", "4420"
DEADLINE_SECONDS = 10.0
# A host takes any answer for a sign of life, nvmet only a command that it carries out: a node that only tries to write
# where a reservation refuses it loses its controller after twice this time.
PATIENT_SECONDS = 3600
# A host that only looks: it is in the guest that has the target and is never registered while a test runs.
OBSERVER = "observer"
HOSTS = (*layout.NODES, OBSERVER)

# Node → its controller, such as "nvme0".
_instances: dict[str, str] = {}

# NVM Express: I/O command and Reservation Report; linux/nvme_ioctl.h
IO_COMMAND = 0xC0484E43
REPORT = 0x0E
REPORT_BYTES = 4096
ENTRY_BYTES = 64


def set_up(addresses: Sequence[str] = (TCP_ADDRESS,)) -> None:
    """The target with its namespaces by loop, and by TCP on these addresses."""
    if not (CONFIGFS / "nvmet").is_dir():
        system.mount("configfs", CONFIGFS)
    SUBSYSTEM.mkdir()
    (SUBSYSTEM / "attr_allow_any_host").write_text("1")
    for number, namespace in WITH_PLAIN.items():
        folder = SUBSYSTEM / f"namespaces/{number}"
        folder.mkdir()
        below = slow.make(f"namespace-{number}")
        settings = {"device_path": below, "device_uuid": namespace.uuid, "device_nguid": namespace.nguid}
        for name, value in {**settings, "resv_enable": str(int(namespace.reservations)), "enable": "1"}.items():
            (folder / name).write_text(value)
    for number, settings in enumerate([{"addr_trtype": "loop"}, *map(_tcp, addresses)], 1):
        port = PORTS / str(number)
        port.mkdir()
        for name, value in settings.items():
            (port / name).write_text(value)
        _offer(port)


def _offer(port: Path) -> None:
    (port / "subsystems" / SUBSYSTEM.name).symlink_to(SUBSYSTEM)


def leave() -> None:
    """Be gone for everybody who came by TCP, until `come_back`; reservations stay."""
    for port in _tcp_ports():
        (port / "subsystems" / SUBSYSTEM.name).unlink()


def come_back() -> None:
    """End `leave`: hosts connect again by themselves."""
    for port in _tcp_ports():
        _offer(port)


def _tcp_ports() -> list[Path]:
    return [port for port in PORTS.iterdir() if (port / "addr_trtype").read_text().strip() == "tcp"]


def _tcp(address: str) -> dict[str, str]:
    return {"addr_trtype": "tcp", "addr_adrfam": "ipv4", "addr_traddr": address, "addr_trsvcid": TCP_PORT}


def host_id(node: str) -> str:
    """The identifier of a node's host."""
    return f"{HOSTS.index(node) + 1:08x}-1111-2222-3333-444444444444"


def many_host_id(node: str) -> str:
    """Its identifier where it shares many small namespaces."""
    return f"{layout.NODES.index(node) + 1:08x}-9999-4000-8000-000000000000"


def connect(node: str, transport: str, like: str) -> None:
    """Connect a node's host, with the identity of the node `like` (a cloned machine if that is another)."""
    disconnect(node)
    address = f",traddr={TCP_ADDRESS},trsvcid={TCP_PORT}" if transport == "tcp" else ""
    options = f"transport={transport}{address},duplicate_connect,keep_alive_tmo={PATIENT_SECONDS}"
    _instances[node] = new_controller(like, options)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not _usable(node):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{node} has only the namespaces {sorted(_disks(node))}, or cannot open them")
        time.sleep(0.01)


def new_controller(node: str, options: str) -> str:
    """Connect with the identity of a node's host; the controller's name, such as "nvme0"."""
    identity = f"nqn={SUBSYSTEM.name},hostnqn={_host_name(node)},hostid={host_id(node)}"
    fd = os.open(FABRICS, os.O_RDWR)
    try:
        os.write(fd, f"{identity},{options}".encode())
        answer = os.read(fd, 100).decode()  # instance=NUMBER,cntlid=NUMBER
    finally:
        os.close(fd)
    return f"nvme{answer.partition('=')[2].partition(',')[0]}"


def _usable(node: str) -> bool:
    """Whether all of a node's namespaces can be opened; sysfs shows a disk a moment before."""
    found = _disks(node)
    try:
        for disk in found.values():
            os.close(os.open(disk, os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return len(found) == len(WITH_PLAIN)


def disconnect(node: str) -> None:
    """End the connection of a node's host, if there is one."""
    controller = _controller(node)
    # If it ended by itself, its number may become another node's.
    _instances.pop(node, None)
    if controller:
        (controller / "delete_controller").write_text("1")


def path(node: str, number: int) -> str:
    """The device node of a node's namespace."""
    return _disks(node)[number]


def clear() -> None:
    """Leave no registration and no reservation."""
    node = next(node for node in HOSTS if _controller(node))
    for number in NAMESPACES:
        clear_disk(path(node, number))


def clear_disk(disk: str) -> None:
    """Leave no registration and no reservation on the namespace behind this device node."""
    # Whatever this host is registered with: nothing, a key, or key 0.
    if pr.call(disk, "register", 0, pr.LAB_KEY):
        pr.call(disk, "register", pr.LAB_KEY, pr.LAB_KEY, pr.IGNORE_KEY)
    status = pr.call(disk, "clear", pr.LAB_KEY)
    if status:
        raise OSError(f"clear of {disk} ended with {status:#x}")


def restart() -> None:
    """Let the target lose its power, as far as reservations go; nobody should be connected."""
    for number in NAMESPACES:
        for value in ("0", "1"):
            (SUBSYSTEM / f"namespaces/{number}/enable").write_text(value)


def reservation(node: str, number: int) -> dict[str, Any]:
    """The namespace's state as its own report tells `node`."""
    return state(path(node, number))


def state(disk: str) -> dict[str, Any]:
    """The report of the namespace: type, generation, and host identifier → key and whether it holds."""
    data = _report(disk)
    generation, kind, count = struct.unpack_from("<IBH", data)
    hosts = {}
    for start in range(ENTRY_BYTES, ENTRY_BYTES + count * ENTRY_BYTES, ENTRY_BYTES):
        key = struct.unpack_from("<Q", data, start + 8)[0]
        hosts[data[start + 16 : start + 32].hex()] = [key, bool(data[start + 2] & 1)]
    return {"type": kind, "generation": generation, "hosts": hosts}


def _report(disk: str) -> bytes:
    buffer = ctypes.create_string_buffer(REPORT_BYTES)
    fd = os.open(disk, os.O_RDONLY)
    try:
        namespace = fcntl.ioctl(fd, 0x4E40)
        head = struct.pack("=BBHIIIQQII", REPORT, 0, 0, namespace, 0, 0, 0, ctypes.addressof(buffer), 0, REPORT_BYTES)
        command = bytearray(head + struct.pack("=IIIIIIII", REPORT_BYTES // 4 - 1, 1, 0, 0, 0, 0, 5000, 0))
        status = fcntl.ioctl(fd, IO_COMMAND, command, True)
    finally:
        os.close(fd)
    if status:
        raise OSError(f"reservation report of {disk} ended with {status:#x}")
    return buffer.raw


def _host_name(node: str) -> str:
    return f"nqn.2026-01.lab:host-{node}"


def _controller(node: str) -> Path | None:
    folder = CONTROLLERS / _instances.get(node, "none")
    return folder if folder.is_dir() else None


def _disks(node: str) -> dict[int, str]:
    controller = _controller(node)
    found = controller.glob("nvme*n*") if controller else ()
    return {int((disk / "nsid").read_text()): f"/dev/{disk.name}" for disk in found if (disk / "nsid").exists()}
