"""One node fences another off real disks, and what each of them can do then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fencing.agent import LUNS, WERO, fail, key, run, succeed

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster


@pytest.fixture
def unfenced(lab: Cluster) -> Cluster:
    """n1 and n2 registered on three LUNs."""
    for node in (lab.n1, lab.n2):
        assert succeed(node, "on", node.name).stdout == "Success: Powered ON\n"
    return lab


@pytest.mark.promise(1, 5)
def test_on_registers_every_node_and_reserves_once(unfenced: Cluster) -> None:
    for lun in LUNS:
        state = unfenced.reservation(lun)
        assert state.keys == {"n1": key("n1"), "n2": key("n2")}
        assert (state.type, state.holder) == (WERO, "n1")
    assert [node.write(lun) for node in (unfenced.n1, unfenced.n2) for lun in LUNS] == ["ok"] * 6


def test_a_node_that_was_never_unfenced_cannot_write(unfenced: Cluster) -> None:
    assert [unfenced.n3.write(lun) for lun in LUNS] == ["EBADE"] * 3


@pytest.mark.promise(1, 5)
def test_off_shuts_a_node_out_of_every_disk(unfenced: Cluster) -> None:
    assert succeed(unfenced.n1, "off", "n2").stdout.startswith("Success: Powered OFF\n")
    for lun in LUNS:
        state = unfenced.reservation(lun)
        assert state.keys == {"n1": key("n1")}
        assert state.type == WERO
        assert unfenced.n2.write(lun) == "EBADE"
        assert unfenced.n2.write_buffered(lun) == "EIO"
        assert unfenced.n2.read(lun) == "ok"
        assert unfenced.n1.write(lun) == "ok"


@pytest.mark.promise(2, 5)
def test_a_fenced_node_cannot_fence_its_way_back_in(unfenced: Cluster) -> None:
    succeed(unfenced.n1, "off", "n2")
    before = [unfenced.reservation(lun) for lun in LUNS]
    for _ in range(2):
        lines = fail(unfenced.n2, "off", "n1")
        assert sum(f"this node's key 0x{key('n2'):x} is not registered" in line for line in lines) == len(LUNS)
        assert lines[-1].startswith("Failed: nothing was changed on any disk; ")
    assert [unfenced.reservation(lun) for lun in LUNS] == before
    assert unfenced.n2.write("a") == "EBADE"


@pytest.mark.promise(2)
def test_a_node_that_was_never_unfenced_cannot_fence(unfenced: Cluster) -> None:
    before = [unfenced.reservation(lun) for lun in LUNS]
    fail(unfenced.n3, "off", "n1")
    assert [unfenced.reservation(lun) for lun in LUNS] == before


@pytest.mark.promise(2)
@pytest.mark.parametrize("plug", ["n1", f"0x{key('n1'):X}"])
def test_a_node_cannot_shut_itself_out(unfenced: Cluster, plug: str) -> None:
    (line,) = fail(unfenced.n1, "off", plug)
    assert "is this node itself" in line
    assert unfenced.reservation("a").keys.keys() == {"n1", "n2"}


def test_a_fenced_node_is_let_in_again_by_on(unfenced: Cluster) -> None:
    succeed(unfenced.n1, "off", "n2")
    succeed(unfenced.n2, "on", "n2")
    assert [unfenced.n2.write(lun) for lun in LUNS] == ["ok"] * 3
    succeed(unfenced.n2, "off", "n1")
    assert [unfenced.n1.write(lun) for lun in LUNS] == ["EBADE"] * 3


@pytest.mark.promise(7)
def test_off_twice_is_already_off(unfenced: Cluster) -> None:
    succeed(unfenced.n1, "off", "n2")
    before = [unfenced.reservation(lun) for lun in LUNS]
    assert succeed(unfenced.n1, "off", "n2").stdout == "Success: Already OFF\n"
    assert [unfenced.reservation(lun) for lun in LUNS] == before


@pytest.mark.promise(7)
def test_on_twice_keeps_registration_and_reservation(unfenced: Cluster) -> None:
    for node in (unfenced.n2, unfenced.n1):
        succeed(node, "on", node.name)
    state = unfenced.reservation("a")
    assert state.keys == {"n1": key("n1"), "n2": key("n2")}
    assert (state.type, state.holder) == (WERO, "n1")


@pytest.mark.promise(9)
def test_status_of_each_node_in_each_state(lab: Cluster) -> None:
    lines = fail(lab.n1, "status", "n2")
    assert len(lines) == len(LUNS)
    assert all("is not registered, but nothing is reserved: it can write" in line for line in lines)
    for node in (lab.n1, lab.n2):
        succeed(node, "on", node.name)
    on = run(lab.n1, "status", "n2")
    assert (on.returncode, on.stdout, on.stderr) == (0, "Status: ON\n", "")
    succeed(lab.n1, "off", "n2")
    for asker in lab.nodes.values():
        off = run(asker, "status", "n2")
        assert (off.returncode, off.stdout, off.stderr) == (2, "Status: OFF\n", "")


@pytest.mark.promise(9)
def test_status_is_an_error_where_the_disks_differ(unfenced: Cluster) -> None:
    succeed(unfenced.n1, "off", "n2", luns="b")
    lines = fail(unfenced.n1, "status", "n2")
    assert sum("is registered" in line for line in lines) == 2
    assert [line for line in lines if "is fenced" in line and unfenced.n1.by_id("b") in line]


@pytest.mark.promise(3)
def test_two_nodes_that_fence_each_other_at_once_leave_exactly_one(lab: Cluster) -> None:
    from tests.fencing.agent import start

    for node in (lab.n1, lab.n2):
        succeed(node, "on", node.name)
    for _ in range(3):
        racing = [start(lab.n1, "off", "n2"), start(lab.n2, "off", "n1")]
        done = [call.wait() for call in racing]
        (winner,) = (name for name, end in zip(("n1", "n2"), done) if end.returncode == 0)
        assert all(lab.reservation(lun).keys == {winner: key(winner)} for lun in LUNS)
        loser = lab.nodes["n2" if winner == "n1" else "n1"]
        assert [loser.write(lun) for lun in LUNS] == ["EBADE"] * 3
        succeed(loser, "on", loser.name)
