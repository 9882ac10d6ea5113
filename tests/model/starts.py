"""What is otherwise on the disks when a scenario begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .configuration import Conf
from .unit import FORMER, OK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .site import Site
    from .unit import Unit


def n1_has_another_key(_: Site, units: Sequence[Unit]) -> None:
    """From before the keys were made another way."""
    for unit in units:
        unit.keys["n1"] = 0x77


def n2_has_another_key(_: Site, units: Sequence[Unit]) -> None:
    """From before the cluster was renamed; its fencing removes it."""
    for unit in units:
        unit.keys["n2"] = Conf(cluster="before").key("n2", ("n1", "n2"))


def n1_is_forgotten(site: Site, units: Sequence[Unit]) -> None:
    """By the last disk's target: a key of a former session of n1 has been removed there."""
    unit, former = units[-1], 0x77
    assert unit.lose_session("n1")
    assert unit.call("n1", "register", 0, site.keys["n1"]) == OK
    unit.keys[f"n1{FORMER}"] = former
    assert unit.call("n2", "preempt", site.keys["n2"], former, unit.type) == OK
    assert unit.keys["n1"] == site.keys["n1"]
