"""Scenarios of drain=reset: a target has accepted a write of the victim, and nothing but a reset ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import scenario as fault
from .configuration import Conf
from .ends import all_reached, one_is_left
from .runs import Call
from .scenario import NO_FAULT, Faults, Scenario, Start
from .site import MULTIPATH, NVME, SCSI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .scenario import Program
    from .site import Site
    from .unit import Unit

DRAINING = Conf(abort="never", drains=True)
THREE = ("n1", "n2", "n3")


def _has_accepted(site: Site, units: Sequence[Unit]) -> None:
    """A write of n2 over each of its paths, and one of n1."""
    for disk, unit in enumerate(units):
        unit.accepted = frozenset([*site.nexuses("n2", disk), site.nexuses("n1", disk)[0]])


def _off(node: str, victim: str, attempts: int = 1) -> Program:
    return ((Call(node, "off", victim, DRAINING),) * attempts,)


def scenarios() -> list[Scenario]:
    """All of them."""
    name, two, accepted = "n1 fences n2 and resets", (SCSI,) * 2, Start(alter=_has_accepted)
    three = Start(THREE, alter=_has_accepted)
    faults, paths = Faults(2, fault.TO_COMMANDS), Faults(1, (*fault.TO_COMMANDS, fault.DEAD_PATH))
    return [
        Scenario(f"{name}: 2 SCSI", _one(2), two, accepted, NO_FAULT, all_reached, False),
        Scenario(f"{name}: each fault of a command", _one(2), (SCSI,), accepted, faults, exact=False),
        Scenario(f"{name}: a map, a path dies", _one(2), (MULTIPATH,), accepted, paths, exact=False),
        Scenario(f"{name}: NVMe", _one(2), (NVME,), accepted, NO_FAULT, all_reached),
        Scenario(f"{name}: n3 does as well", (*_one(), _off("n3", "n2")), two, three, NO_FAULT, all_reached, False),
        Scenario("the pair resets", (*_one(), _off("n2", "n1")), two, accepted, NO_FAULT, one_is_left, False),
    ]


def _one(attempts: int = 1) -> tuple[Program]:
    return (_off("n1", "n2", attempts),)
