"""A dm-multipath map of n1 in the lab: its second path is n2's connection, another I_T nexus of the same target."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.lab.cluster import Cluster, Node

NAME = "mpatha"
PATH_1, PATH_2 = "n1", "n2"


def _dmsetup(node: Node, *arguments: str) -> str:
    return str(node.run(["dmsetup", "--noudevsync", "--noudevrules", *arguments], check=True).stdout)


def _table(lab: Cluster, lun: str, order: Sequence[str]) -> str:
    paths = " ".join(f"{lab.nodes[name].disk(lun)} 1" for name in order)
    sectors = lab.n1.run(["blockdev", "--getsz", lab.n1.disk(lun)], check=True).stdout.strip()
    return f"0 {sectors} multipath 0 0 1 1 service-time 0 {len(order)} 1 {paths}"


def reload(lab: Cluster, lun: str, order: Sequence[str]) -> None:
    """Give n1's map these paths to the LUN, as multipathd does when paths come and go."""
    _dmsetup(lab.n1, "load", NAME, "--table", _table(lab, lun, order))
    _dmsetup(lab.n1, "suspend", "--noflush", NAME)
    _dmsetup(lab.n1, "resume", NAME)


@contextmanager
def mapped(lab: Cluster, lun: str, order: tuple[str, str] = (PATH_1, PATH_2)) -> Iterator[str]:
    """While it lasts, n1 has a map over both paths to the LUN: its path under /dev/mapper.

    order: in which the map tries its paths
    """
    if lab.n1.run(["ls", f"/usr/lib/modules/{lab.guest.kernel.release}"]).returncode == 0:
        lab.n1.run(["modprobe", "-a", "dm_multipath", "dm_service_time"], check=True)
    table = _table(lab, lun, order)
    _dmsetup(lab.n1, "create", NAME, "--uuid", f"mpath-3{lab.lun(lun).naa}", "--table", table)
    node = f"/dev/{_dmsetup(lab.n1, 'info', '-c', '--noheadings', '-o', 'blkdevname', NAME).strip()}"
    lab.n1.run(["ln", "-sf", node, f"/dev/mapper/{NAME}"], check=True)
    try:
        yield f"/dev/mapper/{NAME}"
    finally:
        lab.n1.run(["rm", "-f", f"/dev/mapper/{NAME}"], check=True)
        for path in (PATH_1, PATH_2):  # what is under way must end before the map can go
            lab.nodes[path].heal(lun)
        _dmsetup(lab.n1, "remove", "--force", "--retry", NAME)
