"""A target that carries a removal out and cannot write it down: said with the success, and by monitor."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from fence_pr.errors import Conflict, DeviceFailure, PathFailure, ReservationError
from fence_pr.storage import pr_ioctl
from fence_pr.storage.device import MULTIPATH, SCSI, Device
from fence_pr.storage.open import open_disk
from tests.model.world import World, problems, warnings
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import Answer, Unwatched
from tests.unit.page_83 import of_naa

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.model.target import Command

OWN = 0xA
LIO, OTHER = "naa.6001405aaaaaaaaaaaaaaaaaaaaaaaaa", "naa.600140aaaaaaaaaaaaaaaaaaaaaaaaaa"
SAID = "but the target could not write that down"


def not_writing(failure: type[ReservationError] = DeviceFailure) -> Callable[[Command], None]:
    """A fault: what is asked by REGISTER after a removal is answered so."""

    def fault(command: Command) -> None:
        if command.name == "written":
            raise failure("/dev/sdx", "register", 2)

    return fault


def pair(folder: Path) -> World:
    """Two disks, on which n1 and n2 are registered by 'on'."""
    world = World(folder, 2)
    for name in ("n1", "n2"):
        assert world.run(name, "on", name).ok
    world.sent.clear()
    return world


@pytest.mark.promise(1, 5)
def test_off_succeeds_and_says_what_a_restart_would_undo(tmp_path: Path) -> None:
    world = pair(tmp_path)
    world.faults[1] = not_writing()
    report = world.run("n1", "off", "n2")
    assert (report.ok, report.verdict) == (True, "Powered OFF")
    (said,) = [it for it in warnings(report) if SAID in it]
    assert said.startswith(f"{world.devices[1].name}: n2 (key 0x{world.keys['n2']:x}) is fenced, but")
    assert "after its restart the key is back, and the node can write" in said


def test_monitor_fails_until_the_target_has_written(tmp_path: Path) -> None:
    world = pair(tmp_path)
    world.faults[1] = not_writing()
    assert world.run("n1", "off", "n2").ok
    for _ in range(2):
        report = world.run("n1", "monitor")
        assert f"{world.devices[1].name}: the target cannot write its registrations down" in problems(report)
    assert world.run("n2", "on", "n2").ok
    world.faults.clear()
    assert world.run("n1", "monitor").ok
    world.sent.clear()
    assert world.run("n1", "monitor").ok
    assert "written" not in [command.name for _, command in world.sent]


@pytest.mark.parametrize("failure", [PathFailure, Conflict])
def test_what_tells_nothing_is_passed_over(tmp_path: Path, failure: type[ReservationError]) -> None:
    world = pair(tmp_path)
    world.faults[0] = not_writing(failure)
    report = world.run("n1", "off", "n2")
    assert report.ok
    assert not [it for it in warnings(report) if SAID in it]
    assert world.run("n1", "monitor").ok


def test_who_removes_nothing_does_not_ask(tmp_path: Path) -> None:
    world = pair(tmp_path)
    world.targets[0].register("n2", 0)
    assert world.run("n1", "off", "n2").ok
    assert [number for number, command in world.sent if command.name == "written"] == [1]


def test_a_note_that_cannot_be_written_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = pair(tmp_path)
    world.faults[0] = not_writing()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fence_pr.state_file.mark", full)
    assert world.run("n1", "off", "n2").ok
    assert world.run("n1", "monitor").ok


@pytest.mark.parametrize("paths", [(), ("sdb", "sdc")])
@pytest.mark.parametrize(
    ("identity", "answer", "code", "sent"),
    [
        (LIO, 0, "", 1),
        (LIO, 2, "device-failure", 4),  # it may be a unit attention
        (LIO, -22, "invalid-request", 1),
        (OTHER, 2, "", 0),
    ],
)
def test_only_lio_is_asked(
    tmp_path: Path,
    paths: tuple[str, ...],
    identity: str,
    answer: int,
    code: str,
    sent: int,
) -> None:
    registers: list[tuple[int, ...]] = []

    def ioctl(request: int, buffer: bytearray) -> int:
        assert request == pr_ioctl.REQUESTS.register
        registers.append(struct.unpack("=QQII", buffer))
        return answer

    for name in ("sda", *paths):
        (tmp_path / name).touch()
    nodes = tuple(str(tmp_path / it) for it in paths)
    device = Device("d", str(tmp_path / "sda"), "", MULTIPATH if paths else SCSI, nodes)
    with fake_ioctl.disk(ioctl, lambda command, _: Answer(of_naa(identity) if command[1] else bytes(36))):
        disk = open_disk(device, Unwatched())
        found = disk.unwritten(OWN)
        disk.close()
    assert (found.code if found else "") == code
    assert registers == [(OWN, OWN, 0, 0)] * sent
