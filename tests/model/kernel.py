"""In place of the kernel: the agent's ioctls end here, as commands to the model, and the model's answers go back.

Everything above is the real code: `pr_ioctl` and `nvme` with their structures, `reservation`, `fencing`, `plan`.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import TYPE_CHECKING, NamedTuple

from fence_pr.pr_ioctl import REQUESTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .unit import Unit

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
READS = ("read_keys", "read_reservation", "report", "snapshot")


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

    send  called with the descriptor and the command; gives what `carry_out` gives, or a status
    """

    def __init__(self, send: Callable[[int, Command], int | Contents]) -> None:
        self._send = send

    def ioctl(self, fd: int, request: int, buffer: bytearray | int = 0, _mutate: bool = True) -> int:
        """As `fcntl.ioctl`."""
        if request == NVME_ID:
            return 1
        assert isinstance(buffer, bytearray)
        if request in CHANGES:
            name, form = CHANGES[request]
            answer = self._send(fd, Command(name, form.unpack(buffer)))
            assert isinstance(answer, int)
            return _returned(answer)
        if request == REQUESTS.read_keys:
            return self._read_keys(fd, buffer)
        if request == REQUESTS.read_reservation:
            return self._read_reservation(fd, buffer)
        assert request == NVME_IO, hex(request)
        return self._report(fd, buffer)

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
            data += struct.pack("<HB5xQ16s32x", 0, nexus == answer.holder, key, host_id(nexus))
        ctypes.memmove(address, data, min(length, len(data)))
        return 0


def host_id(nexus: str) -> bytes:
    """An NVMe host's identifier."""
    return nexus.encode().ljust(16, b"\xff")


def _returned(status: int) -> int:
    if status < 0:
        raise OSError(-status, os.strerror(-status))
    return status
