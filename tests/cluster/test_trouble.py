"""Fencing where something else has failed as well: the fence resource, a disk, all that a node is connected to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.cluster import cib, steps
from tests.cluster.cluster import DATA, DUMMY, WRITER
from tests.cluster.state import Failure
from tests.lab.fabric import LINKS

if TYPE_CHECKING:
    from tests.cluster.cluster import PacemakerCluster

pytestmark = pytest.mark.long

AFTER_RETURN_SECONDS = 30.0
UNTOUCHED = "nothing was changed on any disk"


@pytest.mark.promise(1)
def test_a_node_is_fenced_although_the_fence_resource_started_nowhere(two: PacemakerCluster) -> None:
    everybody = frozenset(two.setup.nodes)
    _fence_parameter(two, "--set-parameter", "pcmk_monitor_action", "--parameter-value", "nonsense")
    two.until(lambda: _failed_to_start(two) == everybody, "the fence resource has failed to start everywhere")
    for name in everybody:
        assert any("Unrecognised action 'nonsense'" in line for line in two.said(name))
    two.until(
        lambda: two.view().active[WRITER] == two.view().active[DUMMY] == everybody and two.view().active[DATA],
        "all other resources run",
    )
    lost = steps.place_of_data(two)
    survivor = steps.other(two, lost)
    assert not two.view().active[cib.FENCING]
    two.crash(lost)
    steps.wait_for_take_over(two, survivor, lost)
    assert not two.view().active[cib.FENCING]
    steps.assert_diary_is_whole(two, survivor)
    _fence_parameter(two, "--delete-parameter", "pcmk_monitor_action")
    two[survivor].run(["crm_resource", "--cleanup"], check=True)
    steps.comes_back(two, lost)


@pytest.mark.promise(1, 5, 6)
def test_a_disk_that_hangs_is_named_in_time_and_the_node_is_fenced_once_it_goes_on(two: PacemakerCluster) -> None:
    hanging, lost = "a", steps.place_of_data(two)
    survivor = steps.other(two, lost)
    two.hang(survivor, hanging)
    two.crash(lost)
    two.until(lambda: two.complaints(survivor), "the agent gives up")
    two.until(lambda: _failed(two, survivor, lost), "Pacemaker has the failure")
    # The agent answered by itself: no time-out of Pacemaker ended it.
    assert not [line for line in two.said(survivor) if line.startswith("pacemaker-fenced") and "imed out" in line]
    of_disks = [line for line in two.complaints(survivor) if UNTOUCHED not in line]
    assert of_disks
    assert all(two.path(hanging) in line for line in of_disks)
    assert not two.view(survivor).fenced(lost)
    assert two.view(survivor).active[DATA] <= {lost}
    # It may hang for this node only: another one must find everything as it was.
    assert all(two.registered(disk) == {survivor, lost} for disk in two.setup.disks if disk != hanging)
    two.resume(survivor, hanging)
    steps.wait_for_take_over(two, survivor, lost)
    steps.assert_diary_is_whole(two, survivor)
    steps.comes_back(two, lost)


@pytest.mark.promise(1, 3, 5)
def test_a_node_cut_off_from_everything_fences_nobody_and_the_other_goes_on(two: PacemakerCluster) -> None:
    lost = steps.place_of_data(two)
    survivor = steps.other(two, lost)
    two.cut(lost, *LINKS)
    steps.wait_for_take_over(two, survivor, lost)
    two.until(lambda: _names_every_disk(two, lost), f"{lost} has tried to fence, too, and names every disk")
    two.until(lambda: _failed(two, lost, survivor), "its Pacemaker has the failure")
    assert not two.view(lost).fenced(survivor)
    assert all(two.registered(disk) == {survivor} for disk in two.setup.disks)
    steps.assert_unharmed(two, survivor)
    steps.assert_diary_is_whole(two, survivor, two.diary_writes(lost).acknowledged)
    steps.comes_back(two, lost)
    steps.assert_file_system_is_clean(two)


@pytest.mark.promise(1, 6)
@pytest.mark.parametrize("seconds", [10, 22, 40])
def test_a_node_dies_while_the_nvme_target_is_gone(two: PacemakerCluster, seconds: int) -> None:
    lost = steps.place_of_data(two)
    survivor = steps.other(two, lost)
    with two.nvme_target_gone():
        two.crash(lost)
        time.sleep(seconds)
        assert not two.view(survivor).fenced(lost)
    back = time.monotonic()
    two.until(lambda: two.view(survivor).fenced(lost), f"{lost} has been fenced", AFTER_RETURN_SECONDS)
    print(f"target gone for {seconds} s: fenced {time.monotonic() - back:.1f} s after it was back")
    steps.wait_for_take_over(two, survivor, lost)
    steps.assert_diary_is_whole(two, survivor)
    steps.comes_back(two, lost)


def _fence_parameter(cluster: PacemakerCluster, *what: str) -> None:
    cluster.any_host().run(["crm_resource", "--resource", cib.FENCING, *what], check=True)


def _failed_to_start(cluster: PacemakerCluster) -> frozenset[str]:
    failures = cluster.view().failures
    return frozenset(each.node for each in failures if each == Failure(each.resource, "start", each.node))


def _failed(cluster: PacemakerCluster, survivor: str, lost: str) -> bool:
    """Whether Pacemaker counts an attempt to fence as failed."""
    fencing = cluster.view(survivor).fencing
    return any(event.target == lost and not event.succeeded and not event.running for event in fencing)


def _names_every_disk(cluster: PacemakerCluster, name: str) -> bool:
    complaints = cluster.complaints(name)
    return all(any(device in line for line in complaints) for device in cluster.devices())
