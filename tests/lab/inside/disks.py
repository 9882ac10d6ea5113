"""The initiator side: the nodes' connections and disks, as the guest's kernel shows them in sysfs."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.inside import layout

if TYPE_CHECKING:
    from collections.abc import Sequence

SESSIONS = Path("/sys/class/iscsi_session")
DAEMON_SOCKET = "@ISCSIADM_ABSTRACT_NAMESPACE"
DEADLINE_SECONDS = 20.0
SG_SCSI_RESET = 0x2284  # with argument 0 it resets nothing, but wakes whoever waits for the host

# Target → the session that was last found.
_sessions: dict[str, Path] = {}


class NoDisk(Exception):
    """A node has no disk for a LUN at present."""

    def __init__(self, node: str, lun: str) -> None:
        self.node, self.lun = node, lun
        super().__init__(f"{node} has no disk for LUN {lun}")


def log_in(nodes: Sequence[str] = layout.NODES, portal: str = "") -> None:
    """Log in to all targets of these nodes, at this address or else at each node's own, and wait for the disks."""
    _write_records(nodes, portal)
    _start_daemon()
    done = subprocess.run(["iscsiadm", "-m", "node", "--login"], check=False, capture_output=True, text=True)
    deadline = time.monotonic() + DEADLINE_SECONDS
    said = f"{done.stdout}{done.stderr}"
    for node in nodes:
        for lun in layout.LUNS:
            wait_for(node, lun, deadline, said)


def _start_daemon() -> None:
    """What it says, and its end, go to the guest's console: without it no connection comes back."""
    daemon = subprocess.Popen(["iscsid", "--foreground"], stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=lambda: print(f"iscsid has ended: {daemon.wait()}", file=sys.stderr, flush=True)).start()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while DAEMON_SOCKET not in Path("/proc/net/unix").read_text():
        if time.monotonic() > deadline:
            raise TimeoutError("iscsid does not listen")
        time.sleep(0.01)


def wait_for(node: str, lun: str, deadline: float, said: str = "") -> None:
    """Until a node has a running disk for a LUN; TimeoutError after the time `deadline` of the monotonic clock."""
    while not is_running(node, lun):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{node} has no running disk for LUN {lun}: {said}")
        time.sleep(0.01)


def is_running(node: str, lun: str) -> bool:
    """Whether the node has a disk for the LUN that takes commands."""
    try:
        return (_session(node, lun) / "state").read_text() == "LOGGED_IN\n" and state(node, lun) == "running"
    except (NoDisk, OSError):  # sysfs has no value while a connection or a disk comes or goes
        return False


def is_present(node: str, lun: str) -> bool:
    """Whether the node has a disk for the LUN, in whatever state."""
    try:
        _block(node, lun)
    except NoDisk:
        return False
    return True


def path(node: str, lun: str) -> str:
    """The device node of a node's disk; raises NoDisk."""
    return f"/dev/{_block(node, lun).name}"


def state(node: str, lun: str) -> str:
    """The SCSI device's state, such as "running" or "transport-offline"; raises NoDisk."""
    return (_block(node, lun) / "device/state").read_text().strip()


def set_state(node: str, lun: str, value: str) -> None:
    """Set the SCSI device "offline" or "running"."""
    (_block(node, lun) / "device/state").write_text(f"{value}\n")


def drop(node: str, lun: str) -> None:
    """Take a node's disk away, like a LUN that is unmapped."""
    (_block(node, lun) / "device/delete").write_text("1")


def scan(node: str, lun: str) -> None:
    """Look for the disk of a connection, as after `drop`."""
    (_host(node, lun) / "scan").write_text("- - -")


def hang(node: str, lun: str) -> None:
    """From now on every command to a node's disk, and open(), waits: uninterruptibly and without end."""
    (_host(node, lun) / "state").write_text("recovery\n")


