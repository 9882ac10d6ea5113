"""The unit as systemd runs it: from `make install`, with systemd as process 1 and all that it takes from the guard."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.fencing.agent import WERO, key
from tests.guard import systemd
from tests.guard.node import allowed_seconds, seconds_until_its_end, wait_until
from tests.guard.systemd import Unit
from tests.lab import kernels
from tests.lab.inside import layout
from tests.lab.plugin import or_not_covered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.cluster import Cluster

AGENT = "/usr/sbin/fence_pr_ioctl"
UNIT = "pr_fence_guard.service"
LUNS = ("a", "b")
# As `systemd-analyze security` counts: 10 is no protection at all. What is missing is what the guard needs.
MOST_EXPOSED = 2.9
MOST_SECONDS_WITHOUT = 20
PACEMAKERS = ("pacemaker.service", "pacemaker_remote.service")
PACEMAKER = """\
[Service]
ExecStart=/usr/bin/sleep infinity
"""
SHORT_WATCHDOG = """\
[Service]
WatchdogSec=3
"""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """n1 is the guest itself, with n1's disks; n2 is a node in it."""
    it = or_not_covered(lambda: systemd.boot(kernels.NEWEST.kernel()))
    try:
        it.guest.run(["make", "-C", "/project", "-s", "install"], check=True)
        it.guest.run(["mkdir", "-p", "/dev/disk/by-id"], check=True)
        for lun in LUNS:
            it.guest.run(["ln", "-s", it.n1.disk(lun), it.n1.by_id(lun)], check=True)
        write(it, "/etc/corosync/corosync.conf", layout.corosync_conf())
        yield it
    finally:
        it.guest.stop()


def write(cluster: Cluster, path: str, text: str) -> None:
    folder = path.rpartition("/")[0]
    cluster.guest.run(["mkdir", "-p", folder], check=True)
    cluster.guest.run(["tee", path], stdin=text, check=True)
    if folder.startswith("/etc/systemd"):
        cluster.guest.run(["systemctl", "daemon-reload"], check=True)


def unfence(cluster: Cluster) -> None:
    devices = ",".join(map(cluster.n1.by_id, LUNS))
    cluster.guest.run([AGENT, "-o", "on", "-n", "n1", "-d", devices], check=True)


def fence(cluster: Cluster, lun: str) -> None:
    """By n2, which registers first."""
    cluster.n2.drain(lun)
    assert cluster.n2.pr(lun, "register", 0, key("n2"), 1) == 0
    assert cluster.n2.pr(lun, "preempt_abort", key("n2"), key("n1"), WERO) == 0


@pytest.mark.slow
def test_the_unit_from_its_start_to_the_reboot(cluster: Cluster) -> None:
    guard = Unit(cluster.guest, UNIT)
    it_is_understood_and_shut_in(cluster)
    it_starts_and_says_what_it_watches(cluster, guard)
    it_is_started_again_when_it_is_killed(guard)
    it_gives_signs_of_life_or_is_started_again(cluster, guard)
    it_is_replaced_while_a_disk_keeps_it_from_being_killed(cluster, guard)
    it_stops_and_starts(guard)
    it_stops_pacemaker_if_that_is_asked_for(cluster, guard)
    it_reboots(cluster, guard)


def it_is_understood_and_shut_in(cluster: Cluster) -> None:
    verified = cluster.guest.run(["systemd-analyze", "verify", "--man=no", UNIT], check=True)
    assert verified.stdout + verified.stderr == ""
    threshold = f"--threshold={MOST_EXPOSED * 10:.0f}"
    cluster.guest.run(["systemd-analyze", "security", "--no-pager", threshold, UNIT], check=True)


def it_starts_and_says_what_it_watches(cluster: Cluster, guard: Unit) -> None:
    guard.systemctl("enable", "--now")
    assert guard.show("ActiveState") == "active"
    guard.wait_for("StatusText", "nothing to watch before 'on' has run here")
    unfence(cluster)
    guard.wait_for("StatusText", "watching 2 disks")
    allowed = f"/sys/fs/cgroup/devices/system.slice/{UNIT}/devices.list"
    assert "b *:* r\n" in cluster.guest.run(["cat", allowed], check=True).stdout
    assert "a *:* rwm" not in cluster.guest.run(["cat", allowed], check=True).stdout


