"""A path is not a disk, and a cache is not the disk: who a disk is, it says itself, over the path that is used."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.fencing import maps
from tests.fencing.agent import WERO, fail, key, run, start, succeed
from tests.fencing.maps import PATH_1, PATH_2
from tests.lab.inside.nvme import NAMESPACES, WITH_PLAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.cluster import Cluster, Node
    from tests.lab.fabric import Fabric
    from tests.lab.nvme import Namespaces

pytestmark = pytest.mark.promise(12)

LUNS = ("a", "b", "c", "d", "e")
N1, N2, N3 = map(key, ("n1", "n2", "n3"))
ACTIONS = (("on", "n1"), ("off", "n2"), ("status", "n2"), ("monitor", ""), ("validate-all", "n2"))
SECONDS = 20

# Run in a node: what sysfs and the agent's resolver call each disk, and what it says itself.
ASK = """
import json, os, sys
sys.path.insert(0, "/project/lib")
from fence_pr.storage import device, nvme, pr_ioctl
from fence_pr.storage import identity, inquiry
told = []
for path in sys.argv[1:]:
    found = device.resolve(path)
    name = os.path.basename(os.path.realpath(path))
    place = "wwid" if found.kind == device.NVME else "device/wwid"
    fd = pr_ioctl.open_disk(path)
    said = nvme.identity(fd, "nvme") if found.kind == device.NVME else identity.of_scsi(inquiry.designators(fd))
    told.append([device.read_attribute(f"/sys/block/{name}/{place}"), found.identity, said.text, said.names])
print(json.dumps(told))
"""


def told(node: Node, paths: Sequence[str]) -> list[tuple[str, str, str, list[str]]]:
    """Of each disk: sysfs `wwid`, what the name leads to, what the disk says it is, and all that it says."""
    done = node.run(["python3", "-c", ASK, *paths], check=True)
    return [tuple(entry) for entry in json.loads(done.stdout)]


def refused(node: Node, devices: str) -> set[str]:
    """What every action says alike of these devices."""
    lines = {line for action, plug in ACTIONS for line in fail(node, action, plug, devices=devices)}
    return {line for line in lines if not line.startswith("Failed: nothing was changed on any disk; ")}


@pytest.mark.promise(3)
def test_a_lun_says_what_the_kernel_calls_it(lab: Cluster) -> None:
    """So nodes with different kernels and versions of the agent begin with the same disk."""
    answers = told(lab.n1, [lab.n1.disk(lun) for lun in LUNS])
    for lun, (wwid, resolved, said, names) in zip(LUNS, answers):
        assert wwid == resolved == said == lab.lun(lun).wwid
        assert names[0] == wwid
        assert names[1].startswith("t10.")


@pytest.mark.promise(3)
def test_a_namespace_says_what_the_kernel_calls_it(namespaces: Namespaces) -> None:
    n1 = namespaces.cluster.n1
    answers = told(n1, [namespaces.disk("n1", number) for number in WITH_PLAIN])
    for number, (wwid, resolved, said, names) in zip(WITH_PLAIN, answers):
        assert wwid == resolved == said == WITH_PLAIN[number].wwid
        assert names[-1].startswith("nvme.")


@pytest.mark.promise(3)
def test_a_namespace_says_what_the_kernel_of_another_host_calls_it(fabric: Fabric) -> None:
    """With the kernel's own multipath."""
    for host in fabric.hosts.values():
        answers = told(host, [host.namespace(number) for number in WITH_PLAIN])
        for number, (wwid, resolved, said, _) in zip(WITH_PLAIN, answers):
            assert wwid == resolved == said == WITH_PLAIN[number].wwid


@pytest.mark.promise(1, 5)
def test_a_link_that_leads_to_another_disk_is_refused(lab: Cluster) -> None:
    """udev has not renewed it."""
    for node in (lab.n1, lab.n2):
        succeed(node, "on", node.name, luns="ab")
    before = lab.reservation("a"), lab.reservation("b")
    for link in lab.lun("a").by_id:
        lab.n1.run(["ln", "-sf", lab.n1.disk("b"), link], check=True)
        (line,) = refused(lab.n1, link)
        assert line.startswith(f"Failed: {link} ({lab.n1.disk('b')}): identity: leads to another disk: ")
        assert f"asked who it is it says {lab.lun('b').wwid}, which is not what {link} spells" in line
        assert "a link that udev has not renewed?" in line
    assert (lab.reservation("a"), lab.reservation("b")) == before
    assert lab.n2.write("a") == "ok"


@pytest.mark.promise(1)
def test_a_name_that_spells_nothing_is_not_compared(lab: Cluster) -> None:
    lab.n1.run(["ln", "-sf", lab.n1.disk("b"), "/dev/disk/by-id/scsi-0LIO-ORG_disk_a"], check=True)
    lab.n1.run(["ln", "-sf", lab.n1.disk("b"), "/run/shared"], check=True)
    for name in ("/dev/disk/by-id/scsi-0LIO-ORG_disk_a", "/run/shared", lab.n1.disk("b")):
        succeed(lab.n1, "on", "n1", devices=name)
    assert lab.reservation("b").keys == {"n1": N1}


