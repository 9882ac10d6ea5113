"""The target side: LIO, set up through configfs, and its own view of the reservations."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab.inside import layout, slow, system

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIGFS = Path("/sys/kernel/config")
TARGET = CONFIGFS / "target"
# Over disks that can be made slow, and in memory: what knows no reservations needs no such disk.
BACKSTORES, PLAIN_BACKSTORES = TARGET / "core/iblock_0", TARGET / "core/rd_mcp_0"
PAGES = layout.DISK_MIB * 256
DATABASE = Path("/run/target")
# What must survive a power loss: a file for each LUN. Without this folder REGISTER fails.
KEPT = DATABASE / "pr"

FILES = ("res_holder", "res_pr_generation", "res_pr_registered_i_pts", "res_pr_type", "res_aptpl_active")
NODE = re.escape(layout.initiator("")) + r"(\w+)"

# linux/pr.h numbers of what the target says in words.
TYPES = {
    "Write Exclusive Access": 1,
    "Exclusive Access": 2,
    "Write Exclusive Access, Registrants Only": 3,
    "Exclusive Access, Registrants Only": 4,
    "Write Exclusive Access, All Registrants": 5,
    "Exclusive Access, All Registrants": 6,
}

# Where all targets listen; each at its node's own address if there are none.
_portals: list[str] = []


def set_up(portals: Sequence[str] = ()) -> None:
    """Make all LUNs, and a target for each node and LUN, at these addresses or else at the node's own."""
    _portals.extend(portals)
    system.mount("configfs", CONFIGFS)
    KEPT.mkdir(parents=True)
    (TARGET / "dbroot").write_text(str(DATABASE))
    for lun in layout.LUNS.values():
        _make_backstore(lun)
        for node in layout.NODES:
            _make_target(node, lun.name)


def _make_backstore(lun: layout.Lun) -> None:
    folder = _backstore(lun.name)
    folder.mkdir(parents=True)
    store = f"udev_path={slow.make(f'lun-{lun.name}')}" if lun.reservations else f"rd_pages={PAGES}"
    (folder / "control").write_text(store)
    (folder / "enable").write_text("1")
    (folder / "wwn/vpd_unit_serial").write_text(lun.serial)
    if lun.vendor:
        about = {"vendor_id": lun.vendor, "product_id": lun.product, "company_id": f"{lun.company:#x}"}
        for name, value in about.items():
            (folder / "wwn" / name).write_text(value)
    if not lun.reservations:
        (folder / "attrib/emulate_pr").write_text("0")


def _backstore(lun: str) -> Path:
    """Where a LUN's backstore is, or that of a twin."""
    return (BACKSTORES if lun in layout.LUNS and layout.LUNS[lun].reservations else PLAIN_BACKSTORES) / lun


def _portal_group(node: str, lun: str) -> Path:
    return TARGET / "iscsi" / layout.target(node, lun) / "tpgt_1"


def _make_target(node: str, lun: str) -> None:
    group = _portal_group(node, lun)
    group.mkdir(parents=True)
    (group / "attrib/authentication").write_text("0")
    (group / "lun/lun_0").mkdir()
    (group / "lun/lun_0/disk").symlink_to(_backstore(lun))
    # With a generated entry the target would forget a node's registrations whenever its connection breaks.
    allowed = group / "acls" / layout.initiator(node) / "lun_0"
    allowed.mkdir(parents=True)
    (allowed / "disk").symlink_to(group / "lun/lun_0")
    for address in _portals or [layout.address(node)]:
        (group / f"np/{address}:{layout.PORT}").mkdir()
    enable(node, lun, True)


def lead(node: str, lun: str, to: str) -> None:
    """From now on a node's connection for a LUN leads to another one, as where an array gives its number away.

    The connection stays, and nobody tells the node's kernel. to: a LUN, or the twin of one (`layout.twin`), a disk
    that says it is that LUN; "": nowhere, the LUN was unmapped; the LUN itself ends this.
    """
    group = _portal_group(node, lun)
    links = group / "acls" / layout.initiator(node) / "lun_0/disk", group / "lun/lun_0/disk"
    for link in links:
        link.unlink(missing_ok=True)
    if not to:
        return
    if to not in layout.LUNS and not _backstore(to).exists():
        _make_twin(to, layout.LUNS[lun].serial)
    links[1].symlink_to(_backstore(to))
    links[0].symlink_to(group / "lun/lun_0")


