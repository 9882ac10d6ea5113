"""Runs commands of the documents as they stand there; only the names of disks and nodes are the machine's own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.documents import commands
from tests.documents.commands import PROGRAMS, Command
from tests.fencing import maps
from tests.fencing.agent import key
from tests.lab.inside.layout import LUNS
from tests.programs.machine import AGENT, BY_ID, DEVICE, MAP, MAPPED, NVME, Machine

if TYPE_CHECKING:
    from collections.abc import Callable

# What the documents call a disk → the machine's.
SCSI = BY_ID["a"]
DISKS = {
    "/dev/disk/by-id/wwn-0x60014051234567890123456789012345": SCSI,
    "/dev/disk/by-id/wwn-0x6001405abcdef0123456789abcdef0123": BY_ID["b"],
    "/dev/disk/by-id/wwn-0x6001405…": SCSI,
    "/dev/disk/by-id/nvme-uuid.e4a8a4c2-5f0e-4d52-9d0f-1234567890ab": NVME,
    "/dev/mapper/mpatha": MAP,
    "-d …": f"-d {SCSI}",
}
WWIDS = {
    "360014051234567890123456789012345": f"3{LUNS['a'].naa}",
    "36001405abcdef0123456789abcdef0123": f"3{LUNS['b'].naa}",
}
# The key of nobody is n3's: it is no node of the cluster.
NAMES = {**DISKS, **WWIDS, "node1": "n1", "node2": "n2", "0x5fe100000001": f"{key('n3'):#x}"}
MORE = "more-disks"
REFUSED_BY_PCS = "is not supported for devices update"


def by_document() -> dict[str, list[Command]]:
    """The commands that are run here, in the order of their document."""
    found: dict[str, list[Command]] = {}
    for command in commands.run_by(PROGRAMS):
        found.setdefault(command.document, []).append(command)
    return found


def run(machine: Machine, command: Command) -> None:
    """Run a command and check that it does what the document says it does."""
    line = command.text
    for name, own in NAMES.items():
        line = line.replace(name, own)
    for pattern, how in HOW.items():
        if re.search(pattern, line):
            how(machine, line)
            return
    machine.do(line)


def _create(machine: Machine, line: str) -> None:
    """The new fence device unfences n1, and fences n2. pcs sets by itself what crmsh must be told."""
    machine.forget()
    (disk,) = {each for each in DISKS.values() if f"devices={each} " in line}
    if disk != MAP:
        machine.do(line)
        machine.wait_until_device_runs(disk)
        machine.let_in("n2", disk)
        machine.do("stonith_admin --fence n2")
        assert machine.registered(disk) == {"n1"}
        return
    # n1's second path is n2's connection.
    with maps.mapped(machine.lab, MAPPED):
        machine.do(line)
        machine.wait_until_device_runs(disk)
        assert [own for _, own in machine.lab.reservation(MAPPED).registrations] == 2 * [key("n1")]
        machine.remove_device()


def _fence(machine: Machine, line: str) -> None:
    disks = [disk for lun, disk in BY_ID.items() if LUNS[lun].naa in line] or [SCSI]
    for disk in disks:
        machine.let_in("n1", disk)
        machine.let_in("n2", disk)
    machine.do(line)
    assert [machine.registered(disk) for disk in disks] == [{"n1"}] * len(disks)


def _status(machine: Machine, line: str) -> None:
    machine.let_in("n2", SCSI)
    machine.do(line, code=0)
    machine.do(line.replace("-o status", "-o off"))
    machine.do(line, code=2)


def _remove_foreign(machine: Machine, line: str) -> None:
    machine.let_in("n3", SCSI)
    machine.do(line)
    assert "n3" not in machine.registered(SCSI)


def _other_disks(machine: Machine, line: str) -> None:
    assert machine.registered(BY_ID["b"]) == set()
    machine.do(line)
    machine.wait_until_device_runs(SCSI, BY_ID["b"])


def _fewer_disks(machine: Machine, line: str) -> None:
    machine.do(line)
    machine.wait_until_device_runs(SCSI)


def _more_disks(machine: Machine, line: str) -> None:
    machine.remove_device()
    machine.create_device(SCSI)
    machine.do(line)
    machine.until(lambda: machine.view().active.get(MORE) == frozenset({"n1"}), f"{MORE} runs")


def _last_level(machine: Machine, line: str) -> None:
    """With it Pacemaker fences by both devices."""
    machine.do(line)
    disks = (SCSI, BY_ID["b"])
    for disk in disks:
        machine.let_in("n2", disk)
    machine.do("stonith_admin --fence n2")
    assert [machine.registered(disk) for disk in disks] == [{"n1"}] * len(disks)
    machine.do("pcs stonith level clear")
    machine.do(f"pcs stonith delete {MORE}")


def _unfence(machine: Machine, line: str) -> None:
    machine.forget()
    machine.create_device(SCSI)
    machine.do(line)
    assert machine.registered(SCSI) == {"n1"}


def _keys_made_otherwise(machine: Machine, line: str) -> None:
    """n1 registers anew; then all is as it was before."""
    machine.forget()
    machine.create_device(SCSI)
    former = line.replace("=hash64", "=hash")
    for command in dict.fromkeys((former, line)):
        before = machine.lab.reservation("a").keys["n1"]
        machine.do(command)
        machine.until(lambda: _runs_with_another_key(machine, before), "n1 is registered with another key")  # noqa: B023
    machine.forget()
    machine.let_in("n1", SCSI)


def _runs_with_another_key(machine: Machine, before: int) -> bool:
    now = machine.lab.reservation("a").keys.get("n1", before)
    return now != before and machine.view().active.get(DEVICE) == frozenset({"n1"})


def _of_former_key(machine: Machine, line: str) -> None:
    """n2 has not registered anew."""
    machine.lab.nodes["n2"].run([AGENT, "-o", "on", "-n", "n2", "--key-value=id", "-d", SCSI], check=True)
    machine.do(line.replace("--key-value=id ", ""), code=1)
    machine.do(line)
    assert machine.registered(SCSI) == {"n1"}


def _whose_key(machine: Machine, line: str) -> None:
    machine.do(line, code=1)
    own = machine.do(line.replace(f"{key('n3'):#x}", f"{key('n1'):#x}"))
    assert f":key={key('n1'):#x}\n" in own.stdout


def _not_by_pcs(machine: Machine, line: str) -> None:
    refused = machine.do(f"{line} {DEVICE} add {BY_ID['d']}", code=1)
    assert REFUSED_BY_PCS in refused.stderr


def _clear(machine: Machine, line: str) -> None:
    """The document warns of it: for a moment everybody can write."""
    assert machine.n3.write("a") == "EBADE"
    machine.do(f"{line} --param-rk={key('n1'):#x} {SCSI}")
    assert machine.n3.write("a") == "ok"


# The first that is found in the command line; any other must simply succeed.
HOW: dict[str, Callable[[Machine, str], None]] = {
    rf"^pcs stonith create {MORE}": _more_disks,
    r"^pcs stonith level add 1 n2": _last_level,
    r"^pcs stonith update .*(key_value|node_keys)=": _keys_made_otherwise,
    r"^grep .*0x": _whose_key,
    r"-o off -n n2 --key-value=id": _of_former_key,
    r"^stonith_admin --unfence": _unfence,
    r"^pcs stonith create|^crm configure primitive": _create,
    r"-o off -n n2\b|action=off plug=n2\b|^stonith_admin --fence n2$": _fence,
    r"-o off -n 0x": _remove_foreign,
    r"-o status": _status,
    r"^pcs stonith update .*devices=[^,]*$": _fewer_disks,
    r"^pcs stonith update .*devices=": _other_disks,
    r"^pcs stonith update-scsi-devices": _not_by_pcs,
    r"^sg_persist --out --clear$": _clear,
}
