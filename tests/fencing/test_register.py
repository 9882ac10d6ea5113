"""'on' where something is registered already: this node's own old key is replaced, another's and LVM's never."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fencing import maps
from tests.fencing.agent import WERO, fail, key, start, succeed
from tests.lab.inside import layout
from tests.lab.inside.layout import LUNS

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster
    from tests.lab.fabric import Fabric
    from tests.lab.nvme import Namespaces

N1, N2, N3 = map(key, ("n1", "n2", "n3"))
OLD, LVM = 0x77, 0x1000000000000001
IGNORE = 1


def replaced(lab: Cluster) -> list[str]:
    """What n1's log says of it."""
    words = "replace this node's former key "
    return [line.rpartition(words)[2] for line in lab.n1.syslog() if words in line]


def register(lab: Cluster, node: str, old: int, new: int, flags: int = 0) -> int:
    """REGISTER on LUN a; on old kernels a unit attention, left by the lab's own clean-up, ends the first with 2."""
    returned = lab.nodes[node].pr("a", "register", old, new, flags)
    return lab.nodes[node].pr("a", "register", old, new, flags) if returned == 2 else returned


@pytest.mark.promise(2, 4)
@pytest.mark.parametrize("others", [0, 3])
def test_the_key_that_this_node_had_before_is_replaced_and_its_reservation_stays(lab: Cluster, others: int) -> None:
    """It is found among other nodes' keys, which are smaller and greater."""
    for number, node in zip(range(others), ("n2", "n3", "n3")):
        assert register(lab, node, 0, (0x70, 0x80, 0x90)[number], IGNORE) == 0
    assert register(lab, "n1", 0, OLD) == 0
    assert lab.n1.pr("a", "reserve", OLD, WERO) == 0
    before = lab.reservation("a")
    succeed(lab.n1, "on", "n1", luns="a")
    after = lab.reservation("a")
    assert after.keys == {**before.keys, "n1": N1}
    assert (after.type, after.holder) == (WERO, "n1")
    assert lab.n1.write("a") == "ok"
    assert replaced(lab) == ["0x77"]
    succeed(lab.n1, "on", "n1", luns="a")
    assert lab.reservation("a").keys == after.keys


@pytest.mark.promise(2, 5)
@pytest.mark.parametrize("before", [False, True], ids=["before 'on'", "after 'on'"])
def test_lvms_key_is_not_replaced(lab: Cluster, before: bool) -> None:
    """LVM registers with IGNORE, in place of whatever stands there."""
    if before:
        succeed(lab.n1, "on", "n1", luns="ab")
    assert register(lab, "n1", 0, LVM, IGNORE) == 0
    (line,) = fail(lab.n1, "on", "n1", luns="a")
    assert f"LVM keeps reservations of its own on this disk: 0x{LVM:x}" in line
    assert lab.reservation("a").keys == {"n1": LVM}


@pytest.mark.promise(2, 5)
def test_two_nodes_over_one_connection_are_refused(lab: Cluster) -> None:
    """As virtual machines that share their host's port, or that were cloned with their initiator name."""
    succeed(lab.n2, "on", "n2", devices=lab.n1.disk("a"))
    before = lab.reservation("a")
    assert before.keys == {"n1": N2}
    for _ in range(2):
        (line,) = fail(lab.n1, "on", "n1", luns="a")
        assert f"registered with key 0x{N2:x} of node n2: two nodes are one initiator to the disk" in line
        assert lab.reservation("a").keys == before.keys
    assert lab.n1.write("a") == "ok"  # as n2


@pytest.mark.promise(7)
@pytest.mark.parametrize("on_this_one", [0, OLD], ids=["nothing", "another key"])
def test_a_new_session_beside_an_older_one_that_is_still_listed_is_registered(lab: Cluster, on_this_one: int) -> None:
    """n2's connection is the older one here."""
    assert register(lab, "n2", 0, N1) == 0
    if on_this_one:
        assert register(lab, "n1", 0, on_this_one) == 0
    assert lab.n2.pr("a", "reserve", N1, WERO) == 0
    succeed(lab.n1, "on", "n1", luns="a")
    assert lab.reservation("a").keys == {"n1": N1, "n2": N1}
    assert lab.n1.write("a") == "ok"


