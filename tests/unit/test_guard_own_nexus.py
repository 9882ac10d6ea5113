"""The guard over disks where the listed key is that of a former session of its node: said, and nothing else."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr.errors import Conflict, Notice, PathFailure
from fence_pr.guard.attached import Attached
from fence_pr.storage.device import SCSI, Device
from fence_pr.storage.snapshot import Snapshot
from tests.unit.fake_ioctl import Unwatched
from tests.unit.guarded import OTHER, OWN, A, Storage, World, noted, two_disks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORDS = "is registered, but not for this node as it is connected now"


@pytest.fixture
def storage() -> Iterator[Storage]:
    """Two disks with one path each, on which this node is registered."""
    yield from two_disks()


def rounds(world: World, count: int = 3) -> bool:
    """Turns of the loop, all paths asked in each; whether the guard goes on."""
    for _ in range(count):
        world.passed += 1
        if not world.round():
            return False
    return True


@pytest.mark.promise(3, 4)
def test_a_key_of_a_former_session_is_said_once_and_resets_nobody(storage: Storage, tmp_path: Path) -> None:
    world = World(noted(tmp_path), storage)
    assert rounds(world)
    storage.stale[A] = True
    assert rounds(world)
    (said,) = [text for text in world.said if WORDS in text]
    assert A in said
    assert "run 'on' here" in said
    assert world.done == []
    storage.stale[A] = False
    assert rounds(world)
    assert [text for text in world.said if "naa.a" in text][-1].endswith("this node is registered (key 0x2a)")
    assert world.done == []


@pytest.mark.parametrize("how", ["fails", "hangs"])
def test_a_disk_that_does_not_tell_is_no_disk_that_is_unreadable(storage: Storage, tmp_path: Path, how: str) -> None:
    release = threading.Event()
    storage.stale[A] = PathFailure("/dev/sda", "full status", 0) if how == "fails" else release
    world = World(noted(tmp_path), storage, "--unreadable=reboot", "--unreadable-after=1", "--interval=0.1")
    for _ in range(3):
        assert world.round(hanging=int(how == "hangs"))
        world.passed += 2
    release.set()
    assert world.done == []
    assert not [text for text in world.said if WORDS in text]


def test_a_fenced_node_is_reset_whatever_session_its_key_was_of(storage: Storage, tmp_path: Path) -> None:
    world = World(noted(tmp_path), storage)
    storage.stale[A] = True
    assert rounds(world)
    storage.set(A, (OTHER,))
    assert rounds(world, 1)
    assert len(world.done) == 1


class Told:
    """In place of disk.Disk: lists `keys` in turn, tells `told`, and answers REGISTER with `conflict`."""

    def __init__(self, told: bool | None, keys: list[tuple[int, ...]], *, conflict: bool, kind: int = 3) -> None:
        self._told, self._keys, self._conflict, self._kind = told, keys, conflict, kind
        self.sent: list[str] = []

    def snapshot(self) -> Snapshot:
        return Snapshot(1, self._keys.pop(0), self._kind, OTHER)

    def tells_registered(self, key: int) -> bool | None:
        assert key == OWN
        return self._told

    def ask_registered(self, key: int) -> None:
        self.sent.append(f"register {key:#x}")
        if self._conflict:
            raise Conflict("/dev/sda", "register", 0x18)

    def close(self) -> None:
        self.sent.append("close")


def trouble_of(disk: Any) -> Notice | None:
    """What the guard makes of it."""

    class Disks(Attached):
        def open(self, way: Device, watch: object) -> Any:
            assert way.identity == A
            assert watch
            return disk

    return Disks().trouble(Device("d", "/dev/sda", A, SCSI), Unwatched(), OWN)


@pytest.mark.promise(2)
@pytest.mark.parametrize(
    ("told", "conflict", "then", "stale", "sent"),
    [
        (True, True, (OWN,), False, ["close"]),
        (None, True, (OWN,), False, ["close"]),
        (False, True, (OWN,), True, ["register 0x2a", "close"]),
        (False, True, (OTHER,), False, ["register 0x2a", "close"]),  # fenced meanwhile
        (False, False, (OWN,), False, ["register 0x2a", "close"]),
    ],
)
def test_only_what_the_target_tells_and_refuses_is_a_key_of_a_former_session(
    told: bool | None, conflict: bool, then: tuple[int, ...], stale: bool, sent: list[str]
) -> None:
    disk: Any = Told(told, [(OWN, OTHER), then], conflict=conflict)

    trouble = trouble_of(disk)
    assert (trouble.code if trouble else "") == ("own-key-stale" if stale else "")
    assert disk.sent == sent


def test_a_key_that_is_not_listed_is_nobodys_session() -> None:
    disk: Any = Told(False, [(OTHER,)], conflict=True)

    assert not trouble_of(disk)
    assert disk.sent == ["close"]


def test_a_reservation_that_is_gone_is_trouble() -> None:
    """With it nobody is kept out, and this node's key may stand there still."""
    disk: Any = Told(True, [(OWN,)], conflict=False, kind=0)
    trouble = trouble_of(disk)
    assert trouble
    assert trouble.code == "nothing-reserved"
    assert disk.sent == ["close"]
