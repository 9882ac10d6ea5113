"""The scenarios that every test run explores in every order. `larger` has those for which there must be time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fence_pr.storage.pr_ioctl import EXCLUSIVE_ACCESS_ALL_REGS as EAAR
from fence_pr.storage.pr_ioctl import EXCLUSIVE_ACCESS_REG_ONLY as EARO
from fence_pr.storage.pr_ioctl import WRITE_EXCLUSIVE_ALL_REGS as WEAR
from fence_pr.storage.pr_ioctl import WRITE_EXCLUSIVE_REG_ONLY as WERO

from . import draining, renewing
from . import scenario as fault
from .configuration import Conf
from .ends import all_are_on, all_reached, n1_is_up, nobody_succeeds, one_is_left, only_n2, somebody_is_left, untouched
from .nvmet import Nvmet
from .runs import Call
from .scenario import BOTH, NO_FAULT, Faults, Scenario, Start
from .site import MULTIPATH, NAMED, NVME, SCSI, TELLING, TELLING_MAP, UNNAMED, Kind
from .starts import n1_has_another_key, n1_is_forgotten, n2_has_another_key
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


def _n2_is_out_of_disk_1(site: Site, units: Sequence[Unit]) -> None:
    """A fencing of n2 has got as far as the first disk."""
    units[0].call("n1", "preempt", site.keys["n1"], site.keys["n2"], units[0].type)


def _n1_has_one_path(site: Site, units: Sequence[Unit]) -> None:
    """The first path of each map was dead when n1 came up, and is back without a registration."""
    for disk, unit in enumerate(units):
        unit.call(site.nexuses("n1", disk)[0], "register", site.keys["n1"], 0)


def _twins(site: Site) -> None:
    """The second path of each node's map leads to a disk that says it is the first, and has reservations of its own."""
    site.says[1] = 0
    for host in site.hosts.values():
        host.lead(1, 1)


def _n1_has_a_new_session(site: Site, units: Sequence[Unit]) -> None:
    """To the last disk, over all its paths: its key stands there for the former ones."""
    for nexus in site.nexuses("n1", len(units) - 1):
        units[-1].lose_session(nexus)


def _n2_has_a_new_session(site: Site, units: Sequence[Unit]) -> None:
    """Over its last path to each disk: its key stands there for the former one."""
    for disk, unit in enumerate(units):
        unit.lose_session(site.nexuses("n2", disk)[-1])


def _n1_has_new_sessions(site: Site, units: Sequence[Unit]) -> None:
    """To every disk."""
    for disk, unit in enumerate(units):
        for nexus in site.nexuses("n1", disk):
            unit.lose_session(nexus)


def _the_last_disk_hangs_for_n1(site: Site) -> None:
    """The others reach it."""
    disk = len(site.kinds) - 1
    site.silent = {("n1", fd) for fd in site.hosts["n1"].of_disk(disk)}


def _n1_has_a_strange_path(site: Site) -> None:
    """The second path of its map leads to a disk that has nothing to do with it."""
    site.hosts["n1"].lead(1, 1)


def _n1_has_another_disk(site: Site) -> None:
    """The LUN was given away at the array; n1's kernel still takes it for the old one."""
    site.hosts["n1"].lead(0, 1)


def _n1_has_names_exchanged(site: Site) -> None:
    """The numbers of two LUNs were exchanged at the array, and n1's kernel does not know."""
    site.hosts["n1"].lead(0, 1)
    site.hosts["n1"].lead(1, 0)


def _the_last_disk_says_what_is_wanted(site: Site, units: Sequence[Unit]) -> None:
    """On it n1 is registered and holds, and n2 is not there."""
    units[-1].call("n1", "register", 0, site.keys["n1"])
    units[-1].call("n1", "reserve", site.keys["n1"], WERO)


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


def cannot_finish() -> list[Scenario]:
    """Two nodes fence each other, and one of them could not finish: it must not begin, and the other must win."""
    anew, all_anew = Start(alter=_n1_has_a_new_session), Start(alter=_n1_has_new_sessions)
    hangs, name = Start(wire=_the_last_disk_hangs_for_n1), "the pair, n1 has a new session to disk 2"
    alone, forgets = (off("n2", "n1"),), "LIO has forgotten that n1 is registered on disk 2"
    kinds = (("SCSI", SCSI), ("SCSI that tells hosts", TELLING), ("maps", MULTIPATH), ("maps that tell", TELLING_MAP))
    return [
        *(Scenario(f"{name}: {what}", MUTUAL, (it,) * 2, anew, NO_FAULT, only_n2, COARSE) for what, it in kinds),
        Scenario("the pair, n1 has a new session to its disk", MUTUAL, (TELLING,), anew, NO_FAULT, only_n2),
        Scenario("the pair, n1 has new sessions, n2 tries", alone, SCSI_2, all_anew, NO_FAULT, all_reached),
        Scenario(f"the pair, {forgets}", MUTUAL, (NAMED,) * 2, Start(alter=n1_is_forgotten), NO_FAULT, only_n2, COARSE),
        Scenario("the pair, disk 2 hangs for n1", MUTUAL, SCSI_2, hangs, NO_FAULT, only_n2, COARSE),
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


def away() -> list[Scenario]:
    """n1's path to the second of two disks fails, for a while or for good."""
    dies, returns = Call("n1", "loses a path", ""), Call("n1", "has its path back", "")
    meanwhile: Program = ((dies,), (returns,))
    once, name = off("n1", "n2"), "its second disk is away"
    registered, one_path = "the path that is registered is away for a while", Start(alter=_n1_has_one_path)
    return [
        Scenario(f"n1 fences n2: {registered}", (once, ((returns,),)), MAP_1, one_path, exact=COARSE, before=(dies,)),
        Scenario(f"the pair, {registered}", (*MUTUAL, ((returns,),)), MAP_1, one_path, exact=COARSE, before=(dies,)),
        Scenario(f"n1 fences n2: {name}", (once,), SCSI_2, BOTH, NO_FAULT, untouched, before=(dies,)),
        Scenario(f"n1 fences n2: {name} for a while", (once, meanwhile), SCSI_2, BOTH, NO_FAULT, exact=COARSE),
        Scenario(
            f"n1 fences n2: {name} when it begins", (once, ((returns,),)), SCSI_2, BOTH, ONE, exact=COARSE,
            before=(dies,),
        ),
        Scenario(
            f"the pair, {name} for a while", (*MUTUAL, meanwhile), SCSI_2, BOTH, NO_FAULT, somebody_is_left, COARSE
        ),
    ]  # fmt: skip


def groups() -> list[Scenario]:
    """Three nodes, and nodes that look on."""
    watched, lost = (off("n1", "n2"), status("n3", "n2")), Faults(1, (fault.LOST, fault.STUCK, fault.DEAD_PATH))
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
    there, other = Start(("n3",), EAAR, "n3"), Start(type=WEAR, alter=n1_has_another_key)
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
        *renewing.scenarios(),
    ]


