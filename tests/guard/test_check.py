"""One check, as the watchdog daemon calls it from its test directory; and the resident guard that need not reboot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fencing.agent import key, succeed
from tests.guard.node import GUARD, NAME, check, end, said, start, wait_until
from tests.lab import plugin

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster

RESET, UNREADABLE = 254, 5
FOLDER = "/etc/corosync/guard"  # the node's own
SYSTEMCTL = f'#!/bin/sh\necho "$@" >> {FOLDER}/asked\n'
MOST_KIB = 20 * 1024


def unfence(lab: Cluster, *names: str) -> None:
    for name in names:
        succeed(lab.nodes[name], "on", name)


@pytest.fixture(scope="session", params=[plugin.parameter(plugin.NEWEST)])
def kernel(request: pytest.FixtureRequest) -> str:
    """One kernel is enough here: how it reads is tested elsewhere."""
    return str(request.param)


def test_one_check_after_the_other(lab: Cluster) -> None:
    for names in ((), ("n1", "n2")):
        unfence(lab, *names)
        done = check(lab.n1)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    unreadable_is_not_gone(lab)
    fenced_is_a_reset(lab)
    a_disk_that_hangs_hides_no_other(lab)
    lost_registrations_shut_nobody_out(lab)


def unreadable_is_not_gone(lab: Cluster) -> None:
    lab.n1.set_state("b", "offline")
    done = check(lab.n1)
    assert (done.returncode, "the device is gone" in done.stderr) == (0, True), done.stderr
    assert check(lab.n1, "--unreadable=reboot").returncode == UNREADABLE
    lab.n1.set_state("b", "running")


def fenced_is_a_reset(lab: Cluster) -> None:
    succeed(lab.n2, "off", "n1", "a")
    done = check(lab.n1)
    assert done.returncode == RESET
    (line,) = done.stderr.splitlines()
    assert f"this node was fenced: this node's key 0x{key('n1'):x} is gone" in line
    assert lab.lun("a").wwid in line
    assert check(lab.n1, "--fenced=log").returncode == 0
    assert check(lab.n2).returncode == 0
    link = f"/run/{NAME}"
    lab.n1.run(["ln", "-sf", GUARD, link], check=True)
    assert lab.n1.run([link, "test"]).returncode == RESET
    assert lab.n1.run([link, "repair", str(RESET), link]).returncode == RESET, "it repairs nothing"


def a_disk_that_hangs_hides_no_other(lab: Cluster) -> None:
    lab.n1.hang("b")
    done = check(lab.n1)
    assert done.returncode == RESET
    assert any(lab.lun("b").wwid in line and "no answer" in line for line in done.stderr.splitlines()), done.stderr
    lab.n1.resume("b")


def lost_registrations_shut_nobody_out(lab: Cluster) -> None:
    assert lab.n2.pr("a", "clear", key("n2")) == 0
    lab.n1.drain("a")
    done = check(lab.n1)
    assert (done.returncode, "the target lost its registrations" in done.stderr) == (0, True), done.stderr
    assert check(lab.n1, "--unprotected=reboot").returncode == RESET


def test_a_resident_guard_that_stops_pacemaker_once_and_is_small(lab: Cluster) -> None:
    unfence(lab, "n1", "n2")
    lab.n1.run(["mkdir", FOLDER], check=True)
    lab.n1.run(["tee", f"{FOLDER}/systemctl"], stdin=SYSTEMCTL, check=True)
    lab.n1.run(["chmod", "755", f"{FOLDER}/systemctl"], check=True)
    try:
        running = start(lab.n1, "--fenced=stop", "--interval=0.1", "--confirm-after=0.1", path=FOLDER)
        succeed(lab.n2, "off", "n1")
        wait_until(lambda: len(said(lab.n1, "this node was fenced")) == 3)
        succeed(lab.n1, "on", "n1")
        wait_until(lambda: len(said(lab.n1, ": this node is registered (key")) == 3)
        process = lab.n1.run(["pgrep", "-f", GUARD], check=True).stdout.split()[0]
        status = lab.n1.run(["cat", f"/proc/{process}/status"], check=True).stdout.splitlines()
        assert int(next(line.split()[1] for line in status if line.startswith("VmHWM"))) < MOST_KIB
        assert end(running).returncode == 0
        asked = lab.n1.run(["cat", f"{FOLDER}/asked"]).stdout.splitlines()
        assert asked == [f"--no-block stop {unit}.service" for unit in ("pacemaker", "pacemaker_remote")]
    finally:
        lab.n1.run(["rm", "-rf", FOLDER], check=True)
