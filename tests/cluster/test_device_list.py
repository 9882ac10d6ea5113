"""The fence device gets another list of disks while the cluster runs, by the documented command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster import steps
from tests.cluster.cib import FENCING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.cluster.cluster import PacemakerCluster

pytestmark = pytest.mark.long

NEW = "c"


@pytest.mark.promise(1)
def test_a_disk_is_added_and_removed_again_while_the_cluster_runs(two: PacemakerCluster) -> None:
    everybody = frozenset(two.setup.nodes)
    for name in everybody:
        assert two[name].write(NEW) == "ok"

    _set_devices(two, [*two.devices(), two.path(NEW)])
    two.until(lambda: two.whole() and two.registered(NEW) == everybody, "everything runs, with the new disk, too")
    for name in everybody:
        _assert_restarted_only_after_it_was_registered(two, name)
        assert two[name].write(NEW) == "ok"

    two.crash("n2")
    steps.wait_for_take_over(two, "n1", "n2")
    assert two.registered(NEW) == {"n1"}
    two.power_on("n2")
    assert two["n2"].write(NEW) == steps.REFUSED
    two.start("n2")
    two.until(lambda: two.whole() and two.registered(NEW) == everybody, "n2 is back, on the new disk, too")
    two.wait_until_whole()

    _set_devices(two, two.devices())
    two.until(two.whole, "everything runs, without that disk")
    # The disk that is no longer named keeps what it had: nobody is shut out there any more.
    assert two.registered(NEW) == everybody
    two.crash("n2")
    steps.wait_for_take_over(two, "n1", "n2")
    assert two.registered(NEW) == everybody
    steps.comes_back(two, "n2")
    steps.assert_unharmed(two, "n1")
    two["n1"].run(["fence_pr_ioctl", "-o", "off", "-n", "n2", "-d", two.path(NEW)], check=True)
    assert two.registered(NEW) == {"n1"}


def _set_devices(cluster: PacemakerCluster, paths: Sequence[str]) -> None:
    command = ["pcs", "stonith", "update", FENCING, f"devices={','.join(paths)}"]
    cluster["n1"].run(command, timeout=60, check=True)


def _assert_restarted_only_after_it_was_registered(cluster: PacemakerCluster, name: str) -> None:
    log = cluster.said(name)
    registered = next(at for at, line in enumerate(log) if steps.registers(line, cluster.path(NEW)))
    started = [at for at, line in enumerate(log) if steps.STARTS in line]
    assert started
    assert registered < min(started)
