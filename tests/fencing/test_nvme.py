"""NVMe namespaces, by loop and by TCP: what holds for SCSI disks holds here, and what NVMe alone gets wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fencing import maps
from tests.fencing.agent import fail, key, run, start, succeed

if TYPE_CHECKING:
    from tests.lab.nvme import Namespaces

NODES = ("n1", "n2", "n3")
NUMBERS = (1, 2)
WERO, WEAR = 3, 5
OFF = 2
IGNORE_KEY = 1


def unfence(namespaces: Namespaces, *names: str) -> None:
    for name in names:
        done = succeed(namespaces.cluster.nodes[name], "on", name, devices=namespaces.disks(name))
        assert done.stdout == "Success: Powered ON\n"


def off(namespaces: Namespaces, node: str, victim: str, **options: str) -> str:
    devices = namespaces.disks(node)
    return str(succeed(namespaces.cluster.nodes[node], "off", victim, devices=devices, **options).stdout)


@pytest.mark.promise(1, 5)
def test_on_registers_and_reserves_for_all_registrants(namespaces: Namespaces) -> None:
    unfence(namespaces, "n1", "n2")
    for number in NUMBERS:
        state = namespaces.reservation(number)
        assert (state.type, state.keys) == (WEAR, {"n1": key("n1"), "n2": key("n2")})
        assert [namespaces.write(node, number) for node in NODES] == ["ok", "ok", "EBADE"]


@pytest.mark.promise(1, 5)
def test_off_shuts_a_node_out_and_it_cannot_fence_back(namespaces: Namespaces) -> None:
    unfence(namespaces, "n1", "n2")
    assert off(namespaces, "n1", "n2") == "Success: Powered OFF\n"
    for number in NUMBERS:
        assert namespaces.reservation(number).keys == {"n1": key("n1")}
        assert (namespaces.write("n2", number), namespaces.read("n2", number)) == ("EBADE", "ok")
        assert namespaces.write("n1", number) == "ok"
    assert off(namespaces, "n1", "n2") == "Success: Already OFF\n"
    lines = fail(namespaces.cluster.n2, "off", "n1", devices=namespaces.disks("n2"))
    assert sum(f"this node's key 0x{key('n2'):x} is not registered" in line for line in lines) == 2
    assert namespaces.reservation().keys == {"n1": key("n1")}
    unfence(namespaces, "n2")
    assert namespaces.write("n2") == "ok"
    off(namespaces, "n2", "n1")
    assert namespaces.write("n1") == "EBADE"


@pytest.mark.promise(9)
def test_status_monitor_and_list(namespaces: Namespaces) -> None:
    n1, devices = namespaces.cluster.n1, namespaces.disks("n1")
    lines = fail(n1, "status", "n2", devices=devices)
    assert all("is not registered, but nothing is reserved: it can write" in line for line in lines)
    assert succeed(n1, "monitor", devices=devices).stdout == ""
    unfence(namespaces, "n1", "n2")
    on = run(n1, "status", "n2", devices=devices)
    assert (on.returncode, on.stdout, on.stderr) == (0, "Status: ON\n", "")
    off(namespaces, "n1", "n2")
    assert run(n1, "status", "n2", devices=devices).returncode == 2
    assert succeed(n1, "monitor", devices=devices).stdout == ""
    assert succeed(n1, "list-status", devices=devices).stdout == "n1,,ON\nn2,,OFF\nn3,,OFF\n"
    lines = fail(namespaces.cluster.n2, "monitor", devices=namespaces.disks("n2"))
    assert all("not registered any more" in line for line in lines)


@pytest.mark.promise(1)
@pytest.mark.parametrize("holder", NODES)
@pytest.mark.parametrize("reservation_type", range(1, 7))
def test_the_type_in_force_is_kept_whoever_holds(namespaces: Namespaces, reservation_type: int, holder: str) -> None:
    for node in NODES:
        assert namespaces.pr(node, "register", 0, key(node)) == 0
    assert namespaces.pr(holder, "reserve", key(holder), reservation_type) == 0
    n1, device = namespaces.cluster.n1, namespaces.disk("n1")
    succeed(n1, "on", "n1", devices=namespaces.disk("n1", 2))
    assert succeed(n1, "off", "n2", devices=device).stdout.startswith("Success: Powered OFF\n")
    state = namespaces.reservation()
    assert (state.type, state.keys) == (reservation_type, {"n1": key("n1"), "n3": key("n3")})
    assert namespaces.write("n2") == "EBADE"


@pytest.mark.promise(1)
def test_no_reservation_in_force_is_never_already_off(namespaces: Namespaces) -> None:
    assert namespaces.pr("n1", "register", 0, key("n1")) == 0
    assert namespaces.write("n2") == "ok"
    done = succeed(namespaces.cluster.n1, "off", "n2", devices=namespaces.disk("n1"))
    assert done.stdout.startswith("Success: Powered OFF\n")
    assert (namespaces.reservation().type, namespaces.write("n2")) == (WEAR, "EBADE")


@pytest.mark.parametrize("before", ["nothing", "mine", "another", "zero"])
def test_on_ends_with_exactly_my_key_whatever_stood_before(namespaces: Namespaces, before: str) -> None:
    if before != "nothing":
        old = key("n1") if before == "mine" else 0x77
        assert namespaces.pr("n1", "register", 0, old) == 0
        if before == "zero":  # what the ioctl makes of "unregister"
            assert namespaces.pr("n1", "register", old, 0) == 0
            assert namespaces.reservation().keys == {"n1": 0}
    unfence(namespaces, "n1")
    assert namespaces.reservation().keys == {"n1": key("n1")}
    assert namespaces.write("n1") == "ok"


@pytest.mark.promise(1, 9)
def test_a_host_with_key_0_is_never_called_fenced(namespaces: Namespaces) -> None:
    unfence(namespaces, "n1", "n2")
    assert namespaces.pr("n2", "register", key("n2"), 0) == 0
    assert namespaces.write("n2") == "ok"
    lines = fail(namespaces.cluster.n1, "off", "n2", devices=namespaces.disk("n1"))
    assert "a host is registered with key 0 and can write" in lines[0]
    assert run(namespaces.cluster.n1, "status", "n2", devices=namespaces.disk("n1")).returncode == 1
    unfence(namespaces, "n2")
    off(namespaces, "n1", "n2")
    assert namespaces.write("n2") == "EBADE"


@pytest.mark.promise(1, 5)
def test_two_nodes_with_one_host_identifier_are_refused(namespaces: Namespaces) -> None:
    unfence(namespaces, "n1")
    namespaces.connect("n2", "loop", like="n1")
    lines = fail(namespaces.cluster.n2, "on", "n2", devices=namespaces.disks("n2"))
    assert len(lines) == len(NUMBERS)
    assert all("of node n1, which is not this node's: two nodes have one identifier" in line for line in lines)
    assert all("/etc/nvme/hostid" in line for line in lines)
    assert namespaces.reservation().keys == {"n1": key("n1")}


@pytest.mark.promise(3)
def test_two_nodes_that_fence_each_other_at_once_leave_exactly_one(namespaces: Namespaces) -> None:
    unfence(namespaces, "n1", "n2")
    cluster = namespaces.cluster
    racing = [
        start(cluster.n1, "off", "n2", devices=namespaces.disks("n1")),
        start(cluster.n2, "off", "n1", devices=namespaces.disks("n2")),
    ]
    done = [call.wait() for call in racing]
    (winner,) = (name for name, end in zip(("n1", "n2"), done) if end.returncode == 0)
    assert all(namespaces.reservation(number).keys == {winner: key(winner)} for number in NUMBERS)


@pytest.mark.promise(1, 9)
def test_scsi_nvme_and_multipath_in_one_call(namespaces: Namespaces) -> None:
    """n1 has two paths to LUN a under a map, n3 one path without."""
    cluster = namespaces.cluster
    n1, n3 = cluster.n1, cluster.n3
    with maps.mapped(cluster, "a") as mapped:
        disks = {
            "n1": f"{mapped},{namespaces.disks('n1')},{n1.by_id('b')}",
            "n3": f"{n3.by_id('b')},{namespaces.disks('n3')},{n3.by_id('a')}",
        }
        for node in (n1, n3):
            succeed(node, "on", node.name, devices=disks[node.name])
        assert (cluster.reservation("a").type, namespaces.reservation(asker="n2").type) == (WERO, WEAR)
        assert run(n1, "status", "n3", devices=disks["n1"]).stdout == "Status: ON\n"
        assert succeed(n1, "off", "n3", devices=disks["n1"]).stdout.startswith("Success: Powered OFF\n")
        assert run(n1, "status", "n3", devices=disks["n1"]).returncode == OFF
        assert succeed(n1, "monitor", devices=disks["n1"]).stdout == ""
        answers = [n3.write("a"), n3.write("b"), *(namespaces.write("n3", number) for number in NUMBERS)]
        assert answers == ["EBADE"] * 4
        assert len(fail(n3, "off", "n1", devices=disks["n3"])) == 5


def test_a_reset_leaves_every_disk_usable(namespaces: Namespaces) -> None:
    cluster = namespaces.cluster
    cluster.reset()
    assert [cluster.n1.write(lun) for lun in ("a", "b", "c", "d")] == ["ok"] * 4
    assert [namespaces.write("n1", number) for number in NUMBERS] == ["ok"] * 2


def test_validate_all_says_what_is_missing(namespaces: Namespaces) -> None:
    n1 = namespaces.cluster.n1
    assert succeed(n1, "validate-all", devices=namespaces.disks("n1")).stdout == ""
    namespaces.disconnect("n1")
    gone = fail(n1, "validate-all", devices="/dev/nvme0n1")
    assert gone
