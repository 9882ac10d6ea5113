"""Preempt-and-abort really aborts: once `off` has answered, nothing of the victim's reaches the disk any more.

The target holds each write for some seconds before it carries it out. The victim's write has been accepted and is
held when the victim is fenced. The failing control is the same without abort, and the map that drops the abort. Over
SCSI the target is LIO under another name (LUN e): under its own it is never asked to abort.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.fencing import maps
from tests.fencing.agent import fail, key, succeed
from tests.lab import plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.cluster import Cluster, Node
    from tests.lab.nvme import Namespaces

HELD_MILLISECONDS = 3000
ACCEPTED_SECONDS, LATE_SECONDS, LOOK_SECONDS = 0.7, 0.3, 0.05
LUN, SCSI_DISK, NAMESPACE, NVME_DISK = "e", "lun-e", 2, "namespace-2"
LIO_LUN, LIO_DISK = "d", "lun-d"
WERO = 3

over_nvme = pytest.mark.parametrize("namespaces", ["loop"], indirect=True)
# Also on the kernel that most clusters have; there NVMe targets have no reservations yet.
over_scsi = pytest.mark.parametrize(
    "kernel", [plugin.parameter(plugin.NVME), plugin.parameter(plugin.COMMON, pytest.mark.slow)], indirect=True
)


class Held:
    """A victim's write that the target holds.

    before  what was on the disk before it
    due     when it would land, of time.monotonic(), at the latest
    """

    def __init__(self, lab: Cluster, disk: str) -> None:
        self._guest, self._disk = lab.guest, disk
        self.before = self.landed()
        self.due = 0.0

    def landed(self) -> str:
        """What is on the disk below the target now."""
        return str(self._guest.call("landed", name=self._disk))

    def landed_later(self) -> bool:
        """Whether the disk changes from now on, until well after the write is due."""
        now = self.landed()
        while time.monotonic() < self.due + LATE_SECONDS:
            if self.landed() != now:
                return True
            time.sleep(LOOK_SECONDS)
        return self.landed() != now


@contextmanager
def held_write(lab: Cluster, victim: Node, path: str, disk: str) -> Iterator[Held]:
    """The victim writes a block of its own to `path`, which the target accepts and holds."""
    victim.run(["sh", "-c", "head -c 4096 /dev/urandom > /run/block"], check=True)
    held = Held(lab, disk)
    lab.guest.call("hold_writes", name=disk, milliseconds=HELD_MILLISECONDS)
    write = victim.start(["dd", "if=/run/block", f"of={path}", "bs=4096", "count=1", "oflag=direct"])
    time.sleep(ACCEPTED_SECONDS)
    held.due = time.monotonic() + HELD_MILLISECONDS / 1000
    assert not write.done()
    assert held.landed() == held.before
    try:
        yield held
    finally:
        write.wait()
        lab.guest.call("hold_writes", name=disk, milliseconds=0)


@pytest.mark.promise(4)
@over_scsi
@pytest.mark.parametrize("abort", ["require", "auto", "never"])
def test_scsi(lab: Cluster, abort: str) -> None:
    for node in (lab.n2, lab.n1):  # the victim holds the reservation
        succeed(node, "on", node.name, luns=LUN)
    with held_write(lab, lab.n2, lab.n2.disk(LUN), SCSI_DISK) as held:
        succeed(lab.n1, "off", "n2", luns=LUN, abort=abort)
        assert held.landed_later() == (abort == "never")
    assert lab.n2.write(LUN) == "EBADE"


@over_scsi
def test_lio_aborts_nothing_of_a_victim_that_does_not_hold_the_reservation(lab: Cluster) -> None:
    """A deviation of this target, which no command of ours can change.

    It compares the key to preempt with the holder's key at the time a command came, not with its sender's
    (core_scsi3_pr_reservation_check in drivers/target/target_core_pr.c). If this fails, LIO has been mended: say so
    in README.md.
    """
    for node in (lab.n1, lab.n2):
        succeed(node, "on", node.name, luns=LUN)
    with held_write(lab, lab.n2, lab.n2.disk(LUN), SCSI_DISK) as held:
        succeed(lab.n1, "off", "n2", luns=LUN, abort="require")
        assert held.landed_later()
    assert lab.n2.write(LUN) == "EBADE"


@pytest.mark.promise(4)
@over_scsi
def test_what_lio_had_accepted_is_waited_for_and_an_abort_cannot_be_had(lab: Cluster) -> None:
    """Whoever holds the reservation. What takes longer than `settle_time` lands later, and that is said."""
    for node in (lab.n2, lab.n1):
        succeed(node, "on", node.name, luns=LIO_LUN)
    before = lab.reservation(LIO_LUN)
    for action, plug in (("off", "n2"), ("monitor", ""), ("validate-all", "")):
        first, *_ = fail(lab.n1, action, plug, luns=LIO_LUN, abort="require")
        assert "abort=require cannot be met: the target is LIO (vendor LIO-ORG)" in first
    assert lab.reservation(LIO_LUN) == before
    with held_write(lab, lab.n2, lab.n2.disk(LIO_LUN), LIO_DISK) as held:
        done = succeed(lab.n1, "off", "n2", luns=LIO_LUN, settle_time="1")
        assert "1 of 1 disks: no abort confirmed; waited 1 s" in done.stdout
        assert held.landed_later()
    assert lab.n2.write(LIO_LUN) == "EBADE"
    succeed(lab.n2, "on", "n2", luns=LIO_LUN)
    with held_write(lab, lab.n2, lab.n2.disk(LIO_LUN), LIO_DISK) as held:
        succeed(lab.n1, "off", "n2", luns=LIO_LUN, settle_time=str(HELD_MILLISECONDS // 1000))
        assert not held.landed_later()


@pytest.mark.promise(4)
@over_nvme
@pytest.mark.parametrize("holder", ["n1", "n2"])
@pytest.mark.parametrize("abort", ["require", "never"])
def test_nvme(namespaces: Namespaces, abort: str, holder: str) -> None:
    lab = namespaces.cluster
    for node in (lab.nodes[holder], lab.n1, lab.n2):
        succeed(node, "on", node.name, devices=namespaces.disk(node.name, NAMESPACE))
    with held_write(lab, lab.n2, namespaces.disk("n2", NAMESPACE), NVME_DISK) as held:
        succeed(lab.n1, "off", "n2", devices=namespaces.disk("n1", NAMESPACE), abort=abort)
        assert held.landed_later() == (abort == "never")
    assert namespaces.write("n2", NAMESPACE) == "EBADE"


@pytest.mark.promise(4)
@over_scsi
@pytest.mark.parametrize("by", ["agent", "map"])
def test_multipath(lab: Cluster, by: str) -> None:
    """The map answers a preempt-and-abort with success, and the victim's write lands afterwards."""
    with maps.mapped(lab, LUN) as path:
        succeed(lab.n3, "on", "n3", luns=LUN)
        succeed(lab.n1, "on", "n1", devices=path)
        with held_write(lab, lab.n3, lab.n3.disk(LUN), SCSI_DISK) as held:
            if by == "agent":
                succeed(lab.n1, "off", "n3", devices=path, abort="require")
            else:
                numbers = [key("n1"), key("n3"), WERO]
                assert lab.guest.call("pr_path", path=path, name="preempt_abort", numbers=numbers) == 0
            assert held.landed_later() == (by == "map")
    assert lab.n3.write(LUN) == "EBADE"
