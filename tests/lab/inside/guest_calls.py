"""What the host can call in a guest as a whole: the target, all connections, and the console."""

from __future__ import annotations

import os
import subprocess
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab.inside import commands, disks, fabric, layout, nvme, pr, sequences, slow, target, transfers

if TYPE_CHECKING:
    from collections.abc import Callable

CONSOLE = "/dev/tty1"
MODULES = ("target_core_mod", "iscsi_target_mod", "target_core_iblock", "sd_mod", "sg", "iscsi_tcp", "brd", "dm_delay")
PROMPT = r"\h# "  # the host name: "guest", or a node's


def calls() -> dict[str, Callable[..., Any]]:
    """The calls by name."""
    return {
        "run": commands.run,
        "send_signal": commands.send_signal,
        "console": console,
        "set_up_storage": set_up_storage,
        "cut": cut,
        "heal": heal,
        "heal_all": heal_all,
        "clear": clear,
        "restart_target": restart_target,
        "set_port_state": target.set_port_state,
        "lead": target.lead,
        "remove_twin": target.remove_twin,
        "reservation": target.reservation,
        "nvme_set_up": nvme.set_up,
        "nvme_connect": nvme.connect,
        "nvme_disconnect": nvme.disconnect,
        "nvme_path": nvme.path,
        "nvme_clear": nvme.clear,
        "nvme_restart": nvme.restart,
        "nvme_leave": nvme.leave,
        "nvme_come_back": nvme.come_back,
        "nvme_reservation": nvme.reservation,
        "write_path": transfers.write,
        "read_path": transfers.read,
        "pr_path": pr_path,
        "sequence_on_lun": sequences.on_lun,
        "sequence_on_namespace": sequences.on_namespace,
        "fabric_set_up_storage": fabric.set_up_storage,
        "fabric_cut": fabric.cut,
        "fabric_heal": fabric.heal,
        "make_slow": slow.make,
        "hold_writes": slow.hold_writes,
        "landed": slow.landed,
    }


def pr_path(path: str, name: str, numbers: list[int]) -> int:
    """One reservation ioctl on a disk by its path."""
    return pr.call(path, name, *numbers)


def set_up_storage() -> None:
    """LUNs, targets, connections and disks for all nodes."""
    if Path("/usr/lib/modules", os.uname().release).is_dir():
        subprocess.run(["modprobe", "-a", *MODULES], check=True)
    addresses = [get(node) for node in layout.NODES for get in (layout.address, layout.ring_address)]
    batch = "link set lo up\n" + "".join(f"address add {address}/32 dev lo\n" for address in addresses)
    subprocess.run(["ip", "-batch", "-"], check=True, input=batch, text=True)
    target.set_up()
    disks.log_in()


def cut(node: str, luns: list[str]) -> None:
    """Break a node's connections; its I/O fails once the replacement time-out is over."""
    for lun in luns:
        target.enable(node, lun, False)


def heal(node: str, luns: list[str]) -> None:
    """End `cut`, and whatever else keeps a node from its disks; returns when they take commands."""
    for lun in luns:
        target.enable(node, lun, True)
    for lun in luns:
        disks.repair(node, lun)


def heal_all() -> None:
    """Give every node every disk again."""
    for node in layout.NODES:
        heal(node, list(layout.LUNS))


def restart_target(luns: list[str]) -> None:
    """Let the target of these LUNs lose its power; returns when all nodes can use them again."""
    for lun in luns:
        target.restart(lun)
    for node in layout.NODES:
        heal(node, luns)


def clear() -> None:
    """Leave no device-mapper device of a test, no held writes, no registration and no reservation on any LUN."""
    slow.hold_none()
    for name in Path("/sys/block").glob("dm-*/dm/name"):
        disk = name.read_text().strip()
        if disk not in slow.DISKS:
            subprocess.run(["dmsetup", "remove", "--force", disk], check=True)
    for link in Path("/dev/mapper").iterdir():
        if link.is_symlink() and not link.exists():  # a daemon of a test made it and was ended before it went
            link.unlink()
    for lun in layout.LUNS.values():
        if lun.reservations:
            pr.clear(disks.path(layout.NODES[0], lun.name))


def console(rows: int, columns: int) -> int:
    """A root shell on the guest's first console, until it ends; its exit status."""
    with open(CONSOLE, "r+b", buffering=0) as terminal:
        termios.tcsetwinsize(terminal, (rows, columns))
        return subprocess.run(
            ["setsid", "--ctty", "--wait", "bash", "--norc"],
            check=False,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={"PATH": os.environ["PATH"], "HOME": "/root", "TERM": "xterm", "LC_ALL": "C.UTF-8", "PS1": PROMPT},
            cwd="/",
        ).returncode