def it_is_started_again_when_it_is_killed(guard: Unit) -> None:
    guard.systemctl("kill", "--signal=KILL")
    guard.wait_for("NRestarts", "1")
    guard.wait_for("StatusText", "watching 2 disks")


def it_gives_signs_of_life_or_is_started_again(cluster: Cluster, guard: Unit) -> None:
    assert guard.show("WatchdogUSec") == "6s"
    write(cluster, f"/etc/systemd/system/{UNIT}.d/watchdog.conf", SHORT_WATCHDOG)
    guard.systemctl("restart")
    seen = guard.show("WatchdogTimestampMonotonic")
    wait_until(lambda: guard.show("WatchdogTimestampMonotonic") != seen)
    guard.systemctl("kill", "--signal=STOP")
    guard.wait_for("NRestarts", "1")
    guard.wait_for("StatusText", "watching 2 disks")
    assert "Watchdog timeout" in guard.journal()


def it_is_replaced_while_a_disk_keeps_it_from_being_killed(cluster: Cluster, guard: Unit) -> None:
    cluster.guest.run(["rm", f"/etc/systemd/system/{UNIT}.d/watchdog.conf"], check=True)
    cluster.guest.run(["systemctl", "daemon-reload"], check=True)
    guard.systemctl("restart")
    guard.wait_for("StatusText", "watching 2 disks")
    main = guard.show("MainPID")
    cluster.n1.hang("a")
    time.sleep(2)  # by then it has asked
    since = time.monotonic()
    guard.systemctl("kill", "--signal=KILL")
    wait_until(lambda: guard.show("MainPID") not in (main, "0"))
    seconds = time.monotonic() - since
    print(f"another guard after {seconds:.1f} s")
    assert seconds < MOST_SECONDS_WITHOUT
    cluster.n1.resume("a")
    guard.wait_for("StatusText", "watching 2 disks")


def it_stops_and_starts(guard: Unit) -> None:
    guard.systemctl("stop")
    assert (guard.show("ActiveState"), guard.show("Result")) == ("inactive", "success")
    guard.systemctl("start")
    guard.wait_for("StatusText", "watching 2 disks")
    main = guard.show("MainPID")
    guard.systemctl("restart")
    assert (guard.show("ActiveState"), guard.show("MainPID") != main) == ("active", True)
    guard.wait_for("StatusText", "watching 2 disks")


def it_stops_pacemaker_if_that_is_asked_for(cluster: Cluster, guard: Unit) -> None:
    for name in PACEMAKERS:
        write(cluster, f"/etc/systemd/system/{name}", PACEMAKER)
    write(cluster, "/etc/default/pr_fence_guard", "OPTIONS=--fenced=stop\n")
    guard.systemctl("restart")
    for name in PACEMAKERS:
        Unit(cluster.guest, name).systemctl("start")
    fence(cluster, "a")
    for name in PACEMAKERS:
        Unit(cluster.guest, name).wait_for("ActiveState", "inactive")
    assert guard.show("ActiveState") == "active"
    wait_until(lambda: "this node was fenced" in guard.journal())
    assert "Pacemaker is being stopped" in guard.journal()
    write(cluster, "/etc/default/pr_fence_guard", "")


def it_reboots(cluster: Cluster, guard: Unit) -> None:
    unfence(cluster)
    guard.systemctl("restart")
    guard.wait_for("StatusText", "watching 2 disks")
    time.sleep(1.5)  # it has read everything since
    assert cluster.guest.alive()
    fence(cluster, "b")
    seconds = seconds_until_its_end(cluster.guest, since=time.monotonic())
    print(f"the guest ended after {seconds:.1f} s")
    assert seconds < allowed_seconds()
    end = cluster.guest.log.read_text(errors="replace")
    assert "this node was fenced: this node's key" in end
    assert "sysrq: Resetting" in end
