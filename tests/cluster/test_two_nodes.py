"""Two nodes: they join, one is lost, both lose sight of each other, one starts alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster import steps
from tests.cluster.setup import RAW
from tests.lab.fabric import RING

if TYPE_CHECKING:
    from tests.cluster.cluster import PacemakerCluster


@pytest.mark.slow
def test_a_node_is_registered_on_every_disk_before_any_resource_starts_on_it(two: PacemakerCluster) -> None:
    for name in two.setup.nodes:
        steps.assert_registered_before_anything_started(two, name)
    steps.assert_unharmed(two, *two.setup.nodes)


@pytest.mark.slow
@pytest.mark.promise(1)
def test_a_node_that_loses_its_power_is_shut_out_the_other_goes_on_and_it_comes_back(two: PacemakerCluster) -> None:
    lost = steps.place_of_data(two)
    survivor = steps.other(two, lost)
    acknowledged = {disk: steps.acknowledged(two.writes(lost, disk)) for disk in RAW}
    in_diary = two.diary_writes(lost).acknowledged
    two.crash(lost)
    steps.wait_for_take_over(two, survivor, lost)
    steps.assert_landed(two, lost, acknowledged)
    assert not two.complaints(survivor)
    steps.assert_unharmed(two, survivor)
    steps.assert_diary_is_whole(two, survivor, in_diary)
    steps.comes_back(two, lost)


@pytest.mark.slow
@pytest.mark.promise(1, 3)
def test_of_two_nodes_that_lose_sight_of_each_other_exactly_one_survives_and_the_other_comes_back(
    two: PacemakerCluster,
) -> None:
    two.cut("n1", RING)
    survivor = two.until(lambda: _survivor(two), "one node is registered on all disks, the other on none")
    loser = steps.other(two, survivor)
    steps.wait_for_take_over(two, survivor, loser)
    landed = {disk: two.landed(disk, loser) for disk in RAW}
    steps.wait_until_refused(two, loser)
    two.until(lambda: two.complaints(loser), f"{loser} has tried to fence, too")
    assert not two.view(loser).fenced(survivor)
    assert _survivor(two) == survivor
    steps.assert_nothing_landed_since(two, loser, landed)
    steps.assert_unharmed(two, survivor)
    steps.assert_diary_is_whole(two, survivor, two.diary_writes(loser).acknowledged)
    two.crash(loser)
    two.heal(survivor, RING)  # it may be the one that was cut off: the other would start alone, and fence it
    steps.comes_back(two, loser)


def _survivor(cluster: PacemakerCluster) -> str:
    """The node that alone is registered on every disk, "" if there is none (yet)."""
    (first, *rest) = {cluster.registered(disk) for disk in cluster.setup.disks}
    return next(iter(first)) if len(first) == 1 and not rest else ""


@pytest.mark.long
@pytest.mark.promise(1, 4)
def test_a_node_that_stands_still_and_goes_on_later_changes_nothing_on_any_disk(two: PacemakerCluster) -> None:
    lost = steps.place_of_data(two)
    survivor = steps.other(two, lost)
    before = {disk: steps.acknowledged(two.writes(lost, disk)) for disk in RAW}
    two.freeze(lost)
    steps.wait_for_take_over(two, survivor, lost)
    landed = {disk: two.landed(disk, lost) for disk in RAW}
    steps.assert_landed(two, lost, before)
    two.thaw(lost)
    steps.wait_until_refused(two, lost)
    acknowledged = two.diary_writes(lost).acknowledged
    two.crash(lost)
    steps.wait_for_take_over(two, survivor, lost)
    steps.assert_diary_is_whole(two, survivor, acknowledged)
    for disk, numbers in landed.items():
        assert two.landed(disk, lost) == numbers
    steps.comes_back(two, lost)
    steps.assert_file_system_is_clean(two)


@pytest.mark.long
@pytest.mark.promise(1)
@pytest.mark.parametrize("keys", ["with the keys of both", "with no keys"])
def test_a_node_that_starts_alone_fences_the_other_and_runs_everything(two: PacemakerCluster, keys: str) -> None:
    two.crash(*two.setup.nodes)
    two.power_on("n1")
    if keys == "with no keys":
        two.forget_reservations()
    two.start("n1")
    steps.wait_for_take_over(two, "n1", "n2")
    steps.comes_back(two, "n2")
