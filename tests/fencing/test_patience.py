"""Storage that is no way to the disk for a moment: the call that meets it fences, and nobody has to call again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.fencing.agent import key, run, start, succeed
from tests.lab.inside import layout

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster
    from tests.lab.fabric import Fabric

CHANGING_ITS_STATE = 0xF  # SPC-4 table 37
MOMENT_SECONDS, GONE_SECONDS = 2.0, 3.0
TWO_NODES = "/run/two-nodes.conf"


@pytest.mark.promise(3, 6)
def test_a_port_that_changes_its_state_for_two_seconds(lab: Cluster) -> None:
    """Of the disk that decides, or of another; it is the target, and the next node would meet it, too."""
    for lun in ("a", "b"):
        for node in ("n1", "n3"):
            succeed(lab.nodes[node], "on", node, luns="ab")
        with lab.n1.port_state(lun, CHANGING_ITS_STATE):
            fencing = start(lab.n1, "off", "n3", luns="ab")
            time.sleep(MOMENT_SECONDS)
            assert [lab.reservation(it).keys.get("n3") for it in "ab"] == [key("n3")] * 2
        done = fencing.wait()
        assert (done.returncode, done.stdout.splitlines()[:1], done.stderr) == (0, ["Success: Powered OFF"], "")
        assert [lab.n3.write(it) for it in "ab"] == ["EBADE"] * 2


@pytest.mark.promise(3, 6)
def test_a_port_that_does_not_come_back_is_told_with_time_to_spare_and_nothing_is_changed(lab: Cluster) -> None:
    for node in ("n1", "n3"):
        succeed(lab.nodes[node], "on", node, luns="ab")
    with lab.n1.port_state("b", CHANGING_ITS_STATE):
        started = time.monotonic()
        done = run(lab.n1, "off", "n3", luns="ab", power_timeout="6")
        assert 1 < time.monotonic() - started < 5
    assert done.returncode == 1
    assert "the target port is changing its state (ALUA)" in done.stderr
    assert "nothing was changed on any disk" in done.stderr
    assert [lab.n3.write(it) for it in "ab"] == ["ok"] * 2


@pytest.mark.promise(1, 6)
def test_an_nvme_target_that_is_gone_for_three_seconds(fabric: Fabric) -> None:
    """In a cluster of two nodes no other could fence."""
    n1, n2 = fabric.hosts["n1"], fabric.hosts["n2"]
    for name, host in (("n1", n1), ("n2", n2)):
        succeed(host, "on", name, devices=host.all_by_id())
    n1.run(["sh", "-c", f"cat > {TWO_NODES}"], stdin=layout.corosync_conf("n1", "n2"), check=True)
    fabric.cut("n1")
    deadline = time.monotonic() + 30
    while "live" in n1.controllers().values():
        assert time.monotonic() < deadline, n1.controllers()
        time.sleep(0.05)
    fencing = start(n1, "off", "n2", devices=n1.all_by_id(), corosync_conf=TWO_NODES)
    time.sleep(GONE_SECONDS)
    assert n2.write_to() == "ok"
    fabric.heal("n1")
    done = fencing.wait()
    assert (done.returncode, done.stdout, done.stderr) == (0, "Success: Powered OFF\n", "")
    assert [n2.write_to(number) for number in (1, 2)] == ["EBADE"] * 2
