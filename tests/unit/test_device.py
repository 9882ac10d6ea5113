"""What a name leads to, on a machine made of files (`machine`)."""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from fence_pr.errors import DeviceRefused, DevicesRefused
from fence_pr.storage import device
from fence_pr.storage.device import MULTIPATH, NVME, SCSI, Device, Places
from fence_pr.storage.identity import canonical_wwid
from tests.unit.machine import Machine
from tests.unit.page_83 import designator, kernels_choice, page

if TYPE_CHECKING:
    from pathlib import Path

WWID = "naa.60014051234567890abcdef012345678"
OTHER = "naa.60014050000000000000000000000001"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """An empty machine."""
    return Machine(tmp_path)


def refusal(machine: Machine, name: str) -> str:
    """Why `name` is refused."""
    with pytest.raises(DeviceRefused) as refused:
        device.resolve(name, machine.places)
    assert str(refused.value).startswith(f"{name}: ")
    return str(refused.value)


def test_a_disk_by_its_node(machine: Machine) -> None:
    node = machine.disk("sda", 0, WWID)
    assert device.resolve(node, machine.places) == Device(node, node, WWID)


def test_a_disk_by_a_link_keeps_the_name_given_and_knows_the_kernels(machine: Machine) -> None:
    node = machine.disk("sda", 0, WWID)
    link = machine.link("disk/by-path/ip-192.0.2.1-lun-0", node)
    found = device.resolve(link, machine.places)
    assert found == Device(link, node, WWID)
    assert found.label() == f"{link} ({node})"
    assert device.resolve(node, machine.places).label() == node


def test_the_kernels_name_counts_and_not_the_nodes(machine: Machine) -> None:
    machine.disk("sda", 0, WWID)
    alias = machine.node("shared-disk", stat.S_IFBLK, 8, 0)
    assert device.resolve(alias, machine.places).node == f"{machine.places.dev}/sda"


@pytest.mark.parametrize("kind", ["0", "7", "14", "20"])
def test_every_kind_of_scsi_disk_is_accepted(machine: Machine, kind: str) -> None:
    node = machine.block("sda", 0, "scsi", type=kind, wwid=WWID)
    assert device.resolve(node, machine.places).identity == WWID


@pytest.mark.promise(8)
@pytest.mark.parametrize("kind", ["1", "5", "8", "13", ""])
def test_a_scsi_device_that_is_no_disk_is_refused(machine: Machine, kind: str) -> None:
    node = machine.block("sda", 0, "scsi", type=kind, wwid=WWID)
    assert "is a SCSI device, but not a disk" in refusal(machine, node)


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    ("name", "bus", "words"),
    [
        ("loop0", "", "a loop device has no persistent reservations"),
        ("md127", "", "software RAID"),
        ("zram0", "", "compressed RAM disk"),
        ("ram1", "", "a RAM disk"),
        ("sr0", "scsi", "optical drive"),
        ("nbd0", "", "network block device"),
        ("rbd0", "", "Ceph"),
        ("drbd0", "", "DRBD"),
        ("bcache0", "", "bcache"),
        ("vda", "virtio", "is neither a SCSI nor an NVMe disk; its driver has no persistent reservations"),
        ("mmcblk0", "", "is neither a SCSI nor an NVMe disk"),
        ("xvda", "", "is neither a SCSI nor an NVMe disk"),
        ("md_d0", "", "is neither a SCSI nor an NVMe disk"),
    ],
)
def test_block_devices_without_reservations_are_refused(machine: Machine, name: str, bus: str, words: str) -> None:
    node = machine.block(name, 0, bus, **({"type": "5"} if bus == "scsi" else {}))
    assert words in refusal(machine, node)


@pytest.mark.promise(8)
def test_a_partition_is_refused_and_its_disk_named(machine: Machine) -> None:
    """Up to Linux 6.4 a reservation through a partition covers the whole disk without a word."""
    machine.disk("sdb", 16, WWID)
    text = refusal(machine, machine.partition("sdb", "sdb1", 17))
    assert "is a partition" in text
    assert text.endswith("name /dev/sdb")
    machine.block("nvme0n1", 32, "nvme")
    assert refusal(machine, machine.partition("nvme0n1", "nvme0n1p2", 33)).endswith("name /dev/nvme0n1")


