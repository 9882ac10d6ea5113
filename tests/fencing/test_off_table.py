"""`off` from every state in which a cluster may have left the disks: the exit code, and the state afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fencing.agent import LUNS, WERO, fail, key, succeed
from tests.lab.plugin import newest

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster

pytestmark = newest

N1, N2 = key("n1"), key("n2")
IGNORE_KEY = 1


def prepare(
    lab: Cluster, registered: tuple[str, ...], holder: str = "", types: tuple[int, int, int] = (WERO, WERO, WERO)
) -> None:
    """Registrations on all LUNs and a reservation of a type each, by the lab's own ioctls."""
    lab.drain()
    for lun, reservation_type in zip(LUNS, types):
        for name in registered:
            assert lab.nodes[name].pr(lun, "register", 0, key(name), IGNORE_KEY) == 0
        if holder:
            assert lab.nodes[holder].pr(lun, "reserve", key(holder), reservation_type) == 0


@pytest.mark.promise(1)
def test_a_victim_that_holds_the_reservation(lab: Cluster) -> None:
    prepare(lab, ("n1", "n2"), "n2")
    assert succeed(lab.n1, "off", "n2").stdout.startswith("Success: Powered OFF\n")
    for lun in LUNS:
        state = lab.reservation(lun)
        assert (state.keys, state.type, state.holder) == ({"n1": N1}, WERO, "n1")
        assert lab.n2.write(lun) == "EBADE"


@pytest.mark.promise(1)
def test_a_victim_that_does_not_hold_it(lab: Cluster) -> None:
    prepare(lab, ("n1", "n2", "n3"), "n3")
    succeed(lab.n1, "off", "n2")
    for lun in LUNS:
        state = lab.reservation(lun)
        assert (state.keys, state.type, state.holder) == ({"n1": N1, "n3": key("n3")}, WERO, "n3")
        assert [node.write(lun) for node in lab.nodes.values()] == ["ok", "EBADE", "ok"]


@pytest.mark.promise(1)
def test_a_victim_that_is_not_registered(lab: Cluster) -> None:
    prepare(lab, ("n1",), "n1")
    assert succeed(lab.n1, "off", "n2").stdout == "Success: Already OFF\n"
    assert lab.n2.write("a") == "EBADE"


@pytest.mark.promise(1)
def test_a_victim_that_is_gone_on_some_disks_only(lab: Cluster) -> None:
    prepare(lab, ("n1", "n2"), "n1")
    assert lab.n1.pr("d", "register", 0, N1, IGNORE_KEY) == 0
    assert lab.n1.pr("b", "preempt_abort", N1, N2, WERO) == 0
    assert succeed(lab.n1, "off", "n2").stdout.startswith("Success: Powered OFF\n")
    assert all(lab.reservation(lun).keys == {"n1": N1} for lun in LUNS)


@pytest.mark.promise(1)
@pytest.mark.parametrize("victim_registered", [True, False])
def test_no_reservation_in_force_is_never_already_off(lab: Cluster, victim_registered: bool) -> None:
    prepare(lab, ("n1", "n2") if victim_registered else ("n1",))
    assert lab.n2.write("a") == "ok"
    assert succeed(lab.n1, "off", "n2").stdout.startswith("Success: Powered OFF\n")
    for lun in LUNS:
        state = lab.reservation(lun)
        assert (state.keys, state.type, state.holder) == ({"n1": N1}, WERO, "n1")
        assert lab.n2.write(lun) == "EBADE"


@pytest.mark.promise(1)
@pytest.mark.parametrize("types", [(1, 2, 3), (4, 5, 6)])
@pytest.mark.parametrize("holder", ["n1", "n2", "n3"])
def test_the_type_in_force_is_kept(lab: Cluster, types: tuple[int, int, int], holder: str) -> None:
    prepare(lab, ("n1", "n2", "n3"), holder, types)
    done = succeed(lab.n1, "off", "n2")
    assert done.stdout.splitlines()[0] == "Success: Powered OFF"
    assert done.stdout.count("only its holder can write") == sum(kind in (1, 2) for kind in types)
    for lun, reservation_type in zip(LUNS, types):
        state = lab.reservation(lun)
        assert (state.keys, state.type) == ({"n1": N1, "n3": key("n3")}, reservation_type)
        assert lab.n2.write(lun) == "EBADE"


