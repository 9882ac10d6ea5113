"""Hundreds of small LUNs in a guest of their own, for n1 and n2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.inside.layout import many

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.cluster import Cluster

# Each LUN has a disk for each of the two nodes.
MEMORY_MIB = 768


class ManyLuns:
    """LUNs 0, 1, ... of a cluster, for n1 and n2."""

    def __init__(self, cluster: Cluster, count: int) -> None:
        self.cluster, self.count = cluster, count
        self._disks: dict[str, list[str]] = cluster.guest.call("many_set_up", count=count, seconds=300)
        for node, paths in self._disks.items():
            links = "".join(
                f"ln -s {path} {name}\n" for path, lun in zip(paths, many(count), strict=True) for name in lun.by_id
            )
            cluster.nodes[node].run(["sh", "-e"], stdin=links, check=True)

    def names(self, most: int) -> list[str]:
        """Stable names of the first so many, the same on both nodes."""
        return [lun.by_id[0] for lun in many(self.count)[:most]]

    def registered(self) -> list[set[str]]:
        """Who is registered on each, as the target says."""
        return [set(nodes) for nodes in self.cluster.guest.call("many_registered")]

    def write(self, node: str, numbers: Sequence[int]) -> list[str]:
        """What writes of a node to these LUNs end with: "ok", or the name of an errno."""
        call = self.cluster.guest.call
        return [call("write_path", path=self._disks[node][number], fill=1, offset=0) for number in numbers]

    def reset(self) -> None:
        """No registration, no reservation, and no unit attention of that."""
        self.cluster.guest.call("many_clear", seconds=120)
