"""What happens in several tests, and what is judged there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.cluster import DATA
from tests.cluster.inside import writer
from tests.cluster.setup import FILE_SYSTEM, RAW
from tests.lab.load import bearable_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.cluster.cluster import PacemakerCluster
    from tests.lab.inside.load import Report

# What the kernel makes of a reservation conflict.
REFUSED = "EBADE"
# Pacemaker, about a resource.
STARTS = "local execution of start operation"


def other(cluster: PacemakerCluster, name: str) -> str:
    """The other one of two nodes."""
    (found,) = set(cluster.setup.nodes) - {name}
    return found


def place_of_data(cluster: PacemakerCluster) -> str:
    """The node that has the file system mounted."""
    (found,) = cluster.view().active[DATA]
    return found


def assert_registered_before_anything_started(cluster: PacemakerCluster, name: str) -> None:
    """Since the node booted, the agent has registered it on every disk before any resource started on it."""
    log = cluster[name].syslog()
    started = next(at for at, line in enumerate(log) if STARTS in line)
    for device in cluster.devices():
        assert any(registers(line, device) for line in log[:started]), (device, log[:started])


def registers(line: str, device: str) -> bool:
    """Whether the agent says in this line that it registers the node on the disk."""
    return line.startswith("fence_pr_ioctl[") and f"{device} " in line and ": register 0x" in line


def assert_shut_out(cluster: PacemakerCluster, name: str) -> None:
    """Every disk refuses what the node writes, whatever its cluster does or does not do."""
    host = cluster[name]
    for disk in cluster.setup.disks:
        written = host.write(disk) if isinstance(disk, str) else host.write_to(disk)
        assert written == REFUSED, (name, disk)


def wait_for_take_over(cluster: PacemakerCluster, survivor: str, lost: str) -> None:
    """Until `lost` is shut out of every disk and `survivor` (or another that lives) has the file system."""
    cluster.until(lambda: cluster.view(survivor).fenced(lost), f"{lost} has been fenced")
    rest = frozenset(cluster.setup.nodes) - {lost}
    for disk in cluster.setup.disks:
        assert cluster.registered(disk) == rest
    cluster.until(lambda: cluster.view(survivor).active[DATA] & rest, "the file system is on a node that lives")


def assert_unharmed(cluster: PacemakerCluster, *names: str) -> None:
    """Since their writers started these nodes wrote to the raw disks all the time: no error, no pause, nothing lost."""
    for name in names:
        for disk in RAW:
            report = cluster.writes(name, disk)
            assert report.ok, (name, disk, report)
            assert not report.errors, (name, disk, report)
            assert max(report.longest, report.silent) < bearable_seconds(report), (name, disk, report)
            assert_landed(cluster, name, {disk: acknowledged(report)})


def acknowledged(report: Report) -> list[int]:
    """The number of each writer's last write that succeeded."""
    return [block.acknowledged for block in report.blocks]


def assert_landed(cluster: PacemakerCluster, name: str, wanted: Mapping[str | int, Sequence[int]]) -> None:
    """None of these writes is lost."""
    for disk, numbers in wanted.items():
        assert all(now >= number for now, number in zip(cluster.landed(disk, name), numbers, strict=True)), (name, disk)


def wait_until_refused(cluster: PacemakerCluster, fenced: str) -> None:
    """Until every raw disk has refused each writer of the node, and they go on trying."""
    for disk in RAW:
        cluster.until(
            lambda: {block.answer for block in cluster.writes(fenced, disk).blocks} == {REFUSED},  # noqa: B023
            f"{disk} refuses the writes of {fenced}",
        )
        tried = cluster.writes(fenced, disk).errors[REFUSED]
        cluster.until(
            lambda: cluster.writes(fenced, disk).errors[REFUSED] > tried + writer.WRITERS,  # noqa: B023
            f"{fenced} goes on trying",
        )


def assert_nothing_landed_since(
    cluster: PacemakerCluster, fenced: str, landed: Mapping[str | int, Sequence[int]]
) -> None:
    """No write of the node, acknowledged or not, since `landed` was read; and none lost that had been acknowledged."""
    for disk, numbers in landed.items():
        assert cluster.landed(disk, fenced) == numbers
        assert_landed(cluster, fenced, {disk: acknowledged(cluster.writes(fenced, disk))})


def assert_diary_is_whole(cluster: PacemakerCluster, keeper: str, acknowledged: int = 0) -> None:
    """Every line that was ever acknowledged is there, in order, and all since `keeper` has the diary are its own.

    acknowledged: the last one of the node that had it before
    """
    cluster.until(lambda: cluster.diary_writes(keeper).answers, f"{keeper} has written the diary")
    first = cluster.diary_writes(keeper).first
    written = cluster.diary(keeper)
    assert [number for number, _ in written] == list(range(1, len(written) + 1))
    assert acknowledged < first <= len(written)
    assert {node for _, node in written[first - 1 :]} == {keeper}


def assert_file_system_is_clean(cluster: PacemakerCluster) -> None:
    """Take it out of use and check all of it."""
    host = cluster.any_host()
    host.run(
        ["crm_resource", "--resource", "data", "--set-parameter", "target-role", "--meta", "-v", "Stopped"], check=True
    )
    cluster.until(lambda: not cluster.view().active["mount"], "the file system is not mounted")
    checked = host.run(["e2fsck", "-f", "-n", cluster.path(FILE_SYSTEM)])
    assert checked.returncode == 0, checked.stdout
    host.run(["crm_resource", "--resource", "data", "--delete-parameter", "target-role", "--meta"], check=True)


def comes_back(cluster: PacemakerCluster, name: str) -> None:
    """Boot the fenced node: no disk takes its writes until the cluster has unfenced it, then all do."""
    cluster.crash(name)
    cluster.wait_until_missed(name)
    cluster.power_on(name)
    assert_shut_out(cluster, name)
    cluster.start(name)
    cluster.wait_until_whole()
    assert_registered_before_anything_started(cluster, name)
    for disk in RAW:
        cluster.until(lambda: cluster.writes(name, disk).ok, f"{name} writes again")  # noqa: B023
        assert not cluster.writes(name, disk).errors
