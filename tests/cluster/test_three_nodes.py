"""Three nodes: one is lost, one loses sight of the others or its storage, two are lost one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster import cib, steps
from tests.cluster.cluster import DATA, DUMMY, WRITER
from tests.cluster.setup import RAW, Setup
from tests.lab.fabric import PATHS, RING
from tests.lab.inside.layout import NODES

if TYPE_CHECKING:
    from tests.cluster.cluster import PacemakerCluster
    from tests.cluster.conftest import Clusters
    from tests.cluster.root import Stack
    from tests.cluster.state import State

pytestmark = pytest.mark.long

AGENT_SECONDS = 60

# The last node of all has quorum, too, if it is the one with the lowest number and the others were lost one by one.
LAST_MAN_STANDING = {
    "last_man_standing": 1,
    "last_man_standing_window": 1000,
    "auto_tie_breaker": 1,
    "auto_tie_breaker_node": "lowest",
    # Corosync insists.
    "wait_for_all": 1,
}


@pytest.mark.promise(1)
def test_of_three_nodes_one_loses_its_power_and_the_other_two_go_on(three: PacemakerCluster) -> None:
    lost = steps.place_of_data(three)
    acknowledged = three.diary_writes(lost).acknowledged
    three.crash(lost)
    rest = sorted({*NODES} - {lost})
    steps.wait_for_take_over(three, rest[0], lost)
    steps.assert_unharmed(three, *rest)
    steps.assert_diary_is_whole(three, steps.place_of_data(three), acknowledged)
    steps.comes_back(three, lost)
    steps.assert_file_system_is_clean(three)


@pytest.mark.promise(1, 3)
def test_of_three_nodes_the_one_without_quorum_is_shut_out_and_fences_nobody(three: PacemakerCluster) -> None:
    lost = steps.place_of_data(three)
    three.cut(lost, RING)
    rest = sorted({*NODES} - {lost})
    steps.wait_for_take_over(three, rest[0], lost)
    steps.assert_shut_out(three, lost)
    landed = {disk: three.landed(disk, lost) for disk in RAW}
    three.until(lambda: not three.view(lost).quorum, f"{lost} knows that it has no quorum")
    # It does not even try.
    assert not three.view(lost).fencing
    assert not three.complaints(lost)
    steps.assert_nothing_landed_since(three, lost, landed)
    steps.assert_unharmed(three, *rest)
    steps.assert_diary_is_whole(three, steps.place_of_data(three), three.diary_writes(lost).acknowledged)
    steps.comes_back(three, lost)
    steps.assert_file_system_is_clean(three)


@pytest.mark.promise(1)
def test_the_last_of_three_nodes_waits_for_quorum_before_it_fences(three: PacemakerCluster) -> None:
    three.crash("n3")
    steps.wait_for_take_over(three, "n1", "n3")
    three.crash("n2")
    three.until(lambda: not three.view("n1").quorum, "n1 is alone")
    three.until(lambda: not _runs_anything(three.view("n1"), "n1"), "n1 has stopped everything")
    assert not three.view("n1").fenced("n2")
    for disk in three.setup.disks:
        assert three.registered(disk) == {"n1", "n2"}
    three.power_on("n3")
    steps.assert_shut_out(three, "n3")
    three.start("n3")
    three.until(lambda: three.view("n1").fenced("n2"), "with n3 there is quorum, and n2 is fenced")
    three.until(
        lambda: all(three.registered(disk) == {"n1", "n3"} for disk in three.setup.disks), "exactly n1 and n3 are in"
    )
    three.until(lambda: three.view("n1").active[DATA] & {"n1", "n3"}, "the file system is mounted again")
    steps.comes_back(three, "n2")
    steps.assert_file_system_is_clean(three)


@pytest.mark.promise(1, 5)
def test_a_node_that_loses_its_storage_alone_is_fenced_and_the_others_go_on(three: PacemakerCluster) -> None:
    _watch_the_mount(three, {"on-fail": "fence", "timeout": "20s"}, {"OCF_CHECK_LEVEL": "20"})
    lost = steps.place_of_data(three)
    rest = sorted({*NODES} - {lost})
    three.cut(lost, *PATHS)
    steps.wait_for_take_over(three, rest[0], lost)
    asked = three[lost].run(
        [cib.AGENT, "-o", "off", "-n", rest[0], "-d", ",".join(three.devices())], timeout=AGENT_SECONDS
    )
    assert asked.returncode == 1
    assert all(device in asked.stderr for device in three.devices())
    for disk in three.setup.disks:
        assert three.registered(disk) == frozenset(rest)
    steps.assert_unharmed(three, *rest)
    _watch_the_mount(three, {}, {})
    steps.comes_back(three, lost)
    steps.assert_file_system_is_clean(three)


@pytest.mark.promise(1)
def test_the_last_of_three_nodes_fences_and_goes_on_alone_where_the_quorum_may_shrink(
    clusters: Clusters, stack: Stack
) -> None:
    three = clusters.whole(stack, Setup(NODES, quorum=LAST_MAN_STANDING))
    acknowledged = 0
    for lost, rest in (("n3", {"n1", "n2"}), ("n2", {"n1"})):
        three.crash(lost)
        three.until(lambda: three.view("n1").fenced(lost), f"{lost} has been fenced")  # noqa: B023 - in this very round
        for disk in three.setup.disks:
            assert three.registered(disk) == rest
        three.until(lambda: three.view("n1").active[DATA] & rest, "the file system is on a node that lives")  # noqa: B023
        acknowledged = three.diary_writes("n1").acknowledged
    steps.assert_unharmed(three, "n1")
    assert three.view("n1").quorum
    three.until(lambda: three.diary_writes("n1").acknowledged > acknowledged, "n1 writes the diary")
    steps.assert_diary_is_whole(three, "n1")
    three.power_on("n2", "n3")
    for name in ("n2", "n3"):
        steps.assert_shut_out(three, name)
    three.start("n2", "n3")
    three.wait_until_whole()


def _watch_the_mount(cluster: PacemakerCluster, settings: dict[str, str], parameters: dict[str, str]) -> None:
    cluster.configure("mount-monitor", cib.monitor("mount", settings, parameters))


def _runs_anything(now: State, name: str) -> bool:
    return any(name in now.active[resource] for resource in (WRITER, DUMMY, DATA))