@pytest.mark.promise(8)
@pytest.mark.parametrize("uuid", ["LVM-abcdef", "CRYPT-LUKS2-x", "part1-mpath-3600", "", "xmpath-3600"])
def test_a_device_mapper_volume_is_refused(machine: Machine, uuid: str) -> None:
    machine.disk("sda", 0, WWID)
    assert "would cover the whole disk below; name the disk" in refusal(
        machine, machine.mapped("dm-3", 3, uuid, "vg-lv", "sda")
    )


@pytest.mark.promise(8)
def test_a_disk_below_a_volume_is_accepted_but_not_one_path_of_a_multipath_map(machine: Machine) -> None:
    volume, path = machine.disk("sda", 0, WWID), machine.disk("sdb", 16, OTHER)
    machine.mapped("dm-0", 100, "LVM-x", "vg-lv", "sda", "sdb")
    machine.mapped("dm-1", 101, "mpath-36001", "mpatha", "sdb")
    assert device.resolve(volume, machine.places).identity == WWID
    assert "is only one path of the multipath map mpatha" in refusal(machine, path)


HOST_ID = "11112222-3333-4444-5555-666677778888"


@pytest.mark.parametrize("controller", ["", "nvme3"])
def test_an_nvme_namespace(machine: Machine, controller: str) -> None:
    """With native multipath the device is a subsystem, and its controllers are below."""
    node = machine.namespace("nvme0n1", 0, "uuid.52a07a7b", HOST_ID, controller)
    found = device.resolve(node, machine.places)
    assert (found.kind, found.identity, found.host_id) == (
        NVME,
        "uuid.52a07a7b",
        bytes.fromhex(HOST_ID.replace("-", "")),
    )
    assert device.resolve("uuid.52A07A7B", machine.places).node == node


def test_a_namespace_whose_paths_the_kernel_hides_is_known_by_its_subsystem(machine: Machine) -> None:
    node = machine.namespace("nvme0n1", 0, "uuid.52a07a7b")
    assert not device.resolve(node, machine.places).head
    folder = machine.folder / "sys/devices/nvme0n1/block/nvme0n1/device"
    folder.unlink()
    folder.symlink_to(machine.folder / "sys/devices/virtual/nvme-subsystem/nvme-subsys0")
    assert device.resolve(node, machine.places).head


def test_an_nvme_controller_without_a_host_identifier(machine: Machine) -> None:
    assert device.resolve(machine.namespace("nvme0n1", 0, "eui.01"), machine.places).host_id == b""


def test_a_multipath_map_has_the_identity_and_the_paths_of_its_disks(machine: Machine) -> None:
    paths = [machine.disk(name, minor, WWID) for name, minor in (("sdc", 32), ("sdb", 16))]
    node = machine.mapped("dm-7", 100, "mpath-3600", "mpatha", "sdb", "sdc")
    expected = Device(node, node, WWID, MULTIPATH, tuple(sorted(paths)), map_name="mpatha")
    assert device.resolve(node, machine.places) == expected
    assert device.resolve(WWID, machine.places).node == node


def test_a_path_that_was_taken_away_does_not_take_the_map_with_it(machine: Machine) -> None:
    """Its link stays in the map, leads nowhere, and opening its device node will tell."""
    for name, minor in (("sda", 0), ("sdb", 16)):
        machine.disk(name, minor, WWID)
    node = machine.mapped("dm-0", 100, "mpath-1", "mpatha", "sda", "sdb")
    shutil.rmtree(machine.folder / "sys/devices/sda")
    found = device.resolve(node, machine.places)
    assert found.identity == WWID
    assert [os.path.basename(path) for path in found.paths] == ["sda", "sdb"]
    shutil.rmtree(machine.folder / "sys/devices/sdb")
    assert "is a multipath map whose paths are all gone" in refusal(machine, node)


@pytest.mark.promise(8)
def test_a_multipath_map_must_be_over_paths_of_one_scsi_disk(machine: Machine) -> None:
    machine.disk("sda", 0, WWID)
    machine.disk("sdb", 16, OTHER)
    machine.namespace("nvme0n1", 32, "uuid.1")
    mixed = refusal(machine, machine.mapped("dm-0", 100, "mpath-1", "mixed", "sda", "sdb"))
    assert f"is a multipath map over different disks (sda: {WWID}, sdb: {OTHER})" in mixed
    machine.disk("sdc", 48)
    nameless = refusal(machine, machine.mapped("dm-3", 103, "mpath-4", "nameless", "sda", "sdc"))
    assert f"is a multipath map over different disks (sda: {WWID}, sdc: none)" in nameless
    nvme = refusal(machine, machine.mapped("dm-1", 101, "mpath-2", "nvme", "nvme0n1"))
    assert "is a multipath map over NVMe; use the kernel's own NVMe multipath" in nvme
    assert "without a path" in refusal(machine, machine.mapped("dm-2", 102, "mpath-3", "empty"))


