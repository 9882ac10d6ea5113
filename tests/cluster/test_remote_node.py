"""A remote node is unfenced by its unit, fenced when it is lost, and comes back: the commands of docs/remote.md."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.cluster import cib, steps
from tests.cluster.cluster import DUMMY, WRITER
from tests.cluster.setup import RAW, Setup
from tests.documents import commands, guide
from tests.lab.fabric import RING
from tests.lab.inside.layout import CLUSTER, ring_address

if TYPE_CHECKING:
    from tests.cluster.cluster import PacemakerCluster
    from tests.cluster.conftest import Clusters
    from tests.cluster.root import Stack

REMOTE, FAR = "n3", "far"
DEVICE_KNOWS, KEEP_AWAY, BOOT, ADD, TRY = range(5)
# pcs does this by its daemons, which the lab has not, and then creates the resource.
ADDS = "pcs cluster node add-remote"
SECONDS = 150.0


class Administrator:
    """Does what docs/remote.md says."""

    def __init__(self, cluster: PacemakerCluster) -> None:
        self.cluster = cluster
        self.words = {
            "shared-disks": cib.FENCING,
            "mycluster": CLUSTER,
            "node1": "n1",
            "node2": "n2",
            "remote1": REMOTE,
            "ocf:pacemaker:Dummy": f"ocf:lab:worker program=writer arguments='{' '.join(map(cluster.path, RAW))}'",
        }
        self.guide = guide.Guide(guide.REMOTE, guide.REMOTE_NODE, ",".join(cluster.devices()), self.words)

    def does(self, block: int, **words: str) -> None:
        """Run a block of commands on a node of the cluster."""
        remote = f"pcs resource create {REMOTE} ocf:pacemaker:remote server={ring_address(REMOTE)}"
        for command in self.guide.commands(block, **words):
            line = f"{command.replace(f'{ADDS} {REMOTE}', remote)} --force" if ADDS in command else command
            self.cluster["n1"].run(["bash", "-c", line], timeout=SECONDS, check=True)

    def boots(self) -> None:
        """What systemd does on the remote node: the unit first, and Pacemaker Remote only where that succeeds."""
        (unit,) = commands.files_in("docs/remote.md")
        (line,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
        assert "\nRequiredBy=pacemaker_remote.service\n" in unit
        words = shlex.split(self.guide.translated(line))
        self.guide.commands(BOOT)
        done = self.cluster[REMOTE].run(words, timeout=SECONDS)
        assert (done.returncode, done.stderr) == (0, ""), done
        self.cluster.start_remote(REMOTE)

    def status(self) -> int:
        """What the agent says of the remote node, asked as people try it."""
        fence, ask = self.guide.commands(TRY)
        self.cluster["n1"].run(["bash", "-c", fence], timeout=SECONDS, check=True)
        return self.cluster["n1"].run(["bash", "-c", ask], timeout=SECONDS).returncode


@pytest.mark.long
@pytest.mark.promise(1, 11)
def test_a_remote_node_writes_after_its_own_on_is_fenced_when_it_is_lost_and_comes_back(
    clusters: Clusters, stack: Stack
) -> None:
    two = clusters.whole(stack, Setup(strangers=(REMOTE,)))
    two.spoilt = True
    nodes = frozenset(two.setup.nodes)
    administrator = Administrator(two)
    administrator.does(DEVICE_KNOWS)
    two.wait_until_whole()
    for resource in (f"{WRITER}-clone", f"{DUMMY}-clone", "data"):
        administrator.does(KEEP_AWAY, **{"my-group": resource})

    two[REMOTE].run(["rm", "-f", "/etc/corosync/corosync.conf"], check=True)
    steps.assert_shut_out(two, REMOTE)
    administrator.boots()
    assert all(two.registered(disk) == nodes | {REMOTE} for disk in two.setup.disks)
    administrator.does(ADD)
    _writes_from_afar(two)

    # It is alive, and nobody hears of it.
    two.cut(REMOTE, RING)
    two.until(lambda: two.view("n1").fenced(REMOTE), f"{REMOTE} has been fenced")
    assert all(two.registered(disk) == nodes for disk in two.setup.disks)
    landed = {disk: two.landed(disk, REMOTE) for disk in RAW}
    steps.wait_until_refused(two, REMOTE)
    steps.assert_nothing_landed_since(two, REMOTE, landed)
    steps.assert_shut_out(two, REMOTE)
    assert administrator.status() == 2
    _is_reset_by_its_guard(two)
    assert {disk: two.landed(disk, REMOTE) for disk in RAW} == landed

    two.crash(REMOTE)
    # Back sooner, it would be fenced for the loss of what it was, and reset once more.
    two.wait_until_missed(REMOTE)
    two.power_on(REMOTE)
    steps.assert_shut_out(two, REMOTE)
    administrator.boots()
    assert all(two.registered(disk) == nodes | {REMOTE} for disk in two.setup.disks)
    _writes_from_afar(two)
    assert all(now > before for disk in RAW for now, before in zip(two.landed(disk, REMOTE), landed[disk], strict=True))
    steps.assert_unharmed(two, *nodes)
    assert not administrator.guide.unused()


def _is_reset_by_its_guard(cluster: PacemakerCluster) -> None:
    """The network is whole again: nothing else keeps Pacemaker from using a remote node that cannot write."""
    cluster.heal(REMOTE, RING)
    there = frozenset({REMOTE})
    cluster.until(lambda: cluster.view("n1").active.get(FAR) == there, "the resource runs there again")
    steps.wait_until_refused(cluster, REMOTE)
    cluster[REMOTE].run(["sh", "-c", "setsid pr_fence_guard >/dev/null 2>&1 </dev/null &"], check=True)
    cluster.until(lambda: not cluster[REMOTE].guest.alive(), f"{REMOTE} has reset itself")


def _writes_from_afar(cluster: PacemakerCluster) -> None:
    """A resource runs on the remote node, and all that it writes lands."""
    there = frozenset({REMOTE})
    cluster.until(lambda: cluster.view("n1").active.get(FAR) == there, "a resource runs on the remote node")
    for disk in RAW:
        cluster.until(lambda: cluster.writes(REMOTE, disk).ok, f"{REMOTE} writes to {disk}")  # noqa: B023
        report = cluster.writes(REMOTE, disk)
        assert not report.errors, (disk, report)
        steps.assert_landed(cluster, REMOTE, {disk: steps.acknowledged(report)})
