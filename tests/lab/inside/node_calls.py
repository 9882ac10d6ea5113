"""What the host can call in a node of a guest. All run in the node's namespaces."""

from __future__ import annotations

import base64
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab.inside import commands, disks, fabric, layout, pr, transfers
from tests.lab.inside.logbook import Logbook

if TYPE_CHECKING:
    from collections.abc import Callable

STATE = Path("/run/fence_pr_ioctl")
# A mount of the node's own, so it is emptied and never removed.
BINDINGS = Path("/var/lib/fence_pr_ioctl")
BY_ID = Path("/dev/disk/by-id")
COROSYNC = Path("/etc/corosync/corosync.conf")


class Node:
    """One node: its files, its log and its disks."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._log = Logbook()

    def calls(self) -> dict[str, Callable[..., Any]]:
        """What the host can call, by name."""
        methods = (
            self.renew,
            self.syslog,
            self.link,
            self.disk,
            self.state,
            self.set_state,
            self.drop,
            self.restore,
            self.hang,
            self.resume,
            self.write,
            self.write_buffered,
            self.read,
            self.content,
            self.pr,
            self.drain,
        )
        functions = (commands.run, commands.send_signal)
        hosts = {f"fabric_{call.__name__}": call for call in fabric.HOST_CALLS}
        return {call.__name__: call for call in (*methods, *functions)} | hosts

    def renew(self) -> list[str]:
        """Kill what still runs here and make the node's files as on a fresh node; what has been killed."""
        killed = commands.kill_leftovers()
        shutil.rmtree(STATE, ignore_errors=True)
        STATE.mkdir(mode=0o700)
        for path in (*COROSYNC.parent.iterdir(), *BINDINGS.iterdir()):
            path.unlink()
        COROSYNC.write_text(layout.corosync_conf())
        self.link()
        self._log.clear()
        return killed

    def syslog(self) -> list[str]:
        """What programs of the node have logged since `renew`, a line a message."""
        return self._log.lines()

    def link(self) -> None:
        """Make the names under /dev/disk/by-id that udev would make for the node's disks, and no others."""
        shutil.rmtree(BY_ID, ignore_errors=True)
        BY_ID.mkdir()
        for lun in layout.LUNS.values():
            if disks.is_present(self._name, lun.name):
                for name in lun.by_id:
                    Path(name).symlink_to(f"../..{self.disk(lun.name).removeprefix('/dev')}")

    def disk(self, lun: str) -> str:
        """The kernel's name of the disk."""
        return disks.path(self._name, lun)

    def state(self, lun: str) -> str:
        """The SCSI device's state."""
        return disks.state(self._name, lun)

    def set_state(self, lun: str, value: str) -> None:
        """Set it to "offline" or "running"."""
        disks.set_state(self._name, lun, value)

    def drop(self, lun: str) -> None:
        """Lose the disk."""
        disks.drop(self._name, lun)
        self.link()

    def restore(self, lun: str) -> None:
        """Find the disk again."""
        disks.scan(self._name, lun)
        disks.wait_for(self._name, lun, time.monotonic() + disks.DEADLINE_SECONDS)
        self.link()

    def hang(self, lun: str) -> None:
        """Let whoever uses the disk wait without end."""
        disks.hang(self._name, lun)

    def resume(self, lun: str) -> None:
        """End `hang`."""
        disks.resume(self._name, lun)

    def write(self, lun: str, fill: int, offset: int) -> str:
        """Write a block directly: "ok" or the name of an errno."""
        return transfers.write(self.disk(lun), fill, offset)

    def write_buffered(self, lun: str, fill: int, offset: int) -> str:
        """Write a block and fsync: "ok" or the name of an errno."""
        return transfers.write_buffered(self.disk(lun), fill, offset)

    def read(self, lun: str, offset: int) -> str:
        """Read a block directly: "ok" or the name of an errno."""
        return transfers.read(self.disk(lun), offset)

    def content(self, lun: str, offset: int) -> str:
        """A block of the disk in base64."""
        return base64.b64encode(transfers.content(self.disk(lun), offset)).decode()

    def pr(self, lun: str, name: str, numbers: list[int]) -> int:
        """One of the ioctls in `pr.CALLS`."""
        return pr.call(self.disk(lun), name, *numbers)

    def drain(self, lun: str) -> int:
        """Take the pending unit attentions."""
        return pr.drain(self.disk(lun))
