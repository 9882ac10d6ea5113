"""In place of the kernel: the agent's ioctls end here, as commands to the model, and the model's answers go back.

Everything above is the real code: `pr_ioctl` and `nvme` with their structures, the disks of `storage`, and `actions`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from fence_pr.storage.pr_ioctl import REQUESTS
from fence_pr.storage.scsi import _HEADER as SG_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from .kernel_answers import Replayed
    from .unit import Unit

SG_IO, SCSI_RESET, RESET_DEVICE_ONLY = 0x2285, 0x2284, 0x101
NVME_ID, NVME_IO, NVME_ADMIN = 0x4E40, 0xC0484E43, 0xC0484E41
NVME_PATH_ERROR = 0x370
CHANGES = {
    REQUESTS.register: ("register", struct.Struct("=QQI4x")),
    REQUESTS.reserve: ("reserve", struct.Struct("=QII")),
    REQUESTS.release: ("release", struct.Struct("=QII")),
    REQUESTS.preempt: ("preempt", struct.Struct("=QQII")),
    REQUESTS.preempt_abort: ("preempt_abort", struct.Struct("=QQII")),
    REQUESTS.clear: ("clear", struct.Struct("=QI4x")),
}
READ_KEYS, READ_RESERVATION = struct.Struct("=IIQ"), struct.Struct("=QII")
READS = ("identify", "read_keys", "read_reservation", "report", "snapshot", "full_status")
INQUIRY, PERSISTENT_RESERVE_IN, PERSISTENT_RESERVE_OUT = 0x12, 0x5E, 0x5F
SERVICE_ACTIONS = {0: "read_keys", 1: "read_reservation", 3: "full_status", 4: "preempt", 5: "preempt_abort"}
# SPC-4 6.16.4: persistence over a power loss is possible and active, as a kernel always asks for it.
REPORT_CAPABILITIES, CAPABILITIES = 2, bytes((0, 8, 0x01, 0x01, 0, 0, 0, 0))
STANDARD_TYPES = (0, 1, 3, 5, 6, 7, 8)  # by enum pr_type
TARGET_PORT = 1
CHECK_CONDITION = 0x2
UNIT_ATTENTION, ILLEGAL_REQUEST = (
    bytes((0x70, 0, key, *[0] * 4, 10, *[0] * 4, code, 0, *[0] * 4)) for key, code in ((6, 0x29), (5, 0x24))
)


class Command(NamedTuple):
    """What goes to a disk: a name of `unit.NUMBERS` with its numbers, or one of READS."""

    name: str
    numbers: tuple[int, ...] = ()

    def changes(self) -> bool:
        """Whether it is made to change something."""
        return self.name not in READS


class Contents(NamedTuple):
    """What a read says. registrants: nexus and key of each; a part that was not asked for is empty."""

    generation: int
    registrants: tuple[tuple[str, int], ...]
    type: int
    holder: str
    holder_key: int

    def listed(self) -> tuple[int, ...]:
        """The keys alone, smallest first: the order in which a target lists them decides nothing."""
        return tuple(sorted(key for _, key in self.registrants))


def carry_out(unit: Unit, nexus: str, command: Command) -> int | Contents:
    """What the target does, and answers."""
    if command.changes():
        return unit.call(nexus, command.name, *command.numbers)
    registrants = tuple(sorted(unit.keys.items()))
    if command.name == "read_keys":
        return Contents(unit.generation, registrants, 0, "", 0)
    if command.name == "read_reservation":
        return Contents(0, (), unit.type, unit.holder, unit.holder_key())
    return Contents(unit.generation, registrants, unit.type, unit.holder, unit.holder_key())


class Kernel:
    """Has the place of the module `fcntl` in `pr_ioctl` and `nvme`.

    send   called with the descriptor and the command; gives what `carry_out` gives, or a status
    who    called with the descriptor; the number of the disk that it leads to
    tells  called with the descriptor; whether the target has READ FULL STATUS
    host   called with a nexus; what targets call the host behind it
    vendor called with the descriptor; what the target says of its vendor, "" for nothing
    answers called with the descriptor; what this kernel makes of the model's answers
    """

    def __init__(
        self,
        send: Callable[[int, Command], int | Contents],
        who: Callable[[int], int],
        tells: Callable[[int], bool],
        host: Callable[[str], str],
        vendor: Callable[[int], str],
        answers: Callable[[int], Replayed],
    ) -> None:
        self._send, self._who, self._tells, self._host, self._vendor = send, who, tells, host, vendor
        self._answers = answers

    def ioctl(self, fd: int, request: int, buffer: bytearray | int = 0, _mutate: bool = True) -> int:
        """As `fcntl.ioctl`."""
        if request == NVME_ID:
            return 1
        assert isinstance(buffer, bytearray)
        if request == SCSI_RESET:
            assert int.from_bytes(buffer, sys.byteorder) == RESET_DEVICE_ONLY
            if self._send(fd, Command("reset")):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return 0
        if request in CHANGES:
            name, form = CHANGES[request]
            answer = self._send(fd, Command(name, form.unpack(buffer)))
            assert isinstance(answer, int)
            return _returned(self._answers(fd).of(answer))
        if request in (REQUESTS.read_keys, REQUESTS.read_reservation) and self._answers(fd).no_such_ioctl:
            return _returned(self._answers(fd).no_such_ioctl)
        if request == REQUESTS.read_keys:
            return self._read_keys(fd, buffer)
        if request == REQUESTS.read_reservation:
            return self._read_reservation(fd, buffer)
        if request == SG_IO:
            return self._scsi(fd, buffer)
        if request == NVME_ADMIN:
            return self._identify(fd, buffer)
        assert request == NVME_IO, hex(request)
        return self._report(fd, buffer)

    def _scsi(self, fd: int, buffer: bytearray) -> int:
        """INQUIRY, PERSISTENT RESERVE IN and OUT; nothing else is sent this way."""
        fields = list(SG_HEADER.unpack(buffer))
        command, sense = ctypes.string_at(fields[7], fields[2]), ILLEGAL_REQUEST
        if command[0] == INQUIRY:
            told: bytes | int = self._inquire(fd, command[1])
        elif command[0] == PERSISTENT_RESERVE_IN:
            told = self._reserve_in(fd, command[1])
        else:
            assert command[0] == PERSISTENT_RESERVE_OUT
            parameters = struct.unpack_from(">QQ", ctypes.string_at(fields[6], fields[5]))
            told = self._reserve_out(fd, SERVICE_ACTIONS[command[1]], *parameters, STANDARD_TYPES.index(command[2]))
            sense = UNIT_ATTENTION if told == CHECK_CONDITION else ILLEGAL_REQUEST
            told = CHECK_CONDITION if told < 0 else told or b""
        if isinstance(told, int):
            # SAM-5 status, how much sense there is, and host_status
            fields[13], fields[16], fields[17] = told & 0xFF, len(sense), told >> 16
            ctypes.memmove(fields[8], sense, len(sense))
            told = b""
        ctypes.memmove(fields[6], told, min(fields[5], len(told)))
        fields[19] = fields[5] - min(fields[5], len(told))
        buffer[:] = SG_HEADER.pack(*fields)
        return 0

    def _inquire(self, fd: int, page: int) -> bytes:
        """INQUIRY: page 83h, with who the disk is and over which port, or the vendor."""
        if not page:
            return struct.pack("8x8s20x", self._vendor(fd).encode())
        of_disk = struct.pack(">BBxB16s", 1, 2, 16, identifier(self._who(fd)))
        told = of_disk + struct.pack(">BBxBI", 1, 0x14, 4, TARGET_PORT)
        return struct.pack(">BBH", 0, 0x83, len(told)) + told

    def _reserve_out(self, fd: int, name: str, *numbers: int) -> int:
        """What the target answers to a preempt."""
        answer = self._send(fd, Command(name, (*numbers, 0)))
        assert isinstance(answer, int)
        return answer

    def _reserve_in(self, fd: int, service_action: int) -> bytes | int:
        """What the target tells; a status where it has no such service action, or does not answer."""
        if service_action == REPORT_CAPABILITIES:
            return CAPABILITIES if self._tells(fd) else CHECK_CONDITION
        name = SERVICE_ACTIONS[service_action]
        if name == "full_status":
            return self._full_status(fd)
        answer = self._send(fd, Command(name))
        if isinstance(answer, int):
            return answer
        if name == "read_keys":
            keys = answer.listed()
            return struct.pack(f">II{len(keys)}Q", answer.generation, 8 * len(keys), *keys)
        held = struct.pack(">Q5xB2x", answer.holder_key, STANDARD_TYPES[answer.type]) if answer.type else b""
        return struct.pack(">II", answer.generation, len(held)) + held

    def _full_status(self, fd: int) -> bytes | int:
        """READ FULL STATUS; a status where the target has none, or does not answer."""
        if not self._tells(fd):
            return CHECK_CONDITION
        answer = self._send(fd, Command("full_status"))
        if isinstance(answer, int):
            return answer
        return full_status(answer, self._host)

    def _identify(self, fd: int, buffer: bytearray) -> int:
        """Namespace identification descriptors: one NGUID."""
        (address,) = struct.unpack_from("=Q", buffer, 24)
        data = struct.pack(">BBxx16s", 2, 16, identifier(self._who(fd)))
        ctypes.memmove(address, data, len(data))
        return 0

    def _read_keys(self, fd: int, buffer: bytearray) -> int:
        answer = self._send(fd, Command("read_keys"))
        if isinstance(answer, int):
            return _returned(answer)
        _, capacity, address = READ_KEYS.unpack(buffer)
        keys = answer.listed()
        fitting = struct.pack(f"={min(capacity, len(keys))}Q", *keys[:capacity])
        ctypes.memmove(address, fitting, len(fitting))
        buffer[:] = READ_KEYS.pack(answer.generation, len(keys), address)
        return 0

    def _read_reservation(self, fd: int, buffer: bytearray) -> int:
        answer = self._send(fd, Command("read_reservation"))
        if isinstance(answer, int):
            return _returned(answer)
        buffer[:] = READ_RESERVATION.pack(answer.holder_key, answer.generation, answer.type)
        return 0

    def _report(self, fd: int, buffer: bytearray) -> int:
        """Reservation Report with 128-bit host identifiers."""
        answer = self._send(fd, Command("report"))
        if isinstance(answer, int):
            return NVME_PATH_ERROR if answer else 0
        (address,), (length,) = struct.unpack_from("=Q", buffer, 24), struct.unpack_from("=I", buffer, 36)
        data = struct.pack("<IBH57x", answer.generation, answer.type, len(answer.registrants))
        for nexus, key in answer.registrants:
            data += struct.pack("<HB5xQ16s32x", 0, nexus == answer.holder, key, host_id(self._host(nexus)))
        ctypes.memmove(address, data, min(length, len(data)))
        return 0


def full_status(said: Contents, host: Callable[[str], str]) -> bytes:
    """READ FULL STATUS of a target that calls nexuses' hosts so."""
    told = b"".join(
        struct.pack(">Q4xBB4xHI", key, nexus == said.holder, said.type, TARGET_PORT, len(named)) + named
        for nexus, key in said.registrants
        for named in (transport_id(host(nexus), session(nexus)),)
    )
    return struct.pack(">II", said.generation, len(told)) + told


def identifier(disk: int) -> bytes:
    """What a disk of any kind says it is, by its number."""
    return (disk + 1).to_bytes(16, "big")


def host_id(host: str) -> bytes:
    """An NVMe host's identifier."""
    return host.encode().ljust(16, b"\xff")


def session(nexus: str) -> str:
    """The identifier of a nexus' session, where it is one of iSCSI."""
    return f"{crc32(nexus.encode()):012x}"


def transport_id(host: str, session: str) -> bytes:
    """TransportID of an iSCSI initiator port, or of an FC port where that is what the host is called."""
    kind, _, name = host.partition(".")
    if kind == "fc":
        return struct.pack(">8s8s8x", b"", bytes.fromhex(name))
    text = f"{host},i,0x{session}".encode()
    padded = text.ljust((len(text) // 4 + 1) * 4, b"\0")
    return struct.pack(">BxH", 0x45, len(padded)) + padded


def _returned(status: int) -> int:
    if status < 0:
        raise OSError(-status, os.strerror(-status))
    return status
