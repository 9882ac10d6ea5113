"""Clusters in guests that end when one of their nodes reboots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.guard.node import NO_REBOOT
from tests.lab import root
from tests.lab.cluster import Cluster
from tests.lab.guest import Guest
from tests.lab.nvme import KERNEL_ARGUMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.kernels import Kernel


class Mortals:
    """One cluster a kernel, booted on first use and after its end."""

    def __init__(self) -> None:
        self._running: dict[str, Cluster] = {}

    def clean(self, kernel: Kernel) -> Cluster:
        """The kernel's cluster, alive and reset."""
        cluster = self._running.get(kernel.release)
        if cluster and cluster.guest.alive():
            cluster.reset()
            return cluster
        if cluster:
            cluster.guest.stop()
        guest = Guest(kernel, root.folder(), arguments=(*KERNEL_ARGUMENTS, *NO_REBOOT))
        guest.boot()
        self._running[kernel.release] = Cluster(guest)
        return self._running[kernel.release]

    def stop(self) -> None:
        """End all."""
        for cluster in self._running.values():
            cluster.guest.stop()


@pytest.fixture(scope="package")
def mortals() -> Iterator[Mortals]:
    """All of them, none yet."""
    it = Mortals()
    yield it
    it.stop()


@pytest.fixture
def mortal(mortals: Mortals, uml: Kernel) -> Cluster:
    """A cluster, all clean, of which a reboot of any node is the end."""
    return mortals.clean(uml)
