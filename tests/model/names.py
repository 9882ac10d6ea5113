"""Scenarios in which a name is not a node: what nodes are told differs, or nodes, hosts and keys are not one to one.

In `broken` a premise about names is broken: nobody may be called off that can write. In `legitimate` nodes differ as
they do in daily life: fencing must succeed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from . import scenario as fault
from .configuration import DEFAULT, Conf
from .ends import all_reached, nothing
from .runs import Call
from .scenario import HARM, LOUD, NO_FAULT, Faults, Scenario, Start
from .site import MULTIPATH, NVME, SCSI, TELLING, TELLING_MAP, UNNAMED, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .scenario import End, Program
    from .site import Site
    from .unit import Unit

RENAMED = Conf(cluster="newname")
SHORT_HASH = Conf(method="hash")
BY_ID, EXCHANGED = Conf(method="id"), Conf(method="id", listed=("n2", "n1", "n3"))
WITHOUT_N1, WITHOUT_N2 = Conf(method="id", listed=("n2", "n3")), Conf(method="id", listed=("n1", "n3"))
OF_THREE, MOVED_UP = Conf(method="id", listed=("n1", "n2", "n3")), Conf(method="id", listed=("n2", "n3", "n4"))
LISTED_WITHOUT_N2, WITH_N4 = Conf(listed=("n1", "n3")), Conf(listed=("n1", "n2", "n3", "n4"))
GIVEN = Conf(given=(("n1", 1), ("n2", 2)))
GIVEN_OTHERWISE = Conf(given=(("n1", 1), ("n2", 0x22)))
GIVEN_ANEW = Conf(given=(("n1", 1), ("n2", 0x22), ("n3", 3)))
GIVEN_TO_THREE = Conf(given=(("n1", 1), ("n2", 2), ("n3", 3)))
NODE_KEYS = Conf(node_keys=(("n1", 1), ("n2", 2), ("n3", 3)))
BACKUP = 0xBAC
DECLARED = Conf(foreign_keys=(BACKUP,))

THREE = ("n1", "n2", "n3")
NOBODY = Start((), 0)
ONE = Faults(1, fault.TRANSIENT)
KINDS = {"SCSI": SCSI, "SCSI that tells hosts": TELLING, "NVMe": NVME}
SCSI_KINDS = {name: kind for name, kind in KINDS.items() if name != "NVMe"}
THAT_TELL = {name: kind for name, kind in KINDS.items() if name != "SCSI"}
MAPS_THAT_TELL = {"a map that tells hosts": TELLING_MAP}
MAPS = {"a map": MULTIPATH, "a map that tells hosts": TELLING_MAP}


def on(node: str, conf: Conf = DEFAULT) -> Call:
    """The cluster unfences a node."""
    return Call(node, "on", node, conf)


def off(node: str, victim: str, conf: Conf = DEFAULT) -> Call:
    """The cluster has a node fence another."""
    return Call(node, "off", victim, conf)


def status(node: str, of: str, conf: Conf = DEFAULT) -> Call:
    """A node asks for the status of another."""
    return Call(node, "status", of, conf)


def monitor(node: str, conf: Conf = DEFAULT) -> Call:
    """The cluster looks after the fence device."""
    return Call(node, "monitor", "", conf)


def deed(node: str, what: str) -> Call:
    """Something happens to a node (`deeds`)."""
    return Call(node, what, "")


def goals(*calls: Call, attempts: int = 1) -> Program:
    """A program: each of these, one after the other, and again if it fails."""
    return tuple((call,) * attempts for call in calls)


def one_nexus(site: Site) -> None:
    """n2 has the initiator of n1, sessions and all, or its NVMe host identifier."""
    site.hosts["n2"].share(0, site.hosts["n1"])


def as_named(_: Site) -> None:
    """Each node is one host."""


def two_hosts(site: Site) -> None:
    """n2 has a second initiator, over which only other programs go, and the machine itself."""
    site.more["n2"] = ("n2b",)
    site.hosts_of["n2b"] = "iqn.n2b"


def two_ports(site: Site) -> None:
    """Each node's paths begin at two FC ports."""
    for number, name in enumerate(site.names, 1):
        for path in (1, 2):
            site.hosts_of[f"{name}.{path}"] = f"fc.{number:08x}{path:08x}"


def _n1_is_two_hosts(site: Site) -> None:
    """The initiator over which n1's agent goes, and another one, both with the key of n1."""
    site.more["n1"] = ("n1b",)
    site.hosts_of["n1b"] = "iqn.n1b"


def _backup(_: Site, units: Sequence[Unit]) -> None:
    """A backup server has registered, too."""
    for unit in units:
        unit.call("backup", "register", 0, BACKUP)


