"""'repair' on real disks: while a node leaves, a node that was shut out never gets a write through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fencing import maps
from tests.fencing.agent import key, succeed
from tests.tool.pr_fence import CIB, TOOL, configure, reported

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster, Node
    from tests.lab.nvme import Namespaces

IGNORE_KEY = 1
WE, EA, WERO, EARO, WEAR, EAAR = range(1, 7)
DEAD = 0x77
# Writes all the time, past the cache, and says when one lands; ends when the file is there.
WRITER = """
until [ -e /run/enough ]; do
    dd if=/dev/zero of={disk} bs=4096 count=1 oflag=direct 2>/dev/null && echo landed
    echo tried
done
"""


def repair(node: Node, deed: str, disk: str, identity: str, *arguments: str) -> dict[str, Any]:
    """The report of a deed that is done."""
    configure(node)
    report = reported(node, "repair", deed, disk, f"--yes={identity}", *arguments, CIB_file=CIB)
    assert (report["exit_status"], report["found"]["done"]) == (0, True), report
    return report


def leave_beside_a_writer(node: Node, shut_out: Node, disks: tuple[str, str], identity: str, *arguments: str) -> None:
    """The node leaves while another one, which was shut out, tries to write all the time."""
    shut_out.run(["rm", "-f", "/run/enough"])
    writer = shut_out.start(["sh", "-c", WRITER.format(disk=disks[1])], timeout=60)
    try:
        repair(node, "leave", disks[0], identity, *arguments)
    finally:
        shut_out.run(["touch", "/run/enough"], check=True)
    said = writer.wait().stdout.splitlines()
    assert "landed" not in said
    assert said.count("tried") > 3


@pytest.mark.parametrize("holder", ["n1", "n2"])
def test_a_node_leaves_and_nobody_who_was_shut_out_writes_meanwhile(lab: Cluster, holder: str) -> None:
    for name in (holder, "n2" if holder == "n1" else "n1"):
        succeed(lab.nodes[name], "on", name, luns="a")
    before = lab.reservation("a")
    assert (before.holder, before.type) == (holder, WERO)
    leave_beside_a_writer(lab.n1, lab.n3, (lab.n1.by_id("a"), lab.n3.disk("a")), lab.lun("a").wwid)
    after = lab.reservation("a")
    assert (after.keys, after.type) == ({"n2": key("n2")}, WEAR if holder == "n1" else WERO)
    assert [lab.nodes[name].write("a") for name in ("n1", "n2", "n3")] == ["EBADE", "ok", "EBADE"]
    assert lab.lun("a").wwid not in lab.n1.run(["ls", "/run/fence_pr_ioctl"]).stdout.split()
    succeed(lab.n1, "on", "n1", luns="a")  # and comes back as any node does
    assert lab.n1.write("a") == "ok"


def test_a_node_leaves_over_all_paths_of_a_map(lab: Cluster) -> None:
    with maps.mapped(lab, "a") as mapped:
        succeed(lab.n1, "on", "n1", devices=mapped)
        succeed(lab.n3, "on", "n3", luns="a")
        repair(lab.n1, "leave", mapped, lab.lun("a").wwid)
        assert lab.reservation("a").keys == {"n3": key("n3")}
        assert (lab.reservation("a").type, lab.n3.write("a")) == (WEAR, "ok")


def test_the_last_node_is_refused_and_an_ordinary_call_asks(lab: Cluster) -> None:
    succeed(lab.n1, "on", "n1", luns="a")
    before = lab.reservation("a")
    refused = reported(lab.n1, "repair", "leave", lab.n1.by_id("a"), f"--yes={lab.lun('a').wwid}")
    assert [it["code"] for it in refused["problems"]] == ["last-to-leave"]
    configure(lab.n1)
    done = lab.n1.run([TOOL, "repair", "clear", lab.n1.by_id("b")], stdin="", env={"CIB_file": CIB})
    assert (done.returncode, done.stdout) == (2, "")
    assert f"it is {lab.lun('b').wwid}" in done.stderr
    configure(lab.n2)
    in_use = reported(lab.n2, "repair", "clear", lab.n2.by_id("a"), f"--yes={lab.lun('a').wwid}", CIB_file=CIB)
    assert [it["code"] for it in in_use["problems"]] == ["disk-in-use"]
    assert lab.reservation("a") == before


def test_a_disk_that_no_cluster_uses_is_cleared(lab: Cluster) -> None:
    lab.drain()
    for node, number in ((lab.n2, DEAD), (lab.n3, 0x78)):
        assert node.pr("b", "register", 0, number, IGNORE_KEY) == 0
    assert lab.n2.pr("b", "reserve", DEAD, WERO) == 0
    repair(lab.n1, "clear", lab.n1.by_id("b"), lab.lun("b").wwid)
    assert (lab.reservation("b").keys, lab.reservation("b").type) == ({}, 0)


@pytest.mark.parametrize("held", [WE, EA])
def test_a_dead_hosts_reservation_ends_and_on_works_again(lab: Cluster, held: int) -> None:
    lab.drain()
    assert lab.n3.pr("b", "register", 0, DEAD, IGNORE_KEY) == 0
    assert lab.n3.pr("b", "reserve", DEAD, held) == 0
    repair(lab.n1, "release", lab.n1.by_id("b"), lab.lun("b").wwid, f"--holder={DEAD:#x}")
    assert (lab.reservation("b").keys, lab.reservation("b").type) == ({}, 0)
    succeed(lab.n1, "on", "n1", luns="b")


def test_an_nvme_host_leaves_and_leaves_no_key_behind(namespaces: Namespaces) -> None:
    """Both as one of all holders, and as the only one, of a type that nodes of fence_scsi share."""
    n1, n2, n3 = (namespaces.cluster.nodes[name] for name in ("n1", "n2", "n3"))
    for node in (n1, n2):
        succeed(node, "on", node.name, devices=namespaces.disk(node.name, 1), type="WERO")
        succeed(node, "on", node.name, devices=namespaces.disk(node.name, 2))
    for number, kind in ((1, WERO), (2, WEAR)):
        assert state(namespaces, number) == ({"n1", "n2"}, kind)
        disks = namespaces.disk("n1", number), namespaces.disk("n3", number)
        shown = reported(n1, "show", disks[0])["found"]["disks"][0]
        leave_beside_a_writer(n1, n3, disks, shown["identity"])
        assert state(namespaces, number) == ({"n2"}, WEAR)
        assert namespaces.write("n2", number) == "ok"


def state(namespaces: Namespaces, number: int) -> tuple[set[str], int]:
    """Who is registered, and the reservation's type."""
    found = namespaces.reservation(number)
    return set(found.keys), found.type


def test_a_namespace_is_cleared(namespaces: Namespaces) -> None:
    for name, number in (("n1", 0x11), ("n2", DEAD)):
        assert namespaces.pr(name, "register", 0, number) == 0
    assert namespaces.pr("n2", "reserve", DEAD, EA) == 0
    node, disk = namespaces.cluster.n1, namespaces.disk("n1", 1)
    identity = reported(node, "show", disk)["found"]["disks"][0]["identity"]
    repair(node, "clear", disk, identity)
    assert state(namespaces, 1) == (set(), 0)
