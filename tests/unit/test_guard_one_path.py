"""What one path is asked, and what holds when the one that was to find out more is silent: to the very limit."""

from __future__ import annotations

from typing import Any

import pytest

from fence_pr.errors import Notice
from fence_pr.guard.examination import NEXUS_SECONDS, Examiner
from fence_pr.guard.path_reader import PathReader
from fence_pr.guard.threads import Threads
from fence_pr.guard.verdict import FENCED, Finding, Reading
from fence_pr.storage.device import SCSI, Device
from fence_pr.storage.snapshot import Snapshot

OWN, OTHER, SINCE = 0xA, 0xB, 100.0
GONE = Finding(FENCED, Notice("fenced", {}), Reading(OWN, Snapshot(1, (OTHER,), 3, 0)))


class Disk:
    """Lists these keys, and counts how often it is asked where it leads."""

    def __init__(self, *keys: int) -> None:
        self._keys, self.confirmed = keys, 0

    def keys(self) -> tuple[int, ...]:
        """As `storage.disk.Disk`."""
        return self._keys

    def confirm_identity(self) -> None:
        """As `storage.disk.Disk`."""
        self.confirmed += 1

    def close(self) -> None:
        """As `storage.disk.Disk`."""


@pytest.fixture
def threads() -> Threads:
    """None is begun."""
    return Threads()


def path(threads: Threads, name: str, disk: Disk | None = None) -> PathReader:
    """A path that leads there."""
    opened: Any = disk or Disk()
    return PathReader(threads, Device(name, name, "", SCSI), lambda _device, _watch: opened, lambda _path: None)


@pytest.mark.parametrize(
    ("keys", "confirm", "confirmed"),
    [((OWN, OTHER), True, 1), ((OWN, OTHER), False, 0), ((OTHER,), True, 0), ((OTHER,), False, 0)],
)
def test_only_a_path_that_lists_the_key_as_a_witness_is_asked_where_it_leads(
    threads: Threads, keys: tuple[int, ...], confirm: bool, confirmed: int
) -> None:
    """Each time else it would cost a healthy node a command more, and a fenced one is not a matter of where."""
    disk = Disk(*keys)
    assert path(threads, "/dev/sda", disk).count(OWN, SINCE, confirm=confirm) == keys.count(OWN)
    assert disk.confirmed == confirmed


@pytest.mark.parametrize(("seconds", "holds"), [(NEXUS_SECONDS, True), (NEXUS_SECONDS - 0.01, False)])
@pytest.mark.parametrize("first", [True, False])
def test_what_two_readings_say_holds_once_a_path_has_been_silent_for_long_enough(
    threads: Threads, seconds: float, holds: bool, first: bool
) -> None:
    """Whichever of the paths it is."""
    silent, other = path(threads, "/dev/sda"), path(threads, "/dev/sdb")
    silent.suspicion = GONE, SINCE
    paths = {"/dev/sda": silent, "/dev/sdb": other} if first else {"/dev/sdb": other, "/dev/sda": silent}
    examiner = Examiner(paths, threads, lambda: SINCE + seconds, lambda _path, _key: None, 0.1)
    found = examiner.overdue()
    assert (found is not None and found.verdict == FENCED) == holds


@pytest.mark.parametrize(
    ("registrations", "heard_at", "holds"), [(1, SINCE + 0.1, False), (1, SINCE, True), (0, SINCE + 0.1, True)]
)
def test_it_does_not_hold_if_another_path_has_listed_the_key_since(
    threads: Threads, registrations: int, heard_at: float, holds: bool
) -> None:
    silent, other = path(threads, "/dev/sda"), path(threads, "/dev/sdb")
    silent.suspicion = GONE, SINCE
    other.registrations, other.heard_at = registrations, heard_at
    examiner = Examiner(
        {"/dev/sda": silent, "/dev/sdb": other}, threads, lambda: SINCE + 9, lambda _path, _key: None, 0.1
    )
    assert (examiner.overdue() is not None) == holds
