"""Names that lead to a disk, and names that must be refused, each with one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fencing.agent import AGENT, fail, key, succeed

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster


def refusal(lab: Cluster, devices: str) -> str:
    """The one line that `monitor` and `off` say alike, without the beginning."""
    (line,) = fail(lab.n1, "monitor", devices=devices)
    assert fail(lab.n1, "off", "n2", devices=devices) == [line]
    return line.removeprefix("Failed: ")


def test_every_name_of_a_disk_leads_to_it(lab: Cluster) -> None:
    lun = lab.lun("a")
    # Three nodes share one kernel here, so a bare WWID is looked up among the node's own links.
    names = [
        lab.n1.disk("a"),
        *lun.by_id,
        f"wwn-0x{lun.naa}",
        f"scsi-3{lun.naa}",
        f"0x{lun.naa}",
        f"3{lun.naa}",
        lun.naa,
    ]
    for number, name in enumerate(names, 1):
        succeed(lab.n1, "on", f"0x{number}", devices=name)
        assert lab.reservation("a").keys == {"n1": number}


def test_a_bare_wwid_with_several_paths_is_refused(lab: Cluster) -> None:
    lab.n1.run(["sh", "-c", "rm /dev/disk/by-id/*"], check=True)
    assert "several paths lead to this disk" in refusal(lab, lab.lun("a").wwid)


@pytest.mark.promise(1)
def test_two_names_for_one_disk(lab: Cluster) -> None:
    line = refusal(lab, f"{lab.n1.by_id('a')} {lab.n1.disk('a')}")
    assert "is the same disk as" in line
    assert lab.lun("a").wwid in line


def test_no_such_device(lab: Cluster) -> None:
    assert refusal(lab, "/dev/sdzz").startswith("/dev/sdzz: no such device; ")
    lab.n1.run(["ln", "-sf", "/dev/gone", "/run/link"], check=True)
    assert refusal(lab, "/run/link").startswith("/run/link: dangling link, the device is gone; ")
    assert "no path (a path begins with /)" in refusal(lab, "sda")


def test_not_block_devices(lab: Cluster) -> None:
    assert "is a character device" in refusal(lab, "/dev/null")
    assert "is a regular file" in refusal(lab, "/etc/hosts")
    assert "is a directory" in refusal(lab, "/run")


def test_a_partition(lab: Cluster) -> None:
    """Up to Linux 6.4 the kernel itself would act on the whole disk."""
    disk = lab.n1.disk("a")
    lab.n1.run(["addpart", disk, "1", "8", "64"], check=True)
    try:
        line = refusal(lab, f"{disk}1")
    finally:
        lab.n1.run(["delpart", disk, "1"], check=True)
    assert line == f"{disk}1: is a partition; reservations are for whole disks; name {disk}"


def test_a_loop_device(lab: Cluster) -> None:
    lab.n1.run(["modprobe", "loop"], check=False)
    lab.n1.run(["truncate", "-s", "1M", "/run/image"], check=True)
    loop = lab.n1.run(["losetup", "--find", "--show", "/run/image"], check=True).stdout.strip()
    try:
        assert refusal(lab, loop) == f"{loop}: a loop device has no persistent reservations; name a shared disk"
    finally:
        lab.n1.run(["losetup", "-d", loop], check=True)


def test_a_volume_on_a_disk(lab: Cluster) -> None:
    """A reservation through it would act on the whole disk."""
    lab.n1.run(["modprobe", "dm_mod"], check=False)
    table = f"0 2048 linear {lab.n1.disk('a')} 0"
    lab.n1.run(["dmsetup", "--noudevsync", "--noudevrules", "create", "volume", "--table", table], check=True)
    try:
        node = lab.n1.run(["dmsetup", "info", "-c", "--noheadings", "-o", "blkdevname", "volume"], check=True)
        assert "is a device-mapper volume" in refusal(lab, f"/dev/{node.stdout.strip()}")
    finally:
        lab.n1.run(["dmsetup", "--noudevsync", "remove", "volume"], check=True)


def test_a_target_without_reservations(lab: Cluster) -> None:
    (line,) = fail(lab.n1, "monitor", luns=["nopr"])
    assert lab.n1.by_id("nopr") in line
    assert "the target has no persistent reservations" in line


@pytest.mark.promise(5)
def test_no_permission(lab: Cluster) -> None:
    call = ["setpriv", "--reuid=65534", "--clear-groups", AGENT]
    done = lab.n1.run(call, stdin=f"action=status\nplug=n2\ndevices={lab.n1.by_id('a')}\n")
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert "open: not permitted (Permission denied); run as root" in line


@pytest.mark.promise(5)
def test_permission_to_open_is_not_enough(lab: Cluster) -> None:
    call = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", AGENT]
    done = lab.n1.run(call, stdin=f"action=on\nplug=n1\ndevices={lab.n1.by_id('a')}\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not permitted" in done.stderr
    assert lab.reservation("a").keys == {}


@pytest.mark.promise(1, 5)
def test_an_offline_path_is_named(lab: Cluster) -> None:
    lab.n1.set_state("a", "offline")
    (line,) = fail(lab.n1, "monitor", luns="a")
    assert line.startswith(f"Failed: {lab.n1.by_id('a')} (")
    assert "open: the device is gone" in line


@pytest.mark.promise(1, 5)
@pytest.mark.parametrize(("action", "node"), [("on", "n1"), ("off", "n2")])
def test_a_node_that_leads_to_another_disk_when_it_is_opened_is_not_used(lab: Cluster, action: str, node: str) -> None:
    """As where a disk goes and another one takes its place between the look at the name and the opening."""
    succeed(lab.n1, "on", "n1", luns="a")
    before = lab.reservation("a"), lab.reservation("b")
    here, another, named = lab.n1.disk("a"), lab.n1.disk("b"), f"/run/named-for-{action}"
    numbers = lab.n1.run(["stat", "-c", "%Hr %Lr", here], check=True).stdout.split()
    lab.n1.run(["mknod", named, "b", *numbers], check=True)
    swapped = f"mount --make-rprivate / && mount --bind {another} {here} && exec {AGENT}"
    done = lab.n1.run(["unshare", "-m", "sh", "-c", swapped], stdin=f"action={action}\nplug={node}\ndevices={named}\n")
    assert done.returncode == 1
    assert f"Failed: {named} ({here}): identity: leads to another disk: asked who it is it says" in done.stderr
    assert f"it says {lab.lun('b').wwid}, and the kernel has {lab.lun('a').wwid}" in done.stderr
    assert (lab.reservation("a"), lab.reservation("b")) == before


def test_the_name_of_a_disk_may_change(lab: Cluster) -> None:
    succeed(lab.n1, "on", "n1")
    lab.n1.drop("a")
    lab.n1.restore("a")
    succeed(lab.n1, "on", "n1")
    assert lab.reservation("a").keys == {"n1": key("n1")}
