"""As many disks as a call may name: how long it takes, how many threads and files."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr import options
from fence_pr.actions import perform
from fence_pr.options import _MOST_DEVICES as MOST
from fence_pr.parallel import Patience, Unanswered, on_each
from fence_pr.storage import pr_ioctl
from fence_pr.storage.device import MULTIPATH, Device
from fence_pr.storage.multipath_disk import MultipathDisk
from tests.model.world import World
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import Answer, Unwatched
from tests.unit.page_83 import of_naa

if TYPE_CHECKING:
    from pathlib import Path

MAPS, PATHS = 256, 4
SECONDS = 60.0  # for what takes 2 s on a machine with nothing else to do


@pytest.mark.promise(6)
def test_a_node_is_fenced_on_as_many_disks_as_a_call_may_name(tmp_path: Path) -> None:
    world = World(tmp_path, MOST, names=("n1", "n2"))
    world.register("n1", "n2")
    started, before = time.monotonic(), threading.active_count()
    assert world.run("n1", "off", "n2", threads=True).verdict == "Powered OFF"
    assert time.monotonic() - started < SECONDS
    assert all(target.keys == {"n1": world.keys["n1"]} for target in world.targets)
    assert threading.active_count() == before


@pytest.mark.promise(6)
def test_maps_with_many_paths_take_threads_and_files_by_the_number_of_their_paths(tmp_path: Path) -> None:
    for name in ("path", "map"):
        (tmp_path / name).touch()
    names = [f"naa.6001405{number:025x}" for number in range(MAPS)]
    most_threads, files = 0, len(os.listdir("/proc/self/fd"))

    def reading(number: int) -> MultipathDisk:
        nonlocal most_threads
        nodes = tuple(str(tmp_path / "path") for _ in range(PATHS))
        found = Device(f"/dev/mapper/{number}", str(tmp_path / "map"), "", MULTIPATH, nodes)
        disk = MultipathDisk(found, Unwatched(), None)
        assert disk.snapshot().keys == (0xA, 0xB)
        most_threads = max(most_threads, len(os.listdir("/proc/self/task")))
        return disk

    started = time.monotonic()
    with fake_ioctl.disk(tell, scsi=lambda _command, _room: Answer(of_naa(names[0]))):
        disks = on_each(reading, list(range(MAPS)))
    assert time.monotonic() - started < SECONDS
    assert most_threads <= 2 * MAPS * (PATHS + 1), "of which some are just ending"
    assert len(os.listdir("/proc/self/fd")) - files <= MAPS * PATHS
    for disk in disks:
        assert isinstance(disk, MultipathDisk)
        assert disk.live_paths() == PATHS
        disk.close()


def tell(request: int, buffer: bytearray) -> int:
    """Two nodes are registered, and one of them holds."""
    if request == pr_ioctl.REQUESTS.read_reservation:
        fake_ioctl.fill(buffer, fake_ioctl.ReadReservation(0xA, 1, 3))
        return 0
    asked = fake_ioctl.ReadKeys.from_buffer(buffer)
    fake_ioctl.write_keys(asked.keys_ptr, [0xA, 0xB])
    asked.generation, asked.num_keys = 1, 2
    return 0


@pytest.mark.promise(6)
def test_many_disks_that_all_hang_are_given_up_together() -> None:
    release, now = threading.Event(), time.monotonic()
    results: list[Any] = on_each(lambda _: release.wait(SECONDS), list(range(MOST)), Patience(now + 1))
    took = time.monotonic() - now
    release.set()
    assert all(isinstance(it, Unanswered) for it in results)
    assert took < 20


@pytest.mark.promise(6)
@pytest.mark.parametrize(
    ("disks", "descriptors", "raised"), [(1, 1024, False), (16, 1024, False), (17, 1024, True), (1, 1023, True)]
)
def test_descriptors_are_raised_before_anything_is_found_to_lack_one(
    monkeypatch: pytest.MonkeyPatch, disks: int, descriptors: int, raised: bool
) -> None:
    """A module, a state file or sysfs, too, may be what none is left for."""
    asked = []
    monkeypatch.setattr("fence_pr.files.more_descriptors", lambda: asked.append(1))
    monkeypatch.setattr(os, "sysconf", {"SC_OPEN_MAX": descriptors}.__getitem__)
    devices = ",".join(f"/dev/none{number}" for number in range(disks))
    unheard: Any = Unwatched()
    report = perform.carry_out(options.from_stdin(f"action=status\nplug=0x1\ndevices={devices}".encode()), unheard)
    assert not report.ok
    assert bool(asked) == raised
