"""Who may still write to a disk, by what sysfs and /proc show, and whether a device can be claimed."""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import TYPE_CHECKING

import pytest

from fence_pr import parallel
from fence_pr.storage import in_use
from fence_pr.storage.device import MULTIPATH, SCSI, Device, Places

if TYPE_CHECKING:
    from pathlib import Path

MAP = Device("m", "/dev/dm-0", "naa.1", MULTIPATH, ("/dev/sda",), map_name="m")
DISK = Device("d", "/dev/sda", "naa.1", SCSI)
DRIVER = "/dev/null"


class Machine:
    """Folders in place of sysfs and /proc."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self.claimed = folder, set[str]()
        monkeypatch.setattr(in_use, "_may_claim", lambda node: os.path.basename(node) not in self.claimed)

    def _block(self, name: str) -> Path:
        found = self._folder / "sys/class/block" / name
        (found / "holders").mkdir(parents=True, exist_ok=True)
        return found

    def add(self, name: str, *, on: str = "", number: str = "8:0", inflight: str = "       0        0") -> None:
        """A device, on another one; a partition if it is called like one."""
        (self._block(name) / "dev").write_text(f"{number}\n")
        (self._block(name) / "inflight").write_text(f"{inflight}\n")
        if on and name.startswith(on):
            (self._block(on) / name).mkdir()
            (self._block(on) / name / "partition").write_text("1\n")
        elif on:
            (self._block(on) / "holders" / name).mkdir()

    def opened(self, link: str, flags: str) -> None:
        """A process that has something open."""
        process = self._folder / "proc/7"
        (process / "fd").mkdir(parents=True)
        (process / "fdinfo").mkdir()
        (process / "comm").write_text("dd\n")
        (process / "fd/3").symlink_to(link)
        (process / "fdinfo/3").write_text(f"pos:\t0\nflags:\t{flags}\nmnt_id:\t5\n")

    def taken(self, by: str, name: str) -> None:
        """The kernel itself has something open, and says in this file of its what."""
        file = self._folder / "sys" / by
        file.parent.mkdir(parents=True)
        file.write_text(f"{name}\n")

    @staticmethod
    def _status(name: str) -> os.stat_result:
        if name != "/dev/disk/by-id/wwn-x":
            raise FileNotFoundError
        return os.stat_result((stat.S_IFBLK | 0o600, *[0] * 9), {"st_rdev": os.makedev(8, 0)})

    def users(self, device: Device) -> list[str]:
        """What is found, in words."""
        places = Places(sysfs=str(self._folder / "sys"), dev="/dev", stat=self._status)
        return [it.what() for it in in_use.users(device, places, str(self._folder / "proc"))]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_a_disk_that_nobody_uses(machine: Machine) -> None:
    machine.add("sda")
    machine.add("sda1", on="sda")
    machine.add("dm-3", on="sda1", number="254:3")
    assert machine.users(DISK) == []
    assert machine.users(MAP) == []


@pytest.mark.parametrize(("claimed", "said"), [("sda", "sda"), ("sda1", "sda1"), ("dm-3", "dm-3")])
def test_what_is_mounted_anywhere_above_the_disk_is_found(machine: Machine, claimed: str, said: str) -> None:
    machine.add("sda")
    if claimed != "sda":
        machine.add("sda1", on="sda")
    if claimed == "dm-3":
        machine.add("dm-3", on="sda1", number="254:3")
    machine.claimed = {"sda", "sda1", claimed}  # what claims a partition claims its disk
    assert f"/dev/{said} is mounted, or part of something else" in machine.users(DISK)


def test_a_volume_that_nobody_uses_claims_what_it_lies_on_and_is_no_use(machine: Machine) -> None:
    machine.add("dm-0", number="254:0")
    machine.add("dm-3", on="dm-0", number="254:3")
    machine.claimed = {"dm-0"}
    assert machine.users(MAP) == []


def test_an_array_or_a_cache_on_the_disk_is_a_use(machine: Machine) -> None:
    machine.add("sda")
    machine.add("md0", on="sda", number="9:0")
    assert machine.users(DISK) == ["/dev/sda is mounted, or part of something else"]


@pytest.mark.parametrize(("inflight", "count"), [("       2        3", 3), ("       2        0", 0), ("", 0)])
def test_writes_under_way_are_found(machine: Machine, inflight: str, count: int) -> None:
    machine.add("dm-0", number="254:0", inflight=inflight)
    assert machine.users(MAP) == [f"{count} writes to /dev/dm-0 are under way"] * bool(count)


@pytest.mark.parametrize(("flags", "is_use"), [("0100000", False), ("0100002", True), ("0140001", True)])
def test_a_process_that_has_it_open_for_writing_is_found(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, flags: str, is_use: bool
) -> None:
    machine.add("sda", number="1:3")  # the number of /dev/null
    machine.opened(DRIVER, flags)
    monkeypatch.setattr("stat.S_ISBLK", lambda _: True)
    assert machine.users(DISK) == ["process 7 (dd) has it open for writing"] * is_use


@pytest.mark.parametrize("link", ["socket:[1]", "/tmp/a file", "/dev/no such device"])
def test_what_else_a_process_has_open_is_none(machine: Machine, link: str) -> None:
    machine.add("sda", number="1:3")
    machine.opened(link, "0100002")
    assert machine.users(DISK) == []


@pytest.mark.parametrize(("number", "free"), [(errno.EBUSY, False), (errno.ENOENT, True), (0, True)])
def test_a_device_is_claimed_if_the_kernel_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, free: bool
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    (tmp_path / "disk").touch()
    if number:
        monkeypatch.setattr(os, "open", refuse)
    assert in_use._may_claim(str(tmp_path / "disk")) == free


@pytest.mark.parametrize(
    ("by", "user"),
    [
        ("class/block/loop3/loop/backing_file", "loop3"),
        ("kernel/config/nvmet/subsystems/nqn.x/namespaces/1/device_path", "nvmet nqn.x"),
    ],
)
def test_what_the_kernel_itself_writes_to_without_a_claim_is_found(machine: Machine, by: str, user: str) -> None:
    """A loop device, or an NVMe target that gives the disk on: no process has it open, and nobody claims it."""
    machine.add("sda")
    machine.taken(by, "/dev/disk/by-id/wwn-x")
    assert machine.users(DISK) == [f"{user} lies on it, or gives it on"]
    machine.add("sdb", number="8:16")
    assert machine.users(Device("/dev/sdb", "/dev/sdb", "naa.6")) == []


def test_two_disks_below_one_volume_that_are_looked_at_at_once_do_not_take_each_other_for_a_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With 8 threads on a real block device the kernel refused at least one of them 86 times out of 200."""
    held: list[str] = []

    def claim(node: str, flags: int) -> int:
        assert flags & os.O_EXCL
        if held:
            raise OSError(errno.EBUSY, "held", node)
        held.append(node)
        time.sleep(0.02)
        return 0

    monkeypatch.setattr(os, "open", claim)
    monkeypatch.setattr(os, "close", lambda _: held.clear())
    assert parallel.on_each(in_use._may_claim, ["/dev/dm-3"] * 4) == [True] * 4
