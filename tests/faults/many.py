#!/usr/bin/python3 -ISB
"""Makes many small disks in a guest, shared by nodes, or takes them away again.

    many.py make|remove|show scsi|nvme COUNT NODE...

`make` writes a line a node, as soon as all can be used: the device nodes in the order of the disks' identities.
`show` writes a line a disk, in that order, as the target tells: the type of the reservation, then NODE=KEY of each
registration. SCSI: one LIO target a node with COUNT LUNs, by iSCSI. NVMe: one nvmet subsystem with COUNT namespaces, by
loop; what is on them is asked for by the first NODE.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, "/project")

from tests.lab.inside import layout, nvme, target

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = Path("/sys/kernel/config/target")
NVMET = Path("/sys/kernel/config/nvmet")
SUBSYSTEM = "nqn.2026-01.lab:many"
FABRICS = "/dev/nvme-fabrics"
FILES = Path("/run/many")
PAGES = 16
PORT_NUMBER = 99
DEADLINE_SECONDS = 60.0


def main() -> None:
    """Do what the arguments ask for."""
    what, kind, count, *nodes = sys.argv[1:]
    make, remove, show, disks = {
        "scsi": (make_scsi, remove_scsi, show_scsi, scsi_disks),
        "nvme": (make_nvme, remove_nvme, show_nvme, nvme_disks),
    }[kind]
    if what == "remove":
        remove(int(count), nodes)
    elif what == "show":
        print(*show(int(count), nodes), sep="\n")
    else:
        make(int(count), nodes)
        for node in nodes:
            print(*_wait_for_all(disks, node, int(count)))


def _wait_for_all(disks: Callable[[str], dict[str, str]], node: str, count: int) -> list[str]:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        found = disks(node)
        if len(found) == count and all(map(_usable, found.values())):
            return [found[identity] for identity in sorted(found)]
        if time.monotonic() > deadline:
            sys.exit(f"{node} has only {len(found)} disks, or cannot open them")
        time.sleep(0.05)


def _usable(disk: str) -> bool:
    try:
        os.close(os.open(disk, os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def show_scsi(count: int, nodes: list[str]) -> list[str]:  # noqa: ARG001 - the target knows all nodes
    """Type and registrations of each LUN."""
    lines = []
    for number in range(count):
        folder = TARGET / f"core/rd_mcp_7/many{number}/pr"
        kind = re.search(r"SPC-3 Reservation Type: (.*)", (folder / "res_pr_type").read_text())
        registered = re.findall(
            f"{target.NODE}\\S* Key: (0x[0-9a-f]+)", (folder / "res_pr_registered_i_pts").read_text()
        )
        words = [str(target.TYPES[kind[1].strip()] if kind else 0), *(f"{node}={key}" for node, key in registered)]
        lines.append(" ".join(words))
    return lines


def make_scsi(count: int, nodes: list[str]) -> None:
    """Backstores, then a target a node, then one login each."""
    stores = TARGET / "core/rd_mcp_7"
    for number in range(count):
        store = stores / f"many{number}"
        store.mkdir(parents=True)
        (store / "control").write_text(f"rd_pages={PAGES}")
        (store / "enable").write_text("1")
        (store / "wwn/vpd_unit_serial").write_text(f"{number:04x}{'0' * 20}{os.getpid() & 0xFF:08x}")
    for node in nodes:
        group = _group(node)
        (group / "acls" / layout.initiator(node)).mkdir(parents=True)
        (group / "attrib/authentication").write_text("0")
        for number in range(count):
            lun, allowed = group / f"lun/lun_{number}", group / f"acls/{layout.initiator(node)}/lun_{number}"
            lun.mkdir()
            (lun / "disk").symlink_to(stores / f"many{number}")
            allowed.mkdir()
            (allowed / "disk").symlink_to(lun)
        (group / f"np/{layout.address(node)}:{layout.PORT}").mkdir()
        (group / "enable").write_text("1")
        _write_record(node)
        _iscsiadm(node, "--login")


def remove_scsi(count: int, nodes: list[str]) -> None:
    """Undo `make_scsi`."""
    for node in nodes:
        _iscsiadm(node, "--logout")
        _iscsiadm(node, "-o", "delete")
        group = _group(node)
        (group / "enable").write_text("0")
        allowed = group / "acls" / layout.initiator(node)
        for number in range(count):
            for folder in (allowed / f"lun_{number}", group / f"lun/lun_{number}"):
                (folder / "disk").unlink()
                folder.rmdir()
        for folder in (allowed, *(group / "np").iterdir(), group, group.parent):
            folder.rmdir()
    for number in range(count):
        (TARGET / f"core/rd_mcp_7/many{number}").rmdir()
    (TARGET / "core/rd_mcp_7").rmdir()


def scsi_disks(node: str) -> dict[str, str]:
    """Identity → device node."""
    found = {}
    for session in Path("/sys/class/iscsi_session").iterdir():
        if (session / "targetname").read_text().strip() == _name(node):
            for disk in (session / "device").glob("target*/*/block/*"):
                found[(disk / "device/wwid").read_text().strip()] = f"/dev/{disk.name}"
    return found


def _name(node: str) -> str:
    return f"{layout.PREFIX}:{node}.many"


def _group(node: str) -> Path:
    return TARGET / "iscsi" / _name(node) / "tpgt_1"


def _write_record(node: str) -> None:
    """As of one of the node's targets that the lab has logged in to, under another name."""
    target, address = layout.target(node, "a"), f"{layout.address(node)},{layout.PORT},1"
    record = Path("/etc/iscsi/nodes", target, address, node).read_text()
    folder = Path("/etc/iscsi/nodes", _name(node), address)
    folder.mkdir(parents=True)
    (folder / node).write_text(record.replace(target, _name(node)))