def coming_back() -> list[Scenario]:
    """n2 comes, or comes back, while n1 fences it, and n3 joins: an 'on' that was overtaken must not bring it back."""
    name, fence, join = "n2 comes back while n1 fences it", off("n1", "n2", 2), on("n3", 2)
    twice = ((Call("n2", "on", "n2", Conf(retry_on=2)),),)
    absent, other = Start(("n1",), holder="n1"), Start(alter=n2_has_another_key)
    anew, renewed = f"{name}: over a new session", Start(alter=_n2_has_a_new_session)
    cut = Faults(1, (fault.LOST, fault.UNANSWERED, fault.KILLED))
    to_steps, two = Faults(1, fault.TO_COMMANDS), Faults(2, (fault.LOST, fault.UNANSWERED, fault.REFUSED))
    return [
        Scenario(name, COMES_BACK, SCSI_1, BOTH, cut, exact=COARSE),
        Scenario(f"{name}: each fault of a command", COMES_BACK, SCSI_1, BOTH, to_steps, exact=COARSE),
        Scenario(f"{name}: retry_on=2", (fence, twice), SCSI_1, BOTH, two, exact=COARSE),
        Scenario(f"{name}: retry_on=2, no key yet", (fence, twice), SCSI_1, absent, two, exact=COARSE),
        Scenario(f"{name}: by another key", (fence, twice), SCSI_1, other, two, exact=COARSE),
        Scenario(f"{name}: NVMe", (fence, twice), NVME_1, BOTH, two),
        Scenario(f"{name}: NVMe, no key yet", (fence, twice), NVME_1, absent, two),
        Scenario(f"{name}: a map", (off("n1", "n2"), twice), MAP_1, BOTH, exact=COARSE),
        Scenario(f"{name}: a map, no key yet", (off("n1", "n2"), twice), MAP_1, absent, exact=COARSE),
        Scenario(anew, (fence, twice), SCSI_1, renewed, two, exact=COARSE),
        Scenario(f"{anew}: NVMe", (fence, twice), NVME_1, renewed, two),
        Scenario(f"{anew}: a map", (off("n1", "n2"), twice), MAP_1, renewed, exact=COARSE),
        Scenario(f"{name}: n3 joins", (fence, twice, join), SCSI_1, absent, cut, exact=COARSE),
    ]


def elsewhere() -> list[Scenario]:
    """Paths that do not lead where the node's kernel thinks they do."""
    once, name = (off("n1", "n2"),), "n1 fences n2"
    map_and_other, disk_and_other = (MULTIPATH, UNNAMED), (SCSI, UNNAMED)
    twins, strange = Start(wire=_twins), Start(holder="n1", wire=_n1_has_a_strange_path)
    another, exchanged = Start(holder="n1", wire=_n1_has_another_disk), Start(wire=_n1_has_names_exchanged)
    given_away = Start(alter=_the_last_disk_says_what_is_wanted)
    remapped = Faults(1, (fault.REMAPPED,))
    return [
        Scenario(
            f"{name}: a map over two disks that say they are one", once, map_and_other, twins, NO_FAULT,
            nobody_succeeds, COARSE,
        ),
        Scenario(
            f"{name}: a path of its map leads to another disk", once, map_and_other, strange, NO_FAULT, all_reached,
            COARSE,
        ),
        Scenario(f"{name}: its disk is another one", once, disk_and_other, another, NO_FAULT, nobody_succeeds),
        Scenario("the pair, n1 has two disks' names exchanged", MUTUAL, SCSI_2, exchanged, NO_FAULT, only_n2, COARSE),
        Scenario(f"{name}: the LUN is given away meanwhile", once, disk_and_other, given_away, remapped),
    ]  # fmt: skip


def short() -> list[Scenario]:
    """All of them."""
    of_pairs = [*pairs(), *pairs_with_faults(), *cannot_finish()]
    of_nodes = [*groups(), *unfencing(), *coming_back()]
    return [*of_pairs, *fencing(), *hopeless(), *away(), *of_nodes, *draining.scenarios(), *elsewhere()]
