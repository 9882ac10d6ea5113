"""Answers of targets, kernels, multipathd and the agent's own child: any bytes go in, lying lengths included.

Each function takes one input and raises AssertionError, or whatever the parser let through. What is believed is
compared with a second reading of the same bytes, written from the standards.
"""

from __future__ import annotations

import ctypes
import marshal
import os
import struct
from typing import TYPE_CHECKING, Any

from fence_pr import child
from fence_pr.errors import ReservationError
from fence_pr.storage import kernel_status, multipathd, nvme, pr_ioctl, scsi
from tests.inputs.texts import accepted
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import Answer, NvmeCommand

if TYPE_CHECKING:
    from collections.abc import Callable

FD = 3
SCSI_TYPES = {1: 1, 3: 2, 5: 3, 6: 4, 7: 5, 8: 6}  # SPC-4 table 36 → enum pr_type
ANSWER = struct.Struct("<BBBBhH")  # of a SCSI command: status, host, driver, length of sense, residual, length of data


class Target:
    """Takes the answers to SCSI commands from the input, the last one again and again; knows what arrived."""

    def __init__(self, data: bytes) -> None:
        self.answers: list[Answer] = []
        while len(data) >= ANSWER.size:
            status_, host, driver, sense, residual, length = ANSWER.unpack_from(data)
            data = data[ANSWER.size :]
            self.answers.append(Answer(data[sense : sense + length], status_, data[:sense], host, driver, residual))
            data = data[sense + length :]
        self.rooms: list[int] = []
        self.arrived = b""

    def __call__(self, _command: bytes, room: int) -> Answer:
        answer = self.answers[min(len(self.rooms), len(self.answers) - 1)] if self.answers else Answer(status=8)
        self.rooms.append(room)
        residual = answer.residual or 0
        self.arrived = answer.data[:room].ljust(room, b"\0")[: room - residual if 0 <= residual <= room else 0]
        return answer


def target(data: bytes) -> None:
    """PERSISTENT RESERVE IN through SG_IO: statuses, sense data, residuals and parameter data as they come."""
    calls: list[tuple[Callable[[int], Any], Callable[[bytes], Any]]] = [
        (scsi.read_keys, keys_of),
        (scsi.read_reservation, reservation_of),
        (scsi.report_capabilities, capabilities_of),
    ]
    read, meaning_of = calls[data[0] % len(calls)] if data else calls[0]
    answering = Target(data[1:])
    with fake_ioctl.disk(scsi=answering):
        believed = accepted(lambda: read(FD), ReservationError)
    assert len(answering.rooms) <= 8 * 8192, "every further question has more room, or takes a unit attention away"
    assert max(answering.rooms) <= 0xFFFF
    if believed is not None:
        assert believed == meaning_of(answering.arrived)


def number(data: bytes) -> int:
    """A number as SCSI sends it."""
    return int.from_bytes(data, "big")


def keys_of(data: bytes) -> pr_ioctl.Keys:
    """SPC-4 6.16.2. All of the list is there."""
    end = 8 + number(data[4:8])
    assert end <= len(data)
    assert end % 8 == 0
    return pr_ioctl.Keys(number(data[:4]), tuple(number(data[at : at + 8]) for at in range(8, end, 8)))


def reservation_of(data: bytes) -> pr_ioctl.Reservation:
    """SPC-4 6.16.3."""
    length = number(data[4:8])
    assert 8 + length <= len(data)
    if not length:
        return pr_ioctl.Reservation(number(data[:4]), 0, 0)
    assert length >= 16
    return pr_ioctl.Reservation(number(data[:4]), SCSI_TYPES[data[21] & 15], number(data[8:16]))


def capabilities_of(data: bytes) -> pr_ioctl.Capabilities:
    """SPC-4 6.16.4: the mask's bits are named, from byte 4 bit 7 on."""
    assert len(data) == 8
    bits = {5: (4, 7), 4: (4, 6), 3: (4, 5), 2: (4, 3), 1: (4, 1), 6: (5, 0)}
    types = tuple(kind for kind in range(1, 7) if data[bits[kind][0]] >> bits[kind][1] & 1)
    return pr_ioctl.Capabilities(types if data[3] & 0x80 else None, bool(data[3] & 1), bool(data[2] & 1))


