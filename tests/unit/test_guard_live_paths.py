"""Which paths of a disk the guard looks for, reads and takes for alive; and what it waits for."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from fence_pr import log
from fence_pr.errors import Conflict, PathFailure
from tests.unit.guarded import OTHER, OWN, A, Storage, World, noted, two_disks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONE, TWO = "/dev/sda", "/dev/sdc"
DEAD = PathFailure(TWO, "read keys", 1)
MISSING = "paths answer, but this node is registered"


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


def world_of(folder: str, storage: Storage, *options: str) -> World:
    """A guard that has read all paths once, and will not by itself again."""
    world = World(folder, storage, "--path-interval=3600", *options)
    world.round()
    return world


def look(world: World, *, hanging: int = 0) -> None:
    """A turn in which all paths are asked."""
    world.guard._everybody_at = 0.0
    world.round(hanging=hanging)


def located(storage: Storage, world: World, *, everybody: bool) -> bool:
    """Whether the next turn looks for new paths of A."""
    storage.paths[A] = [ONE, TWO, "/dev/sdd"]
    world.disks()[A].ask(everybody=everybody)
    world._wait(sum(isinstance(it, threading.Event) for it in storage.failing.values()))
    return "/dev/sdd" in world.disks()[A].paths


@pytest.mark.parametrize(
    ("one", "two", "everybody", "looks"),
    [
        (None, None, True, True),
        (None, None, False, False),
        (None, DEAD, False, False),
        (DEAD, None, False, False),
        (DEAD, DEAD, False, True),  # which answered before
    ],
)
def test_new_paths_are_looked_for_when_all_are_asked_or_none_works(
    storage: Storage, folder: str, one: PathFailure | None, two: PathFailure | None, everybody: bool, looks: bool
) -> None:
    world = world_of(folder, storage)
    storage.failing = {node: fault for node, fault in ((ONE, one), (TWO, two)) if fault}
    look(world)
    assert located(storage, world, everybody=everybody) == looks


def test_new_paths_are_looked_for_while_none_has_ever_answered(storage: Storage, folder: str) -> None:
    storage.failing = {node: threading.Event() for node in (ONE, TWO)}
    world = World(folder, storage, "--path-interval=3600")
    world.round(hanging=2)
    assert located(storage, world, everybody=False)


@pytest.mark.parametrize("fault", [threading.Event, lambda: DEAD])
def test_a_path_that_has_not_answered_since_all_were_asked_is_not_missed(
    storage: Storage, folder: str, fault: type[threading.Event]
) -> None:
    world = world_of(folder, storage)
    storage.set(A, (OWN, OTHER))
    storage.failing[TWO] = fault()
    look(world, hanging=int(fault is threading.Event))
    assert not any(MISSING in text for text in world.said)


def test_a_path_that_answered_at_that_very_moment_and_has_not_failed_since_is_alive(
    storage: Storage, folder: str
) -> None:
    world = world_of(folder, storage)
    disk = world.disks()[A]
    paths = list(disk.paths.values())
    for path in paths:
        path.answered_at, path.registrations = disk._asked_all_at, 1
    paths[1].failure = DEAD.notice()
    disk.judge_paths()
    assert not any(MISSING in text for text in world.said)
    paths[1].failure = None
    disk.judge_paths()
    assert any(f"2 {MISSING} 1 times" in text for text in world.said)


def test_between_the_two_readings_time_passes(storage: Storage, folder: str) -> None:
    storage.add(A, ONE)
    world = world_of(folder, storage, "--confirm-after=0.2")
    storage.set(A, (OTHER,))
    read_at: list[float] = []
    storage.after_keys = lambda: read_at.append(time.monotonic())
    world.disks()[A].ask(everybody=False)
    world._wait(0)
    _, first, second = read_at
    assert 0.15 <= second - first < 2, "the time counts from the moment when the first was begun"
    assert storage.opened == 2, "each reading has opened the disk and closed it"


def test_the_guard_ends_only_between_two_registers(storage: Storage, folder: str) -> None:
    """What was registered too late must be taken back first; so whoever ends it takes the lock."""
    world = World(folder, storage, "--returned-paths=register", "--path-interval=3600")
    with world.guard._around.registering:
        look(world, hanging=1)
        time.sleep(0.1)  # time in which it would have been sent
        assert storage.registers == []
    world._wait(0)
    assert storage.registers == [(ONE, OWN, OWN), (TWO, OWN, OWN)]


CONFLICT = Conflict(TWO, "register", 0x18)


@pytest.mark.parametrize(
    ("answers", "code", "level"),
    [
        ({TWO: [CONFLICT, CONFLICT]}, "path-refused", log.WARNING),
        ({TWO: [DEAD] * 4}, "path-untold", log.WARNING),
        ({TWO: [CONFLICT]}, "path-registered", log.WARNING),
        ({TWO: [CONFLICT], ONE: [None, None, CONFLICT]}, "path-withdrawn", log.FAILURE),
        ({TWO: [CONFLICT], ONE: [CONFLICT]}, "registered-on-no-path", log.FAILURE),
    ],
)
def test_what_came_of_returned_paths_is_said(
    storage: Storage, folder: str, answers: dict[str, list[PathFailure | Conflict | None]], code: str, level: int
) -> None:
    storage.answers = {node: list(given) for node, given in answers.items()}
    world = World(folder, storage, "--returned-paths=register")
    world.round()
    assert {it: said for it, said in world.levels.items() if it != "watch-begun"} == {code: level}
