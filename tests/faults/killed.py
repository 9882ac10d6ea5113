"""Many kills of the agent in one go: what `kills.py` does in the guest, as the host sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.disks import NVME, SCSI, WEAR, State
from tests.faults.traced import PATIENT, Site
from tests.fencing.agent import key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.faults.disks import LabDisks

PROGRAM = "/project/tests/faults/kills.py"
# So many cases a request; the guest may take so long for one, on an old kernel and a busy machine.
AT_ONCE, SECONDS = 25, 60

Call = tuple[str, str, str]  # node, action, plug


@dataclass(frozen=True)
class Case:
    """n1 carries out `action` on `plug` and is killed.

    nodes    who is registered before, the first of them holds the reservation if `reserve`
    kill     who is killed before or after (`moment`) the system call `site`; nobody if it is empty
    again    the calls of the agent after that, one after the other
    """

    action: str
    plug: str
    nodes: tuple[str, ...]
    reserve: bool = True
    site: Site | None = None
    moment: str = "before"
    kill: tuple[str, ...] = ()
    again: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What came of a case: lists of disks are in the order of `disks.names`.

    end         exit status (minus the signal), standard output and error of the action
    sites       who, moment and site of each system call that touched a disk or a state file
    left        the disks after the kill
    again       ends of the calls after that
    states      the disks after these calls
    written     what a write of each node came to
    remembered  the content of n1's state files, "" where there is none
    """

    end: tuple[int, str, str]
    sites: tuple[tuple[str, str, Site], ...]
    left: list[State]
    again: list[tuple[int, str, str]]
    states: list[State]
    written: dict[str, list[str]]
    remembered: list[str]


def carry_out(disks: LabDisks, cases: Sequence[Case]) -> Iterator[tuple[Case, Seen]]:
    """One after the other, each from a clean beginning."""
    nodes = disks.cluster.nodes
    asked = {
        "kind": NVME if disks.type == WEAR else SCSI,
        "disks": disks.names,
        "paths": {node: {disk: disks.path(node, disk) for disk in disks.names} for node in nodes},
        "identities": {disk: disks.identity(disk) for disk in disks.names},
        "keys": {node: key(node) for node in nodes},
        "type": disks.type,
        "services": {
            name: int(node.run(["sh", "-c", "echo $PPID"], check=True).stdout) for name, node in nodes.items()
        },
        "limit": PATIENT,
    }
    for first in range(0, len(cases), AT_ONCE):
        some = cases[first : first + AT_ONCE]
        given = json.dumps({**asked, "cases": list(map(_written, some))})
        done = disks.cluster.guest.run([PROGRAM], stdin=given, timeout=SECONDS * len(some), check=True)
        yield from zip(some, map(_read, done.stdout.splitlines()), strict=True)


def _written(case: Case) -> dict[str, object]:
    return {**vars(case), "site": str(case.site or "")}


def _read(line: str) -> Seen:
    said = json.loads(line)
    return Seen(
        tuple(said["end"]),
        tuple((who, moment, Site.read(site)) for who, moment, site in said["sites"]),
        [State(*each) for each in said["left"]],
        [tuple(each) for each in said["again"]],
        [State(*each) for each in said["states"]],
        said["written"],
        said["remembered"],
    )
