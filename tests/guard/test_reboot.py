"""A fenced node reboots within three seconds, a healthy one never: separate hosts, NVMe over TCP and iSCSI."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.fencing.agent import succeed
from tests.guard.node import NO_REBOOT, allowed_seconds, said, seconds_until_its_end, start
from tests.lab import kernels, root
from tests.lab.fabric import Fabric
from tests.lab.plugin import or_not_covered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.fabric import Host

NAMES = ("n1", "n2")


@pytest.fixture
def hosts(nvme_kernel: str) -> Iterator[Fabric]:
    """Two nodes in guests of their own, which end when they reboot."""
    kernel = or_not_covered(lambda: kernels.source(nvme_kernel).kernel())
    with Fabric(kernel, dict.fromkeys(NAMES, kernel), root.folder(), arguments=NO_REBOOT) as fabric:
        fabric.reset()
        for host in fabric.hosts.values():
            host.log_in()
        yield fabric


def disks(host: Host) -> str:
    """Both namespaces and an iSCSI LUN."""
    return f"{host.all_by_id()},{host.by_id('a')}"


def test_a_fenced_node_reboots_within_three_seconds_of_the_off_and_the_other_goes_on(hosts: Fabric) -> None:
    n1, n2 = hosts.hosts.values()
    for host in (n1, n2):
        succeed(host, "on", host.name, devices=disks(host))
        start(host)
    for host in (n1, n2):
        succeed(host, "on", host.name, devices=disks(host))
    time.sleep(1.5)  # both have read everything since
    assert n1.guest.alive()
    assert succeed(n2, "off", "n1", devices=disks(n2)).stdout.startswith("Success: Powered OFF\n")
    assert seconds_until_its_end(n1.guest, since=time.monotonic()) < allowed_seconds()
    end = n1.guest.log.read_text(errors="replace")
    assert "this node was fenced: this node's key" in end
    assert "sysrq: Resetting" in end
    assert [n2.write_to(1), n2.write_to(2), n2.write("a")] == ["ok"] * 3
    assert n2.guest.alive()
    assert said(n2, "fenced") == []
