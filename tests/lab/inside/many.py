"""Hundreds of small LUNs, each node's behind one target and one session of its own: for limits of the machine."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

from tests.lab.inside import disks, layout, pr, target

NODES = layout.NODES[:2]
BACKSTORES = target.TARGET / "core/fileio_0"
FILES = Path("/run/many")
FILE_BYTES = 1 << 20
DEADLINE_SECONDS = 120.0

_disks: dict[str, list[str]] = {}


def set_up(count: int) -> dict[str, list[str]]:
    """Make them, and let n1 and n2 log in; node → its disks, in the order of `layout.many`."""
    if Path("/usr/lib/modules", os.uname().release).is_dir():
        subprocess.run(["modprobe", "target_core_file"], check=True)
    FILES.mkdir()
    luns = layout.many(count)
    for lun in luns:
        _make_backstore(lun)
    for node in NODES:
        _make_target(node, luns)
        disks.write_record(node, _target(node), layout.address(node))
        subprocess.run(
            ["iscsiadm", "-m", "node", "-T", _target(node), "--login"], check=True, stdout=subprocess.DEVNULL
        )
    deadline = time.monotonic() + DEADLINE_SECONDS
    _disks.update({node: [_wait_for(node, number, deadline) for number in range(count)] for node in NODES})
    return _disks


def registered() -> list[list[str]]:
    """The nodes that are registered on each of them, as the target says."""
    files = sorted(BACKSTORES.glob("many-*/pr/res_pr_registered_i_pts"), key=lambda it: _number(it.parent.parent.name))
    return [sorted(set(re.findall(target.NODE, file.read_text()))) for file in files]


def clear() -> None:
    """Leave no registration, no reservation, and no unit attention of that."""
    for path in _disks[NODES[0]]:
        pr.clear(path)
    for paths in _disks.values():
        for path in paths:
            pr.drain(path)


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])


def _target(node: str) -> str:
    return layout.target(node, "many")


def _make_backstore(lun: layout.Lun) -> None:
    folder, file = BACKSTORES / lun.name, FILES / lun.name
    with file.open("wb") as store:
        store.truncate(FILE_BYTES)
    folder.mkdir(parents=True)
    (folder / "control").write_text(f"fd_dev_name={file},fd_dev_size={FILE_BYTES}")
    (folder / "enable").write_text("1")
    (folder / "wwn/vpd_unit_serial").write_text(lun.serial)


def _make_target(node: str, luns: list[layout.Lun]) -> None:
    group = target.TARGET / "iscsi" / _target(node) / "tpgt_1"
    group.mkdir(parents=True)
    (group / "attrib/authentication").write_text("0")
    allowed = group / "acls" / layout.initiator(node)
    allowed.mkdir()
    for number, lun in enumerate(luns):
        exported, mapped = group / f"lun/lun_{number}", allowed / f"lun_{number}"
        exported.mkdir()
        (exported / "disk").symlink_to(BACKSTORES / lun.name)
        mapped.mkdir()
        (mapped / "disk").symlink_to(exported)
    (group / f"np/{layout.address(node)}:{layout.PORT}").mkdir()
    (group / "enable").write_text("1")


def _wait_for(node: str, number: int, deadline: float) -> str:
    """The node's disk for the LUN of this number."""
    while not (found := list(_host(node).glob(f"target*/*:0:0:{number}/block/*"))):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{node} has no disk for LUN {number} of {_target(node)}")
        time.sleep(0.05)
    return f"/dev/{found[0].name}"


def _host(node: str) -> Path:
    session = next(it for it in disks.SESSIONS.iterdir() if (it / "targetname").read_text().strip() == _target(node))
    return (session / "device").resolve()
