"""A round of the nemesis, drawn from a seed: one outage, and what else goes wrong at the same time. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

NODES = ("n1", "n2", "n3")
# The outages: a node dies; a node goes on but is not heard any more; two nodes do not hear each other.
DIES, IS_SILENT, DUEL = "dies", "is silent", "duel"
# What else goes wrong: of a node's way to disks,
HANG, CUT, OFFLINE, DROP = "hang", "cut", "offline", "drop"
# of a disk itself,
SLOW, RESTART = "slow", "restart"
# of the agent,
KILL, FREEZE = "kill", "freeze"
# and what a person does meanwhile.
BY_HAND, RENAME = "by hand", "rename"
OF_PATHS, OF_DISKS, OF_AGENTS = (HANG, CUT, OFFLINE, DROP), (SLOW, RESTART), (KILL, FREEZE)
KINDS = (*OF_PATHS, *OF_DISKS, *OF_AGENTS, BY_HAND, RENAME)
# All are LIO, recognised in three ways. LUN e, where nobody can know, stands for targets whose abort works: of a victim
# that does not hold the reservation LIO aborts nothing, so there a slow write lands late.
CHOICES_OF_DISKS = ("a", "ac", "bc", "abc")
MOST_FAULTS = 4
BEGINS_SECONDS, ENDS_SECONDS, OUTAGE_SECONDS = 0.0, 6.0, 1.0
SHORTEST_SECONDS, LONGEST_SECONDS = 0.3, 5.0
# A write of the victim that the target had accepted must land within settle_time, which is a second.
MOST_HELD_MILLISECONDS = 600


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, and is right again after a while. Times in seconds, `at` from the round's beginning.

    node    whose way to the disks, or whose agent; "" for what happens to disks
    amount  milliseconds that each write takes, where kind is SLOW
    """

    at: float
    kind: str
    node: str
    disks: str
    seconds: float
    amount: int = 0

    def __str__(self) -> str:
        what = f"{self.kind} {self.amount} ms" if self.amount else self.kind
        where = " ".join(filter(None, (self.node, self.disks)))
        return f"{self.at:.1f} s: {what} ({where}) for {self.seconds:.1f} s"


@dataclass(frozen=True)
class Round:
    """One outage of a running cluster. fencers: who is asked to fence the victim, in this order, again and again."""

    seed: int
    nodes: tuple[str, ...]
    disks: str
    outage: str
    victim: str
    fencers: tuple[str, ...]
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        head = f"seed {self.seed}: {len(self.nodes)} nodes, disks {self.disks}: {self.victim} {self.outage}"
        head += f", fenced by {' and '.join(self.fencers)}" if self.outage != DUEL else f" with {self.fencers[0]}"
        return "\n".join([head, *(f"    {it}" for it in self.faults)])


def draw(seed: int) -> Round:
    """The same seed, the same round."""
    chance = random.Random(seed)
    nodes = chance.choice((NODES, NODES[:2]))
    victim = chance.choice(nodes)
    others = [it for it in nodes if it != victim]
    chance.shuffle(others)
    outage = chance.choice((DIES, IS_SILENT, DUEL) if len(nodes) == len(NODES[:2]) else (DIES, IS_SILENT))
    disks = chance.choice(CHOICES_OF_DISKS)
    faults = [_fault(chance, nodes, disks) for _ in range(chance.randint(0, MOST_FAULTS))]
    ordered = tuple(sorted(faults, key=lambda it: it.at))
    return Round(seed, nodes, disks, outage, victim, tuple(others), ordered)


def _fault(chance: random.Random, nodes: tuple[str, ...], disks: str) -> Fault:
    kind = chance.choice(KINDS)
    node = "" if kind in OF_DISKS else chance.choice(nodes)
    chosen = "".join(sorted(chance.sample(disks, chance.randint(1, len(disks)))))
    at = round(chance.uniform(BEGINS_SECONDS, ENDS_SECONDS), 1)
    seconds = round(chance.uniform(SHORTEST_SECONDS, LONGEST_SECONDS), 1)
    amount = chance.randrange(100, MOST_HELD_MILLISECONDS, 100) if kind == SLOW else 0
    has_disks = kind in OF_PATHS or kind in OF_DISKS
    return Fault(at, kind, node, chosen if has_disks else "", seconds, amount)
