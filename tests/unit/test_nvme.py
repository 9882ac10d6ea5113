"""Reservation Report, Register and Identify through NVMe passthrough: what is sent, and what is believed."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fence_pr.errors import (
    Conflict,
    IncompleteAnswer,
    Invalid,
    NotPermitted,
    NotSupported,
    PathFailure,
    ReservationError,
)
from fence_pr.storage import nvme, pr_ioctl
from fence_pr.storage.nvme import RegisteredHost
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import NvmeCommand

if TYPE_CHECKING:
    from collections.abc import Callable

FD = 3
HOST_ID_INCONSISTENT = 0x18
DO_NOT_RETRY = 0x4000
RESERVED = 0x80  # a bit beside the holder's that a later standard may give a meaning
# Of every command here: a kernel or a controller that gives them a meaning would do something else.
UNUSED = ("flags", "rsvd1", "cdw2", "cdw3", "metadata", "metadata_len", "cdw12", "cdw13", "cdw14", "cdw15", "result")
HOSTS = [
    RegisteredHost(0xA, bytes(range(16)), holder=True),
    RegisteredHost(2**64 - 1, bytes(range(1, 17)), holder=False),
    RegisteredHost(0, bytes(16), holder=True),
]


def data(
    hosts: list[RegisteredHost], *, extended: bool = True, kind: int = 3, generation: int = 9, persistent: int = 0
) -> bytes:
    """Reservation status data structure, with or without the extension."""
    header = struct.pack("<IBHHB14x", generation, kind, len(hosts), 0, persistent)
    if not extended:
        return header + b"".join(
            struct.pack("<HB5x8sQ", 1, int(it.holder) | RESERVED, it.host_id[:8], it.key) for it in hosts
        )
    return header.ljust(64, b"\0") + b"".join(
        struct.pack("<HB5xQ16s32x", 1, int(it.holder) | RESERVED, it.key, it.host_id) for it in hosts
    )


class Controller:
    """Answers reports; remembers the commands and the data sent to it."""

    def __init__(self, hosts: list[RegisteredHost], *, extended_only: bool = True, short_only: bool = False) -> None:
        self.hosts, self.extended_only, self.short_only = hosts, extended_only, short_only
        self.commands: list[NvmeCommand] = []
        self.requests: list[int] = []
        self.sent = b""

    def __call__(self, request: int, buffer: bytearray) -> int:
        command = NvmeCommand.from_buffer_copy(buffer)
        assert len(buffer) == ctypes.sizeof(NvmeCommand)
        assert not any(getattr(command, name) for name in UNUSED)
        self.requests.append(request)
        self.commands.append(command)
        if command.opcode != 0x0E:
            self.sent = ctypes.string_at(command.addr, command.data_len)
            return 0
        assert command.data_len == (command.cdw10 + 1) * 4
        if (self.short_only and command.cdw11) or (self.extended_only and not command.cdw11):
            return HOST_ID_INCONSISTENT | DO_NOT_RETRY
        answer = data(self.hosts, extended=bool(command.cdw11))[: command.data_len]
        ctypes.memmove(command.addr, answer, len(answer))
        return 0


@pytest.mark.promise(1)
@pytest.mark.parametrize("count", [1, 15, 16, 17, 100, 1022])
@pytest.mark.parametrize("extended", [True, False])
def test_all_registrants_are_read_however_many_there_are(count: int, extended: bool) -> None:
    hosts = [RegisteredHost(number + 1, struct.pack("<QQ", number, 0), holder=number == 0) for number in range(count)]
    with fake_ioctl.disk(Controller(hosts, extended_only=extended, short_only=not extended)):
        report = nvme.report(FD)
    assert [it.key for it in report.registrants] == [it.key for it in hosts]
    assert [it.host_id for it in report.registrants] == [it.host_id[: 16 if extended else 8] for it in hosts]
    assert (report.generation, report.type) == (9, 3)


@pytest.mark.promise(1)
@pytest.mark.parametrize("count", [15, 16, 17, 100])
def test_a_target_that_counts_only_the_registrants_that_had_room_is_given_more_room(count: int) -> None:
    """SPDK does so: what was cut off looks like a whole report."""
    hosts = [RegisteredHost(number + 1, bytes(16), holder=number == 0) for number in range(count)]

    def cut_off(request: int, buffer: bytearray) -> int:
        room = (NvmeCommand.from_buffer_copy(buffer).data_len - 64) // 64
        return Controller(hosts[:room])(request, buffer)

    with fake_ioctl.disk(cut_off):
        assert [it.key for it in nvme.report(FD).registrants] == [it.key for it in hosts]


def test_the_command_is_a_reservation_report_of_this_namespace() -> None:
    controller = Controller(HOSTS)
    with fake_ioctl.disk(controller):
        nvme.report(FD)
    (command,) = controller.commands
    assert controller.requests == [0xC0484E43]
    assert (command.opcode, command.nsid, command.cdw11) == (0x0E, fake_ioctl.NAMESPACE, 1)
    assert command.timeout_ms >= 1000


@pytest.mark.promise(1)
@pytest.mark.parametrize("count", [1023, 1024])
def test_more_registrants_than_fit_or_leave_room_are_no_answer(count: int) -> None:
    hosts = [RegisteredHost(number + 1, bytes(16), holder=False) for number in range(count)]
    with fake_ioctl.disk(Controller(hosts)), pytest.raises(IncompleteAnswer, match=f"{count} registrants"):
        nvme.report(FD)


def test_a_controller_without_long_host_identifiers_is_asked_for_short_ones() -> None:
    controller = Controller(HOSTS, extended_only=False, short_only=True)
    with fake_ioctl.disk(controller):
        report = nvme.report(FD)
    assert [command.cdw11 for command in controller.commands] == [1, 0]
    assert [it.key for it in report.registrants] == [it.key for it in HOSTS]


@pytest.mark.parametrize(
    ("returned", "kind"),
    [(0x4001, NotSupported), (0x4002, Invalid), (0x4083, Conflict), (0x370, PathFailure), (0x4006, ReservationError)],
)
def test_any_other_status_is_a_failure_and_asked_only_once(returned: int, kind: type[ReservationError]) -> None:
    with fake_ioctl.disk(lambda _request, _buffer: returned) as calls, pytest.raises(kind, match="reservation report"):
        nvme.report(FD)
    assert len(calls) == 1


def test_host_id_inconsistent_for_both_forms_is_a_failure_and_no_conflict() -> None:
    with fake_ioctl.disk(lambda _request, _buffer: HOST_ID_INCONSISTENT), pytest.raises(Invalid, match="identifier"):
        nvme.report(FD)


@pytest.mark.parametrize(("number", "kind"), [(errno.EACCES, NotPermitted), (errno.ENOTTY, NotSupported)])
def test_an_error_number_is_a_failure(number: int, kind: type[ReservationError]) -> None:
    def fail(_request: int, _buffer: bytearray) -> int:
        raise OSError(number, os.strerror(number))

    with fake_ioctl.disk(fail), pytest.raises(kind):
        nvme.report(FD)


@pytest.mark.parametrize("extended", [True, False])
@pytest.mark.parametrize(("kind", "persistent"), [(0, 0), (1, 1), (6, 1)])
def test_a_report_is_parsed_field_by_field(extended: bool, kind: int, persistent: int) -> None:
    report = nvme.parse("dev", data(HOSTS, extended=extended, kind=kind, persistent=persistent), extended=extended)
    short = [RegisteredHost(it.key, it.host_id[: 16 if extended else 8], it.holder) for it in HOSTS]
    assert report == nvme.ReservationReport(9, kind, bool(persistent), tuple(short))


def test_nobody_registered_and_nothing_reserved() -> None:
    assert nvme.parse("dev", data([], kind=0), extended=True) == nvme.ReservationReport(9, 0, False, ())


@pytest.mark.promise(1)
@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        data(HOSTS)[:63],
        data(HOSTS)[:-1],  # fewer bytes than registrants
        data(HOSTS, kind=7),
        data(HOSTS, kind=255),
        data([], kind=3),  # held by nobody
    ],
)
def test_a_report_that_makes_no_sense_is_not_believed(wrong: bytes) -> None:
    with pytest.raises(IncompleteAnswer):
        nvme.parse("dev", wrong, extended=True)


@pytest.mark.promise(1)
@given(st.binary(max_size=300), st.booleans())
@example(data(HOSTS), True)
@example(data(HOSTS, extended=False), False)
def test_no_bytes_crash_and_none_give_registrants_that_did_not_come(wrong: bytes, extended: bool) -> None:
    try:
        report = nvme.parse("dev", wrong, extended=extended)
    except IncompleteAnswer:
        return
    assert len(report.registrants) == int.from_bytes(wrong[5:7], "little")
    assert len(wrong) >= len(report.registrants) * (64 if extended else 24)
    assert 0 <= report.type <= 6


def test_unregister_sends_the_current_key_and_the_right_action() -> None:
    """The ioctl would replace the key by 0 and leave a registrant behind."""
    controller = Controller([])
    with fake_ioctl.disk(controller):
        nvme.unregister(FD, 0x1122334455667788)
    (command,) = controller.commands
    assert (command.opcode, command.cdw10 & 7, command.cdw10 & 8, command.nsid) == (0x0D, 1, 0, fake_ioctl.NAMESPACE)
    assert controller.sent == struct.pack("<QQ", 0x1122334455667788, 0)


def identify(oncs: int, rescap: int) -> Callable[[int, bytearray], int]:
    """A controller with these abilities."""

    def answer(request: int, buffer: bytearray) -> int:
        assert request == 0xC0484E41
        command = NvmeCommand.from_buffer_copy(buffer)
        assert (command.opcode, command.data_len) == (0x06, 4096)
        page = bytearray(4096)
        if command.cdw10 == 1:
            page[520:522] = oncs.to_bytes(2, "little")
        else:
            assert command.nsid == fake_ioctl.NAMESPACE
            page[31] = rescap
        ctypes.memmove(command.addr, bytes(page), 4096)
        return 0

    return answer


@pytest.mark.parametrize(
    ("rescap", "types", "persistent"),
    [
        (0x7F, (1, 2, 3, 4, 5, 6), True),
        (0x7E, (1, 2, 3, 4, 5, 6), False),
        (0x02, (1,), False),
        (0x04, (2,), False),
        (0x08, (3,), False),
        (0x10, (4,), False),
        (0xA1, (5,), True),
        (0x40, (6,), False),
    ],
)
def test_capabilities_name_types_and_persistence(rescap: int, types: tuple[int, ...], persistent: bool) -> None:
    with fake_ioctl.disk(identify(1 << 5, rescap)):
        assert nvme.capabilities(FD) == pr_ioctl.Capabilities(types, persistent)


@pytest.mark.parametrize(("oncs", "rescap", "words"), [(0xFFDF, 0x7F, "ONCS"), (0x20, 0, "RESCAP")])
def test_a_controller_or_namespace_without_reservations_is_said(oncs: int, rescap: int, words: str) -> None:
    with fake_ioctl.disk(identify(oncs, rescap)), pytest.raises(NotSupported, match=words):
        nvme.capabilities(FD)
