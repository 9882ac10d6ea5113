"""Clusters drawn at random, in which what nodes are told differs and changes; also hosts, sessions and paths."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from . import names
from . import scenario as fault
from .configuration import DEFAULT, Conf
from .deeds import DEEDS
from .scenario import HARM, LOUD, Faults, Scenario, Start
from .site import MULTIPATH, NVME, SCSI, TELLING, TELLING_MAP, UNNAMED, Kind

if TYPE_CHECKING:
    from .runs import Call
    from .scenario import Program

NODES = ("n1", "n2", "n3")
BY_NAME = (DEFAULT, DEFAULT, DEFAULT, names.RENAMED, names.SHORT_HASH, Conf("newname", "hash"))
# Of one list: two lists with other positions are two worlds, each right in itself (`docs/proof.md`).
BY_POSITION = (names.BY_ID, names.BY_ID, DEFAULT, Conf("newname", "id"))
GIVEN = (names.GIVEN_TO_THREE, names.GIVEN_TO_THREE, names.NODE_KEYS, names.GIVEN_ANEW)
FAULTS = Faults(3, (*fault.ALL, fault.NEW_SESSION, fault.REMAPPED))
MOST_BEFORE, MOST_DEEDS = 8, 3


def draw(seed: int) -> Scenario:
    """One cluster and what happens to it: the same for the same seed."""
    chance = random.Random(seed)
    pool = chance.choice((BY_NAME, BY_NAME, BY_POSITION, GIVEN))
    # Where keys are positions or given, and no target tells hosts, nobody can notice that two nodes have one.
    kinds: tuple[Kind, ...] = (TELLING, NVME, TELLING_MAP) if pool is not BY_NAME else (SCSI, TELLING, NVME, MULTIPATH)
    disks = [chance.choice(kinds) for _ in range(chance.choice((1, 1, 2)))]
    confs = {name: chance.choice(pool) for name in NODES}
    # Nor by FC ports.
    wires = (names.two_hosts, names.as_named) if pool is not BY_NAME else (names.two_ports, names.two_hosts)
    wire = chance.choice(wires)
    before = [names.on(name, confs[name]) for name in NODES]
    before += [_something(chance, confs, pool) for _ in range(chance.randint(0, MOST_BEFORE))]
    programs = tuple(_program(chance, confs, name) for name in chance.sample(NODES, 2))
    return Scenario(
        f"names at random {seed}", programs, (*disks, UNNAMED), Start((), 0, wire=wire), FAULTS, exact=False,
        before=tuple(before), excused=(LOUD, HARM),
    )  # fmt: skip


def _something(chance: random.Random, confs: dict[str, Conf], pool: tuple[Conf, ...]) -> Call:
    """A change of a configuration, and 'on' by it; a deed; or what the cluster does every day."""
    node, victim = chance.sample(NODES, 2)
    kind = chance.choice(("on", "change", "deed", "deed", "monitor", "monitor", "off"))
    if kind == "change":
        confs[node] = chance.choice(pool)
    if kind == "deed":
        return names.deed(node, chance.choice(sorted(DEEDS)))
    if kind == "monitor":
        return names.monitor(node, confs[node])
    return names.off(node, victim, confs[node]) if kind == "off" else names.on(node, confs[node])


def _program(chance: random.Random, confs: dict[str, Conf], node: str) -> Program:
    """A node fences, or asks, again and again."""
    calls = []
    for _ in range(chance.randint(1, MOST_DEEDS)):
        victim = chance.choice([name for name in NODES if name != node])
        calls.append(chance.choice((names.off, names.off, names.status))(node, victim, confs[node]))
    return names.goals(*calls, attempts=2)
