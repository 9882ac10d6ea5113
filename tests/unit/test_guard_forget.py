"""A disk that leaves the cluster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fence_pr import state_file
from fence_pr.errors import DeviceRefused
from fence_pr.guard import forget
from fence_pr.storage.device import SCSI, Device
from tests.unit.guarded import OTHER, A, B, Storage, World, noted, two_disks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fence_pr.errors import Notice

LINK = "/dev/disk/by-id/wwn-a"


@pytest.fixture
def storage() -> Iterator[Storage]:
    """Two disks with one path each, on which this node is registered."""
    yield from two_disks()


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """What this node has noted: both disks."""
    return noted(tmp_path)


@pytest.fixture(autouse=True)
def attached(monkeypatch: pytest.MonkeyPatch) -> None:
    """A is attached, under a name; B is gone."""

    def resolve(name: str) -> Device:
        if name != LINK:
            raise DeviceRefused("wwid-unknown", name)
        return Device(name, "/dev/sda", A, SCSI)

    monkeypatch.setattr("fence_pr.guard.forget.device.resolve", resolve)


def forgets(name: str, folder: str) -> tuple[int, str]:
    said: list[Notice] = []
    code = forget.forget(name, lambda _level, notice: said.append(notice), folder)
    (notice,) = said
    return code, notice.code


@pytest.mark.parametrize(("name", "identity"), [(LINK, A), (A, A), (B, B)])
def test_a_disk_that_has_left_resets_nobody(storage: Storage, folder: str, name: str, identity: str) -> None:
    """Another cluster takes it, and removes this one's keys; or it is gone by then."""
    world = World(folder, storage)
    world.round()
    assert forgets(name, folder) == (0, "forgotten")
    storage.set(identity, (OTHER,))
    for _ in range(2):
        world.round()
    assert world.done == []
    assert list(world.disks()) == [it for it in (A, B) if it != identity]


def test_a_disk_that_is_not_watched_is_not_forgotten(folder: str) -> None:
    assert forgets("naa.c", folder) == (1, "wwid-unknown")
    state_file.forget(A, folder)
    assert forgets(LINK, folder) == (1, "not-watched-anyway")
    assert state_file.identities(folder) == [B]


def test_a_state_file_that_cannot_be_removed_is_said(folder: str) -> None:
    os.unlink(f"{folder}/{A}")
    os.mkdir(f"{folder}/{A}")
    assert forgets(A, folder) == (1, "not-forgotten")
