"""A node whose key stands for a former session, or for a dead path, on real targets: who asks, who fences, who wins."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.fencing import maps
from tests.fencing.agent import fail, key, run, start, succeed
from tests.fencing.maps import PATH_1, PATH_2
from tests.fencing.sessions import log_in_anew

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster

N1, N2, N3 = map(key, ("n1", "n2", "n3"))
AWAY_SECONDS = 1.0


@pytest.mark.promise(3, 4)
def test_no_register_where_lio_tells_which_session_is_registered(lab: Cluster) -> None:
    """A REGISTER counts the generation on, and may have to wait for another node's preempt."""
    for name in ("n1", "n2"):
        succeed(lab.nodes[name], "on", name)
    before = lab.reservation("c").generation
    succeed(lab.n1, "off", "n2")
    after = before + 2  # the preempt, and the question whether LIO has written that down
    assert lab.reservation("c").generation == after
    succeed(lab.n1, "monitor")
    succeed(lab.n1, "off", "n2")
    assert lab.reservation("c").generation == after


@pytest.mark.promise(3)
def test_a_node_with_a_new_session_fences_nobody_until_on_has_run_there(lab: Cluster) -> None:
    for name in ("n1", "n2"):
        succeed(lab.nodes[name], "on", name)
    log_in_anew(lab, "n1", "c")
    before = [lab.reservation(lun) for lun in "abc"]
    assert any(f"key 0x{N1:x} is registered, but not for this node" in line for line in fail(lab.n1, "off", "n2"))
    assert [lab.reservation(lun).keys for lun in "abc"] == [it.keys for it in before]
    succeed(lab.n1, "on", "n1")
    succeed(lab.n1, "off", "n2")


@pytest.mark.promise(3, 6)
def test_over_a_map_the_path_that_is_registered_is_waited_for(lab: Cluster) -> None:
    """It is away for a moment, and the other one never was registered."""
    with maps.mapped(lab, "a") as name:
        lab.nodes[PATH_2].set_state("a", "offline")
        assert run(lab.n1, "on", "n1", devices=name).returncode == 0
        succeed(lab.n3, "on", "n3", luns="a")
        lab.nodes[PATH_2].set_state("a", "running")
        lab.nodes[PATH_1].set_state("a", "offline")
        calling = start(lab.n1, "off", "n3", devices=name)
        time.sleep(AWAY_SECONDS)
        assert not calling.done()
        lab.nodes[PATH_1].set_state("a", "running")
        done = calling.wait()
        assert done.stdout.startswith("Success: Powered OFF\n"), done
        assert lab.reservation("a").keys == {PATH_1: N1}


@pytest.mark.promise(3)
@pytest.mark.parametrize("registered", [PATH_1, PATH_2])
def test_over_a_map_the_path_that_is_registered_is_found(lab: Cluster, registered: str) -> None:
    """The other one was dead when 'on' ran, and is back."""
    with maps.mapped(lab, "a") as name:
        other = next(it for it in (PATH_1, PATH_2) if it != registered)
        lab.nodes[other].set_state("a", "offline")
        assert run(lab.n1, "on", "n1", devices=name).returncode == 0
        succeed(lab.n3, "on", "n3", luns="a")
        lab.nodes[other].set_state("a", "running")
        assert lab.reservation("a").keys == {registered: N1, "n3": N3}
        done = run(lab.n1, "off", "n3", devices=name)
        assert done.stdout.startswith("Success: Powered OFF\n"), done
        assert lab.reservation("a").keys == {registered: N1}


@pytest.mark.promise(3)
def test_over_a_map_whose_registered_path_is_dead_nothing_is_begun(lab: Cluster) -> None:
    with maps.mapped(lab, "a") as name:
        lab.nodes[PATH_2].set_state("a", "offline")
        assert run(lab.n1, "on", "n1", devices=name).returncode == 0
        succeed(lab.n3, "on", "n3", luns="a")
        lab.nodes[PATH_2].set_state("a", "running")
        lab.nodes[PATH_1].set_state("a", "offline")
        done = run(lab.n1, "off", "n3", devices=name)
        assert "not for this node as it is connected now" in done.stderr, done
        assert lab.reservation("a").keys == {PATH_1: N1, "n3": N3}
        lab.nodes[PATH_1].set_state("a", "running")
        succeed(lab.n3, "off", "n1", luns="a")