@pytest.mark.promise(1, 5)
def test_a_lun_that_was_replaced_at_the_array_is_refused_until_the_kernel_looks_again(lab: Cluster) -> None:
    """sysfs goes on telling the old one's name, and so do the links."""
    for node in (lab.n1, lab.n2):
        succeed(node, "on", node.name, luns="ab")
    link, disk = lab.n1.by_id("a"), lab.n1.disk("a")
    with lab.n1.leads_to("a", "b"):
        before = lab.reservation("a"), lab.reservation("b")
        assert lab.n1.wwid("a") == lab.lun("a").wwid
        (line,) = refused(lab.n1, link)
        told_by_disk, known = lab.lun("b").wwid, lab.lun("a").wwid
        assert f"leads to another disk: asked who it is it says {told_by_disk}, and the kernel has {known}" in line
        assert f"echo 1 > /sys/block/{disk.removeprefix('/dev/')}/device/rescan" in line
        lines = refused(lab.n1, disk)
        assert all("leads to another disk" in line for line in lines)
        lab.n1.rescan("a")
        assert lab.n1.wwid("a") == told_by_disk
        (line,) = refused(lab.n1, link)
        assert f"it says {told_by_disk}, which is not what {link} spells" in line
        assert (lab.reservation("a"), lab.reservation("b")) == before
        assert lab.n2.write("a") == "ok"
        succeed(lab.n1, "status", "n1", devices=disk)  # by the name that it has here, it is what it says it is
    lab.n1.rescan("a")
    succeed(lab.n1, "on", "n1", devices=link)
    assert succeed(lab.n1, "off", "n2", luns="a").stdout.startswith("Success: Powered OFF\n")
    assert lab.n2.write("a") == "EBADE"


@pytest.mark.promise(1, 5)
def test_a_lun_that_is_replaced_before_the_last_reading_proves_nothing(lab: Cluster) -> None:
    """Read alone, the other LUN says just what a proof needs."""
    for node in (lab.n1, lab.n2):
        succeed(node, "on", node.name, luns="a")
    succeed(lab.n1, "on", "n1", luns="b")
    fencing = start(lab.n1, "off", "n2", luns="a", power_wait="3")
    until = time.monotonic() + SECONDS
    while "n2" in lab.reservation("a").keys:
        assert time.monotonic() < until
        time.sleep(0.05)
    with lab.n1.leads_to("a", "b"):
        assert lab.n1.pr("b", "register", 0, N1, 1) == 0
        done = fencing.wait()
    assert done.returncode == 1
    assert "leads to another disk: asked who it is it says" in done.stderr


@pytest.mark.promise(1, 5)
def test_two_luns_with_one_identity_below_a_map_are_refused(lab: Cluster) -> None:
    """As with two heads that have one disk, but not its reservations in common: n3 is on the second alone."""
    with lab.twin("a") as twin, lab.n2.leads_to("a", twin), lab.n3.leads_to("a", twin), maps.mapped(lab, "a") as name:
        for path in (PATH_1, PATH_2):
            assert lab.nodes[path].pr("a", "register", 0, N1, 1) == 0
        assert lab.n3.pr("a", "register", 0, N3, 1) == 0
        assert [lab.nodes[path].pr("a", "reserve", N1, WERO) for path in (PATH_1, PATH_2)] == [0, 0]
        assert (lab.reservation("a").keys, lab.reservation(twin).keys) == ({"n1": N1}, {"n2": N1, "n3": N3})
        for action, plug in (("off", "n3"), ("status", "n3"), ("monitor", ""), ("on", "n1")):
            lines = fail(lab.n1, action, plug, devices=name)
            assert "two paths lead to two disks, or to one that does not share reservations" in lines[0]
            assert all(lab.nodes[path].disk("a") in lines[0] for path in (PATH_1, PATH_2))
        assert lab.n3.write("a") == "ok"


@pytest.mark.promise(1, 4)
def test_a_path_of_a_map_that_leads_to_another_disk_is_named_and_passed_over(lab: Cluster) -> None:
    with maps.mapped(lab, "a") as name:
        succeed(lab.n1, "on", "n1", devices=name)
        succeed(lab.n3, "on", "n3", luns="ab")
        with lab.n2.leads_to("a", "b"):
            before = lab.reservation("b")
            said = succeed(lab.n1, "off", "n3", devices=name).stdout
            assert said.startswith("Success: Powered OFF\n")
            named = f"path {lab.n2.disk('a')} does not answer: identity: leads to another disk"
            assert any(named in line for line in lab.n1.syslog())
            assert lab.reservation("b") == before
            assert lab.n3.write("a") == "EBADE"
        with lab.n1.leads_to("a", "b"), lab.n2.leads_to("a", "b"):
            assert all("leads to another disk" in line for line in refused(lab.n1, name))


@pytest.mark.promise(1, 5)
def test_a_link_to_another_namespace_is_refused(namespaces: Namespaces) -> None:
    n1 = namespaces.cluster.n1
    one, two = NAMESPACES.values()
    for link, (number, said) in {one.by_id: (2, two.wwid), two.by_id: (1, one.wwid)}.items():
        n1.run(["ln", "-sf", namespaces.disk("n1", number), link], check=True)
        (line,) = refused(n1, link)
        assert f"asked who it is it says {said}, which is not what {link} spells" in line
    assert [namespaces.reservation(number).keys for number in NAMESPACES] == [{}, {}]


@pytest.mark.promise(1)
def test_a_bare_wwid_of_a_namespace_is_found_without_a_link_of_udevs(fabric: Fabric) -> None:
    """The paths below it are devices, too, and have the same WWID."""
    host = fabric.hosts["n1"]
    host.run(["sh", "-c", "rm /dev/disk/by-id/*"], check=True)
    for namespace in NAMESPACES.values():
        succeed(host, "on", "n1", devices=namespace.wwid)
        assert run(host, "status", "n1", devices=namespace.wwid).stdout == "Status: ON\n"
