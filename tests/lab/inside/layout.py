"""What a guest's storage looks like: names and numbers that the host and the guest share."""

from __future__ import annotations

from dataclasses import dataclass
from string import hexdigits

NODES = ("n1", "n2", "n3")
CLUSTER = "lab"
PREFIX = "iqn.2026-01.lab"
PORT = 3260
DISK_MIB = 16

# How long a path may be dead before its I/O fails, in seconds.
REPLACEMENT_SECONDS = 1


LIO_COMPANY, ACME_COMPANY = 0x001405, 0xACDE48
COMPANY_DIGITS, VENDOR_SPECIFIC_DIGITS = 6, 25


@dataclass(frozen=True)
class Lun:
    """A logical unit. All nodes see it, each by a connection of its own.

    vendor, product, company    what it says of itself where that is not what LIO says
    """

    name: str
    serial: str
    reservations: bool = True
    vendor: str = ""
    product: str = ""
    company: int = LIO_COMPANY

    @property
    def naa(self) -> str:
        """The NAA identifier as the target makes it of the serial number's hexadecimal digits, 32 such digits."""
        digits = "".join(digit for digit in self.serial if digit in hexdigits).lower()
        specific = digits[:VENDOR_SPECIFIC_DIGITS].ljust(VENDOR_SPECIFIC_DIGITS, "0")
        return f"6{self.company:0{COMPANY_DIGITS}x}{specific}"

    @property
    def wwid(self) -> str:
        """The identity as sysfs gives it."""
        return f"naa.{self.naa}"

    @property
    def by_id(self) -> tuple[str, str]:
        """The two stable names that udev would make, the WWN first."""
        return f"/dev/disk/by-id/wwn-0x{self.naa}", f"/dev/disk/by-id/scsi-3{self.naa}"


# Neither names nor the order of creation sort like the identities do: b, nopr, d, a, e, c. All are LIO's, and a and d
# say so; b has a vendor's name as appliances have, c that vendor's company identifier, too. LUN e tells nobody what it
# is: it stands for any target whose abort works and that is not recognised.
LUNS = {
    lun.name: lun
    for lun in (
        Lun("a", "9a3d5c7e0000000000000000a0000001"),
        Lun("b", "1b60f2a40000000000000000b0000001", vendor="ACME", product="array"),
        Lun("c", "ec81d9030000000000000000c0000001", vendor="ACME", product="array", company=ACME_COMPANY),
        Lun("d", "5d42867b0000000000000000d0000001"),
        Lun("e", "KLMNOPQRSTUVWXYZ", vendor="ACME", product="array", company=ACME_COMPANY),
        Lun("nopr", "37fe14c50000000000000000f0000001", reservations=False),
    )
}


def twin(lun: str) -> str:
    """The name of a disk that says it is the LUN, but has reservations of its own."""
    return f"{lun}-twin"


def initiator(node: str) -> str:
    """A node's iSCSI name."""
    return f"{PREFIX}.host:{node}"


def target(node: str, lun: str) -> str:
    """The target through which a node reaches a LUN. One kernel logs in to a target once, hence one for each."""
    return f"{PREFIX}:{node}.{lun}"


def address(node: str) -> str:
    """Where a node's targets listen (on the guest's loopback)."""
    return f"10.99.1.{NODES.index(node) + 1}"


def ring_address(node: str) -> str:
    """A node's address in corosync.conf, also on the guest's loopback."""
    return f"10.99.0.{NODES.index(node) + 1}"


def corosync_conf(*names: str) -> str:
    """The nodes' /etc/corosync/corosync.conf, or one that lists these alone."""
    nodes = "".join(
        f"    node {{\n        ring0_addr: {ring_address(node)}\n        name: {node}\n        nodeid: {number}\n"
        "    }\n"
        for number, node in enumerate(names or NODES, 1)
    )
    return f"totem {{\n    version: 2\n    cluster_name: {CLUSTER}\n}}\n\nnodelist {{\n{nodes}}}\n"
