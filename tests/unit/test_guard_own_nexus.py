"""The guard over disks where the listed key is that of a former session of its node: said, and nothing else."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr.errors import Conflict, Notice, PathFailure, ReservationError
from fence_pr.guard.attached import Attached
from fence_pr.log import FAILURE
from fence_pr.storage.device import SCSI, Device
from fence_pr.storage.snapshot import Snapshot
from tests.unit.fake_ioctl import Unwatched
from tests.unit.guarded import OTHER, OWN, A, Storage, World, noted, two_disks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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


@pytest.mark.parametrize("unheeded", [False, True])
def test_a_fenced_node_is_reset_whatever_session_its_key_was_of(
    storage: Storage, tmp_path: Path, unheeded: bool
) -> None:
    world = World(noted(tmp_path), storage)
    if unheeded:
        storage.unheeded.add(A)
    else:
        storage.stale[A] = True
    assert rounds(world)
    storage.set(A, (OTHER,))
    assert rounds(world, 1)
    assert len(world.done) == 1


class OverPath:
    """In place of disk.Path. told: whether the target tells that it is registered."""

    def __init__(
        self,
        sent: list[str],
        heeded: ReservationError | None = None,
        registered: ReservationError | None = None,
        told: bool | None = True,
    ) -> None:
        self._sent, self._heeded, self._registered, self._told = sent, heeded, registered, told

    def tells_registered(self, key: int) -> bool | None:
        assert key == OWN
        return self._told

    def ask_heeded(self, own_key: int) -> None:
        self._sent.append(f"heeded {own_key:#x}")
        if self._heeded:
            raise self._heeded

    def change(self, old: int, key: int) -> None:
        self._sent.append(f"change {old:#x} {key:#x}")
        if self._registered:
            raise self._registered


class Told:
    """In place of disk.Disk: lists `keys` in turn, tells `told`, and answers REGISTER with `conflict`.

    over    of each path the arguments of `OverPath`
    holder  of the reservation, when it is read again
    """

    def __init__(
        self,
        told: bool | None,
        keys: list[tuple[int, ...]],
        *,
        conflict: bool = False,
        kind: int = 3,
        over: Sequence[tuple[Any, ...]] = ((),),
        holder: int = OTHER,
    ) -> None:
        self._told, self._keys, self._conflict, self._kind = told, keys, conflict, kind
        self._over, self._holders = over, [OTHER, holder]
        self.sent: list[str] = []

    def snapshot(self) -> Snapshot:
        return Snapshot(1, self._keys.pop(0), self._kind, self._holders.pop(0))

    def paths(self) -> Sequence[OverPath]:
        return [OverPath(self.sent, *answers) for answers in self._over]

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


HEEDED = "heeded 0x2a"


@pytest.mark.promise(2)
@pytest.mark.parametrize(
    ("told", "conflict", "then", "stale", "sent"),
    [
        (True, True, (OWN,), False, [HEEDED, "close"]),
        (None, True, (OWN,), False, [HEEDED, "close"]),
        (False, True, (OWN,), True, ["register 0x2a", "close"]),
        (False, True, (OTHER,), False, ["register 0x2a", "close"]),  # fenced meanwhile
        (False, False, (OWN,), False, ["register 0x2a", HEEDED, "close"]),
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


REFUSED, HANGS = Conflict("/dev/sda", "release", 0x18), PathFailure("/dev/sdb", "release", 0)
# What a path answers; the target tells of the first three that they are registered, of the others not.
FINE, UNHEEDED, UNTOLD = (), (REFUSED, REFUSED, True), (HANGS,)
ONLY_ASKED, NOT_NUMBERED, UNREGISTERED = (REFUSED, None, None), (REFUSED, None, False), (REFUSED, REFUSED, False)


@pytest.mark.promise(2, 4)
@pytest.mark.parametrize(
    ("over", "then", "holder", "unheeded"),
    [
        ([UNHEEDED], (OWN,), OTHER, True),
        ([FINE, UNHEEDED], (OWN,), OTHER, True),
        ([UNTOLD, UNHEEDED], (OWN,), OTHER, True),
        ([ONLY_ASKED], (OWN,), OTHER, True),
        ([NOT_NUMBERED], (OWN,), OTHER, True),
        ([FINE, UNREGISTERED], (OWN,), OTHER, False),  # said of the path otherwise
        ([UNHEEDED], (OTHER,), OTHER, False),  # fenced meanwhile
        ([UNHEEDED], (OWN,), OWN, False),  # it holds by now
    ],
)
def test_what_lio_lists_and_does_not_go_by_over_one_path_is_trouble(
    over: list[tuple[Any, ...]],
    then: tuple[int, ...],
    holder: int,
    unheeded: bool,
) -> None:
    disk: Any = Told(True, [(OWN, OTHER), then], over=over, holder=holder)
    trouble = trouble_of(disk)
    assert (trouble.code if trouble else "") == ("own-key-unheeded" if unheeded else "")
    assert not trouble or "the target refuses this node as if it were not" in str(trouble)
    assert disk.sent[-1] == "close"
    assert ("change 0x2a 0x2a" in disk.sent) == (over[-1] not in (FINE, UNHEEDED)), "each raises LIO's generation"
    assert set(disk.sent) <= {HEEDED, "change 0x2a 0x2a", "close"}


def test_a_path_that_does_not_tell_whether_it_is_heeded_leaves_it_open() -> None:
    disk: Any = Told(True, [(OWN, OTHER)], over=[FINE, UNTOLD])
    with pytest.raises(PathFailure):
        trouble_of(disk)
    assert disk.sent == [HEEDED, HEEDED, "close"]


@pytest.mark.promise(4)
def test_a_node_that_is_not_heeded_is_told_and_not_reset(storage: Storage, tmp_path: Path) -> None:
    world = World(noted(tmp_path), storage, "--unreadable=reboot", "--unprotected=reboot")
    storage.unheeded.add(A)
    assert rounds(world)
    (said,) = [text for text in world.said if "the target refuses this node as if it were not" in text]
    assert A in said
    assert world.levels["own-key-unheeded"] == FAILURE
    assert world.done == []
    storage.unheeded.discard(A)
    assert rounds(world)
    assert [text for text in world.said if "naa.a" in text][-1].endswith("this node is registered (key 0x2a)")
    assert world.done == []
