"""This node's key is gone as one path tells: was it fenced? Other paths, and its own registration, may say no."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fence_pr import state_file
from fence_pr.errors import DeviceFailure, PathFailure
from fence_pr.keys import Registrant
from fence_pr.storage.snapshot import Snapshot
from tests.unit.guarded import OTHER, OWN, SECONDS, A, Storage, World, noted, two_disks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fence_pr.errors import FenceError

LVM, NEW = 0x1000000000000001, 0x77
ONE, TWO = "/dev/sda", "/dev/sdc"
FAILURE = DeviceFailure(ONE, "register", 2)
DEAD = PathFailure(TWO, "read keys", 1)
WITHOUT = Snapshot(1, (OTHER,), 3, 0)
CONTRADICTION = "two paths lead to two disks"


@pytest.fixture
def storage() -> Iterator[Storage]:
    """Two disks; A has two paths, each registered."""
    for it in two_disks():
        it.add(A, ONE, TWO, keys=(OWN, OWN, OTHER))
        yield it


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """What this node has noted: both disks."""
    return noted(tmp_path)


def look(world: World, *, hanging: int = 0) -> None:
    """A turn in which all paths are asked."""
    world.guard._everybody_at = 0.0
    assert world.round(hanging=hanging)


def healthy(folder: str, storage: Storage, *options: str) -> World:
    """A guard that has found all well."""
    world = World(folder, storage, *options)
    look(world)
    assert world.done == []
    world.said.clear()
    return world


def said(world: World, words: str) -> int:
    """How many messages have these words."""
    return sum(words in text for text in world.said)


@pytest.mark.parametrize("nodes", [(ONE,), (TWO,), (ONE, TWO)])
@pytest.mark.parametrize(("key", "words"), [(LVM, "0x1000000000000001 (LVM's form), and its own 0x2a"), (NEW, "0x77,")])
def test_a_node_that_is_registered_with_another_key_was_not_fenced(
    storage: Storage, folder: str, nodes: tuple[str, ...], key: int, words: str
) -> None:
    world = healthy(folder, storage, "--unprotected=reboot", "--unreadable=reboot")
    storage.set(A, (key, OTHER))
    storage.nexus = dict.fromkeys(nodes, (key,))
    for _ in range(3):
        look(world)
    assert world.done == []
    assert said(world, f"this node is registered with another key, {words}") == 1
    assert len(world.said) == 1


def test_a_node_that_is_fenced_with_that_other_key_is_reset(storage: Storage, folder: str) -> None:
    world = healthy(folder, storage)
    storage.set(A, (NEW, OTHER))
    storage.nexus = {ONE: (NEW,)}
    look(world)
    storage.set(A, (OTHER,))
    storage.nexus = {}
    look(world)
    assert [A in done for done in set(world.done)] == [True]


def test_the_target_is_asked_again_only_when_something_has_changed(storage: Storage, folder: str) -> None:
    """Each question raises its generation, and may cost it a write."""
    world = healthy(folder, storage)
    storage.set(A, (NEW, OTHER))
    storage.nexus = {ONE: (NEW,), TWO: (NEW,)}
    for _ in range(4):
        look(world)
    assert sorted(storage.asked) == [ONE, TWO]
    storage.set(A, (LVM, OTHER))
    storage.nexus = {ONE: (LVM,), TWO: (LVM,)}
    look(world)
    assert sorted(storage.asked) == [ONE, ONE, TWO, TWO]
    assert said(world, "registered with another key, 0x1000000000000001 (LVM's form)") == 1
    storage.set(A, (LVM, OTHER), 5)
    look(world)
    assert len(storage.asked) == 6
    assert world.done == []


def test_a_key_that_has_come_back_by_then_is_no_fencing(storage: Storage, folder: str) -> None:
    world = healthy(folder, storage)
    storage.set(A, (OTHER,))
    storage.nexus = {ONE: (OWN,), TWO: (OWN,)}
    look(world)
    assert (world.done, world.said) == ([], [])


@pytest.mark.parametrize("told", [(), None, FAILURE])
def test_where_nobody_tells_of_another_key_the_readings_stand(
    storage: Storage, folder: str, told: tuple[int, ...] | FenceError | None
) -> None:
    world = healthy(folder, storage)
    storage.set(A, (OTHER,))
    storage.nexus = {ONE: told, TWO: told}
    look(world)
    assert [A in done for done in set(world.done)] == [True]


def test_a_path_that_hangs_when_it_is_asked_for_its_key_does_not_keep_a_fenced_node_alive(
    storage: Storage, folder: str
) -> None:
    storage.add(A, ONE)
    world = healthy(folder, storage)
    storage.set(A, (OTHER,))
    storage.nexus[ONE] = threading.Event()
    look(world, hanging=1)
    assert world.done == []
    world.passed += 0.49
    until = time.monotonic() + SECONDS
    while not world.done:
        assert time.monotonic() < until
        world.guard.judge(paths=False)
        time.sleep(0.001)
    assert "this node was fenced" in world.done[0]


def test_what_hung_is_forgotten_once_the_key_is_back(storage: Storage, folder: str) -> None:
    world = healthy(folder, storage, "--fenced=log")
    storage.set(A, (OTHER,))
    storage.nexus[ONE] = threading.Event()
    look(world, hanging=1)
    world.passed += 1
    world.guard.judge(paths=False)
    assert said(world, "this node was fenced") == 1
    storage.set(A, (OWN, OTHER))
    for _ in range(3):
        look(world, hanging=1)
    assert said(world, "this node is registered (key 0x2a)") == 1
    assert said(world, "this node was fenced") == 1


@pytest.mark.parametrize("bad", [ONE, TWO])
def test_paths_that_contradict_each_other_are_no_fencing(storage: Storage, folder: str, bad: str) -> None:
    """Two LUNs have one identity, or two heads of a storage do not share their registrations."""
    world = healthy(folder, storage, "--unreadable=stop", "--unprotected=reboot")
    for view in (WITHOUT, Snapshot(1, (), 0, 0)):
        storage.views = {bad: view}
        for _ in range(4):
            look(world)
        assert world.done == []
        assert said(world, CONTRADICTION) == 1
        other = ONE if bad == TWO else TWO
        told = f"{bad}: this node's key 0x2a is not listed, {other}: this node is registered (key 0x2a)"
        assert said(world, told) == 1
        storage.views = {}
        for _ in range(2):
            look(world)
        assert len(world.said) == 1, "it was said once, and has never been unreadable"
        assert all(path.failure is None for path in world.disks()[A].paths.values())
        world.said.clear()


def test_a_contradiction_that_lasts_makes_the_disk_unreadable(storage: Storage, folder: str) -> None:
    world = healthy(folder, storage, "--unreadable=stop", "--unreadable-after=0.5")
    storage.views = {TWO: WITHOUT}
    until = time.monotonic() + SECONDS
    while not world.done:
        assert time.monotonic() < until
        look(world)
    assert world.done == ["stop"]
    assert said(world, "no complete answer for") == 1
    assert not said(world, "fenced")


def test_a_contradiction_ends_when_one_of_the_two_is_silent(storage: Storage, folder: str) -> None:
    world = healthy(folder, storage)
    storage.views = {TWO: WITHOUT}
    for _ in range(3):
        look(world)
    storage.failing[TWO] = threading.Event()
    look(world, hanging=1)
    one = world.disks()[A].paths[ONE]
    assert one.failure
    world.passed += 2
    look(world, hanging=1)
    assert one.failure is None
    assert world.done == []


def test_a_contradiction_in_which_the_other_key_goes_as_well_is_a_fencing(storage: Storage, folder: str) -> None:
    world = healthy(folder, storage)
    storage.views = {TWO: WITHOUT}
    look(world)
    storage.set(A, (OTHER,))
    for _ in range(2):
        look(world)
    assert [A in done for done in set(world.done)] == [True]


def test_a_key_that_is_back_before_the_second_reading_contradicts_nothing(storage: Storage, folder: str) -> None:
    world = healthy(folder, storage)
    storage.views = {ONE: WITHOUT}
    readings = iter(range(100))

    def comes_back() -> None:
        if world.disks()[A].paths[TWO].heard_at and next(readings) > 2:
            storage.views = {}

    storage.after_keys = comes_back
    look(world)
    assert (world.done, world.said) == ([], [])


@pytest.mark.parametrize("kind", ["fails", "leads to another disk"])
def test_a_path_that_is_no_witness_does_not_keep_a_fenced_node_alive(storage: Storage, folder: str, kind: str) -> None:
    world = healthy(folder, storage)
    storage.set(A, (OTHER,))
    if kind == "fails":
        storage.failing[TWO] = DEAD
    else:
        storage.views, storage.elsewhere = {TWO: Snapshot(1, (OWN,), 3, 0)}, {TWO}
    look(world)
    assert [A in done for done in set(world.done)] == [True]
    assert not said(world, CONTRADICTION)


def test_a_witness_is_heard_however_slowly_the_disk_answers(storage: Storage, folder: str) -> None:
    """It is read in a thread of its own, also when the main thread has long begun to wait for the next turn."""
    world = World(folder, storage, "--interval=2", "--confirm-after=0.3", "--path-interval=3600")
    look(world)
    for path in world.disks()[A].paths.values():
        path.answered_at = float(path.device.node == ONE) + 1  # so ONE is read, and TWO only as its witness
    storage.views = {ONE: WITHOUT}
    storage.after_keys = lambda: time.sleep(0.12)
    assert world.guard.turn()
    assert world.done == []
    assert said(world, CONTRADICTION) == 1


@pytest.mark.parametrize("what", ["readings", "registration"])
def test_a_fenced_node_is_reset_in_time_though_a_path_hangs(storage: Storage, folder: str, what: str) -> None:
    """With the default times. The one that hangs may be the one that was to be read in this turn."""
    world = World(folder, storage, "--interval=1", "--confirm-after=0.3", "--path-interval=3600")
    look(world)
    storage.set(A, (OTHER,))
    (storage.failing if what == "readings" else storage.nexus)[TWO] = threading.Event()
    begun = time.monotonic()
    while not world.done:
        assert world.guard.turn()
        assert time.monotonic() < begun + SECONDS
    assert "this node was fenced" in world.done[0]
    assert 0.3 < world.done_at - begun < 2.0  # a turn more may have passed when it was fenced


ZERO = (0, OTHER)


@pytest.mark.parametrize(
    ("told", "reboots", "words"),
    [
        ((), True, "this node was fenced"),
        ((0,), False, "this node's key 0x2a is gone, and it is registered with key 0"),
        ((0, NEW), False, "registered with another key, 0x77, and its own"),
        (None, False, "a host is registered with key 0: it may be this one"),
        (FAILURE, False, "a host is registered with key 0: it may be this one"),
    ],
)
def test_beside_a_key_zero_it_counts_whose_that_is(
    storage: Storage, folder: str, told: tuple[int, ...] | FenceError | None, reboots: bool, words: str
) -> None:
    storage.add(A, ONE)
    world = healthy(folder, storage)
    storage.set(A, ZERO)
    storage.nexus = {ONE: told}
    for _ in range(2):
        look(world)
    assert bool(world.done) == reboots
    assert [text for text in [*world.said, *world.done] if words in text]


def test_where_nothing_is_reserved_no_key_is_asked_for(storage: Storage, folder: str) -> None:
    world = healthy(folder, storage)
    storage.set(A, (0,), 0)
    look(world)
    assert (world.done, storage.asked) == ([], [])


def test_an_on_that_is_about_to_write_another_key_is_left_alone(storage: Storage, folder: str) -> None:
    world = healthy(folder, storage)
    disk = world.disks()[A]
    state_file.save(A, Registrant("n1", NEW), folder)
    storage.set(A, (NEW, OTHER))
    disk.ask(everybody=True)
    world._wait(0)
    assert (world.done, world.said, storage.asked) == ([], [], [])


def test_a_state_file_that_cannot_be_read_tells_nothing_of_a_fencing(storage: Storage, folder: str) -> None:
    """Whether 'on' is about to write another key stands in it, so without it nobody is reset."""
    world = healthy(folder, storage, "--unreadable=log")
    storage.set(A, (OTHER,))
    (file,) = [it for it in Path(folder).iterdir() if it.name.endswith(A)]
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    for _ in range(3):
        look(world)
    assert world.done == []
    assert {path.failure.code for path in world.disks()[A].paths.values() if path.failure} == {"state-file-unreadable"}
    file.write_bytes(whole)
    look(world)
    assert [A in done for done in set(world.done)] == [True]
