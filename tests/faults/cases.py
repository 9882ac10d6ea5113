"""Many cases of calls of the agent in one go: what `rounds.py` does in the guest, as the host sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.faults.disks import State
from tests.faults.traced import PATIENT, Site
from tests.fencing.agent import key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.faults.disks import CaseDisks

PROGRAM = "/project/tests/faults/rounds.py"
LOSER = "loser"
# So many cases a request; the guest may take so long for one, on an old kernel and a busy machine.
AT_ONCE, SECONDS = 25, 60

End = tuple[int, str, str]  # exit status (minus a signal's number), standard output and error


@dataclass(frozen=True)
class Call:
    """One call of the agent.

    plug     a node; or LOSER: the one that is not registered on the first disk after the round before
    delay    seconds before it begins; of a call that is held: after the one before was let go
    traced   whether its system calls are noted
    site     where it is killed or held, before or after (`moment`) that system call
    kill     who is killed there; if empty it is held until all calls that are held are there
    program  what is started in the node; "" for a copy of an interpreter that has read this version's modules already
    """

    node: str
    action: str
    plug: str
    delay: float = 0
    traced: bool = False
    site: Site | None = None
    moment: str = "before"
    kill: tuple[str, ...] = ()
    program: str = ""


@dataclass(frozen=True)
class Case:
    """Rounds of calls, those of one round at once. nodes: who is registered before; the first holds, if `reserve`."""

    nodes: tuple[str, ...]
    rounds: tuple[tuple[Call, ...], ...]
    reserve: bool = True


@dataclass(frozen=True)
class Round:
    """How each call ended, its traced system calls (who, moment, site), and the disks afterwards."""

    ends: tuple[End, ...]
    sites: tuple[tuple[tuple[str, str, Site], ...], ...] = field(repr=False)
    states: list[State]


@dataclass(frozen=True)
class Seen:
    """What came of a case: lists of disks are in the order of `disks.names`.

    written     what a write of each node came to in the end
    remembered  the content of n1's state files, "" where there is none
    loaded      whether all nodes wrote meanwhile
    """

    rounds: list[Round]
    written: dict[str, list[str]]
    remembered: list[str]
    loaded: bool = False


def carry_out(disks: CaseDisks, cases: Sequence[Case]) -> Iterator[tuple[Case, Seen]]:
    """One after the other, each from a clean beginning."""
    nodes = disks.cluster.nodes
    asked = {
        "disks": disks.names,
        "paths": {node: {disk: disks.path(node, disk) for disk in disks.names} for node in nodes},
        "hosts": disks.hosts(),
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
    rounds = [
        [{**vars(call), "site": str(call.site or ""), "traced": call.traced or bool(call.site)} for call in calls]
        for calls in case.rounds
    ]
    return {**vars(case), "rounds": rounds}


def _read(line: str) -> Seen:
    said = json.loads(line)
    return Seen([_round(each) for each in said["rounds"]], said["written"], said["remembered"])


def _round(said: dict[str, list[Any]]) -> Round:
    ends, sites = zip(*said["calls"])
    return Round(
        tuple(map(tuple, ends)),
        tuple(tuple((who, moment, Site.read(site)) for who, moment, site in each) for each in sites),
        [State(*each) for each in said["states"]],
    )