@pytest.mark.promise(8)
def test_what_is_no_block_device_is_refused_by_what_it_is(machine: Machine) -> None:
    character = machine.node("sg0", stat.S_IFCHR, 21, 0)
    regular = machine.folder / "dev/image"
    regular.touch()
    os.mkfifo(machine.folder / "dev/fifo")
    assert "is a character device, not a disk; name the disk's block device" in refusal(machine, character)
    assert "is a regular file, not a disk" in refusal(machine, str(regular))
    assert "is a directory, not a disk" in refusal(machine, machine.places.dev)
    assert "is a pipe or a socket, not a disk" in refusal(machine, str(machine.folder / "dev/fifo"))


@pytest.mark.promise(8)
def test_what_is_not_there_is_told_from_a_dangling_link(machine: Machine) -> None:
    assert "no such device" in refusal(machine, str(machine.folder / "dev/none"))
    gone = machine.link("disk/by-id/wwn-0x1", str(machine.folder / "dev/none"))
    assert "dangling link, the device is gone" in refusal(machine, gone)
    machine.link("loop", str(machine.folder / "dev/loop"))
    assert "Too many levels of symbolic links" in refusal(machine, str(machine.folder / "dev/loop"))


@pytest.mark.promise(5)
def test_a_device_that_may_not_be_looked_at_is_said(machine: Machine) -> None:
    def denied(path: str) -> os.stat_result:
        raise PermissionError(13, "Permission denied", path)

    machine.places = Places(stat=denied)
    assert "Permission denied" in refusal(machine, "/dev/sda")


@pytest.mark.promise(8)
def test_a_node_without_a_device_behind_it_is_refused(machine: Machine) -> None:
    stale = machine.node("sdz", stat.S_IFBLK, 8, 99)
    assert "the kernel has no block device 8:99" in refusal(machine, stale)


@pytest.mark.parametrize("gone", ["8:0", "subsystem"])
def test_a_disk_that_goes_while_it_is_looked_at_is_refused(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    """What is a link at one moment is gone at the next."""
    node = machine.disk("sda", 0, WWID)
    readlink = os.readlink

    def goes(path: str) -> str:
        if path.endswith(gone):
            raise FileNotFoundError(2, "No such file or directory", path)
        return readlink(path)

    monkeypatch.setattr(os, "readlink", goes)
    assert refusal(machine, node)


@pytest.mark.parametrize(
    ("link", "name"),
    [
        ("mapper/shared", "shared"),
        ("disk/by-id/wwn-0x60014051234567890abcdef012345678", "60014051234567890abcdef012345678"),
        ("disk/by-id/wwn-0x60014051234567890abcdef012345678", "0x60014051234567890abcdef012345678"),
        ("disk/by-id/wwn-0x60014051234567890abcdef012345678", "wwn-0x60014051234567890abcdef012345678"),
        ("disk/by-id/scsi-360014051234567890abcdef012345678", "360014051234567890abcdef012345678"),
        ("disk/by-id/scsi-SLIO-ORG_disk_1234", "scsi-SLIO-ORG_disk_1234"),
        ("disk/by-id/scsi-SLIO-ORG_disk_1234", "SLIO-ORG_disk_1234"),
    ],
)
def test_a_bare_wwid_by_udevs_links(machine: Machine, link: str, name: str) -> None:
    node = machine.disk("sda", 0, "t10.unlike the name")
    machine.link(link, node)
    assert device.resolve(name, machine.places) == Device(name, node, "t10.unlike the name")


@pytest.mark.parametrize(
    "name", ["60014051234567890abcdef012345678", "360014051234567890ABCDEF012345678", WWID.upper()]
)
def test_a_bare_wwid_by_sysfs_where_udev_made_no_link(machine: Machine, name: str) -> None:
    machine.disk("sda", 0, OTHER)
    node = machine.disk("sdb", 16, WWID)
    machine.block("loop0", 32)
    machine.link(f"disk/by-id/wwn-0x{WWID[4:]}", "/nonexistent")
    assert device.resolve(name, machine.places) == Device(name, node, WWID)


@pytest.mark.promise(8)
def test_a_bare_wwid_with_several_paths_and_no_map_is_refused(machine: Machine) -> None:
    machine.disk("sda", 0, WWID)
    machine.disk("sdb", 16, WWID)
    assert "several paths lead to this disk (sda, sdb) and no multipath map" in refusal(machine, WWID)


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    "name", ["sda", "dev/sda", ".", "..", "../dev/sda", OTHER, "0x", "naa.", "wwn-", "scsi-", "control"]
)
def test_a_name_that_is_neither_path_nor_known_wwid_is_refused(machine: Machine, name: str) -> None:
    machine.disk("sda", 0, WWID)
    machine.disk("sdb", 16)
    assert "WWID" in refusal(machine, name)


