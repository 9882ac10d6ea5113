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


def _table(lab: Cluster, disks: Sequence[str]) -> str:
    paths = " ".join(f"{disk} 1" for disk in disks)
    sectors = lab.n1.run(["blockdev", "--getsz", disks[0]], check=True).stdout.strip()
    return f"0 {sectors} multipath 0 0 1 1 service-time 0 {len(disks)} 1 {paths}"


def _disks(lab: Cluster, lun: str, order: Sequence[str]) -> list[str]:
    return [lab.nodes[name].disk(lun) for name in order]


def reload(lab: Cluster, lun: str, order: Sequence[str]) -> None:
    """Give n1's map these paths to the LUN, as multipathd does when paths come and go."""
    _dmsetup(lab.n1, "load", NAME, "--table", _table(lab, _disks(lab, lun, order)))
    _dmsetup(lab.n1, "suspend", "--noflush", NAME)
    _dmsetup(lab.n1, "resume", NAME)


@contextmanager
def mapped(lab: Cluster, lun: str, order: tuple[str, str] = (PATH_1, PATH_2)) -> Iterator[str]:
    """While it lasts, n1 has a map over both paths to the LUN: its path under /dev/mapper.

    order: in which the map tries its paths
    """
    with mapped_over(lab, lun, _disks(lab, lun, order)) as path:
        try:
            yield path
        finally:
            lab.n1.run(["rm", "-f", path], check=True)
            for name in (PATH_1, PATH_2):  # what is under way must end before the map can go
                lab.nodes[name].heal(lun)


@contextmanager
def mapped_over(lab: Cluster, lun: str, disks: Sequence[str]) -> Iterator[str]:
    """While it lasts, n1 has a map of the LUN over these disks: its path under /dev/mapper."""
    if lab.n1.run(["ls", f"/usr/lib/modules/{lab.guest.kernel.release}"]).returncode == 0:
        lab.n1.run(["modprobe", "-a", "dm_multipath", "dm_service_time"], check=True)
    uuid = f"mpath-3{lab.lun(lun).naa}"
    _dmsetup(lab.n1, "create", NAME, "--uuid", uuid, "--table", _table(lab, disks))
    node = f"/dev/{_dmsetup(lab.n1, 'info', '-c', '--noheadings', '-o', 'blkdevname', NAME).strip()}"
    lab.n1.run(["ln", "-sf", node, f"/dev/mapper/{NAME}"], check=True)
    try:
        yield f"/dev/mapper/{NAME}"
    finally:
        lab.n1.run(["rm", "-f", f"/dev/mapper/{NAME}"], check=True)
        _dmsetup(lab.n1, "remove", "--force", "--retry", NAME)