@pytest.mark.promise(1, 2)
def test_this_node_not_registered_on_one_disk(lab: Cluster) -> None:
    prepare(lab, ("n1", "n2"), "n2")
    assert lab.n1.pr("c", "register", N1, 0) == 0
    before = [lab.reservation(lun) for lun in LUNS]
    lines = fail(lab.n1, "off", "n2")
    assert lab.n1.by_id("c") in lines[0]
    assert lines[-1].startswith("Failed: nothing was changed on any disk; ")
    assert [lab.reservation(lun) for lun in LUNS] == before


@pytest.mark.promise(1, 5)
@pytest.mark.parametrize("missing", ["a", "b", "c"])
def test_one_disk_missing_changes_nothing(lab: Cluster, missing: str) -> None:
    prepare(lab, ("n1", "n2"), "n2")
    before = [lab.reservation(lun) for lun in LUNS]
    lab.n1.drop(missing)
    (line,) = fail(lab.n1, "off", "n2")
    assert line.startswith(f"Failed: {lab.n1.by_id(missing)}: no such device; ")
    assert [lab.reservation(lun) for lun in LUNS] == before


@pytest.mark.promise(1, 5)
@pytest.mark.parametrize("dead", ["a", "b"])
def test_one_dead_path_changes_nothing(lab: Cluster, dead: str) -> None:
    prepare(lab, ("n1", "n2"), "n2")
    before = [lab.reservation(lun) for lun in LUNS]
    lab.n1.set_state(dead, "offline")
    lines = fail(lab.n1, "off", "n2")
    assert lab.n1.by_id(dead) in lines[0]
    assert [lab.reservation(lun) for lun in LUNS] == before


@pytest.mark.promise(1)
def test_a_disk_without_reservations(lab: Cluster) -> None:
    prepare(lab, ("n1", "n2"), "n2")
    lines = fail(lab.n1, "off", "n2", luns=("a", "nopr"))
    assert "the target has no persistent reservations" in lines[0]
    assert lab.reservation("a").keys.keys() == {"n1", "n2"}


@pytest.mark.promise(1, 11)
def test_a_key_of_nobody_is_named_and_can_be_refused(lab: Cluster) -> None:
    """It is left at a warning where the victim's own key stood beside it, and fails where that did not."""
    prepare(lab, ("n1", "n2"), "n1")
    assert lab.n3.pr("b", "register", 0, 0xBAD) == 0
    assert "no known node has these keys" in fail(lab.n1, "monitor")[0]
    assert "0xbad" in succeed(lab.n1, "off", "n2").stdout
    lines = fail(lab.n1, "off", "n2")
    assert "0xbad (fence_scsi's form), of host iqn.2026-01.lab.host:n3" in lines[0]
    assert lab.n1.by_id("b") in lines[0]
    assert succeed(lab.n1, "off", "n2", foreign_keys="0xbad").stdout == "Success: Already OFF\n"
    succeed(lab.n2, "on", "n2")
    assert "0xbad" in fail(lab.n1, "off", "n2", foreign="refuse")[0]


@pytest.mark.promise(6)
@pytest.mark.parametrize("hanging", ["b", "c"])
def test_a_disk_that_hangs_is_named_in_time(lab: Cluster, hanging: str) -> None:
    """b comes first by identity, c is the last: nothing is fenced without any of them."""
    prepare(lab, ("n1", "n2"), "n2")
    lab.n1.hang(hanging)
    from tests.fencing.agent import run

    done = run(lab.n1, "off", "n2", power_timeout="4")
    assert done.returncode == 1
    assert lab.n1.by_id(hanging) in done.stderr
    assert done.seconds < 9
    assert [set(lab.reservation(lun).keys) for lun in LUNS] == [{"n1", "n2"}] * len(LUNS)
