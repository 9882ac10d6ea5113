"""READ FULL STATUS: any bytes go in, and what is believed is compared with a second reading of them.

Each function takes one input and raises AssertionError, or whatever the parser let through.
"""

from __future__ import annotations

from fence_pr.errors import ReservationError
from fence_pr.storage import full_status, transport_id
from tests.inputs.answers import FD, Target, number
from tests.inputs.texts import accepted
from tests.unit import fake_ioctl

PORTS = {0: ("fc", 8, 8), 1: ("spi", 2, 6), 3: ("sbp", 8, 8), 4: ("srp", 8, 16), 6: ("sas", 4, 8), 10: ("sop", 2, 2)}


def target(data: bytes) -> None:
    """The command through SG_IO: statuses, sense data, residuals and descriptors as they come."""
    answering = Target(data)
    with fake_ioctl.disk(scsi=answering):
        believed = accepted(lambda: full_status.read(FD), ReservationError)
    assert len(answering.rooms) <= 8 * 4, "every further question has more room, or takes a unit attention away"
    assert max(answering.rooms) <= 0xFFFF
    if believed is None:
        return
    assert answering.rooms[-1] - 8 - number(answering.arrived[4:8]) >= 512, "more may have been left out"
    assert list(believed) == registrations_of(answering.arrived)
    for listed in ([it.key for it in believed], [0xA], []):
        for key, hosts in full_status.hosts(believed, listed).items():
            assert hosts == {it.host for it in believed if it.key == key} - {""}


def registrations_of(data: bytes) -> list[full_status.Registration]:
    """SPC-4 6.16.5, table 226."""
    rest = data[8 : 8 + number(data[4:8])]
    assert len(rest) == number(data[4:8])
    found = []
    while rest:
        length = number(rest[20:24])
        assert len(rest) >= 24 + length
        initiator, all_ports = rest[24 : 24 + length], rest[12] >> 1 & 1
        where = port_of(initiator), None if all_ports else number(rest[18:20])
        found.append(full_status.Registration(number(rest[:8]), host_of(initiator), rest[12] % 2 == 1, *where))
        rest = rest[24 + length :]
    return found


def host_of(told: bytes) -> str:
    """SPC-4 7.6.4."""
    if not told:
        return ""
    unread = f"transport {told[0] % 16}: {told.hex()}"
    if told[0] % 16 == 5:
        return host_of_iscsi(told) or unread
    form, protocol = told[0] >> 6, told[0] % 16
    kind, at, length = PORTS.get(protocol, ("", 0, 0))
    return f"{kind}.{told[at : at + length].hex()}" if kind and not form and len(told) == 24 else unread


def port_of(told: bytes) -> str:
    """SPC-4 7.6.4: with iSCSI the session counts, too. istgt tells the bare name."""
    if told[:4] == b"iqn.":
        return told.decode("ascii", "replace").lower()
    if not told or told[0] % 16 != 5:
        return host_of(told)
    whole = told[0] >> 6 == 1 and len(told) > 4 and number(told[2:4]) == len(told) - 4 and 0 in told[4:]
    session = told[4 : told.index(0, 4)].partition(b",i,0x")[2] if whole else b""
    return f"{host_of(told)},i,0x{session.decode('ascii', 'replace').lower()}" if session else ""


def host_of_iscsi(told: bytes) -> str:
    """SPC-4 7.6.4.6, both forms; "" for what breaks its rules."""
    form = told[0] >> 6
    if form > 1 or len(told) < 4 or number(told[2:4]) != len(told) - 4 or 0 not in told[4:]:
        return ""
    text = told[4 : told.index(0, 4)].decode("utf-8", "surrogateescape")
    if form and ",i,0x" not in text:
        return ""
    name = (text.split(",i,0x")[0] if form else text).lower()
    if any(it in " ," or not it.isprintable() for it in name) or not name:
        return ""
    return name if name[:4] in ("iqn.", "eui.", "naa.") else f"iscsi.{name}"


def name(data: bytes) -> None:
    """One TransportID."""
    host = transport_id.host_of(data)
    assert host == host_of(data)
    assert host.isprintable()
    assert not transport_id.is_whole_host(host) or data[0] % 16 == 5