@pytest.mark.promise(5)
def test_a_machine_without_sysfs_is_no_crash(machine: Machine) -> None:
    node = machine.disk("sda", 0, WWID)
    machine.places = Places(str(machine.folder / "none"), machine.places.dev, machine.stat)
    assert "the kernel has no block device 8:0" in refusal(machine, node)
    assert refusal(machine, WWID)


@pytest.mark.promise(3)
@pytest.mark.parametrize("backwards", [False, True])
def test_disks_are_sorted_by_identity_whatever_they_are_called_here(machine: Machine, backwards: bool) -> None:
    names = [machine.disk("sda", 0, WWID), machine.disk("sdb", 16, OTHER), machine.disk("sdc", 32, "eui.0011")]
    found = device.resolve_all(tuple(reversed(names) if backwards else names), machine.find)
    assert [it.identity for it in found] == sorted([WWID, OTHER, "eui.0011"])


@pytest.mark.promise(1)
def test_two_names_for_one_disk_are_refused(machine: Machine) -> None:
    node = machine.disk("sda", 0, WWID)
    second_path = machine.disk("sdb", 16, WWID)
    for other in (machine.link("disk/by-id/x", node), second_path, WWID[4:], node):
        if other == WWID[4:]:
            machine.link(f"disk/by-id/wwn-0x{WWID[4:]}", node)
        with pytest.raises(DevicesRefused) as refused:
            device.resolve_all((node, other), machine.find)
        assert "is the same disk as" in str(refused.value)
        assert WWID in str(refused.value)


def test_the_identity_of_an_open_disk_is_that_of_its_number_whatever_its_node_is_called(machine: Machine) -> None:
    machine.disk("sda", 0, WWID)
    machine.namespace("nvme0n1", 16, "uuid.1")
    for minor, kind, identity in ((0, SCSI, WWID), (16, NVME, "uuid.1"), (32, SCSI, "")):
        opened = os.stat_result((stat.S_IFBLK, *[0] * 9), {"st_rdev": os.makedev(8, minor)})
        with patch.object(os, "fstat", return_value=opened):
            assert device.identity_of_open(3, kind, machine.places) == identity
    with patch.object(os, "fstat", return_value=os.stat_result((stat.S_IFREG, *[0] * 9))):
        assert device.identity_of_open(3, SCSI, machine.places) is None


@pytest.mark.promise(3)
def test_a_disk_without_identity_is_refused_beside_others_and_accepted_alone(machine: Machine) -> None:
    """Nodes could not agree on which disk comes first."""
    nameless, named = machine.disk("sda", 0), machine.disk("sdb", 16, WWID)
    assert device.resolve_all((nameless,), machine.find) == [Device(nameless, nameless, "")]
    assert Device(nameless, nameless, "").stable_name() == nameless
    for names in ((nameless, named), (named, nameless)):
        with pytest.raises(DevicesRefused, match="has no worldwide unique name"):
            device.resolve_all(names, machine.find)