class Controller:
    """Answers NVMe commands with statuses and data from the input; knows what arrived."""

    def __init__(self, data: bytes) -> None:
        self.statuses, self.content = data[:4], data[4:]
        self.commands: list[NvmeCommand] = []
        self.arrived: list[bytes] = []

    def __call__(self, _request: int, buffer: bytearray) -> int:
        command = NvmeCommand.from_buffer_copy(buffer)
        number_ = len(self.commands)
        returned = self.statuses[number_] if number_ < len(self.statuses) else 0
        self.commands.append(command)
        # Identify Controller and Identify Namespace get different parts of the input.
        content = self.content[4096 * (command.opcode == 6 and command.cdw10 == 0) :][: command.data_len]
        ctypes.memmove(command.addr, content, len(content))
        self.arrived.append(content.ljust(command.data_len, b"\0"))
        if returned >= 0xF0:
            raise OSError(returned - 0xEF, os.strerror(returned - 0xEF))
        return returned


def controller(data: bytes) -> None:
    """Reservation Report and Identify through NVMe passthrough."""
    answering = Controller(data[1:])
    with fake_ioctl.disk(answering):
        if data[:1] > b"\x7f":
            said = accepted(lambda: nvme.capabilities(FD), ReservationError)
            if said:
                assert answering.arrived[0][520] & 0x20
                rescap = answering.arrived[1][31]
                kinds = tuple(kind for kind in range(1, 7) if rescap & (1, 2, 4, 8, 16, 32, 64)[kind])
                assert said == pr_ioctl.Capabilities(kinds, rescap & 1 == 1)
            return
        believed = accepted(lambda: nvme.report(FD), ReservationError)
    assert len(answering.commands) <= 4
    if believed:
        assert believed == report_of(answering.arrived[-1], answering.commands[-1].cdw11 == 1)


def report_of(data: bytes, extended: bool) -> nvme.ReservationReport:
    """NVM Express base specification 2.0, figures 402 to 405."""
    found = []
    for at in range(data[6] << 8 | data[5]):
        entry = data[64 + 64 * at : 128 + 64 * at] if extended else data[24 + 24 * at : 48 + 24 * at]
        assert len(entry) == (64 if extended else 24)
        key, host = (entry[8:16], entry[16:32]) if extended else (entry[16:24], entry[8:16])
        found.append(nvme.RegisteredHost(int.from_bytes(key, "little"), host, entry[2] % 2 == 1))
    assert data[4] <= 6
    assert found or not data[4]
    return nvme.ReservationReport(int.from_bytes(data[:4], "little"), data[4], data[9] != 0, tuple(found))


def kernel(data: bytes) -> None:
    """The reading ioctls of Linux 6.19: counts that grow, statuses, error numbers."""
    returned, number_, content = data[:1], data[1:2], data[2:]

    def ioctl(request: int, buffer: bytearray) -> int:
        if number_ and number_[0] > 0xC0:
            raise OSError(number_[0] - 0xC0, os.strerror(number_[0] - 0xC0))
        if request == pr_ioctl.REQUESTS.read_keys:
            asked = fake_ioctl.ReadKeys.from_buffer(buffer)
            there = [int.from_bytes(content[at : at + 8], "little") for at in range(8, len(content), 8)]
            fake_ioctl.write_keys(asked.keys_ptr, there[: asked.num_keys])
            asked.num_keys = int.from_bytes(content[:8], "little") % (1 << 32)
        else:
            buffer[:] = content[: len(buffer)].ljust(len(buffer), b"\0")
        return returned[0] if returned and returned[0] > 0x80 else 0

    with fake_ioctl.disk(ioctl) as calls:
        found = accepted(lambda: pr_ioctl.read_keys(FD), ReservationError)
        held = accepted(lambda: pr_ioctl.read_reservation(FD), ReservationError)
    assert len(calls) <= 4
    if found:
        assert len(found.keys) == int.from_bytes(content[:4], "little") <= pr_ioctl.MOST_KEYS
    if held:
        assert held.key == int.from_bytes(content[:8].ljust(8, b"\0"), "little")


