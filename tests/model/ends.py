"""What must hold at the end of a scenario, beside the promises that always must (`promises`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import promises

if TYPE_CHECKING:
    from .scenario import End

PAIR = ("n1", "n2")


def nothing(_: End) -> list[str]:
    """Nothing more."""
    return []


def one_is_left(end: End) -> list[str]:
    """Promise 3 for n1 and n2, the programs 0 and 1; without faults one of them must also win."""
    winners = [node for program, node in enumerate(PAIR) if end.reached(program)]
    broken = promises.broken_by_pair(end.site, end.units, PAIR, winners)
    if not end.faults and not winners:
        broken.append("promise 3: neither node says that it fenced the other")
    return broken


def somebody_is_left(end: End) -> list[str]:
    """Promise 3 for any number of nodes: one is registered on all disks still."""
    left = [promises.members(end.site, unit, disk) for disk, unit in enumerate(end.units)]
    return [] if set.intersection(*left) else ["promise 3: no node is left on all disks"]


def all_reached(end: End) -> list[str]:
    """Promise 7: every goal is reached."""
    missed = [number for number, results in enumerate(end.results, 1) if not all(results)]
    return [f"promise 7: program {number} does not get where it should" for number in missed]


def all_are_on(end: End) -> list[str]:
    """Promise 7: every goal is reached, every node is registered over all its paths, and something is reserved."""
    broken = all_reached(end)
    for disk, unit in enumerate(end.units):
        if not unit.type or promises.members(end.site, unit, disk) < set(end.site.hosts):
            broken.append(f"promise 7: not every node is registered on disk {disk + 1}, or nothing is reserved")
    return broken


def all_write(end: End) -> list[str]:
    """Promise 7: every goal is reached, and every node is registered and can write, over all its paths."""
    nexuses = [(at, it) for at in end.site.named() for name in end.site.names for it in end.site.nexuses(name, at)]
    shut = [f"promise 7: {it} cannot write to disk {at + 1}" for at, it in nexuses if not end.units[at].can_write(it)]
    return all_are_on(end) + shut


def untouched(end: End) -> list[str]:
    """Promise 3: who cannot finish does not begin: nobody is fenced, on no disk."""
    touched = [disk for disk, unit in enumerate(end.units) if promises.members(end.site, unit, disk) < {"n1", "n2"}]
    return [f"promise 3: disk {disk + 1} is changed, and not all can be" for disk in touched]


def n1_is_up(end: End) -> list[str]:
    """Promise 7: of the goals of n1 the first cannot be reached, the others must be."""
    return [] if end.reached(0, 1) and end.reached(0, 2) else ["promise 7: n1 does not get up"]


def only_n2(end: End) -> list[str]:
    """Promise 1: n1, which does not reach all disks as it should, cannot be right; promise 3: n2 fences it."""
    broken = ["promise 1: a success of n1 that cannot be"] if end.reached(0) else []
    return broken + ([] if end.reached(1) else ["promise 3: n2 does not fence n1"])


def nobody_succeeds(end: End) -> list[str]:
    """Promise 1, or 9, where no success is possible."""
    return ["promise 1: a success that cannot be"] if any(any(results) for results in end.results) else []
