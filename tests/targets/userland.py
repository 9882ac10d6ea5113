#!/usr/bin/python3 -ISB
"""Starts an iSCSI target in a guest's user space, with disks that nodes share.

    userland.py istgt COUNT
    userland.py tgt COUNT [STORE]

Writes a line a node, as soon as all can be used: the device nodes in the order of the disks' identities. All nodes but
n3 reach the target through `bridge.py`: it refuses every REGISTER that asks for persistence over a power loss.
STORE: what the disk, then one, is on instead of files; then all nodes go through the bridge.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, "/project")

from tests.lab.inside import layout

FOLDER = Path("/run/userland")
MIB = 8
ADDRESS = "127.0.0.1"
PORTS = {"istgt": 3270, "tgt": 3280}
BRIDGE, AWAY = Path(__file__).with_name("bridge.py"), 1
PLAIN_NODE = "n3"
# istgt sleeps for a second at every login.
FASTER = {"LD_PRELOAD": "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "FAKETIME": "+0 x100"}
DEADLINE_SECONDS = 30.0

ISTGT_GLOBAL = """\
[Global]
  NodeBase "{prefix}"
  PidFile {folder}/istgt.pid
  AuthFile {folder}/auth.conf
  MediaDirectory {folder}
  Timeout 30
  NopInInterval 0
  DiscoveryAuthMethod None
  MaxSessions 64
  MaxConnections 4
  MaxR2T 32
  InitialR2T Yes
  ImmediateData Yes
  DataPDUInOrder Yes
  DataSequenceInOrder Yes
  ErrorRecoveryLevel 0
[UnitControl]
  AuthMethod None
[PortalGroup1]
  Portal DA1 {address}:{port}
[InitiatorGroup1]
  InitiatorName "ALL"
  Netmask ALL
"""
ISTGT_UNIT = """\
[LogicalUnit{number}]
  TargetName {name}
  Mapping PortalGroup1 InitiatorGroup1
  AuthMethod None
  UnitType Disk
  UnitInquiry "lab" "userland" "0001" "1000000{number}"
  LUN0 Storage {file} {mib}MB
"""


def main() -> None:
    """Do what the arguments ask for."""
    kind, count, *store = sys.argv[1:]
    FOLDER.mkdir(exist_ok=True)
    names = [f"{layout.PREFIX}:{kind}{number}" for number in range(1, int(count) + 1)]
    port = PORTS[kind]
    if kind == "tgt":
        start_tgt(names, port, store)
    else:
        start_istgt(names, port)
    bridge = [str(BRIDGE), str(port + AWAY), str(port)]
    subprocess.Popen(bridge, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _listens(port + AWAY)
    for node in layout.NODES:
        for name in names:
            _log_in(node, name, port if node == PLAIN_NODE and not store else port + AWAY)
    for node in layout.NODES:
        print(*_wait_for(node, names))


def _file(name: str) -> Path:
    file = FOLDER / name
    file.touch()
    os.truncate(file, MIB << 20)
    return file


def start_istgt(names: list[str], port: int) -> None:
    """The daemon with a target for each name."""
    (FOLDER / "auth.conf").write_text("")
    (FOLDER / "auth.conf").chmod(0o600)
    text = ISTGT_GLOBAL.format(prefix=layout.PREFIX, folder=FOLDER, address=ADDRESS, port=port)
    for number, name in enumerate(names, 1):
        text += ISTGT_UNIT.format(number=number, name=name, file=_file(name), mib=MIB)
    (FOLDER / "istgt.conf").write_text(text)
    command = ["istgt", "-c", str(FOLDER / "istgt.conf")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **FASTER})
    _listens(port)


def start_tgt(names: list[str], port: int, store: list[str]) -> None:
    """The daemon with a target for each name, in memory or past the page cache on a block device."""
    subprocess.run(["tgtd", "--iscsi", f"portal={ADDRESS}:{port}"], check=True)
    _listens(port)

    def below(name: str) -> list[str]:
        return ["-b", store[0], "--bsoflags", "direct"] if store else ["-b", str(_file(name))]

    for number, name in enumerate(names, 1):
        target = ["--tid", str(number)]
        _tgtadm("--op", "new", "--mode", "target", *target, "-T", name)
        _tgtadm("--op", "new", "--mode", "logicalunit", *target, "--lun", "1", *below(name))
        _tgtadm("--op", "bind", "--mode", "target", *target, "-I", "ALL")


def _tgtadm(*arguments: str) -> None:
    subprocess.run(["tgtadm", "--lld", "iscsi", *arguments], check=True)


def _listens(port: int) -> None:
    """Until somebody listens there."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    while wanted not in Path("/proc/net/tcp").read_text():
        if time.monotonic() > deadline:
            sys.exit(f"nobody listens on port {port}")
        time.sleep(0.02)


def _log_in(node: str, name: str, port: int) -> None:
    """With a record like that of one of the node's targets that the lab has logged in to."""
    target, address = layout.target(node, "a"), layout.address(node)
    record = Path("/etc/iscsi/nodes", target, f"{address},{layout.PORT},1", node).read_text()
    record = record.replace(target, name).replace(address, ADDRESS).replace(f"port = {layout.PORT}", f"port = {port}")
    folder = Path("/etc/iscsi/nodes", name, f"{ADDRESS},{port},1")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / node).write_text(record)
    command = ["iscsiadm", "-m", "node", "-T", name, "-I", node, "--login"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{node} cannot log in to {name}: {done.stdout}{done.stderr}")


def _wait_for(node: str, names: list[str]) -> list[str]:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        found = _disks(node, names)
        if len(found) == len(names):
            return [found[identity] for identity in sorted(found)]
        if time.monotonic() > deadline:
            sys.exit(f"{node} has only the disks {found}")
        time.sleep(0.05)


def _disks(node: str, names: list[str]) -> dict[str, str]:
    """Identity → device node."""
    found = {}
    for session in Path("/sys/class/iscsi_session").iterdir():
        about = [(session / name).read_text().strip() for name in ("targetname", "initiatorname")]
        if about[0] in names and about[1] == layout.initiator(node):
            for disk in (session / "device").glob("target*/*/block/*"):
                found[(disk / "device/wwid").read_text().strip()] = f"/dev/{disk.name}"
    return found


if __name__ == "__main__":
    main()
