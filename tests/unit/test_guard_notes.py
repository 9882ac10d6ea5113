"""What the guard needs of the rest of the agent: notes that are true at every moment, readings that cost little."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import TYPE_CHECKING

import pytest

from fence_pr import state_file
from fence_pr.keys import Registrant
from fence_pr.storage.device import MULTIPATH, NVME, SCSI, Device
from fence_pr.storage.open import open_disk
from fence_pr.storage.pr_ioctl import REQUESTS
from tests.model.world import World, problems
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import NvmeCommand, ReadKeys, ReadReservation, Unwatched, fill, write_keys

if TYPE_CHECKING:
    from pathlib import Path

    from tests.model.target import Command

ME = Registrant("n1", 0x2A)
IDENTITIES = ["naa.6001405", "/dev/sda", "t10.ATA     DISK   1", "a/../../b", "ö\udcff", "%2f", "naa.1.123"]


def test_every_disk_that_was_noted_is_listed(tmp_path: Path) -> None:
    folder = str(tmp_path / "run")
    assert state_file.identities(folder) == []
    for identity in IDENTITIES:
        state_file.save(identity, ME, folder)
    assert state_file.identities(folder) == sorted(IDENTITIES)
    assert all(state_file.load(identity, folder) == ME for identity in state_file.identities(folder))


@pytest.mark.parametrize("name", ["naa.1.4711~", "~"])
def test_a_file_that_was_not_finished_is_no_note(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("key=0x1\nnode=n1\n")
    assert state_file.identities(str(tmp_path)) == []


@pytest.mark.parametrize("name", ["%", "%g1", "%2", "%  ", "% 1", "%2F", "\udcff", "a b"])
def test_a_name_that_is_none_of_ours_is_no_note(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("key=0x1\nnode=n1\n")
    assert state_file.identities(str(tmp_path)) == []


def test_what_is_forgotten_is_gone_and_may_be_forgotten_again(tmp_path: Path) -> None:
    folder = str(tmp_path / "run")
    state_file.forget("naa.1", folder)
    for identity in ("naa.1", "naa.2"):
        state_file.save(identity, ME, folder)
    state_file.forget("naa.1", folder)
    assert (state_file.identities(folder), state_file.load("naa.1", folder)) == (["naa.2"], None)


@pytest.mark.parametrize(("key", "noted"), [("0x2B", None), ("0x2A", ME)])
def test_another_key_is_on_a_disk_only_while_none_is_noted(tmp_path: Path, key: str, noted: Registrant | None) -> None:
    """Else the guard would find the noted key gone, and reboot a healthy node."""
    world = World(tmp_path)
    node, identity = world.nodes["n1"], world.devices[0].identity
    assert world.run("n1", "on", "n1", key="0x2A").ok
    seen: list[Registrant | None] = []

    def look(command: Command) -> None:
        if command.name in ("register", "replace"):
            seen.append(state_file.load(identity, str(node.state)))

    world.faults[0] = look
    assert world.run("n1", "on", "n1", key=key).ok
    assert seen
    assert set(seen) == {noted}
    assert state_file.load(identity, str(node.state)) == Registrant("n1", int(key, 16))


def test_a_note_that_cannot_be_removed_keeps_another_key_from_the_disk(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.run("n1", "on", "n1", key="0x2A").ok

    def refuse() -> None:
        raise PermissionError(1, "Operation not permitted")

    world.nodes["n1"].forget = refuse
    report = world.run("n1", "on", "n1", key="0x2B")
    assert not report.ok
    assert "not registered, because" in problems(report)
    assert set(world.targets[0].keys.values()) == {0x2A}


def answer(request: int, buffer: bytearray) -> int:
    """A disk with one key twice and nothing reserved, to whoever reads it in whatever way."""
    if request == REQUESTS.read_keys:
        asked = ReadKeys.from_buffer_copy(buffer)
        write_keys(asked.keys_ptr, [0x2A, 0x2A])
        fill(buffer, ReadKeys(1, 2, asked.keys_ptr))
    elif request == REQUESTS.read_reservation:
        fill(buffer, ReadReservation(0, 1, 0))
    else:
        registrant = struct.pack("<HB5xQ48x", 1, 0, 0x2A)
        report = struct.pack("<IBHHB", 1, 0, 2, 0, 0).ljust(64, b"\0") + registrant * 2
        ctypes.memmove(NvmeCommand.from_buffer_copy(buffer).addr, report, len(report))
    return 0


@pytest.mark.parametrize("kind", [SCSI, NVME, MULTIPATH])
def test_the_keys_alone_take_one_command_and_a_closed_disk_has_no_descriptor(tmp_path: Path, kind: str) -> None:
    nodes = [tmp_path / name for name in ("one", "two")]
    for node in nodes:
        node.touch()
    before = len(os.listdir("/proc/self/fd"))
    with fake_ioctl.disk(answer) as commands:
        disk = open_disk(Device("d", str(nodes[0]), "", kind, tuple(map(str, nodes))), Unwatched())
        commands.clear()
        assert disk.keys() == (0x2A, 0x2A)
        assert len(commands) == 1
    disk.close()
    assert len(os.listdir("/proc/self/fd")) == before
