"""Cases of which some are carried out while all nodes have eight writers on the disk that decides.

Its store takes its time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from tests import seed
from tests.faults.cases import carry_out
from tests.faults.disks import CaseDisks, LabDisks
from tests.faults.forms import CI_FORM, LONG_FORM, PROOF_FORM
from tests.lab.load import Place, Store, writing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.faults.cases import Case, Seen

MILLISECONDS = 2
# Those of all nodes together: a guest has one processor, and agents that are traced need much of it.
WRITES_A_SECOND = 150.0
# They take half as long again as the others. For a proof: so that half of all faults are, and not of these cases alone.
SHARE = 0.6 if PROOF_FORM or LONG_FORM else 0.25 if CI_FORM else 0.15


class SlowDisks(CaseDisks, LabDisks, Protocol):
    """Disks whose stores can be made slow."""

    def store(self, disk: str) -> str:
        """The store's name in the guest."""


def some_under_load(disks: SlowDisks, cases: Sequence[Case]) -> Iterator[tuple[Case, Seen]]:
    """All cases, first those on idle nodes. Which are not is left to chance."""
    idle: list[Case] = []
    loaded: list[Case] = []
    chance = seed.chance("faults under load")
    for case in cases:
        (loaded if chance.random() < SHARE else idle).append(case)
    yield from carry_out(disks, idle)
    yield from under_load(disks, loaded)


def under_load(disks: SlowDisks, cases: Sequence[Case]) -> Iterator[tuple[Case, Seen]]:
    """All cases while all nodes write.

    In between nodes are out, and disks are cleared: writes may be refused. Nothing else may befall them.
    """
    found = places(disks)
    # They must be able to begin.
    disks.clear()
    with writing(found, MILLISECONDS, WRITES_A_SECOND / len(found)) as load:
        for case, seen in carry_out(disks, cases):
            yield case, replace(seen, loaded=True)
        load.bearable(*disks.cluster.nodes)


def places(disks: SlowDisks) -> list[Place]:
    """Of all nodes, on the disk that decides."""
    disk = disks.names[0]
    store = Store(disks.cluster.guest, disks.store(disk))
    return [Place(node, disks.path(name, disk), store) for name, node in disks.cluster.nodes.items()]
