"""Scenarios for which there must be time, and those that are too large for every order."""

from __future__ import annotations

from fence_pr.storage.pr_ioctl import WRITE_EXCLUSIVE_ALL_REGS as WEAR

from . import scenario as fault
from .configuration import Conf
from .ends import all_are_on, all_reached, one_is_left, somebody_is_left
from .runs import Call
from .scenario import BOTH, NO_FAULT, Faults, Scenario, Start
from .scenarios import (
    ALL_THREE,
    BOTH_WEAR,
    CHAIN,
    CIRCLE,
    COARSE,
    COMES_BACK,
    EACH_KIND,
    HARMLESS_2,
    MAP_1,
    MAP_2,
    MUTUAL,
    NOBODY,
    NVME_2,
    ONE,
    PASSING_2,
    SAME_VICTIM,
    SCSI_1,
    SCSI_2,
    SCSI_3,
    SCSI_NVME,
    STUBBORN,
    THREE,
    TWO,
    TWO_TO_ONE,
    off,
    on,
    status,
)

FIVE, WORST = Faults(5), Faults(5, (*fault.ALL, fault.POWER_LOSS, fault.NEW_SESSION))
LOST_1, N1_ALONE = Faults(1, (fault.UNANSWERED,)), Start(("n1",), holder="n1")
RETRIES = ((Call("n2", "on", "n2", Conf(retry_on=2)),),)
PASSING_3, HARMLESS_1 = Faults(3, fault.TRANSIENT), Faults(1, fault.HARMLESS)


FENCING, COMING, BOTH_COME = (off("n1", "n2", 4),), (on("n1", 3),), (on("n1", 2), on("n2", 2))


def slow() -> list[Scenario]:
    """In every order, up to ninety thousand states each: a few seconds."""
    cut = Faults(1, (fault.LOST, fault.UNANSWERED, fault.KILLED))
    return [
        Scenario("the pair: 2 SCSI, two faults", STUBBORN, SCSI_2, BOTH, TWO, one_is_left, COARSE),
        Scenario("the pair: 3 SCSI, one fault", STUBBORN, SCSI_3, BOTH, ONE, one_is_left, COARSE),
        Scenario("n1 fences n2: 1 map, three faults", FENCING, MAP_1, Start(type=0), PASSING_3, all_reached, COARSE),
        Scenario("n1 and n3 fence n2: every read by itself", SAME_VICTIM, SCSI_2, ALL_THREE, NO_FAULT, all_reached),
        Scenario("n1 fences n3, n2 n1: every read by itself", CHAIN, SCSI_2, ALL_THREE, NO_FAULT, somebody_is_left),
        Scenario(
            "both come up: 1 SCSI, every read by itself, one fault", BOTH_COME, SCSI_1, NOBODY, HARMLESS_1, all_are_on
        ),
        Scenario("n1 runs on: SCSI and NVMe, two faults", COMING, SCSI_NVME, NOBODY, PASSING_2, all_are_on, COARSE),
        Scenario("n2 comes back: every read by itself", COMES_BACK, SCSI_1, BOTH, cut),
        Scenario("n2 comes back: a map, no key yet", (off("n1", "n2"), RETRIES), MAP_1, N1_ALONE, LOST_1, exact=COARSE),
        Scenario("n2 comes back: two faults", COMES_BACK, SCSI_1, BOTH, PASSING_2, exact=COARSE),
    ]


def long() -> list[Scenario]:
    """In every order, up to half a million states each: minutes."""
    return [
        *_pairs(),
        Scenario("n1 fences n2: 3 SCSI, three faults", FENCING, SCSI_3, BOTH, PASSING_3, all_reached, COARSE),
        Scenario("n1 fences n2: 2 NVMe, three faults", FENCING, NVME_2, Start(type=0), PASSING_3, all_reached),
        Scenario("a circle: 1 SCSI, two faults", CIRCLE, SCSI_1, ALL_THREE, TWO, somebody_is_left, COARSE),
        Scenario("two to one: 2 SCSI, one fault", TWO_TO_ONE, SCSI_2, ALL_THREE, ONE, somebody_is_left, COARSE),
        Scenario("both come up: a map, one fault", BOTH_COME, MAP_1, NOBODY, HARMLESS_1, all_are_on, COARSE),
        Scenario("n1 runs on: 2 maps, two faults", COMING, MAP_2, NOBODY, HARMLESS_2, all_are_on, COARSE),
    ]


def _pairs() -> list[Scenario]:
    return [
        Scenario("the pair: 3 SCSI, every read by itself", MUTUAL, SCSI_3, BOTH, NO_FAULT, one_is_left),
        Scenario("the pair: 1 SCSI, every read by itself, two faults", STUBBORN, SCSI_1, BOTH, TWO, one_is_left),
        Scenario("the pair: 2 SCSI, every read by itself, one fault", STUBBORN, SCSI_2, BOTH, ONE, one_is_left),
        Scenario("the pair: 2 NVMe, two faults", STUBBORN, NVME_2, BOTH_WEAR, TWO, one_is_left),
        Scenario("the pair: 2 maps, one fault", STUBBORN, MAP_2, BOTH, ONE, one_is_left, COARSE),
        Scenario("the pair: each kind of disk, one fault", STUBBORN, EACH_KIND, BOTH, ONE, one_is_left, COARSE),
    ]


def at_random() -> list[Scenario]:
    """Three nodes, three disks, five faults."""
    pair = (off("n1", "n2", 4), off("n2", "n1", 4))
    two_to_one = (off("n1", "n2", 3), off("n3", "n2", 3), off("n2", "n1", 3))
    circle = (off("n1", "n2", 3), off("n2", "n3", 3), off("n3", "n1", 3))
    busy = (off("n1", "n2", 4), on("n2", 3), on("n3", 3), status("n3", "n2"))
    wear = Start(THREE, WEAR)
    return [
        Scenario("at random: the pair, each kind of disk", pair, EACH_KIND, BOTH, FIVE, one_is_left),
        Scenario("at random: two to one, 3 SCSI", two_to_one, SCSI_3, ALL_THREE, FIVE, somebody_is_left),
        Scenario("at random: a circle, each kind of disk", circle, EACH_KIND, ALL_THREE, FIVE, somebody_is_left),
        Scenario("at random: n1 fences n2, n2 and n3 come up, n3 looks on", busy, SCSI_NVME, BOTH_WEAR, FIVE),
        Scenario("at random: targets and sessions are lost", two_to_one, SCSI_NVME, wear, WORST),
    ]
