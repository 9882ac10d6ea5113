"""A SCSI initiator port as a target names it (TransportID), and the name of the host or port that is made of it. Pure.

A host is a text. "iqn.…", "eui.…", "naa.…" and "iscsi.…" are names of iSCSI nodes, "nvme.…" is an NVMe host identifier:
each is a whole machine, whatever ports and sessions it has. "fc.…", "sas.…", "srp.…", "sbp.…", "spi.…" and "sop.…" are
single ports: two of them can be one machine. "transport N: …" is what this module cannot read, in hexadecimal.
Sources: SPC-4 7.6.4 (TransportID), 7.6.1 (protocol identifiers); RFC 7143 4.2.7 (iSCSI names).
"""

from __future__ import annotations

_FIBRE_CHANNEL, _PARALLEL, _SERIAL_BUS, _RDMA, _ISCSI, _SAS, _PCIE = 0x0, 0x1, 0x3, 0x4, 0x5, 0x6, 0xA
_BYTES = 24  # of every TransportID but those of iSCSI
# Protocol → how the port is called, and where its name stands.
_PORTS = {
    _FIBRE_CHANNEL: ("fc", 8, 16),
    _PARALLEL: ("spi", 2, 8),  # SCSI address, and the target port that it is an address at
    _SERIAL_BUS: ("sbp", 8, 16),
    _RDMA: ("srp", 8, 24),
    _SAS: ("sas", 4, 12),
    _PCIE: ("sop", 2, 4),
}
_ISCSI_NAME, _ISCSI_PORT = 0, 1
_ISCSI_FORMATS = ("iqn.", "eui.", "naa.")
_SESSION = b",i,0x"  # between the name of a node and the session (ISID) of one of its ports
_WITHOUT_HEADER = b"iqn."  # istgt tells a port's bare name; as a TransportID it would be of a protocol that is reserved
_OTHER_ISCSI, _NVME, _FC = "iscsi.", "nvme.", "fc."


def host_of(transport_id: bytes) -> str:
    """The host, or the port where its transport names no hosts, that a TransportID stands for; "" if it is empty."""
    if not transport_id:
        return ""
    protocol, form = transport_id[0] & 0xF, transport_id[0] >> 6
    named = ""
    if protocol == _ISCSI:
        named = _iscsi_node(transport_id, form)
    elif protocol in _PORTS and not form and len(transport_id) == _BYTES:
        kind, start, end = _PORTS[protocol]
        named = port(kind, transport_id[start:end])
    return named or f"transport {protocol}: {transport_id.hex()}"


def port_of(transport_id: bytes) -> str:
    """The initiator port that a TransportID stands for, which is one session where it is iSCSI's; "" if it tells none.

    Two nexuses differ in this, or in the target's port.
    """
    if transport_id.startswith(_WITHOUT_HEADER):
        return transport_id.decode("ascii", "replace").lower()
    if not transport_id or transport_id[0] & 0xF != _ISCSI:
        return host_of(transport_id)
    node, (_, session) = host_of(transport_id), _iscsi_parts(transport_id, transport_id[0] >> 6)
    return iscsi_port(node, session.decode("ascii", "replace")) if session else ""


def iscsi_port(node: str, session: str) -> str:
    """One session of an iSCSI node; session: the ISID's twelve hexadecimal digits."""
    return f"{node}{_SESSION.decode()}{session.lower()}"


def _iscsi_node(transport_id: bytes, form: int) -> str:
    """The node's name, "" if there is none to be read. The session is left out: it differs with each login."""
    name, _ = _iscsi_parts(transport_id, form)
    try:
        return iscsi_node(name.decode("utf-8"))
    except UnicodeDecodeError:
        return ""


def _iscsi_parts(transport_id: bytes, form: int) -> tuple[bytes, bytes]:
    """The node's name and the session, each empty if there is none to be read."""
    length = int.from_bytes(transport_id[2:4], "big")
    if form not in (_ISCSI_NAME, _ISCSI_PORT) or 4 + length != len(transport_id):
        return b"", b""
    name, terminator, _ = transport_id[4:].partition(b"\0")
    name, divider, session = name.partition(_SESSION) if form == _ISCSI_PORT else (name, b"", b"")
    if not terminator or (form == _ISCSI_PORT and not divider):
        return b"", b""
    return name, session


def iscsi_node(name: str) -> str:
    """The host that an iSCSI node's name stands for; "" if it is no name. Upper and lower case are the same there."""
    name = name.lower()
    if not name or not name.isprintable() or " " in name or "," in name:
        return ""
    return name if name.startswith(_ISCSI_FORMATS) else _OTHER_ISCSI + name


def port(kind: str, identifier: bytes) -> str:
    """A port by its transport, for example "fc", and its name."""
    return f"{kind}.{identifier.hex()}"


def is_fc_port(host: str) -> bool:
    """Whether the text names a Fibre Channel port."""
    return host.startswith(_FC)


def nvme_host(identifier: bytes) -> str:
    """An NVMe host; "" if the identifier is none, which each connection of a host without one has."""
    return _NVME + identifier.hex() if identifier.strip(b"\0") else ""


def is_whole_host(host: str) -> bool:
    """Whether the text names a machine with all its ports; else it may be one of several names of a machine."""
    return host.startswith((*_ISCSI_FORMATS, _OTHER_ISCSI, _NVME))