def _scenarios(
    name: str,
    before: Sequence[Call],
    programs: tuple[Program, ...],
    check: Callable[[End], list[str]] = nothing,
    kinds: dict[str, Kind] = KINDS,
    start: Start = NOBODY,
    faults: Faults = ONE,
    excused: tuple[str, ...] = (),
    exact: bool = False,
) -> list[Scenario]:
    return [
        Scenario(
            f"{name}: {kind}", programs, (it,), start, faults, check, exact=exact, before=tuple(before), excused=excused
        )
        for kind, it in kinds.items()
    ]


def short() -> list[Scenario]:
    """All of them."""
    return [*broken(), *untold(), *legitimate()]


def deeper() -> list[Scenario]:
    """A broken premise with any two faults, every command by itself: for these there must be time."""
    faults = Faults(2, (*fault.ALL, fault.REMAPPED))
    return [
        replace(it, name=f"{it.name}, two faults", disks=(*it.disks, UNNAMED), faults=faults, exact=True)
        for it in (*broken(), *untold())
    ]


def broken() -> list[Scenario]:
    """A premise does not hold."""
    all_on, by_id = (on("n1"), on("n2"), on("n3")), (on("n1", BY_ID), on("n2", BY_ID), on("n3", BY_ID))
    fence = (goals(off("n1", "n2"), status("n1", "n2")), goals(off("n3", "n2"), status("n3", "n2")))
    renamed = (goals(off("n1", "n2", RENAMED), status("n1", "n2", RENAMED)), fence[1])
    given = goals(off("n1", "n2", GIVEN_OTHERWISE), status("n1", "n2", GIVEN_OTHERWISE))
    anew = goals(off("n1", "n2", GIVEN_ANEW), status("n1", "n2", GIVEN_ANEW))
    given_on = (*(on(it, NODE_KEYS) for it in THREE), monitor("n1", NODE_KEYS))
    third = goals(off("n1", "n3", WITHOUT_N2), status("n1", "n3", WITHOUT_N2))
    shared, seen = Start((), 0, wire=one_nexus), (*by_id, monitor("n1", BY_ID))
    path = (deed("n2", "loses a path"), on("n2", RENAMED), deed("n2", "has its path back"))
    other_path = (path[0], on("n2", SHORT_HASH), path[2])
    watched, second = (monitor("n1"), monitor("n3")), deed("n2", "registers a second host")
    return [
        *_scenarios("A1, n2 calls the cluster otherwise", (on("n1"), on("n2", RENAMED), on("n3")), fence),
        *_scenarios(
            "A1, n2 calls it otherwise since its last 'on'",
            (*all_on, monitor("n1"), monitor("n3"), on("n2", RENAMED)),
            fence,
        ),
        *_scenarios("A1, n2 makes keys otherwise", (on("n1"), on("n2", SHORT_HASH), on("n3")), fence),
        *_scenarios("A2, n1 calls it otherwise since its last 'on'", (*all_on, on("n1", RENAMED)), renamed),
        *_scenarios("A3, another key is given", (on("n1", GIVEN), on("n2", GIVEN)), (given,)),
        *_scenarios("A3, the same, where hosts were seen", (*given_on, on("n1", GIVEN_ANEW)), (anew,)),
        *_scenarios(
            "A4, two lists with other positions",
            (on("n1", BY_ID), on("n2", EXCHANGED), on("n3", BY_ID)),
            (goals(off("n1", "n2", BY_ID), status("n1", "n2", BY_ID)), goals(off("n2", "n1", EXCHANGED))),
            kinds=THAT_TELL, exact=True,
        ),
        *_scenarios(
            "A4, two lists with other positions, FC", (on("n1", BY_ID), on("n2", EXCHANGED)),
            (goals(off("n1", "n2", BY_ID), status("n1", "n2", BY_ID)), goals(off("n2", "n1", EXCHANGED))),
            kinds=MAPS_THAT_TELL, start=Start((), 0, wire=two_ports),
        ),
        *_scenarios("A5, n2 is removed from a list of positions", by_id, (third,), excused=(HARM,)),
        *_scenarios("A5, the same, where hosts were seen", seen, (third,), kinds=THAT_TELL),
        *_scenarios("A5, the same, n3 is out", (*seen, off("n1", "n3", BY_ID)), (third,), kinds=THAT_TELL),
        *_scenarios("A5, n1 is removed from a list of positions", by_id, (goals(off("n3", "n2", WITHOUT_N1)),)),
        *_scenarios("A7, LVM has replaced n2's key", (*all_on, deed("n2", "starts LVM")), fence),
        *_scenarios(
            "A7, LVM has replaced n2's key, which was seen",
            (*all_on, monitor("n1"), deed("n2", "starts LVM")),
            fence,
        ),
        *_scenarios("A9, A10, n1 and n2 are one host", (on("n1"),), (goals(on("n2"), off("n1", "n2")),), start=shared),
        *_scenarios(
            "A9, A10, n1 and n2 are one host, keys are given",
            (on("n1", GIVEN),),
            (goals(on("n2", GIVEN), status("n2", "n1", GIVEN)), goals(off("n1", "n2", GIVEN))),
            start=shared,
        ),
        *_scenarios(
            "A9, A10, both 'on' at once", (on("n3"),),
            (goals(on("n1"), off("n1", "n2")), goals(on("n2"), off("n2", "n1"))),
            start=shared, faults=NO_FAULT,
        ),
        *_scenarios("G1, n2 has the old name's key over one path", (*all_on, *path), fence, kinds=MAPS_THAT_TELL),
        *_scenarios("G1, n2 has another method's key over one path", (*all_on, *other_path), fence[:1], kinds=MAPS),
        *_scenarios(
            "G1, n2 has the old name's key over one of two FC ports",
            (*all_on, *watched, *path), fence, kinds=MAPS_THAT_TELL, start=Start((), 0, wire=two_ports),
        ),
        *_scenarios(
            "G1, n2 has the old name's key over a second host",
            (*all_on, second, *watched, on("n2", RENAMED)), fence, kinds={"NVMe": NVME},
            start=Start((), 0, wire=two_hosts),
        ),
    ]  # fmt: skip


