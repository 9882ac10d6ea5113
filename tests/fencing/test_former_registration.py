"""The registration of a former session goes on LIO, which then refuses the present one although it is registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fencing.agent import WERO, fail, key, run, succeed
from tests.fencing.sessions import log_in_anew

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster

N1, N3 = map(key, ("n1", "n3"))
ANOTHER = 0x77


def two_registrations(lab: Cluster) -> None:
    """n1's on LUN c, over a former session and over the present one; n3 holds everywhere."""
    for name in ("n3", "n1"):
        succeed(lab.nodes[name], "on", name)
    log_in_anew(lab, "n1", "c")
    succeed(lab.n1, "on", "n1")
    assert lab.reservation("c").registrations.count(("n1", N1)) == 2


def forgotten(lab: Cluster) -> None:
    """LIO has forgotten that n1 is registered on LUN c, which n1 finds out when it writes there."""
    two_registrations(lab)
    assert lab.n1.pr("c", "register", N1, ANOTHER) == 0
    assert lab.n1.pr("c", "preempt", ANOTHER, N1, WERO) == 0
    lab.n1.drain("c")
    assert lab.n1.pr("c", "register", ANOTHER, N1) == 0
    assert lab.reservation("c").keys == {"n3": N3, "n1": N1}
    assert lab.n1.write("c") != lab.n1.write("b") == "ok"


@pytest.mark.promise(3)
def test_a_node_with_another_key_writes_and_fences_on_all_disks(lab: Cluster) -> None:
    two_registrations(lab)
    succeed(lab.n1, "on", "n1", key=hex(ANOTHER))
    assert lab.reservation("c").keys == {"n3": N3, "n1": ANOTHER}
    assert lab.n1.write("c") == "ok"
    succeed(lab.n1, "off", "n3", key=hex(N3))
    assert [lab.reservation(lun).keys for lun in "abc"] == [{"n1": ANOTHER}] * 3


@pytest.mark.promise(3)
def test_a_node_that_the_target_refuses_fences_nobody_until_on_has_run_there(lab: Cluster) -> None:
    forgotten(lab)
    before = [lab.reservation(lun) for lun in "abc"]
    assert any("the target refuses this node as if it were not" in line for line in fail(lab.n1, "off", "n3"))
    assert [lab.reservation(lun) for lun in "abc"] == before
    succeed(lab.n1, "on", "n1")
    assert lab.n1.write("c") == "ok"
    succeed(lab.n1, "off", "n3")


@pytest.mark.promise(3)
def test_a_node_that_uses_the_disk_keeps_its_former_key_and_writes(lab: Cluster) -> None:
    two_registrations(lab)
    user = lab.n1.start(["sh", "-c", f"exec sleep 60 3<>{lab.n1.disk('c')}"])
    done = run(lab.n1, "on", "n1", key=hex(ANOTHER))
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "is left: without it the target would refuse this node" in done.stdout, done
    assert lab.n1.write("c") == "ok"
    user.signal(9)
    user.wait()
    succeed(lab.n1, "on", "n1", key=hex(ANOTHER))
    assert lab.reservation("c").keys == {"n3": N3, "n1": ANOTHER}
    assert lab.n1.write("c") == "ok"