@pytest.mark.promise(3)
@pytest.mark.parametrize("last_resort", ["t10.ACME    1234", "nvme.1d36-3132-33-00000001"])
def test_a_disk_known_by_its_serial_number_alone_is_refused_beside_others(machine: Machine, last_resort: str) -> None:
    """Makers repeat them."""
    poor, named = machine.namespace("nvme0n1", 0, last_resort), machine.disk("sdb", 16, WWID)
    assert device.resolve_all((poor,), machine.find)[0].identity == last_resort
    with pytest.raises(DevicesRefused) as refused:
        device.resolve_all((named, poor), machine.find)
    assert str(refused.value) == (
        f"{poor}: has no worldwide unique name (only model and serial number: {last_resort}), so it cannot be used"
        " beside other disks; use it alone, or give it an identity at the target"
    )


@pytest.mark.parametrize("name", ["sdb", "nvme0n1", "dm-3"])
def test_a_name_of_the_kernels_own_is_known_from_one_that_stays(machine: Machine, name: str) -> None:
    node = machine.namespace(name, 16, WWID) if name.startswith("nvme") else machine.disk("sdb", 16, WWID)
    if name.startswith("dm-"):
        node = machine.mapped(name, 32, f"mpath-3{WWID[4:]}", "mpatha", "sdb")
    link = machine.link("disk/by-id/any", f"../../{name}")
    assert device.resolve(node, machine.places).is_named_by_kernel()
    for stays in (link, WWID):
        assert not device.resolve(stays, machine.places).is_named_by_kernel()


@pytest.mark.promise(3)
def test_the_order_follows_one_rule_whatever_the_kernel_makes_of_what_the_disk_says(machine: Machine) -> None:
    """Kernels before October 2020 prefer the longer designator, and say so in `wwid`."""
    told = page(designator(1, b"ACME    a very long serial number"), designator(3, bytes.fromhex(WWID[4:])))
    node = machine.disk("sda", 0, "t10.ACME    a very long serial number")
    remembered = machine.folder / "sys/devices/sda/device/vpd_pg83"
    remembered.write_bytes(told)
    assert device.resolve(node, machine.places).identity == WWID
    machine.mapped("dm-0", 32, f"mpath-3{WWID[4:]}", "mpatha", "sda")
    assert device.resolve(str(machine.folder / "dev/dm-0"), machine.places).identity == WWID
    (machine.folder / "sys/devices/sda/block/sda/holders/dm-0").unlink()
    for nothing in (b"", page(), b"\0\x83\xff\xff"):
        remembered.write_bytes(nothing)
        assert device.resolve(node, machine.places).identity == "t10.ACME    a very long serial number"


def naa(digits: str) -> bytes:
    return designator(3, bytes.fromhex(digits))


# What targets say in page 83h. Beside the disk's own names: its ports and groups (4, 5, 6), and the target's (8).
PORTS = (
    designator(4, bytes([0, 0, 0, 1]), 1),
    designator(5, bytes(4), 1),
    designator(8, b"iqn.2026-01.lab:n1.a,t,0x0001\0", 1),
    designator(8, b"iqn.2026-01.lab:n1.a\0", 2),
)
SAID = {
    "LIO": (naa("60014059a3d5c7e0000000000000000a"), designator(1, b"LIO-ORG IBLOCK:9a3d5c7e0000\0"), *PORTS),
    "LIO, renamed": (naa("6acde48ec81d9030000000000000000c"), designator(1, b"ACME    array:ec81d903\0"), *PORTS),
    "SCST": (designator(1, b"SCST_BIO disk1-1a2b"), designator(2, bytes.fromhex("3161326200000000")), *PORTS),
    "SAS disk": (naa("5000c500a1b2c3d4"), designator(3, bytes.fromhex("5000c500a1b2c3d5"), 1)),
    "text first": (designator(1, b"NETAPP  LUN 80Xk7?K1M2n3"), naa("60a98000303758366b3f4b314d326e33"), *PORTS),
    "text last": (naa("624a9370f5e2d1c0b3a4958600012345"), designator(1, b"PURE    FlashArray:F5E2D1C0"), *PORTS),
    "longer text": (designator(1, b"3PARdata" + b"x" * 60), naa("60002ac0000000000000000500019f62")),
    "name string": (naa("60014380025decc60000500000020000"), designator(8, b"iqn.2003-10.example:volume\0\0")),
    "EUI-64 of 16 bytes": (designator(2, bytes.fromhex("002538b471b0a7d50025384100000001")), naa("500253847b0a7d50")),
    "local number": (naa("3000000000000007"), designator(2, bytes.fromhex("0024cf5e00000007"))),
}


