"""A guest with three nodes and every kind of target, each disk of which is on a store that can be made slow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.cluster import Cluster
from tests.lab.guest import Guest, log_folder
from tests.lab.load import Place, Store, places
from tests.lab.nvme import KERNEL_ARGUMENTS, Namespaces
from tests.load import root
from tests.migration.hosts import DISKS_FILE, KEY_FILE
from tests.targets.disks import UserlandDisks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from tests.lab.kernels import Kernel
    from tests.load.agents import Agent

LIO, DISGUISED, NVMET, TGT = "lio", "disguised-lio", "nvmet", "tgt"
TARGETS = (LIO, DISGUISED, NVMET, TGT)
LUNS = {LIO: "a", DISGUISED: "e"}
NAMESPACE, TRANSPORT = 1, "tcp"
USERLAND = "userland"


@dataclass(frozen=True)
class SharedDisk:
    """A disk that all nodes share. clear: leaves no registration on it."""

    places: dict[str, Place]
    clear: Callable[[], object]

    @property
    def store(self) -> Store:
        """What is below the target."""
        return next(iter(self.places.values())).store

    def write(self, node: str) -> str:
        """A write that overlaps nobody's: "ok", or the name of an errno."""
        place = self.places[node]
        return str(self.store.guest.call("write_path", path=place.path, fill=1, offset=0))


class Bench:
    """The guest; targets are set up when they are asked for."""

    def __init__(self, kernel: Kernel, agents: Iterable[Agent]) -> None:
        """Boot it."""
        self._guest = Guest(kernel, root.folder(), arguments=KERNEL_ARGUMENTS, logs=log_folder())
        self._disks: dict[str, SharedDisk] = {}
        try:
            self._guest.boot()
            self.cluster = Cluster(self._guest)
            for agent in agents:
                agent.install(self.cluster)
        except BaseException:
            self._guest.stop()
            raise

    def __enter__(self) -> Bench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._guest.stop()

    def disk(self, target: str) -> SharedDisk:
        """The disk of a target, with nothing registered and no process or file of an agent left in any node."""
        if target not in self._disks:
            self._disks[target] = self._set_up(target)
        disk = self._disks[target]
        self.cluster.reset()
        disk.clear()
        for node in self.cluster.nodes.values():
            node.run(["rm", "-f", KEY_FILE, DISKS_FILE], check=True)
        return disk

    def _set_up(self, target: str) -> SharedDisk:
        if target == NVMET:
            namespaces = Namespaces(self.cluster)
            namespaces.reset(TRANSPORT)
            return SharedDisk(_by_node(places(namespaces, namespaces=[NAMESPACE])), self._clear_namespaces)
        if target == TGT:
            return self._set_up_tgt()
        return SharedDisk(_by_node(places(self.cluster, luns=[LUNS[target]])), self.cluster.drain)

    def _set_up_tgt(self) -> SharedDisk:
        below = self._guest.call("make_slow", name=USERLAND)
        disks = UserlandDisks.start_target(self.cluster, TGT, "1", below)
        store = Store(self._guest, USERLAND)
        nodes = self.cluster.nodes
        return SharedDisk({name: Place(node, disks.path(name, 0), store) for name, node in nodes.items()}, disks.clear)

    def _clear_namespaces(self) -> None:
        self._guest.call("nvme_clear")


def _by_node(found: list[Place]) -> dict[str, Place]:
    return {place.node.name: place for place in found}
