"""PERSISTENT RESERVE IN, READ FULL STATUS: which host is behind each registration. SPC-4 6.16.5."""

from __future__ import annotations

from ..errors import IncompleteAnswer, Notice
from ..record import Record
from . import scsi, transport_id
from .pr_ioctl import device_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

OPERATION = "full status"
_READ_FULL_STATUS = 3
_HEADER, _DESCRIPTOR = 8, 24  # bytes in front of the descriptors, and in front of the TransportID in each
_HOLDER, _ALL_PORTS = 0x1, 0x2
_FIRST_BYTES = 8192  # some eighty registrations
# LIO leaves out what has no room, and counts it nowhere. No descriptor is larger: iSCSI names have at most 223 bytes.
_ROOM = 512


class Registration(Record):
    """One registration as a target describes it.

    host, port   as in `transport_id`, "" if it is not told
    target_port  relative number of the target's port that it is for; None: every port of the target
    """

    key: int
    host: str
    holder: bool
    port: str = ""
    target_port: int | None = None


def read(fd: int) -> tuple[Registration, ...]:
    """Every registration that the target describes.

    Raises NotSupported or Invalid if the target or the driver has no such command, IncompleteAnswer if the answer is
    cut short or contradicts itself, UnitAttention, PathFailure, DeviceFailure, NotPermitted.
    """
    return parse(device_name(fd), scsi.read_all(fd, OPERATION, _READ_FULL_STATUS, _FIRST_BYTES, _ROOM))


def parse(device: str, answer: bytes) -> tuple[Registration, ...]:
    """The registrations in an answer of READ FULL STATUS, header included. Pure. Raises IncompleteAnswer."""
    end = _HEADER + int.from_bytes(answer[4:8], "big")
    if end > len(answer):
        raise IncompleteAnswer(
            device, OPERATION, 0, Notice("fewer-bytes-than-announced", {"announced": end, "came": len(answer)})
        )
    found, at = [], _HEADER
    while at < end:
        name = at + _DESCRIPTOR
        after = name + int.from_bytes(answer[at + 20 : name], "big")
        if max(name, after) > end:
            fields = {"length": after - at, "left": end - at}
            raise IncompleteAnswer(device, OPERATION, 0, Notice("descriptor-too-long", fields))
        key, initiator = int.from_bytes(answer[at : at + 8], "big"), answer[name:after]
        host, port = transport_id.host_of(initiator), transport_id.port_of(initiator)
        target_port = None if answer[at + 12] & _ALL_PORTS else int.from_bytes(answer[at + 18 : at + 20], "big")
        found.append(Registration(key, host, bool(answer[at + 12] & _HOLDER), port, target_port))
        at = after
    return tuple(found)


def tells(
    described: Iterable[Registration], listed: Iterable[int], key: int, port: str, target_port: int
) -> bool | None:
    """Whether the nexus of this initiator port and this port of the target has the key. None if that is not told. Pure.

    port: "" if nobody knows; target_port: 0 if nobody knows. described, listed: as of `hosts`
    """
    with_key = [it for it in described if it.key == key]
    own = [it for it in with_key if port and it.port == port]
    if any(it.target_port in (None, target_port) for it in own if it.target_port != 0):
        return True
    if not port or (own and not (target_port and all(it.target_port for it in own))):
        return None
    whole = all(it.port for it in with_key) and len(with_key) >= sum(it == key for it in listed)
    return False if whole else None


def hosts(described: Iterable[Registration], listed: Iterable[int]) -> dict[int, frozenset[str]]:
    """Key → the hosts behind its registrations, for each key all of whose registrations are told. Pure.

    described: what READ FULL STATUS tells; listed: what READ KEYS tells, one entry a registration.
    A key that is listed more often than described has a registration that nobody tells of: the target leaves it out, or
    it went in between. One that is described more often got another in between, which is told with the others.
    """
    rest: dict[int, int] = {}
    for key in listed:
        rest[key] = rest.get(key, 0) + 1
    found: dict[int, set[str]] = {key: set() for key in rest}
    for it in described:
        if it.key in found:
            rest[it.key] -= 1
            found[it.key].add(it.host)
    return {key: frozenset(names) for key, names in found.items() if rest[key] <= 0 and "" not in names}
