"""A path that returned is registered only if it leads to its disk, by one command that is never repeated."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from fence_pr.errors import AnotherDisk, Conflict, FenceError, PathFailure
from fence_pr.guard.attached import Attached
from tests.unit.fake_ioctl import Unwatched
from tests.unit.test_register import Target

if TYPE_CHECKING:
    from pathlib import Path

K = 0xA
WWID = "naa.6001405aaaaaaaaaaaaaaaaaaaaaaaaa"


def register(target: Target, folder: Path, identity: str = WWID) -> None:
    """REGISTER K over sda, which leads to the disk WWID."""
    (folder / "sda").touch()
    before = set(os.listdir("/proc/self/fd"))
    try:
        with patch.object(fcntl, "ioctl", target.ioctl):
            Attached().register(Unwatched(), identity, str(folder / "sda"), 0, K)
    finally:
        assert set(os.listdir("/proc/self/fd")) == before


def test_a_path_to_the_disk_is_registered(tmp_path: Path) -> None:
    target = Target()
    register(target, tmp_path)
    assert (target.sent, target.own) == ({"sda": [(0, K, 0)]}, {"sda": K})


def test_a_path_to_another_disk_is_sent_no_register(tmp_path: Path) -> None:
    target = Target()
    with pytest.raises(AnotherDisk):
        register(target, tmp_path, "naa.6001405bbbbbbbbbbbbbbbbbbbbbbbbb")
    assert target.sent == {}


def test_a_path_that_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(PathFailure) as gone:
        Attached().register(Unwatched(), WWID, str(tmp_path / "sdx"), 0, K)
    assert (gone.value.operation, gone.value.status) == ("open", -errno.ENOENT)


@pytest.mark.parametrize("answer", [0x18, 2])
def test_what_is_refused_is_sent_once(tmp_path: Path, answer: int) -> None:
    """2: perhaps a unit attention, which may say that this node was fenced just then."""
    target = Target({"sda": 0x77})
    target.conflict = answer
    with pytest.raises(Conflict if answer == 0x18 else FenceError):
        register(target, tmp_path)
    assert target.sent == {"sda": [(0, K, 0)]}