def untold() -> list[Scenario]:
    """What nobody can know, as the target does not tell it, or has told it to nobody: the success warns of it."""
    all_on = (on("n1"), on("n2"), on("n3"))
    path = (deed("n2", "loses a path"), on("n2", RENAMED), deed("n2", "has its path back"))
    fence, loud = (goals(off("n1", "n2"), off("n3", "n2")),), (LOUD,)
    second = deed("n2", "registers a second host")
    return [
        *_scenarios(
            "G1, n2 has the old name's key over one path", (*all_on, *path), fence, kinds={"a map": MULTIPATH},
            excused=loud,
        ),
        *_scenarios(
            "G1, n2 has the old name's key over one of two FC ports, never seen", (*all_on, *path), fence,
            kinds=MAPS_THAT_TELL, start=Start((), 0, wire=two_ports), excused=loud,
        ),
        *_scenarios(
            "G1, n2 has the old name's key over a second host", (*all_on, second, monitor("n1"), on("n2", RENAMED)),
            fence, kinds=SCSI_KINDS, start=Start((), 0, wire=two_hosts), excused=loud,
        ),
    ]  # fmt: skip


def legitimate() -> list[Scenario]:
    """As clusters live: fencing must succeed."""
    all_on, by_id = tuple(on(it) for it in THREE), tuple(on(it, BY_ID) for it in THREE)
    fence, declared = (_twice(),), Start((), 0, alter=_backup)
    moved = tuple(on(it, MOVED_UP) for it in ("n2", "n3", "n4"))
    here_and_there, second = Start((), 0, wire=_n1_is_two_hosts), Start((), 0, wire=two_hosts)
    both = _twice(conf=NODE_KEYS), _twice("n3", conf=NODE_KEYS)
    path = (deed("n2", "loses a path"), on("n2"), deed("n2", "has its path back"))
    found = [
        _legitimate("the cluster starts, n2 is dead", (on("n1"),), fence),
        _legitimate("n2 died before the last start", (*all_on, deed("n1", "reboots"), on("n1")), fence),
        _legitimate("n3 fences after n1", (*all_on, off("n1", "n2")), (_twice("n3"),)),
        _legitimate("n1 and n3 fence n2 at once", all_on, (_twice(), _twice("n3"))),
        *(_legitimate(f"renamed {what}", (*all_on, *since), (_twice(conf=RENAMED),)) for what, since in _renamings()),
        _scenarios(
            "renamed by n1, n3 has the old name", (*all_on, on("n1", RENAMED)), (goals(off("n3", "n2")),), all_reached,
            faults=NO_FAULT,
        ),
        _legitimate("n4 is added", (*all_on, on("n4", WITH_N4)), (_twice(victim="n4", conf=WITH_N4),)),
        _legitimate("n2 is removed and out", (*all_on, off("n1", "n2")), (_twice("n1", "n3", LISTED_WITHOUT_N2),)),
        _legitimate(
            "n3 calls it otherwise, which was seen", (*all_on, monitor("n1"), on("n3", RENAMED)), fence, THAT_TELL
        ),
        _legitimate("positions in a list", by_id, (_twice(conf=BY_ID),)),
        _legitimate(
            "positions that move up, n3 runs on again",
            (*(on(it, OF_THREE) for it in THREE), off("n2", "n1", OF_THREE), *moved),
            ((*goals(on("n3", MOVED_UP), attempts=3), *_twice("n3", "n2", MOVED_UP)),),
        ),
        _legitimate(
            "n1 is two hosts, positions", (*by_id, deed("n1", "registers a second host")), (_twice(conf=BY_ID),),
            {"NVMe": NVME}, here_and_there,
        ),
        _legitimate("a declared key", (on("n1", DECLARED), *all_on[1:]), (_twice(conf=DECLARED),), start=declared),
        _legitimate("two nodes with given keys", (on("n1", GIVEN), on("n2", GIVEN)), (_twice(conf=GIVEN),)),
        _legitimate("node_keys", tuple(on(it, NODE_KEYS) for it in THREE), both),
        _legitimate("n2 has two hosts", (*all_on, deed("n2", "registers a second host")), fence, start=second),
        _legitimate("n2 has old sessions' keys", (*all_on, deed("n2", "logs in again"), on("n2")), fence),
        _legitimate("n1 has old sessions' keys", (*all_on, deed("n1", "logs in again and registers")), fence),
        _legitimate("the first call of this version", (*all_on, *(deed(it, "is upgraded") for it in THREE)), fence),
        _legitimate("fenced again after an 'on'", (*all_on, off("n1", "n2"), deed("n2", "reboots"), on("n2")), fence),
        _legitimate(
            "renamed, rebooted, back with its old key", (*all_on, deed("n2", "reboots")),
            ((*goals(on("n2", RENAMED), attempts=3), *_twice(conf=RENAMED)),),
        ),
        *(it for conf, keys in ((NODE_KEYS, "keys are given"), (BY_ID, "positions")) for it in _every_day(keys, conf)),
        _legitimate("FC: a port for each path", all_on, fence, MAPS, Start((), 0, wire=two_ports)),
        _legitimate("a path dies and returns", (*all_on, *path), fence, MAPS),
    ]  # fmt: skip
    return [it for scenarios in found for it in scenarios]