@pytest.mark.promise(3)
@pytest.mark.parametrize("backwards", [False, True])
def test_the_order_is_that_of_0_1_0(machine: Machine, backwards: bool) -> None:
    """It sorts by what the kernel, since October 2020, shows as `wwid`."""
    shown = {}
    for minor, said in enumerate(SAID.values()):
        node = machine.disk(f"sd{minor}", minor, wwid := kernels_choice([*said]))
        (machine.folder / f"sys/devices/sd{minor}/device/vpd_pg83").write_bytes(page(*said))
        shown[node] = wwid
    for minor, wwid in enumerate(("uuid.e4a8a4c2-5f0e-4d52-9d0f-000000000001", f"eui.{7:016x}", f"eui.{7:032x}"), 50):
        shown[machine.namespace(f"nvme{minor}n1", minor, wwid)] = wwid
    found = device.resolve_all((*shown,)[:: -1 if backwards else 1], machine.find)
    assert [it.node for it in found] == sorted(shown, key=lambda node: shown[node])
    assert len(set(shown.values())) == len(SAID) + 3


def test_the_paths_below_a_namespace_are_no_disks(machine: Machine) -> None:
    """The kernel's multipath shows them with the namespace's WWID, and gives them no nodes."""
    for number, hidden in enumerate(("0", "1", "1")):
        name = "nvme0n1" if hidden == "0" else f"nvme0c{number}n1"
        machine.namespace(name, 16 * number, "uuid.1")
        (machine.folder / "sys/devices" / name / "block" / name / "hidden").write_text(f"{hidden}\n")
    assert device.resolve("uuid.1", machine.places).node.endswith("/nvme0n1")


@pytest.mark.promise(5)
def test_every_reason_is_given_at_once(machine: Machine) -> None:
    good = machine.disk("sda", 0, WWID)
    loop, none = machine.block("loop0", 16), str(machine.folder / "dev/none")
    with pytest.raises(DevicesRefused) as refused:
        device.resolve_all((loop, good, none, good), machine.find)
    lines = str(refused.value).splitlines()
    assert len(lines) == 3
    assert {line.partition(": ")[0] for line in lines} == {loop, none, good}


def test_blanks_around_an_identity_do_not_count(machine: Machine) -> None:
    node = machine.block("sda", 0, "scsi", type="0", wwid="t10.ATA     DISK              1234   ")
    assert device.resolve(node, machine.places).identity == "t10.ATA     DISK              1234"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("naa.60014051234567890abcdef012345678", "naa.60014051234567890abcdef012345678"),
        ("60014051234567890abcdef012345678", "naa.60014051234567890abcdef012345678"),
        ("0x60014051234567890abcdef012345678", "naa.60014051234567890abcdef012345678"),
        ("0X60014051234567890ABCDEF012345678", "naa.60014051234567890abcdef012345678"),
        ("wwn-0x60014051234567890abcdef012345678", "naa.60014051234567890abcdef012345678"),
        ("360014051234567890abcdef012345678", "naa.60014051234567890abcdef012345678"),
        ("scsi-360014051234567890abcdef012345678", "naa.60014051234567890abcdef012345678"),
        ("5000c500a1b2c3d4", "naa.5000c500a1b2c3d4"),
        ("35000c500a1b2c3d4", "naa.5000c500a1b2c3d4"),
        ("3000c500a1b2c3d4", "naa.3000c500a1b2c3d4"),
        ("36001405123456789", "naa.6001405123456789"),
        ("26001405123456789", "26001405123456789"),
        ("eui.0025385b71b0a1c2", "eui.0025385b71b0a1c2"),
        ("t10.LIO-ORG disk", "t10.lio-org disk"),
        ("shared", "shared"),
        ("", ""),
    ],
)
def test_one_spelling_for_all_ways_to_write_a_wwid(text: str, canonical: str) -> None:
    assert canonical_wwid(text) == canonical
    assert canonical_wwid(canonical_wwid(text)) == canonical_wwid(text)


@pytest.mark.parametrize("length", [0, 4095, 4096, 4097, 9000])
def test_a_file_of_sysfs_is_read_to_its_end(tmp_path: Path, length: int) -> None:
    """The kernel gives a page at a time, and page 83h may be longer."""
    (tmp_path / "attribute").write_text("x" * length + " ")
    assert device.read_attribute(str(tmp_path / "attribute")) == "x" * length