def statuses(data: bytes) -> None:
    """Numbers that an ioctl may return, and sense data: every one is a failure with words."""
    code = int.from_bytes(data[:4], "little") or 1
    for value in (code >> 1 or 1, -(code % 4095 + 1)):
        kind, answer = kernel_status.explain(value)
        assert issubclass(kind, ReservationError)
        assert str(answer)
        assert kind.__name__ != "ReservationError"
        assert str(kernel_status.failure("/dev/sda", "register", value)).startswith("/dev/sda: register: ")
        assert str(kernel_status.failure_of_nvme("/dev/nvme0n1", "reservation report", abs(value)))
    sense = data[4:]
    found = scsi.judge("/dev/sda", "read keys", 2, 0, 0, sense)
    assert found is not None
    assert [type(part) for part in scsi.parse_sense(sense)] == [int] * 3


class Connection:
    """multipathd's end: gives its bytes in pieces, then hangs up."""

    def __init__(self, data: bytes, piece: int) -> None:
        self.data, self.piece, self.asked = data, piece, b""

    def sendall(self, data: bytes) -> None:
        """Take a question."""
        self.asked += data

    def settimeout(self, seconds: float) -> None:
        """How long the asker wants to wait."""
        assert 0 < seconds <= 10

    def recv(self, room: int) -> bytes:
        """The next piece."""
        assert 0 < room <= 1 << 20, "what is asked for is what is allocated"
        piece = self.data[: min(room, self.piece)]
        self.data = self.data[len(piece) :]
        return piece


def daemon(data: bytes) -> None:
    """multipathd's answer: a length and so many bytes."""
    connection: Any = Connection(data[1:], 1 + (data[0] if data else 0))
    answer = accepted(lambda: multipathd.ask(connection, "setprkey map a key 0x1"), multipathd.NoAnswer, OSError)
    length = int.from_bytes(data[1:9], "little")
    whole = len(data) >= 9 and length <= len(data) - 9
    assert (answer is not None) == (whole and length <= 1 << 20)
    if answer is not None:
        assert answer == data[9 : 9 + length].rstrip(b"\0").decode("utf-8", "replace").strip()


KINDS = 5  # announced, finished, said, result, crashed


def pipe(data: bytes) -> None:
    """What the child writes, cut anywhere and with a wrong length: a result is believed only if all of it is there."""
    messages = [(byte % KINDS, f"disk{byte >> 6}", f"step {at}") for at, byte in enumerate(data[2:40])]
    frames = [marshal.dumps(message) for message in messages]
    stream = b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)
    ends = [sum(4 + len(frame) for frame in frames[: at + 1]) for at in range(len(frames))]
    cut = data[0] * len(stream) // 255 if data else len(stream)
    whole = [message for message, end in zip(messages, ends) if end <= cut]
    heard, outcome = listen(stream[:cut])
    final = next((message for message in whole if message[0] >= 3), None)
    said = whole[: whole.index(final)] if final else whole
    assert heard == [(2, f"{disk}: {step}") if kind == 0 else (1, disk) for kind, disk, step in said if kind in (0, 2)]
    assert outcome.pending is None
    assert outcome.result == (final[1] if final and final[0] == 3 else None)
    assert bool(outcome.crash or outcome.lost) == (outcome.result is None)
    # A wrong length in front: nothing of it may be taken for a result.
    _, nonsense = listen(int.to_bytes(data[1] % 4 if data[1:] else 0, 4, "big") + stream[:cut])
    assert nonsense.result is None
    assert nonsense.crash or nonsense.lost


def listen(stream: bytes) -> tuple[list[tuple[int, str]], child.Ending]:
    """What the parent makes of these bytes and their end."""
    heard: list[tuple[int, str]] = []
    reading, writing = os.pipe()
    try:
        os.write(writing, stream)
        os.close(writing)
        listener = child._Listener(lambda kind, text: heard.append((kind, text)), lambda: None)
        return heard, child._listen(reading, None, listener)
    finally:
        os.close(reading)
