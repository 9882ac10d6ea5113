"""What targets call this machine, from a sysfs in a folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fence_pr.storage import own_hosts
from fence_pr.storage.device import Places

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = os.makedev(8, 16)
OURS, THEIRS = bytes(range(16)), bytes(range(16, 32))


class Sysfs:
    """One SCSI disk, 8:16, below SCSI host 7."""

    def __init__(self, folder: Path, above: str = "platform/host7") -> None:
        self.folder = folder
        device = folder / "devices" / above / "target7:0:0/7:0:0:1/block/sdb"
        device.mkdir(parents=True)
        numbers = folder / "dev/block"
        numbers.mkdir(parents=True)
        (numbers / "8:16").symlink_to(f"../../{device.relative_to(folder)}")

    def attribute(self, path: str, value: str) -> None:
        """What stands in a file."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")

    def port(self) -> str:
        """The initiator port of the disk's path."""
        return own_hosts.port_of_scsi(NUMBER, Places(sysfs=str(self.folder)))

    def names(self) -> frozenset[str]:
        """Of the disk's machine."""
        return own_hosts.of_scsi(NUMBER, Places(sysfs=str(self.folder)))


def test_the_iscsi_node_is_the_one_that_this_session_was_opened_as(tmp_path: Path) -> None:
    """A machine may have several, one for each interface."""
    sysfs = Sysfs(tmp_path, "platform/host7/session3")
    assert sysfs.names() == frozenset()
    sysfs.attribute("class/iscsi_session/session2/initiatorname", "iqn.2026-01.org.example:other")
    sysfs.attribute("class/iscsi_host/host7/initiatorname", "iqn.2026-01.org.example:card")
    assert sysfs.names() == {"iqn.2026-01.org.example:card"}
    sysfs.attribute("class/iscsi_session/session3/initiatorname", "iqn.2026-01.org.example:N1")
    assert sysfs.names() == {"iqn.2026-01.org.example:n1"}


@pytest.mark.parametrize("empty", ["", "(null)", "two words"])
def test_a_session_without_a_name_tells_nothing(tmp_path: Path, empty: str) -> None:
    sysfs = Sysfs(tmp_path, "platform/host7/session3")
    sysfs.attribute("class/iscsi_session/session3/initiatorname", empty)
    assert sysfs.names() == frozenset()


def test_the_fibre_channel_port_is_that_of_the_scsi_host(tmp_path: Path) -> None:
    """With NPIV it is the virtual port's, which has a SCSI host of its own."""
    sysfs = Sysfs(tmp_path, "pci0/host3/rport-3:0-0/vport-3:0-0/host7/rport-7:0-1")
    sysfs.attribute("class/fc_host/host3/port_name", "0x10000090fa000003")
    assert sysfs.names() == frozenset()
    sysfs.attribute("class/fc_host/host7/port_name", "0x10000090FA123456")
    assert sysfs.names() == {"fc.10000090fa123456"}


def test_sas_ports_are_those_of_the_adapters_phys_and_not_of_expanders(tmp_path: Path) -> None:
    sysfs = Sysfs(tmp_path)
    for phy, address in {"7:0": "1", "7:1": "1", "7:4": "2", "7:0:3": "8", "17:0": "9", "6:0": "7"}.items():
        sysfs.attribute(f"class/sas_phy/phy-{phy}/sas_address", f"0x500605b00000000{address}")
    assert sysfs.names() == {"sas.500605b000000001", "sas.500605b000000002"}


def test_all_fc_ports_of_the_machine_are_known_whichever_leads_to_the_disk(tmp_path: Path) -> None:
    """Also one without a link, and virtual ones; none of SAS."""
    sysfs = Sysfs(tmp_path)
    places = Places(sysfs=str(tmp_path))
    assert own_hosts.fc_ports(places) == frozenset()
    sysfs.attribute("class/sas_phy/phy-7:0/sas_address", "0x500605b000000001")
    sysfs.attribute("class/fc_host/host7/port_name", "0x10000090fa000007")
    sysfs.attribute("class/fc_host/host8/port_name", "0x10000090fa000008")
    sysfs.attribute("class/fc_host/host8/port_state", "Linkdown")
    sysfs.attribute("class/fc_host/host9/port_name", "0xffffffffffffffff0")
    assert own_hosts.fc_ports(places) == {"fc.10000090fa000007", "fc.10000090fa000008"}


@pytest.mark.parametrize("odd", ["", "0x", "10000090fa123456", "0x10000090fa12345", "0x10000090fa12345g"])
def test_a_port_whose_name_is_none_is_left_out(tmp_path: Path, odd: str) -> None:
    sysfs = Sysfs(tmp_path)
    sysfs.attribute("class/fc_host/host7/port_name", odd)
    assert sysfs.names() == frozenset()


def test_a_disk_that_sysfs_does_not_know_tells_nothing(tmp_path: Path) -> None:
    assert own_hosts.of_scsi(os.makedev(8, 32), Places(sysfs=str(tmp_path))) == frozenset()


def test_all_nvme_host_identifiers_of_the_machine_are_its_own(tmp_path: Path) -> None:
    places = Places(sysfs=str(tmp_path))
    assert own_hosts.of_nvme(b"", places) == frozenset()
    assert own_hosts.of_nvme(bytes(16), places) == frozenset()
    assert own_hosts.of_nvme(OURS, places) == {f"nvme.{OURS.hex()}"}
    for number, shown in enumerate(["10111213-1415-1617-1819-1a1b1c1d1e1f", "nonsense", "0" * 32]):
        controller = tmp_path / f"class/nvme/nvme{number}"
        controller.mkdir(parents=True)
        (controller / "hostid").write_text(f"{shown}\n")
    (tmp_path / "class/nvme/nvme9").mkdir()  # over PCIe there is none
    assert own_hosts.of_nvme(OURS, places) == {f"nvme.{it.hex()}" for it in (OURS, THEIRS)}
    assert own_hosts.of_nvme(b"", places) == {f"nvme.{THEIRS.hex()}"}


def test_the_iscsi_port_is_the_session(tmp_path: Path) -> None:
    sysfs = Sysfs(tmp_path, "platform/host7/session19")
    assert sysfs.port() == ""
    sysfs.attribute("class/iscsi_session/session19/initiatorname", "iqn.2026-01.org.example:N1")
    assert sysfs.port() == "iqn.2026-01.org.example:n1,i,0x00023d000013"
    sysfs.attribute("class/iscsi_session/session19/isid", "40000137ABCD")
    assert sysfs.port() == "iqn.2026-01.org.example:n1,i,0x40000137abcd"


def test_a_session_without_a_number_is_no_port(tmp_path: Path) -> None:
    sysfs = Sysfs(tmp_path, "platform/host7/session")
    sysfs.attribute("class/iscsi_host/host7/initiatorname", "iqn.2026-01.org.example:n1")
    assert sysfs.port() == ""


def test_an_iscsi_adapter_without_a_session_is_no_port(tmp_path: Path) -> None:
    sysfs = Sysfs(tmp_path)
    sysfs.attribute("class/iscsi_host/host7/initiatorname", "iqn.2026-01.org.example:n1")
    assert sysfs.port() == ""


def test_an_adapter_with_two_ports_does_not_tell_over_which_one_a_path_goes(tmp_path: Path) -> None:
    sysfs = Sysfs(tmp_path)
    sysfs.attribute("class/sas_phy/phy-7:0/sas_address", "0x500605b000000001")
    assert sysfs.port() == "sas.500605b000000001"
    sysfs.attribute("class/sas_phy/phy-7:4/sas_address", "0x500605b000000002")
    assert sysfs.port() == ""
