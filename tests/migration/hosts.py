"""Hosts with Debian's fence agents and corosync, whose nodes share iSCSI disks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster import cib
from tests.lab import kernels
from tests.lab.fabric import Fabric
from tests.lab.inside.layout import NODES
from tests.lab.inside.pr import IGNORE_KEY, LAB_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.cluster import Node, Reservation

MEMBERS = ("n1", "n2")
INTRUDER = "n3"
LUNS = ("a", "b")
# Whose end is seen: a host that reboots ends.
NO_REBOOT = ("noreboot",)
# Where fence_scsi keeps its node's key and disks.
KEY_FILE, DISKS_FILE = "/var/run/cluster.key", "/var/run/cluster.dev"
OUR_FILES = "/run/fence_pr_ioctl"
# A mount of the host's own.
OUR_BINDINGS = "/var/lib/fence_pr_ioctl"


class Hosts:
    """n1 and n2, the members; n3, which never registers; corosync runs on all."""

    def __init__(self, root: Path) -> None:
        """Boot them and start corosync."""
        kernel = kernels.NVME.kernel()
        self.fabric = Fabric(kernel, dict.fromkeys(NODES, kernel), root, arguments=NO_REBOOT)
        self.n1, self.n2, self.n3 = self.fabric.hosts.values()
        try:
            for host in self.fabric.hosts.values():
                host.log_in()
                self._start_corosync(host)
        except BaseException:
            self.fabric.stop()
            raise

    def node(self, name: str) -> Node:
        """A host by its name."""
        return self.fabric.hosts[name]

    def devices(self) -> str:
        """The disks, as the option devices takes them."""
        return ",".join(map(self.n1.by_id, LUNS))

    def writer(self, name: str) -> tuple[Node, list[str]]:
        """A host and the names of its disks."""
        return self.node(name), self.devices().split(",")

    def reservations(self) -> list[Reservation]:
        """The target's own view of each disk."""
        return [self.fabric.lun_reservation(lun) for lun in LUNS]

    def reset(self) -> None:
        """Leave no reservation, and of the agents no file."""
        for host in self.fabric.hosts.values():
            host.run(["rm", "-rf", KEY_FILE, DISKS_FILE, OUR_FILES], check=True)
            host.run(["mkdir", "-m", "700", OUR_FILES], check=True)
            host.run(["find", OUR_BINDINGS, "-mindepth", "1", "-delete"], check=True)
        for lun in LUNS:
            self.n1.drain(lun)
            assert self.n1.pr(lun, "register", 0, LAB_KEY, IGNORE_KEY) == 0
            assert self.n1.pr(lun, "clear", LAB_KEY) == 0
        for host in self.fabric.hosts.values():
            self.settle(host)

    def settle(self, host: Node) -> None:
        """Take the unit attentions that tell a node of its fencing: on a node that has booted since there are none."""
        host.drain(*LUNS)

    def fence_scsi_preempts_itself(self) -> bool:
        """Whether its `on` does that: 4.17.0 does, 4.12.1 does not."""
        return self.n1.run(["grep", "-q", "do_preempt", "/usr/sbin/fence_scsi"]).returncode == 0

    @staticmethod
    def _start_corosync(host: Node) -> None:
        host.run(["tee", "/etc/corosync/corosync.conf"], stdin=cib.corosync_conf(NODES), check=True)
        # As Debian's installation makes them.
        host.run(["mkdir", "-p", "/var/lib/corosync", "/var/log/corosync"], check=True)
        host.run(["corosync"], check=True)
        host.run(["bash", "-c", "until corosync-cmapctl nodelist; do sleep 0.1; done"], check=True)
