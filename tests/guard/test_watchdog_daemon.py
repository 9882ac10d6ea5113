"""The guard as a test script of Debian's watchdog daemon, which reboots by itself: no resident guard is needed then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.fencing.agent import WERO, key, succeed
from tests.guard import systemd
from tests.guard.node import GUARD, LIFE_SECONDS, NO_REBOOT, allowed_seconds, seconds_until_its_end
from tests.lab import kernels
from tests.lab.cluster import Cluster
from tests.lab.guest import Guest
from tests.lab.plugin import or_not_covered

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "/run/watchdog.d"
CONFIGURATION = f"interval = 1\ntest-directory = {FOLDER}\nrealtime = no\n"
# The daemon starts the script anew for each check.
CHECK_SECONDS = 2.0


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A guest that has the daemon, and ends when it reboots."""
    guest = or_not_covered(lambda: Guest(kernels.OLDEST.kernel(), systemd.folder(), arguments=NO_REBOOT))
    with guest:
        yield Cluster(guest)


@pytest.mark.long
def test_the_daemon_calls_the_guard_and_reboots_a_fenced_node(cluster: Cluster) -> None:
    for name in ("n1", "n2"):
        succeed(cluster.nodes[name], "on", name)
    n1 = cluster.n1
    n1.run(["mkdir", FOLDER], check=True)
    n1.run(["ln", "-s", GUARD, f"{FOLDER}/pr_fence_guard"], check=True)
    n1.run(["tee", "/run/watchdog.conf"], stdin=CONFIGURATION, check=True)
    daemon = n1.start(["watchdog", "--foreground", "--config-file", "/run/watchdog.conf"], timeout=LIFE_SECONDS)
    time.sleep(10)
    assert not daemon.done(), daemon.wait()
    assert cluster.guest.alive()
    cluster.n2.drain("b")
    assert cluster.n2.pr("b", "preempt_abort", key("n2"), key("n1"), WERO) == 0
    seconds = seconds_until_its_end(cluster.guest, since=time.monotonic())
    print(f"the guest ended after {seconds:.1f} s")
    assert seconds < allowed_seconds() + CHECK_SECONDS
