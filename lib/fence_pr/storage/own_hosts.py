"""What targets call this very machine, as far as sysfs tells: its iSCSI node, its ports, its NVMe host identifiers."""

from __future__ import annotations

import os

from . import transport_id
from .device import SYSTEM, entries, host_id, read_attribute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .device import Places

_ADDRESS_DIGITS = 16
_OPEN_ISCSI = "00023d"  # its session identifiers (ISID) begin so, and end with the number of the session
_UNNAMED = "(null)"  # what the kernel prints for a session that nobody has told its name


def of_scsi(number: int, places: Places = SYSTEM) -> frozenset[str]:
    """What the target behind a SCSI disk calls this machine; empty if sysfs does not tell.

    number: the disk's, as in `os.stat_result.st_rdev`
    iSCSI: the name that the session of this path was opened with. FC and SAS: the ports of the path's SCSI host.
    """
    return _names(places, *_way(number, places))


def port_of_scsi(number: int, places: Places = SYSTEM) -> str:
    """The initiator port of a SCSI disk's path, as `transport_id.port_of` names it; "" if sysfs does not tell.

    iSCSI: where the driver does not show the session's identifier, it is the one that open-iscsi makes of the session's
    number (usr/initiator_common.c). A wrong guess fits no registration, and then the target is asked otherwise.
    """
    host, session = _way(number, places)
    names = _names(places, host, session)
    if len(names) != 1:
        return ""
    (name,) = names
    if not session:
        return "" if transport_id.is_whole_host(name) else name
    told = read_attribute(f"{places.sysfs}/class/iscsi_session/{session}/isid")
    count = session[len("session") :]
    made = f"{_OPEN_ISCSI}{int(count):06x}" if count.isdecimal() else ""
    return transport_id.iscsi_port(name, told or made) if told or made else ""


def _way(number: int, places: Places) -> tuple[str, str]:
    """The SCSI host, and the iSCSI session if there is one, that lead to a disk, as sysfs calls them; "" if unknown.

    All of it is in the one link of the disk's number: …/host2/session1/target2:0:0/2:0:0:1/block/sdb.
    """
    try:
        link = os.readlink(f"{places.sysfs}/dev/block/{os.major(number)}:{os.minor(number)}")
    except OSError:
        return "", ""
    folders = link.rpartition("/block/")[0].split("/")
    session = next((it for it in folders if it.startswith("session")), "")
    return f"host{folders[-1].partition(':')[0]}", session


def _names(places: Places, host: str, session: str) -> frozenset[str]:
    """What a target calls this machine over this SCSI host: over an iSCSI session by the name that was told there."""
    if session and (node := _iscsi_node(f"{places.sysfs}/class/iscsi_session/{session}")):
        return frozenset([node])
    node = _iscsi_node(f"{places.sysfs}/class/iscsi_host/{host}")
    return frozenset([*filter(None, [node]), *_ports(places, host)])


def _iscsi_node(folder: str) -> str:
    node = transport_id.iscsi_node(read_attribute(f"{folder}/initiatorname"))
    return "" if _UNNAMED in node else node


def _ports(places: Places, host: str) -> Iterator[str]:
    yield from _port("fc", f"{places.sysfs}/class/fc_host/{host}/port_name")
    phys = f"{places.sysfs}/class/sas_phy"
    own = f"phy-{host[len('host') :]}:"  # followed by one number; an expander's have two
    for phy in entries(phys):
        if phy.startswith(own) and ":" not in phy[len(own) :]:
            yield from _port("sas", f"{phys}/{phy}/sas_address")


def _port(kind: str, attribute: str) -> Iterator[str]:
    """The port that an attribute names, if it names one."""
    address = read_attribute(attribute).lower()
    digits = address[2:] if address.startswith("0x") else ""
    if len(digits) == _ADDRESS_DIGITS and not digits.strip("0123456789abcdef"):
        yield transport_id.port(kind, bytes.fromhex(digits))


def fc_ports(places: Places = SYSTEM) -> frozenset[str]:
    """All FC ports of this machine, with and without a path to a disk; also those that it has made for others (NPIV).

    There is no such list of SAS ports: some drivers show one address for an adapter that has several (smartpqi).
    """
    hosts = f"{places.sysfs}/class/fc_host"
    return frozenset(port for host in entries(hosts) for port in _port("fc", f"{hosts}/{host}/port_name"))


def of_nvme(identifier: bytes, places: Places = SYSTEM) -> frozenset[str]:
    """What the controllers of this machine call it: `identifier`, of one disk's, b"" if unknown, and all others'."""
    controllers = f"{places.sysfs}/class/nvme"
    told = [identifier, *(host_id(f"{controllers}/{it}") for it in entries(controllers))]
    return frozenset(filter(None, map(transport_id.nvme_host, told)))
