"""Ways to make a disk of the lab hang for one node, and to end that again."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.lab.inside import layout
from tests.lab.inside.nvme import TCP_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.cluster import Cluster
    from tests.lab.nvme import Namespaces

FROZEN, CUT, STUCK, SILENT = "frozen", "cut", "stuck", "silent"
RECOVERY_SECONDS = 600

# Behind a queue of its own, packets of chosen connections stay as long as one likes, and none is lost.
_QUEUE = (
    "tc qdisc add dev lo root handle 1: prio bands 4",
    "tc qdisc add dev lo parent 1:4 handle 40: plug limit 1000000",
)
_HOLD = "tc filter add dev lo protocol ip parent 1: u32 match ip {} {} 0xffff flowid 1:4"
_RELEASE = "tc qdisc change dev lo parent 1:4 handle 40: plug release_indefinite"


class Silence:
    """What hangs at present.

    frozen  a LUN: no packet of its connection passes, in either direction
    cut     a LUN: the connection is broken, and the kernel waits long for its return
    stuck   a LUN: its SCSI host is in error recovery
    silent  all NVMe namespaces by TCP: the target cannot be reached, and nobody says so
    """

    def __init__(self, lab: Cluster) -> None:
        self._lab = lab
        self._frozen = False
        self._broken: list[tuple[str, str, str]] = []
        self._silent = False

    def begin(self, how: str, node: str, disk: str) -> None:
        """Let a node's disk hang."""
        if how == SILENT:
            if not self._silent:
                self._silent = True
                self._run(f"ip address del {TCP_ADDRESS}/8 dev lo")
        elif how == FROZEN:
            self._freeze(node, disk)
        else:
            self._broken.append((how, node, disk))
            if how == STUCK:
                self._lab.nodes[node].hang(disk)
            else:
                self._run(f"echo {RECOVERY_SECONDS} > {self._session(node, disk)}/recovery_tmo")
                self._lab.nodes[node].cut(disk)

    def end(self) -> None:
        """Let everything go on; what waited is carried out now."""
        if self._silent:
            self._run(f"ip address add {TCP_ADDRESS}/8 dev lo")
        if self._frozen:
            self._run(_RELEASE)
        for how, node, disk in self._broken:
            self._lab.nodes[node].heal(disk)
            if how == CUT:  # the kernel takes no value while the connection is broken
                self._run(f"echo {layout.REPLACEMENT_SECONDS} > {self._session(node, disk)}/recovery_tmo")
        self._silent, self._broken = False, []

    def remove(self) -> None:
        """Take the queue away."""
        if self._frozen:
            self._run("tc qdisc del dev lo root")
            self._frozen = False

    def _freeze(self, node: str, disk: str) -> None:
        if not self._frozen:
            self._frozen = True
            self._run(*_QUEUE)
        session = self._session(node, disk)
        port = self._run(f"cat {session}/device/connection*/iscsi_connection/*/local_port").strip()
        self._run(*(_HOLD.format(end, port) for end in ("sport", "dport")))

    def _session(self, node: str, disk: str) -> str:
        wanted = layout.target(node, disk)
        return self._run(f"dirname $(grep -lx {wanted} /sys/class/iscsi_session/*/targetname)").strip()

    def _run(self, *lines: str) -> str:
        return self._lab.guest.run(["sh", "-ec", "\n".join(lines)], check=True).stdout


@contextmanager
def silence(lab: Cluster, namespaces: Namespaces | None = None) -> Iterator[Silence]:
    """While it lasts disks can be made to hang; afterwards nothing does."""
    made = Silence(lab)
    try:
        yield made
    finally:
        made.end()
        made.remove()
        if namespaces:
            namespaces.reset("tcp")
