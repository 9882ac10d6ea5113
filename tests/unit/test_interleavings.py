"""Several nodes at once, in every order in which a target can take their commands (`tests.model.search`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fence_pr import corosync
from fence_pr.pr_ioctl import EXCLUSIVE_ACCESS_ALL_REGS, WRITE_EXCLUSIVE_ALL_REGS, WRITE_EXCLUSIVE_REG_ONLY
from tests.model.node import Node, conf, disk, key_of
from tests.model.search import Call, Search
from tests.model.target import Target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fence_pr.report import Report

NAMES = ("n1", "n2", "n3")
TYPES = (WRITE_EXCLUSIVE_REG_ONLY, WRITE_EXCLUSIVE_ALL_REGS, EXCLUSIVE_ACCESS_ALL_REGS)


class Cluster:
    """Three nodes on the same disks."""

    def __init__(self, folder: Path, disks: int) -> None:
        self.devices = [disk(number) for number in range(disks)]
        file = conf(folder, NAMES)
        self.nodes = {name: Node(name, folder, self.devices, file) for name in NAMES}
        described = corosync.load(str(file))
        self.keys = {name: key_of(name, described) for name in NAMES}

    def targets(self, registered: Sequence[str], reservation_type: int, holder: str) -> list[Target]:
        """One a disk, all in the same state. type 0: nothing reserved."""
        targets = []
        for _ in self.devices:
            target = Target()
            for name in registered:
                target.register(name, self.keys[name])
            if reservation_type:
                target.reserve(holder, self.keys[holder], reservation_type)
            targets.append(target)
        return targets

    def call(self, node: str, action: str, plug: str) -> Call:
        """For `Search`."""
        return Call(self.nodes[node], action, plug)


def members(target: Target) -> set[str]:
    """Who is registered."""
    return set(target.keys)


@pytest.mark.promise(3)
@pytest.mark.parametrize("holder", NAMES)
@pytest.mark.parametrize("reservation_type", TYPES)
@pytest.mark.parametrize("disks", [1, 2, 3])
def test_of_two_nodes_that_fence_each_other_exactly_one_survives_on_all_disks(
    tmp_path: Path, disks: int, reservation_type: int, holder: str
) -> None:
    cluster = Cluster(tmp_path, disks)
    survivors: set[str] = set()

    def check(targets: Sequence[Target], reports: list[Report]) -> None:
        (survivor,) = {"n1", "n2"} & members(targets[0])
        survivors.add(survivor)
        assert all(members(target) == {survivor, "n3"} for target in targets)
        assert all(target.type == reservation_type for target in targets)
        assert [report.ok for report in reports] == [survivor == "n1", survivor == "n2"]

    calls = [cluster.call("n1", "off", "n2"), cluster.call("n2", "off", "n1")]
    assert Search(calls, cluster.devices).ends(cluster.targets(NAMES, reservation_type, holder), check) > 1
    assert survivors == {"n1", "n2"}


@pytest.mark.promise(3)
def test_exactly_one_survives_also_where_nothing_was_reserved(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, 2)

    def check(targets: Sequence[Target], reports: list[Report]) -> None:
        (survivor,) = {"n1", "n2"} & members(targets[0])
        assert all(members(target) == {survivor, "n3"} and target.type for target in targets)
        assert [report.ok for report in reports] == [survivor == "n1", survivor == "n2"]

    calls = [cluster.call("n1", "off", "n2"), cluster.call("n2", "off", "n1")]
    assert Search(calls, cluster.devices).ends(cluster.targets(NAMES, 0, ""), check) > 1


@pytest.mark.promise(3, 7)
def test_killed_at_any_point_and_started_again_the_same_one_survives(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, 3)

    def check(targets: Sequence[Target], reports: list[Report]) -> None:
        (survivor,) = {"n1", "n2"} & members(targets[0])
        assert all(members(target) == {survivor, "n3"} for target in targets)
        assert [report.ok for report in reports] == [survivor == "n1", survivor == "n2"]

    calls = [cluster.call("n1", "off", "n2"), cluster.call("n2", "off", "n1")]
    search = Search(calls, cluster.devices, kills=1)
    assert search.ends(cluster.targets(NAMES, WRITE_EXCLUSIVE_REG_ONLY, "n2"), check) > 1


@pytest.mark.promise(1, 3)
def test_three_nodes_in_a_circle_leave_somebody_with_all_disks(tmp_path: Path) -> None:
    """A node that is shut out half-way through leaves its own victim half shut out, and must say that it failed."""
    cluster = Cluster(tmp_path, 2)
    victims = {"n1": "n2", "n2": "n3", "n3": "n1"}

    def check(targets: Sequence[Target], reports: list[Report]) -> None:
        assert set.intersection(*map(members, targets))
        assert all(target.type for target in targets)
        for name, report in zip(NAMES, reports):
            assert not report.ok or not any(victims[name] in members(target) for target in targets)

    calls = [cluster.call(name, "off", victim) for name, victim in victims.items()]
    assert Search(calls, cluster.devices).ends(cluster.targets(NAMES, WRITE_EXCLUSIVE_REG_ONLY, "n1"), check) > 1


@pytest.mark.promise(1)
@pytest.mark.parametrize("reserved", [*TYPES, 0])
@pytest.mark.parametrize("losses", [1, 2])
def test_whatever_answers_are_lost_success_means_shut_out_everywhere(
    tmp_path: Path, reserved: int, losses: int
) -> None:
    cluster = Cluster(tmp_path, 2)
    successes = 0

    def check(targets: Sequence[Target], reports: list[Report]) -> None:
        nonlocal successes
        successes += reports[0].ok
        for target in targets if reports[0].ok else []:
            assert members(target) == {"n1", "n3"}
            assert not target.can_write("n2")

    search = Search([cluster.call("n1", "off", "n2")], cluster.devices, losses=losses)
    assert search.ends(cluster.targets(NAMES, reserved, "n2"), check) > 1
    assert successes


@pytest.mark.promise(7)
@pytest.mark.parametrize("registered", [NAMES, ("n1", "n3")])
@pytest.mark.parametrize("reserved", [WRITE_EXCLUSIVE_REG_ONLY, 0])
def test_off_killed_twice_anywhere_and_run_again_succeeds(
    tmp_path: Path, registered: tuple[str, ...], reserved: int
) -> None:
    cluster = Cluster(tmp_path, 2)

    def check(targets: Sequence[Target], reports: list[Report]) -> None:
        assert reports[0].ok
        assert all(members(target) == {"n1", "n3"} and not target.can_write("n2") for target in targets)

    search = Search([cluster.call("n1", "off", "n2")], cluster.devices, kills=2)
    assert search.ends(cluster.targets(registered, reserved, "n3"), check)


@pytest.mark.promise(7)
def test_two_nodes_that_fence_the_same_node_at_once_both_succeed(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, 2)

    def check(targets: Sequence[Target], reports: list[Report]) -> None:
        assert [report.ok for report in reports] == [True, True]
        assert all(members(target) == {"n1", "n3"} and not target.can_write("n2") for target in targets)

    calls = [cluster.call("n1", "off", "n2"), cluster.call("n3", "off", "n2")]
    assert Search(calls, cluster.devices).ends(cluster.targets(NAMES, WRITE_EXCLUSIVE_REG_ONLY, "n2"), check) > 1


@pytest.mark.promise(7)
@pytest.mark.parametrize("reserved", [0, *TYPES])
def test_nodes_that_come_up_together_are_all_registered_and_one_reservation_is_in_force(
    tmp_path: Path, reserved: int
) -> None:
    cluster = Cluster(tmp_path, 2)
    before = ("n3",) if reserved else ()

    def check(targets: Sequence[Target], reports: list[Report]) -> None:
        assert [report.ok for report in reports] == [True, True], reports
        for target in targets:
            assert members(target) == {"n1", "n2", *before}
            assert target.type == (reserved or WRITE_EXCLUSIVE_REG_ONLY)

    calls = [cluster.call("n1", "on", "n1"), cluster.call("n2", "on", "n2")]
    assert Search(calls, cluster.devices).ends(cluster.targets(before, reserved, "n3"), check)


@pytest.mark.promise(7)
def test_on_run_twice_at_once_on_one_node_succeeds_twice(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, 2)

    def check(targets: Sequence[Target], reports: list[Report]) -> None:
        assert [report.ok for report in reports] == [True, True]
        assert all(members(target) == {"n1"} and target.type for target in targets)

    calls = [cluster.call("n1", "on", "n1"), cluster.call("n1", "on", "n1")]
    assert Search(calls, cluster.devices).ends(cluster.targets((), 0, ""), check)


@pytest.mark.promise(1, 2)
def test_a_node_that_is_fenced_while_it_fences_never_succeeds_after_it(tmp_path: Path) -> None:
    """n1 fences n3; n2 fences n1: n1 may have been first, but it never registers again, and n3 is out if it said so."""
    cluster = Cluster(tmp_path, 2)

    def check(targets: Sequence[Target], reports: list[Report]) -> None:
        assert reports[1].ok
        assert all("n1" not in members(target) and "n2" in members(target) for target in targets)
        if reports[0].ok:
            assert all(members(target) == {"n2"} for target in targets)

    calls = [cluster.call("n1", "off", "n3"), cluster.call("n2", "off", "n1")]
    assert Search(calls, cluster.devices).ends(cluster.targets(NAMES, WRITE_EXCLUSIVE_REG_ONLY, "n1"), check) > 1