def _every_day(keys: str, conf: Conf) -> list[list[Scenario]]:
    """Where two nodes may have one key, so that the target is always asked for hosts."""
    all_on, fence, ports = tuple(on(it, conf) for it in THREE), (_twice(conf=conf),), Start((), 0, wire=two_ports)
    second, lost, upgraded = Start((), 0, wire=two_hosts), deed("n1", "loses a path"), deed("n1", "is upgraded")
    return [
        _legitimate(f"{keys}, n1 comes up alone", all_on[:1], fence),
        _legitimate(f"{keys}, n1 has old sessions'", (*all_on, deed("n1", "logs in again"), all_on[0]), fence),
        _legitimate(f"{keys}, n2 has old sessions'", (*all_on, deed("n2", "logs in again"), all_on[1]), fence),
        _legitimate(f"{keys}, the first call", (*all_on, *(deed(it, "is upgraded") for it in THREE)), fence),
        _legitimate(f"{keys}, n2 has two hosts", (*all_on, deed("n2", "registers a second host")), fence, start=second),
        _legitimate(f"{keys}, FC, a path of n1 is dead", (*all_on, lost), fence, MAPS, ports),
        _legitimate(f"{keys}, FC, the same, the first call", (*all_on, upgraded, lost), fence, MAPS, ports),
    ]


def _renamings() -> list[tuple[str, tuple[Call, ...]]]:
    """From the change of the files until 'on' has run everywhere."""
    n1, n2, n3 = (on(it, RENAMED) for it in THREE)
    return [
        ("in the files", ()),
        ("by n1", (n1,)),
        ("by n1 and n3", (n1, n3)),
        ("by n2", (n2,)),
        ("by all", (n1, n2, n3)),
        ("by n1, which has started again since", (deed("n1", "reboots"), n1)),
    ]


def _twice(node: str = "n1", victim: str = "n2", conf: Conf = DEFAULT) -> Program:
    """The cluster has the node fenced, and once more: nothing must have come between the two."""
    return goals(off(node, victim, conf), status(node, victim, conf), off(node, victim, conf), attempts=2)


def _legitimate(
    name: str,
    before: Sequence[Call],
    programs: tuple[Program, ...],
    kinds: dict[str, Kind] = KINDS,
    start: Start = NOBODY,
) -> list[Scenario]:
    return _scenarios(name, before, programs, all_reached, kinds, start, Faults(1, fault.HARMLESS))
