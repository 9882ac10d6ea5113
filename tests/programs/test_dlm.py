"""dlm: the helper by which dlm_controld asks Pacemaker to fence, and dlm_controld calling the agent itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cluster import cib, root
from tests.cluster.cluster import STACK_MODULE
from tests.documents import commands
from tests.fencing.agent import key
from tests.lab import kernels
from tests.lab.cluster import Cluster
from tests.lab.guest import Guest
from tests.lab.plugin import or_not_covered
from tests.programs.documented import DISKS
from tests.programs.machine import BY_ID, INSTALL, MEMBERS, MEMORY_MIB, PATIENCE_SECONDS, Machine, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.cluster import Node

# Fencing begins this long after dlm_controld has started.
DELAY_SECONDS = 1
DAEMON = ["dlm_controld", "--foreground", "--post_join_delay", str(DELAY_SECONDS)]
# What Debian's udev rules and packages would have made.
PREPARE = """\
modprobe dlm
mkdir -p /dev/misc /etc/dlm /run/dlm_controld /var/log/dlm_controld
ln -sf ../dlm-control ../dlm-monitor ../dlm_plock /dev/misc
mount -t configfs configfs /sys/kernel/config
cat > /etc/dlm/dlm.conf
"""


def test_its_helper_fences_by_nodeid_through_pacemaker(machine: Machine) -> None:
    disk = BY_ID["a"]
    machine.create_device(disk)
    machine.let_in("n2", disk)
    machine.do("dlm_stonith -n 2 -t 0")
    assert machine.registered(disk) == {"n1"}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A guest whose kernel has dlm; on n1 runs corosync, by which n2 is a node as well."""

    def boot() -> Guest:
        guest = Guest(kernels.OLDEST.kernel(), root.BOOKWORM.folder(), memory_mib=MEMORY_MIB)
        guest.boot()
        return guest

    guest = or_not_covered(boot)
    try:
        found = Cluster(guest)
        guest.run(INSTALL, check=True, timeout=PATIENCE_SECONDS)
        files = {"/etc/corosync/corosync.conf": cib.corosync_conf(MEMBERS)}
        given = json.dumps({"files": files, "cib": cib.cib(MEMBERS, "", (), {})})
        start = [*STACK_MODULE, "start"]
        found.n1.run(start, cwd="/project", stdin=given, timeout=PATIENCE_SECONDS, check=True)
        yield found
    finally:
        guest.stop()


@pytest.mark.long
@pytest.mark.xdist_group(f"programs-{root.BOOKWORM.suite}")
def test_dlm_controld_unfences_its_node_and_fences_one_that_is_missing(cluster: Cluster) -> None:
    """It sends no action where it wants a node fenced, and tells of the node nothing but its nodeid."""
    (configuration,) = commands.files_in("docs/configure.md")
    for name, own in DISKS.items():
        configuration = configuration.replace(name, own)
    cluster.n2.run(["fence_pr_ioctl", "-o", "on", "-n", "n2", "-d", BY_ID["a"]], check=True)
    cluster.n1.run(["sh", "-ec", PREPARE], stdin=configuration, check=True)
    running = cluster.n1.start(DAEMON, timeout=PATIENCE_SECONDS)
    wait_until(lambda: "fence result 2 " in log(cluster.n1), lambda: log(cluster.n1))
    assert " result 0 exit status" in log(cluster.n1)
    assert cluster.reservation("a").keys == {"n1": key("n1")}
    running.signal()


def log(node: Node) -> str:
    """What dlm_controld has said."""
    return "\n".join(line for line in node.syslog() if "dlm_controld" in line)