def _make_twin(name: str, serial: str) -> None:
    folder = _backstore(name)
    folder.mkdir(parents=True)
    (folder / "control").write_text(f"rd_pages={PAGES}")
    (folder / "enable").write_text("1")
    (folder / "wwn/vpd_unit_serial").write_text(serial)


def remove_twin(lun: str) -> None:
    """Nothing may lead to it any more."""
    _backstore(layout.twin(lun)).rmdir()


def enable(node: str, lun: str, on: bool) -> None:
    """Let a node reach a LUN, or cut its connection."""
    switch = _portal_group(node, lun) / "enable"
    if (switch.read_text().strip() == "1") != on:
        switch.write_text(str(int(on)))


def set_port_state(node: str, lun: str, state: int) -> None:
    """The asymmetric access state of the port through which a node reaches a LUN (SPC-4 table 37); 0: as it was."""
    group, port = _backstore(lun) / "alua" / node, _portal_group(node, lun) / "lun/lun_0/alua_tg_pt_gp"
    if not group.exists():
        group.mkdir()
        (group / "tg_pt_gp_id").write_text(str(1 + layout.NODES.index(node)))
        port.write_text(node)
    (group / "alua_access_state").write_text(str(state))
    if not state:
        port.write_text("default_tg_pt_gp")
        group.rmdir()


def restart(lun: str) -> None:
    """Let a LUN lose its power: its targets go, it goes, and all is made again.

    Of the reservations comes back what the target has kept in its folder and takes from it again; the connections of
    the nodes come back by themselves.
    """
    kept = _kept(lun)
    for node in layout.NODES:
        _remove_target(node, lun)
    _backstore(lun).rmdir()
    _make_backstore(layout.LUNS[lun])
    for registration in kept:
        with contextlib.suppress(OSError):  # what the target does not take back is lost, and everybody goes on
            (_backstore(lun) / "pr/res_aptpl_metadata").write_text(registration)
    for node in layout.NODES:
        _make_target(node, lun)


def _kept(lun: str) -> list[str]:
    """The registrations in the target's folder, each in the form in which the target wants them back: rtslib's way."""
    file = KEPT / f"aptpl_{layout.LUNS[lun].serial}"
    lines = file.read_text().split() if file.exists() else []
    blocks = re.findall(r"PR_REG_START: \d+ (.*?) PR_REG_END", " ".join(lines))
    return [block.replace(" ", ",") for block in blocks]


def _remove_target(node: str, lun: str) -> None:
    enable(node, lun, False)
    group = _portal_group(node, lun)
    allowed = group / "acls" / layout.initiator(node)
    (allowed / "lun_0/disk").unlink()
    (group / "lun/lun_0/disk").unlink()
    folders = (allowed / "lun_0", allowed, group / "lun/lun_0", *(group / "np").iterdir(), group, group.parent)
    for folder in folders:
        folder.rmdir()


def reservation(lun: str) -> dict[str, Any]:
    """The target's own view of a LUN: type, holder, registrations (node and key), generation, persistent.

    `type` is the number of linux/pr.h, 0 if nothing is reserved. `holder` is the node that made the reservation, also
    where the type makes all registrants holders.
    """
    said = {path.name: path.read_text() for path in (_backstore(lun) / "pr").iterdir() if path.name in FILES}
    kind = re.search(r"SPC-3 Reservation Type: (.*)", said["res_pr_type"])
    holder = re.search(NODE, said["res_holder"])
    registrations = re.findall(NODE + r"\S* Key: (0x[0-9a-f]+)", said["res_pr_registered_i_pts"])
    return {
        "type": TYPES[kind[1].strip()] if kind else 0,
        "holder": holder[1] if holder else None,
        "registrations": [[node, int(key, 16)] for node, key in registrations],
        "generation": int(said["res_pr_generation"], 16),
        "persistent": "Activated" in said["res_aptpl_active"],
    }
