"""The scenarios that every test run explores in every order. `larger` has those for which there must be time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fence_pr.pr_ioctl import EXCLUSIVE_ACCESS_ALL_REGS as EAAR
from fence_pr.pr_ioctl import EXCLUSIVE_ACCESS_REG_ONLY as EARO
from fence_pr.pr_ioctl import WRITE_EXCLUSIVE_ALL_REGS as WEAR
from fence_pr.pr_ioctl import WRITE_EXCLUSIVE_REG_ONLY as WERO

from . import scenario as fault
from .ends import all_are_on, all_reached, n1_is_up, nobody_succeeds, one_is_left, somebody_is_left
from .nvmet import Nvmet
from .runs import Call
from .scenario import BOTH, NO_FAULT, Faults, Scenario, Start
from .site import MULTIPATH, NVME, SCSI, Kind
from .unit import ALL_REGISTRANTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .scenario import Program
    from .site import Site
    from .unit import Unit

SCSI_1, SCSI_2, SCSI_3 = (SCSI,), (SCSI,) * 2, (SCSI,) * 3
NVME_1, NVME_2, NVME_3 = (NVME,), (NVME,) * 2, (NVME,) * 3
MAP_1, MAP_2 = (MULTIPATH,), (MULTIPATH,) * 2
SCSI_NVME, EACH_KIND = (SCSI, NVME), (SCSI, NVME, MULTIPATH)

THREE = ("n1", "n2", "n3")
NOBODY, ALL_THREE = Start((), 0), Start(THREE)
BOTH_WEAR = Start(type=WEAR)

COARSE = False  # for Scenario.exact
ONE, TWO = Faults(1), Faults(2)
PASSING_1, PASSING_2 = Faults(1, fault.TRANSIENT), Faults(2, fault.TRANSIENT)
KILLED_2, HARMLESS_2 = Faults(2, (fault.KILLED,)), Faults(2, fault.HARMLESS)


def off(node: str, victim: str, attempts: int = 1) -> Program:
    """A program: the cluster has a node fence another, and again if that fails."""
    return ((Call(node, "off", victim),) * attempts,)


def on(node: str, attempts: int = 1) -> Program:
    """A program: the cluster unfences a node, and again if that fails."""
    return ((Call(node, "on", node),) * attempts,)


def status(node: str, of: str) -> Program:
    """A program: a node asks for the status of another."""
    return ((Call(node, "status", of),),)


MUTUAL = (off("n1", "n2"), off("n2", "n1"))
STUBBORN = (off("n1", "n2", 2), off("n2", "n1", 2))
CIRCLE = (off("n1", "n2"), off("n2", "n3"), off("n3", "n1"))
TWO_TO_ONE = (off("n1", "n2"), off("n3", "n2"), off("n2", "n1"))
CHAIN = (off("n1", "n3"), off("n2", "n1"))
SAME_VICTIM = (off("n1", "n2"), off("n3", "n2"))
COME = (on("n1"), on("n2"))
COMES_BACK = (off("n1", "n2", 2), on("n2", 2))


class IgnoresHolder(Nvmet):
    """nvmet as its source reads in Linux 6.13 to 7.0: a preempt by the holder itself answers 0 and does nothing."""

    def _preempt(self, nexus: str, key: int, victim: int, reservation_type: int, flags: int) -> int:
        if self._registered_as(nexus, key) and nexus == self.holder and self.type not in ALL_REGISTRANTS:
            return 0
        return super()._preempt(nexus, key, victim, reservation_type, flags)


def _n2_has_key_0(_: Site, units: Sequence[Unit]) -> None:
    """n2 has replaced its key by 0, which is what an NVMe unregister by ioctl does: it can still write."""
    for unit in units:
        unit.keys["n2"] = 0


def _n1_has_another_key(_: Site, units: Sequence[Unit]) -> None:
    """From before the keys were made another way."""
    for unit in units:
        unit.keys["n1"] = 0x77


def _n2_is_out_of_disk_1(site: Site, units: Sequence[Unit]) -> None:
    """A fencing of n2 has got as far as the first disk."""
    units[0].call("n1", "preempt", site.keys["n1"], site.keys["n2"], units[0].type)


def _n1_has_one_path(site: Site, units: Sequence[Unit]) -> None:
    """The first path of each map was dead when n1 came up, and is back without a registration."""
    for disk, unit in enumerate(units):
        unit.call(site.nexuses("n1", disk)[0], "register", site.keys["n1"], 0)


def pairs() -> list[Scenario]:
    """Two nodes that fence each other: all types and holders; all kinds of disks."""
    name = "n1 and n2 fence each other"
    found = [
        Scenario(
            f"{name}: {len(disks)} SCSI, type {kind}, {holder} holds", MUTUAL, disks, Start(THREE, kind, holder),
            check=one_is_left, exact=len(disks) == 1,
        )
        for disks in (SCSI_1, SCSI_2, SCSI_3)
        for kind in (WERO, EARO, WEAR, EAAR)
        for holder in THREE
    ]  # fmt: skip
    return [
        *found,
        Scenario(f"{name}: 2 SCSI, every read by itself", MUTUAL, SCSI_2, BOTH, NO_FAULT, one_is_left),
        Scenario(f"{name}: nothing is reserved", MUTUAL, SCSI_2, Start(type=0), NO_FAULT, one_is_left, COARSE),
        Scenario(f"{name}: 3 NVMe", MUTUAL, NVME_3, BOTH_WEAR, NO_FAULT, one_is_left),
        Scenario(f"{name}: 2 maps", MUTUAL, MAP_2, BOTH, NO_FAULT, one_is_left, COARSE),
        Scenario(f"{name}: SCSI, NVMe and a map", MUTUAL, EACH_KIND, BOTH, NO_FAULT, one_is_left, COARSE),
    ]


def pairs_with_faults() -> list[Scenario]:
    """The same, with everything that may go wrong, and the cluster trying again."""
    gone = Faults(1, (fault.POWER_LOSS,))
    return [
        Scenario("the pair, 1 SCSI, every read by itself, one fault", STUBBORN, SCSI_1, BOTH, ONE, one_is_left),
        Scenario("the pair, 2 SCSI, one fault", STUBBORN, SCSI_2, BOTH, ONE, one_is_left, COARSE),
        Scenario("the pair, 1 SCSI, two faults", STUBBORN, SCSI_1, BOTH, TWO, one_is_left, COARSE),
        Scenario("the pair, 2 NVMe, one fault", STUBBORN, NVME_2, BOTH_WEAR, ONE, one_is_left),
        Scenario("the pair, 1 map, one fault", STUBBORN, MAP_1, BOTH, ONE, one_is_left, COARSE),
        Scenario("the pair, 3 SCSI, killed twice", STUBBORN, SCSI_3, BOTH, KILLED_2, one_is_left, COARSE),
        Scenario("the pair, 2 SCSI, a target loses everything", STUBBORN, SCSI_2, BOTH, gone, exact=COARSE),
    ]


def fencing() -> list[Scenario]:
    """n1 fences n2, tries again, and whatever happens gets there."""
    again, name = (off("n1", "n2", 3),), "n1 fences n2"
    kinds = (("2 SCSI", SCSI_2, WERO), ("2 SCSI", SCSI_2, WEAR), ("2 NVMe", NVME_2, WEAR), ("1 map", MAP_1, WERO))
    half_way, second_path = Start(alter=_n2_is_out_of_disk_1), Start(alter=_n1_has_one_path)
    one_path_dies, no_key = Faults(1, (fault.DEAD_PATH,)), Start(("n1",), 0)
    return [
        *(
            Scenario(f"{name}: {what}, type {kind}, two faults", again, disks, Start(type=kind), PASSING_2, all_reached)
            for what, disks, kind in kinds
        ),
        Scenario(f"{name}: SCSI, type 0, two faults", again, SCSI_1, Start(type=0), PASSING_2, all_reached),
        Scenario(f"{name}: NVMe, type 0, two faults", again, NVME_1, Start(type=0), PASSING_2, all_reached),
        Scenario(f"{name}: killed twice, run again", again, SCSI_2, ALL_THREE, KILLED_2, all_reached),
        Scenario(f"{name}: one path of two dies", (off("n1", "n2"),), MAP_2, BOTH, one_path_dies, all_reached, COARSE),
        Scenario(f"{name}: over the second path only", again, MAP_2, second_path, PASSING_1, all_reached, COARSE),
        Scenario(f"{name}: where a run has stopped half-way", again, SCSI_2, half_way, PASSING_2, all_reached, COARSE),
        Scenario(
            f"{name}: which has no key; nothing is reserved", again, SCSI_2, no_key, PASSING_2, all_reached, COARSE
        ),
        Scenario(f"{name}: twice at once", (off("n1", "n2"),) * 2, SCSI_2, BOTH, NO_FAULT, all_reached, COARSE),
        Scenario("n1 and n3 fence n2 at once", SAME_VICTIM, SCSI_2, ALL_THREE, NO_FAULT, all_reached, COARSE),
    ]


def hopeless() -> list[Scenario]:
    """n1 fences n2 and cannot, or need not get there: it must not say so."""
    twice, name = (off("n1", "n2", 2),), "n1 fences n2"
    key_0, liar = Start(type=WEAR, holder="n1", alter=_n2_has_key_0), (Kind(IgnoresHolder, "nvme"),)
    losing = Faults(2, (fault.POWER_LOSS, fault.LOST, fault.UNANSWERED))
    new = Faults(2, (fault.NEW_SESSION, fault.LOST, fault.UNANSWERED))
    either = (((Call("n1", "off", "n2"), Call("n3", "off", "n2")),),)
    one = Faults(1, (*fault.TO_COMMANDS, fault.DEAD_PATH))
    return [
        Scenario(f"{name}: every read by itself, any two faults", (off("n1", "n2", 3),), SCSI_1, BOTH, TWO),
        Scenario(f"{name}: a target loses everything", twice, SCSI_2, BOTH, losing, exact=COARSE),
        Scenario(f"{name}: paths get new sessions", twice, SCSI_2, BOTH, new, exact=COARSE),
        Scenario(f"{name}: if it fails, n3 does", either, SCSI_2, ALL_THREE, one, all_reached, COARSE),
        Scenario(f"{name}: which has key 0", twice, NVME_2, key_0, NO_FAULT, nobody_succeeds),
        Scenario(
            f"{name}: the target does nothing and says yes", twice, liar, Start(holder="n1"), NO_FAULT, nobody_succeeds
        ),
        Scenario(f"{name}: is not registered itself", twice, SCSI_2, Start(("n2",)), NO_FAULT, nobody_succeeds, COARSE),
        Scenario(
            "n1 fences n3, neither is registered", (off("n1", "n3"),), SCSI_2, Start(("n2",)), NO_FAULT, nobody_succeeds
        ),
        Scenario("n1 fences itself", (off("n1", "n1"),), check=nobody_succeeds),
    ]


def groups() -> list[Scenario]:
    """Three nodes, and nodes that look on."""
    watched, lost = (off("n1", "n2"), status("n3", "n2")), Faults(1, (fault.LOST, fault.STUCK))
    half_way, alone = Start(THREE, alter=_n2_is_out_of_disk_1), Start(("n1",), 0)
    asked, name = (status("n3", "n2"),), "status of n2"
    return [
        Scenario("three nodes in a circle", CIRCLE, SCSI_2, ALL_THREE, NO_FAULT, somebody_is_left, COARSE),
        Scenario("n1 fences n3 while n2 fences n1", CHAIN, SCSI_2, ALL_THREE, NO_FAULT, somebody_is_left, COARSE),
        Scenario(
            "n1 and n3 fence n2, which fences n1", TWO_TO_ONE, SCSI_2, ALL_THREE, NO_FAULT, somebody_is_left, COARSE
        ),
        Scenario(f"{name}: while n1 fences it", watched, SCSI_2, ALL_THREE, lost, exact=COARSE),
        Scenario(f"{name}: a fencing has stopped half-way", asked, SCSI_2, half_way, lost, nobody_succeeds),
        Scenario(f"{name}: nothing is reserved", (status("n1", "n2"),), EACH_KIND, alone, NO_FAULT, nobody_succeeds),
    ]


def unfencing() -> list[Scenario]:
    """Nodes that come, or come back."""
    name, more = "n1 and n2 come up together", "n1 runs on"
    thrice, twice = (on("n1", 3),), (on("n1"),) * 2
    cold = ((Call("n1", "off", "n2"),) * 2, (Call("n1", "on", "n1"),), (Call("n1", "off", "n2"),) * 2)
    there, other = Start(("n3",), EAAR, "n3"), Start(type=WEAR, alter=_n1_has_another_key)
    cut = Faults(1, (fault.LOST, fault.UNANSWERED, fault.KILLED))
    return [
        Scenario(f"{name}: 2 SCSI", COME, SCSI_2, NOBODY, NO_FAULT, all_are_on, COARSE),
        Scenario(f"{name}: every read by itself", COME, SCSI_1, NOBODY, NO_FAULT, all_are_on),
        Scenario(f"{name}: NVMe", COME, NVME_1, NOBODY, NO_FAULT, all_are_on),
        Scenario(f"{name}: a map", COME, MAP_1, NOBODY, NO_FAULT, all_are_on, COARSE),
        Scenario(f"{name}: n3 is there and holds", COME, SCSI_2, there, NO_FAULT, all_are_on, COARSE),
        Scenario(f"{more} twice at once", twice, SCSI_2, NOBODY, NO_FAULT, all_are_on, COARSE),
        Scenario(f"{more} where it has another key", (on("n1"),), SCSI_NVME, other, NO_FAULT, all_are_on),
        Scenario(f"{more}: SCSI, two faults", thrice, SCSI_1, NOBODY, PASSING_2, all_are_on),
        Scenario(f"{more}: NVMe, two faults", thrice, NVME_1, NOBODY, PASSING_2, all_are_on),
        Scenario(f"{more}: a map, two faults", thrice, MAP_1, NOBODY, HARMLESS_2, all_are_on, COARSE),
        Scenario(f"{more}: a map, paths fail", thrice, MAP_1, NOBODY, TWO, exact=COARSE),
        Scenario("n1 comes up alone: off n2, on n1, off n2", (cold,), SCSI_2, Start(("n2",)), NO_FAULT, n1_is_up),
        Scenario("n2 comes back while n1 fences it", COMES_BACK, SCSI_1, BOTH, cut, exact=COARSE),
    ]


def short() -> list[Scenario]:
    """All of them."""
    return [*pairs(), *pairs_with_faults(), *fencing(), *hopeless(), *groups(), *unfencing()]
