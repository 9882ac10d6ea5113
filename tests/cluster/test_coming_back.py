"""A node hears of its own fencing: Pacemaker's two reactions, and what 'on' makes of the node's return."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster import steps
from tests.cluster.cluster import DATA
from tests.cluster.setup import RAW

if TYPE_CHECKING:
    from tests.cluster.cluster import PacemakerCluster

pytestmark = [pytest.mark.long, pytest.mark.promise(13)]

IN_USE = "this node had registered here and has been kept out since, and the disk is in use: "
SECONDS = 120


def fenced_alive(two: PacemakerCluster, reaction: str) -> tuple[str, str]:
    """The node that had the file system, which has been fenced and goes on; and the other one."""
    victim = steps.place_of_data(two)
    survivor = steps.other(two, victim)
    set_reaction = ["crm_attribute", "--type", "crm_config", "--name", "fence-reaction", "--update", reaction]
    two[survivor].run(set_reaction, check=True)
    two.harm(victim)
    two[survivor].run(["stonith_admin", "--fence", victim], check=True, timeout=SECONDS)
    for disk in two.setup.disks:
        assert two.registered(disk) == {survivor}
    return victim, survivor


def test_with_stop_the_node_is_refused_until_nothing_uses_its_disks(two: PacemakerCluster) -> None:
    """Only its cluster ends. What wrote there goes on, is refused, and would land as soon as it was let in."""
    victim, survivor = fenced_alive(two, "stop")
    host = two[victim]
    two.until(lambda: host.run(["pidof", "pacemakerd"]).returncode, f"Pacemaker has ended on {victim}")
    steps.wait_for_take_over(two, survivor, victim)
    print(f"left on {victim}: {left(two, victim)}")
    landed = {disk: two.landed(disk, victim) for disk in RAW}
    two.leave(victim)
    two.start(victim)
    two.until(lambda: [line for line in two.complaints(victim) if IN_USE in line], f"'on' of {victim} is refused")
    print(*{line.partition(IN_USE)[2] for line in two.complaints(victim)}, sep="\n")
    steps.assert_nothing_landed_since(two, victim, landed)
    print(f"meanwhile active: {dict(two.view(survivor).active)}")
    assert two.registered(RAW[0]) == {survivor}
    end_everything(two, victim)
    host.run(["crm_resource", "--cleanup"], check=True)
    two.wait_until_whole()
    steps.assert_diary_is_whole(two, steps.place_of_data(two))


def left(two: PacemakerCluster, victim: str) -> list[str]:
    """What of the node's resources still runs without its cluster."""
    host = two[victim]
    running = [name for name in ("writer", "diary") if host.run(["pgrep", "-f", f"inside.{name}"]).returncode == 0]
    mounted = host.run(["grep", "-w", "/shared", "/proc/mounts"]).returncode == 0
    return [*running, *(["mount"] if mounted else [])]


def end_everything(two: PacemakerCluster, victim: str) -> None:
    """As a person does who cannot reboot."""
    host = two[victim]
    host.run(["pkill", "-f", "tests.cluster.inside"])
    host.run(["umount", "-f", "/shared"])


def test_with_panic_the_node_reboots_and_comes_back(two: PacemakerCluster) -> None:
    victim, survivor = fenced_alive(two, "panic")
    two.until(lambda: not two[victim].guest.alive(), f"{victim} has reset itself")
    steps.wait_for_take_over(two, survivor, victim)
    assert two.view(survivor).active[DATA] == {survivor}
    steps.comes_back(two, victim)
