"""Faults that are made in a running cluster one by one, and what `pr_fence doctor` must say of each first.

The table of docs/pr_fence.md is made from these, and tests/cluster/test_two_nodes_doctor.py makes each of them.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.cluster.doctor_making import (
    CONF,
    another_key,
    banned,
    disk_more,
    edited,
    failed_fencing,
    fenced,
    given,
    hanging,
    joined,
    kernel_name,
    levels,
    meta,
    misspelt,
    moved_link,
    no_guard,
    property_of_cluster,
    released,
    remote_node,
    resource,
    state_file,
    swapped,
    two_devices,
    unregistered,
    without_device,
    written,
)
from tests.lab.inside.layout import CLUSTER

if TYPE_CHECKING:
    from collections.abc import Callable
    from xml.etree.ElementTree import Element

    from tests.cluster.cluster import PacemakerCluster
    from tests.cluster.doctor_making import Making

ALONE, WITH = "pr_fence doctor", "pr_fence doctor --with=n2"


@dataclass(frozen=True)
class Fault:
    """One fault.

    what     for the table
    line     what doctor says first; a disk's name and its device node are DISK
    command  that finds it, on n1
    change   of the cluster's configuration, which is given to Pacemaker's tools in a file
    make     in the running cluster, and takes it back
    """

    what: str
    line: str
    command: str = ALONE
    change: Callable[[Element, PacemakerCluster], None] | None = None
    make: Making = lambda _: nullcontext()


NAMED = f"cluster_name: {CLUSTER}"
LVM = 'local {\n\tpr_key = "0x77"\n}\n'
FAULTS = (
    Fault(
        "`stonith-enabled` is false",
        "wrong: the cluster fences nobody: its option stonith-enabled is false",
        change=property_of_cluster("stonith-enabled", "false"),
    ),
    Fault("no fence device", "wrong: the cluster has no fence device with fence_pr_ioctl", change=without_device),
    Fault(
        "the fence device is disabled",
        "wrong: fence device fencing is switched off: its target-role is Stopped",
        change=meta("Stopped", "target-role"),
    ),
    Fault(
        "no `provides=unfencing`",
        "wrong: fence device fencing lacks provides=unfencing: the cluster registers no node, so none can fence",
        change=meta(""),
    ),
    Fault(
        "a constraint keeps the fence device from a node",
        "wrong: node n2 may not use fence device fencing: the cluster can neither register it nor fence from there",
        change=banned,
    ),
    Fault(
        "a node is missing in `pcmk_host_list`",
        "wrong: nobody fences node n2: it is in no list of nodes of a fence device, such as fencing",
        change=given(pcmk_host_list="n1"),
    ),
    Fault(
        "a `port` was left over in the fence device",
        "wrong: fence device fencing has the option plug=n1, which holds for one node alone",
        change=given(port="n1"),
    ),
    Fault(
        "the disks are in two fence devices without a level",
        "wrong: fence devices fencing, more name different disks, and Pacemaker is content with one "
        "of them; so for n1, n2",
        change=two_devices,
    ),
    Fault(
        "topology levels in different orders",
        "wrong: topology levels name the same fence devices in different orders: n1: fencing, more, n2: more, fencing",
        change=levels,
    ),
    Fault(
        "`pcmk_off_timeout` below `power_timeout`",
        "wrong: fence device fencing: Pacemaker waits 15 s for 'off', and the agent may take 21 s",
        change=given(pcmk_off_timeout="15s"),
    ),
    Fault(
        "a time without a number",
        "wrong: n1: option 'power_timeout', value 'long': is not a number of seconds",
        change=given(power_timeout="long"),
    ),
    Fault(
        "a remote node without `other_nodes`",
        "wrong: fence device fencing does not know remote node remote1: 'off' refuses it",
        change=remote_node,
    ),
    Fault("a disk is misspelt", "wrong: n1: DISK: no such device", change=misspelt),
    Fault(
        "a disk by the kernel's name",
        "warning: n1: DISK: a name of the kernel's own: on another node, or after the next boot, it "
        "may be another disk",
        change=kernel_name,
    ),
    Fault(
        "`abort=require` where an abort does harm",
        "wrong: n1: DISK: abort=require cannot be met: the target is LIO (company identifier 001405), "
        "whose preempt-and-abort can take down the session of the node that sends it",
        change=given(abort="require"),
    ),
    Fault(
        "a resource's disk is not fenced",
        "warning: resource data2 uses DISK, which no fence device names",
        change=resource("Filesystem", "device", "c"),
    ),
    Fault(
        "a resource places reservations",
        "wrong: resource data2 (ocf:heartbeat:sg_persist) places reservations of its own on DISK",
        change=resource("sg_persist", "devs", "a"),
    ),
    Fault(
        "a disk serves only fencing",
        "warning: DISK: the disk serves only fencing, as far as the cluster's resources and n1, n2 tell",
        WITH,
        disk_more,
        joined,
    ),
    Fault(
        "the cluster was renamed on one node",
        "wrong: the nodes do not agree on the cluster's name, from which keys are made: n1: lab, n2: old",
        WITH,
        make=edited("n2", CONF, NAMED, "cluster_name: old"),
    ),
    Fault(
        "a node is called otherwise on one node",
        "wrong: the nodes do not agree on who the nodes are: n1: n1 n2, n2: n1.example n2",
        WITH,
        make=edited("n2", CONF, "name: n1", "name: n1.example"),
    ),
    Fault(
        "`key_value=id`, and nodelists in different orders",
        "wrong: with key_value=id a key is a place in the nodelist, and the lists' orders differ: n1: n1 n2, n2: n2 n1",
        WITH,
        given(key_value="id"),
        swapped,
    ),
    Fault(
        "a name leads to another disk on one node",
        "wrong: DISK: the name leads to different disks: n1: naa.…, n2: naa.…",
        WITH,
        make=moved_link,
    ),
    Fault("no cluster name", "wrong: n1: no cluster name in corosync.conf", make=edited("n1", CONF, NAMED, "")),
    Fault(
        "LVM has replaced a node's key",
        "wrong: n1: DISK: no known node has these keys: 0x1000000000020001 (LVM's form), of host "
        "iqn.2026-01.lab.host:n2, which is n2; while they stand, a node that is not registered cannot "
        "be called fenced",
        make=another_key,
    ),
    Fault(
        "this node was fenced",
        "wrong: n1: DISK: this node's key 0x8c7d4c63a6a9c62 is not registered any more",
        make=fenced,
    ),
    Fault(
        "a member is not registered",
        "wrong: DISK: node n2 is a member of the cluster, and not registered there: it cannot write, "
        "and can fence nobody",
        make=unregistered,
    ),
    Fault(
        "nothing is reserved",
        "wrong: n1: DISK: nodes are registered but nothing is reserved: every node can write",
        make=released,
    ),
    Fault("a disk hangs", "unseen: n1: DISK: no answer in time", make=hanging),
    Fault(
        "files of another node",
        "wrong: n1: DISK: the state file in /run/fence_pr_ioctl is of node n7, and this is n1",
        make=edited("n1", state_file("a"), "node=n1", "node=n7"),
    ),
    Fault("a fencing failed, of a node that nobody fences", "wrong: 'off' of node n9 failed at …", make=failed_fencing),
    Fault(
        "the guard does not run",
        "warning: n1: pr_fence_guard does not run: where this node is fenced and does not learn of "
        "it, it lives on with what it has in memory",
        make=no_guard,
    ),
    Fault(
        "LVM has a key of its own",
        "warning: n1: LVM has a reservation key of its own: pr_key is set in /etc/lvm/lvmlocal.conf",
        make=written("n1", "/etc/lvm/lvmlocal.conf", LVM),
    ),
)