def _iscsiadm(node: str, *arguments: str) -> None:
    subprocess.run(
        ["iscsiadm", "-m", "node", "-T", _name(node), "-I", node, *arguments], check=True, stdout=subprocess.DEVNULL
    )


def show_nvme(count: int, nodes: list[str]) -> list[str]:  # noqa: ARG001 - the node knows all namespaces
    """Type and registrations of each namespace."""
    lines = []
    for _, disk in sorted(nvme_disks(nodes[0]).items()):
        state = nvme.state(disk)
        names = {nvme.many_host_id(node).replace("-", ""): node for node in layout.NODES}
        registered = (f"{names[host]}={key:#x}" for host, (key, _) in state["hosts"].items())
        lines.append(" ".join([str(state["type"]), *registered]))
    return lines


def make_nvme(count: int, nodes: list[str]) -> None:
    """Namespaces on files in memory, then one controller a node."""
    FILES.mkdir()
    subsystem = NVMET / "subsystems" / SUBSYSTEM
    subsystem.mkdir()
    (subsystem / "attr_allow_any_host").write_text("1")
    for number in range(1, count + 1):
        file, folder = FILES / str(number), subsystem / f"namespaces/{number}"
        file.touch()
        os.truncate(file, PAGES * 4096)
        folder.mkdir()
        uuid = f"{0x10000 - number:08x}-0000-4000-8000-000000000000"
        for name, value in {"device_path": file, "device_uuid": uuid, "resv_enable": 1, "enable": 1}.items():
            (folder / name).write_text(str(value))
    port = NVMET / f"ports/{PORT_NUMBER}"
    port.mkdir()
    (port / "addr_trtype").write_text("loop")
    (port / "addr_traddr").write_text("many")
    (port / "subsystems" / SUBSYSTEM).symlink_to(subsystem)
    for node in nodes:
        identity = f"hostnqn={_host_name(node)},hostid={nvme.many_host_id(node)}"
        options = f"keep_alive_tmo={nvme.PATIENT_SECONDS},duplicate_connect"
        fd = os.open(FABRICS, os.O_RDWR)
        os.write(fd, f"transport=loop,traddr=many,nqn={SUBSYSTEM},{identity},{options}".encode())
        os.close(fd)


def remove_nvme(count: int, nodes: list[str]) -> None:
    """Undo `make_nvme`."""
    for node in nodes:
        (_controller(node) / "delete_controller").write_text("1")
    port, subsystem = NVMET / f"ports/{PORT_NUMBER}", NVMET / "subsystems" / SUBSYSTEM
    (port / "subsystems" / SUBSYSTEM).unlink()
    port.rmdir()
    for number in range(1, count + 1):
        (subsystem / f"namespaces/{number}").rmdir()
        (FILES / str(number)).unlink()
    subsystem.rmdir()
    FILES.rmdir()


def nvme_disks(node: str) -> dict[str, str]:
    """Identity → device node."""
    return {(disk / "wwid").read_text().strip(): f"/dev/{disk.name}" for disk in _controller(node).glob("nvme*n*")}


def _host_name(node: str) -> str:
    return f"nqn.2026-01.lab:many-host-{node}"


def _controller(node: str) -> Path:
    controllers = Path("/sys/class/nvme").iterdir()
    return next(each for each in controllers if (each / "hostnqn").read_text().strip() == _host_name(node))


if __name__ == "__main__":
    main()
