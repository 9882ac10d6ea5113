"""What is otherwise on the disks when a scenario begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .configuration import Conf

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