def resume(node: str, lun: str) -> None:
    """End `hang`: what waited goes on."""
    host = _host(node, lun) / "state"
    if host.read_text().strip() == "running":
        return
    host.write_text("running\n")
    # Through the generic device: who waits in open() of the disk holds up all others there.
    (generic,) = (_block(node, lun) / "device/scsi_generic").iterdir()
    fd = os.open(f"/dev/{generic.name}", os.O_RDONLY | os.O_NONBLOCK)
    try:
        fcntl.ioctl(fd, SG_SCSI_RESET, b"\0\0\0\0")
    finally:
        os.close(fd)


def repair(node: str, lun: str) -> None:
    """Undo `hang`, `drop` and `set_state`, once the target lets the node in; returns when the disk takes commands."""
    resume(node, lun)
    wait_for_session(node, lun)
    try:
        if state(node, lun) == "offline":
            set_state(node, lun, "running")
    except NoDisk:
        scan(node, lun)
    wait_for(node, lun, time.monotonic() + DEADLINE_SECONDS)


def wait_for_session(node: str, lun: str) -> None:
    """Until the connection is there (again)."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (_session(node, lun) / "state").read_text() != "LOGGED_IN\n":
        if time.monotonic() > deadline:
            raise TimeoutError(f"{node} does not get its connection for LUN {lun} back")
        time.sleep(0.01)


def _block(node: str, lun: str) -> Path:
    folder = Path(f"/sys/class/scsi_device/{_host_number(node, lun)}:0:0:0/device/block")
    try:
        (found,) = folder.iterdir()
    except (FileNotFoundError, ValueError):
        raise NoDisk(node, lun) from None
    return found


def _host(node: str, lun: str) -> Path:
    return Path(f"/sys/class/scsi_host/host{_host_number(node, lun)}")


def _host_number(node: str, lun: str) -> str:
    """Each session is a SCSI host of its own. The number of one that is over can be another's, a session's never."""
    return _host_of(_session(node, lun))


@cache
def _host_of(session: Path) -> str:
    return (session / "device").resolve().parent.name.removeprefix("host")


def _session(node: str, lun: str) -> Path:
    """It stays when the connection breaks and comes back; who logs out and in has another one."""
    target = layout.target(node, lun)
    if target not in _sessions or not _sessions[target].exists():
        found = (each for each in SESSIONS.iterdir() if (each / "targetname").read_text().strip() == target)
        if not (session := next(found, None)):
            raise NoDisk(node, lun)
        _sessions[target] = session
    return _sessions[target]


def _write_records(nodes: Sequence[str], portal: str) -> None:
    """What iscsiadm would write after discovery: an interface for each node, and its targets."""
    base = Path("/etc/iscsi")
    Path("/run/lock/iscsi").mkdir(parents=True)
    (base / "ifaces").mkdir(exist_ok=True)
    (base / "initiatorname.iscsi").write_text(f"InitiatorName={layout.initiator('none')}\n")
    (base / "iscsid.conf").write_text("node.startup = manual\n")
    for node in nodes:
        interface = _lines(
            {
                "iface.iscsi_ifacename": node,
                "iface.transport_name": "tcp",
                "iface.initiatorname": layout.initiator(node),
            }
        )
        (base / "ifaces" / node).write_text(interface)
        for lun in layout.LUNS:
            target, address = layout.target(node, lun), portal or layout.address(node)
            folder = base / "nodes" / target / f"{address},{layout.PORT},1"
            folder.mkdir(parents=True)
            settings = {
                "node.name": target,
                "node.tpgt": 1,
                "node.startup": "manual",
                "node.session.scan": "auto",
                "node.session.timeo.replacement_timeout": layout.REPLACEMENT_SECONDS,
                "node.conn[0].address": address,
                "node.conn[0].port": layout.PORT,
                "node.conn[0].timeo.noop_out_interval": 0,
                "node.conn[0].timeo.noop_out_timeout": 0,
            }
            (folder / node).write_text(f"# BEGIN RECORD\n{interface}{_lines(settings)}# END RECORD\n")


def _lines(settings: dict[str, object]) -> str:
    return "".join(f"{name} = {value}\n" for name, value in settings.items())