LOG_IN_ANEW = f"""
set -e
for lun in a nopr; do iscsiadm -m node -T {layout.target("n1", "")}$lun --logout; done
for lun in a nopr; do iscsiadm -m node -T {layout.target("n1", "")}$lun --login; done
until path=$(grep -l {LUNS["a"].naa} /sys/block/sd*/device/wwid); do sleep 0.1; done
disk=/dev/$(echo $path | cut -d/ -f4)
until [ -b $disk ]; do sleep 0.1; done
echo $disk
"""


@pytest.mark.promise(1, 7)
def test_a_node_that_logged_in_as_another_session_is_registered_beside_the_old_one_and_fenced_with_both(
    fabric: Fabric,
) -> None:
    """To LIO that is another nexus for commands like REGISTER; for writes it compares half of the session only."""
    n1, n2 = fabric.hosts["n1"], fabric.hosts["n2"]
    n1.log_in(daemon=True)
    n2.log_in()
    succeed(n2, "on", "n2", devices=n2.disk("a"))
    succeed(n1, "on", "n1", devices=n1.disk("a"))
    disk = n1.run(["sh", "-c", LOG_IN_ANEW], check=True).stdout.split()[-1]
    assert n1.disk("a") == disk, "the lab knows the new session"
    assert registered(fabric) == [N1, N2]
    succeed(n1, "on", "n1", devices=disk)
    assert registered(fabric) == [N1, N1, N2]
    write = ["dd", "if=/dev/zero", f"of={disk}", "bs=4096", "count=1", "oflag=direct"]
    assert n1.run(write).returncode == 0
    succeed(n1, "on", "n1", devices=disk)
    assert registered(fabric) == [N1, N1, N2]
    succeed(n2, "off", "n1", devices=n2.disk("a"))
    assert registered(fabric) == [N2]
    assert "Invalid exchange" in n1.run(write).stderr
    assert n2.pr("a", "clear", N2) == 0


def registered(fabric: Fabric) -> list[int]:
    """Every registration on LUN a, by its key."""
    return sorted(it for _, it in fabric.lun_reservation("a").registrations)


@pytest.mark.promise(2, 5)
def test_each_path_of_a_map_has_its_own_key_replaced_and_none_that_is_anothers(lab: Cluster) -> None:
    with maps.mapped(lab, "a") as name:
        assert [register(lab, "n1", 0, OLD), register(lab, "n2", 0, OLD + 1)] == [0, 0]
        succeed(lab.n1, "on", "n1", devices=name)
        assert lab.reservation("a").keys == {"n1": N1, "n2": N1}
        assert register(lab, "n2", N1, N3) == 0
        (line,) = fail(lab.n1, "on", "n1", devices=name)
        assert f"key 0x{N3:x} of node n3" in line
        assert lab.reservation("a").keys == {"n1": N1, "n2": N3}


@pytest.mark.promise(2, 5)
@pytest.mark.parametrize("before", [False, True], ids=["before 'on'", "after 'on'"])
def test_lvms_key_is_not_replaced_on_a_namespace(namespaces: Namespaces, before: bool) -> None:
    n1, disk = namespaces.cluster.n1, namespaces.disk("n1")
    if before:
        succeed(n1, "on", "n1", devices=disk)
    old = N1 if before else LVM
    assert namespaces.pr("n1", "register", old if before else 0, LVM, IGNORE if before else 0) == 0
    (line,) = fail(n1, "on", "n1", devices=disk)
    assert f"LVM keeps reservations of its own on this disk: 0x{LVM:x}" in line
    assert namespaces.reservation().keys == {"n1": LVM}


@pytest.mark.promise(2, 3)
def test_of_two_hosts_with_one_identifier_that_come_at_the_same_moment_one_is_refused(namespaces: Namespaces) -> None:
    namespaces.connect("n2", "loop", like="n1")
    for _ in range(3):
        racing = [
            start(namespaces.cluster.nodes[name], "on", name, devices=namespaces.disk(name)) for name in ("n1", "n2")
        ]
        done = [call.wait() for call in racing]
        (winner,) = (name for name, end in zip(("n1", "n2"), done) if end.returncode == 0)
        assert set(namespaces.reservation().keys.values()) == {key(winner)}
