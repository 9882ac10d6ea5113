"""Another iSCSI session of a node in the lab: the same initiator and target, another ISID, hence another I_T nexus."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.lab.inside.layout import target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.cluster import Cluster

# Of each session of a target its number and its disk, which may take a moment.
FIND = """
for name in $(grep -lx "$1" /sys/class/iscsi_session/*/targetname); do
    session=${name%/targetname}
    until disk=$(ls $session/device/target*/*/block 2>/dev/null) && [ -b "/dev/$disk" ]; do sleep 0.05; done
    echo "${session##*session} /dev/$disk"
done
"""


@contextmanager
def second_session(lab: Cluster, lun: str) -> Iterator[str]:
    """While it lasts, n1 is connected to the LUN twice: the disk of the second session."""
    (first,) = _sessions(lab, lun)
    lab.guest.run(["iscsiadm", "-m", "session", "-r", first, "--op", "new"], check=True)
    found = _sessions(lab, lun)
    (second,) = set(found) - {first}
    try:
        yield found[second]
    finally:
        lab.guest.run(["iscsiadm", "-m", "session", "-r", second, "--logout"], check=True)


def _sessions(lab: Cluster, lun: str) -> dict[str, str]:
    said = lab.guest.run(["sh", "-c", FIND, "find", target("n1", lun)], check=True).stdout
    return dict(line.split() for line in said.splitlines())


def log_in_anew(lab: Cluster, node: str, lun: str) -> None:
    """Log out of the LUN's target and in again: the next session has another identifier (ISID)."""
    for step in ("--logout", "--login"):
        lab.guest.run(["iscsiadm", "-m", "node", "-T", target(node, lun), step], check=True)
    lab.nodes[node].restore(lun)
