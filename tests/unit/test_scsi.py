"""PERSISTENT RESERVE IN through SG_IO: what is believed, and what is not."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fence_pr import errors
from fence_pr.errors import (
    Conflict,
    DeviceFailure,
    IncompleteAnswer,
    Invalid,
    NotSupported,
    PathFailure,
    ReservationError,
    UnitAttention,
)
from fence_pr.storage import scsi
from fence_pr.storage.pr_ioctl import Capabilities, Keys, Reservation
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

FD = 3
CHECK_CONDITION = 2


def fixed(key: int, code: int, qualifier: int = 0) -> bytes:
    """Sense data, fixed format."""
    return bytes([0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, qualifier, 0, 0, 0, 0])


def descriptor(key: int, code: int, qualifier: int = 0) -> bytes:
    """Sense data, descriptor format."""
    return bytes([0x72, key, code, qualifier, 0, 0, 0, 0])


def key_data(keys: list[int], generation: int = 5) -> bytes:
    """Parameter data of READ KEYS."""
    return struct.pack(f">II{len(keys)}Q", generation, 8 * len(keys), *keys)


def reservation_data(standard_type: int, key: int, generation: int = 5, scope: int = 0) -> bytes:
    """Parameter data of READ RESERVATION."""
    return struct.pack(">IIQ5xB2x", generation, 16, key, scope << 4 | standard_type)


def target(*answers: Answer | bytes) -> Callable[[bytes, int], Answer]:
    """Answers one command after the other, the last one for ever."""
    left = list(answers)

    def answer(_command: bytes, _room: int) -> Answer:
        given = left.pop(0) if len(left) > 1 else left[0]
        return given if isinstance(given, Answer) else Answer(given)

    return answer


def test_the_command_is_persistent_reserve_in_with_the_room_for_the_answer() -> None:
    rooms: list[int] = []

    def answer(_command: bytes, room: int) -> Answer:
        rooms.append(room)
        return Answer(bytes(8))

    with fake_ioctl.disk(scsi=answer) as calls:
        scsi.read_keys(FD)
        scsi.read_reservation(FD)
        scsi.report_capabilities(FD)
    for action, (command, room) in enumerate(zip(calls, rooms)):
        assert isinstance(command, bytes)
        assert command == struct.pack(">BB5xHB", 0x5E, action, room, 0)


@pytest.mark.parametrize("total", [0, 1, 2, 63, 64, 65, 500, 8189])
def test_all_keys_are_read_however_many_there_are(total: int) -> None:
    keys = [2**64 - 1 - number for number in range(total)]
    with fake_ioctl.disk(scsi=target(key_data(keys))) as calls:
        assert scsi.read_keys(FD) == Keys(5, tuple(keys))
    assert len(calls) == (1 if total < 64 else 2)


@pytest.mark.promise(1)
@pytest.mark.parametrize("total", [63, 64, 65, 200])
def test_a_target_that_counts_only_the_keys_that_had_room_is_given_more_room(total: int) -> None:
    """Old versions of LIO do so, against SPC-4 6.16.2: what was cut off looks like a whole list."""
    keys = list(range(1, total + 1))

    def cut_off(_command: bytes, room: int) -> Answer:
        return Answer(key_data(keys[: (room - 8) // 8]))

    with fake_ioctl.disk(scsi=cut_off):
        assert scsi.read_keys(FD).keys == tuple(keys)


@pytest.mark.promise(1)
@pytest.mark.parametrize("total", [8190, 8191])
def test_a_list_that_does_not_fit_the_command_or_leaves_no_room_is_no_answer(total: int) -> None:
    with fake_ioctl.disk(scsi=target(key_data(list(range(1, total + 1))))), pytest.raises(IncompleteAnswer):
        scsi.read_keys(FD)


@pytest.mark.promise(1)
@pytest.mark.parametrize(
    "answer",
    [
        Answer(b""),
        Answer(key_data([1, 2])[:7]),
        Answer(key_data([1, 2])[:16]),  # two keys announced, one came
        Answer(key_data([1, 2]), residual=520 - 16),  # the same, by the residual
        Answer(key_data([1, 2]), residual=-1),
        Answer(key_data([1, 2]), residual=521),
        Answer(struct.pack(">IIQ", 5, 4, 1)),  # half a key
        Answer(struct.pack(">IIQ", 5, 12, 1) + bytes(4)),
        Answer(struct.pack(">II", 5, 0xFFFFFFF8) + bytes(0xFFF0)),
    ],
)
def test_an_answer_that_is_cut_short_or_contradicts_itself_is_not_believed(answer: Answer) -> None:
    with fake_ioctl.disk(scsi=target(answer)), pytest.raises(IncompleteAnswer):
        scsi.read_keys(FD)


def test_data_behind_the_announced_length_does_not_count() -> None:
    with fake_ioctl.disk(scsi=target(key_data([1]) + struct.pack(">Q", 2))):
        assert scsi.read_keys(FD).keys == (1,)


ALMOST_RIGHT = st.builds(
    lambda length, body: struct.pack(">II", 1, length) + body, st.integers(0, 72), st.binary(min_size=40, max_size=72)
)


@pytest.mark.promise(1)
@given(st.binary(max_size=600) | ALMOST_RIGHT, st.integers(min_value=-10, max_value=600) | st.none())
@example(key_data([1, 2, 3]), None)
@example(key_data(list(range(100))), 0)
def test_no_answer_gives_keys_that_did_not_come(data: bytes, residual: int | None) -> None:
    """What is accepted is exactly what header, data and residual agree on."""
    with fake_ioctl.disk(scsi=target(Answer(data, residual=residual))):
        try:
            found = scsi.read_keys(FD)
        except IncompleteAnswer:
            return
    length = int.from_bytes(data[4:8], "big")
    assert len(found.keys) * 8 == length
    came = data[: 520 - (residual or 0)] if residual is not None and len(data) <= 520 else data
    padded = came.ljust(520, b"\0") if residual is not None else came
    assert found.keys == struct.unpack_from(f">{length // 8}Q", padded, 8)


@given(
    st.binary(max_size=64),
    st.integers(-5, 600) | st.none(),
    st.integers(0, 255),
    st.integers(0, 30),
    st.binary(max_size=30),
)
def test_no_answer_crashes(data: bytes, residual: int | None, status: int, host: int, sense: bytes) -> None:
    answer = Answer(data, status, sense, host, 0, residual)
    for read in (scsi.read_keys, scsi.read_reservation, scsi.report_capabilities):
        with fake_ioctl.disk(scsi=target(answer)):
            try:
                found: object = read(FD)
            except ReservationError as error:
                found = str(error)
        assert found
        if status or host:
            assert isinstance(found, str)


TYPES = [(1, 1), (3, 2), (5, 3), (6, 4), (7, 5), (8, 6)]


@pytest.mark.parametrize(("standard", "ours"), TYPES)
def test_the_standards_types_become_the_kernels(standard: int, ours: int) -> None:
    with fake_ioctl.disk(scsi=target(reservation_data(standard, 0xABC))):
        assert scsi.read_reservation(FD) == Reservation(5, ours, 0xABC)


def test_only_the_lower_half_of_the_byte_is_the_type() -> None:
    with fake_ioctl.disk(scsi=target(reservation_data(5, 0xABC, scope=1))):
        assert scsi.read_reservation(FD).type == 3


def test_nothing_reserved_is_type_0() -> None:
    with fake_ioctl.disk(scsi=target(struct.pack(">II", 9, 0))):
        assert scsi.read_reservation(FD) == Reservation(9, 0, 0)


@pytest.mark.promise(1)
@pytest.mark.parametrize(
    "data",
    [
        *(reservation_data(kind, 1) for kind in (0, 2, 4, 9, 15)),
        reservation_data(5, 1)[:20],
        struct.pack(">II", 5, 8) + bytes(8),
        struct.pack(">II", 5, 15) + bytes(15),
        bytes(4),
        b"",
    ],
)
def test_a_reservation_that_makes_no_sense_is_not_believed(data: bytes) -> None:
    with fake_ioctl.disk(scsi=target(data)), pytest.raises(IncompleteAnswer):
        scsi.read_reservation(FD)


@pytest.mark.parametrize("sense", [fixed(6, 0x29), descriptor(6, 0x2A, 3)])
def test_unit_attentions_are_repeated_away(sense: bytes) -> None:
    attention = Answer(status=CHECK_CONDITION, sense=sense, driver=8)
    with fake_ioctl.disk(scsi=target(attention, attention, attention, key_data([7]))) as calls:
        assert scsi.read_keys(FD).keys == (7,)
    assert len(calls) == 4


def test_a_unit_attention_that_never_ends_is_a_failure() -> None:
    with (
        fake_ioctl.disk(scsi=target(Answer(status=CHECK_CONDITION, sense=fixed(6, 0x29)))) as calls,
        pytest.raises(UnitAttention, match="29/00"),
    ):
        scsi.read_keys(FD)
    assert 1 < len(calls) <= 20


@pytest.mark.promise(1, 5)
@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(status=2, sense=fixed(5, 0x20)), NotSupported, "no persistent reservations"),
        (Answer(status=2, sense=descriptor(5, 0x20)), NotSupported, "no persistent reservations"),
        (Answer(status=2, sense=fixed(5, 0x24)), Invalid, "24/00"),
        (Answer(status=2, sense=fixed(5, 0x26)), Invalid, "26/00"),
        (Answer(status=2, sense=fixed(2, 0x04, 1)), DeviceFailure, "04/01"),
        (Answer(status=2, sense=fixed(2, 0x04, 0xA)), PathFailure, "port is changing its state"),
        (Answer(status=2, sense=descriptor(2, 0x04, 0xB)), PathFailure, "port is in standby"),
        (Answer(status=2, sense=fixed(2, 0x04, 0xC)), PathFailure, "port is unavailable"),
        (Answer(status=2, sense=fixed(2, 0x3A)), DeviceFailure, "3a/00"),
        (Answer(status=2, sense=fixed(0xB, 0x47)), DeviceFailure, "sense key b"),
        (Answer(status=2), DeviceFailure, "sense key 0"),
        (Answer(status=2, sense=b"\x70"), DeviceFailure, "sense key 0"),
        (Answer(status=0x18), Conflict, "reservation conflict"),
        (Answer(status=0x08), DeviceFailure, "busy"),
        (Answer(status=0x28), DeviceFailure, "task set full"),
        (Answer(key_data([1]), host=1), PathFailure, "host status 1"),
        (Answer(key_data([1]), host=3), PathFailure, "host status 3"),
        (Answer(key_data([1]), driver=6), PathFailure, "driver status 6"),
        (Answer(host=1, status=2, sense=fixed(6, 0x29)), PathFailure, "host status 1"),
    ],
)
def test_a_failure_says_what_the_target_said(answer: Answer, kind: type[ReservationError], words: str) -> None:
    with fake_ioctl.disk(scsi=target(answer)), pytest.raises(kind, match=words) as failed:
        scsi.read_keys(FD)
    assert "read keys" in str(failed.value)


def test_an_error_number_from_sg_io_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("fcntl.ioctl", denied)
    with pytest.raises(errors.NotPermitted, match="CAP_SYS_RAWIO"):
        scsi.read_keys(FD)


def capabilities(byte3: int, mask: int, byte2: int = 1) -> bytes:
    """Parameter data of REPORT CAPABILITIES."""
    return struct.pack(">HBBHxx", 8, byte2, byte3, mask)


@pytest.mark.parametrize(
    ("mask", "types"),
    [
        (0x0200, (1,)), (0x0800, (2,)), (0x2000, (3,)), (0x4000, (4,)), (0x8000, (5,)), (0x0001, (6,)),
        (0xEA01, (1, 2, 3, 4, 5, 6)), (0x0000, ()), (0x15FE, ()),
    ],
)  # fmt: skip
def test_capabilities_name_the_types(mask: int, types: tuple[int, ...]) -> None:
    with fake_ioctl.disk(scsi=target(capabilities(0x81, mask))):
        assert scsi.report_capabilities(FD) == Capabilities(types, True)


def test_a_type_mask_counts_only_where_it_is_valid_and_persistence_only_where_active() -> None:
    with fake_ioctl.disk(scsi=target(capabilities(0x00, 0xEA01))):
        assert scsi.report_capabilities(FD) == Capabilities(None, False)
    with fake_ioctl.disk(scsi=target(capabilities(0x00, 0, byte2=0x1E))):
        assert scsi.report_capabilities(FD) == Capabilities(None, False, persistence_possible=False)
    with fake_ioctl.disk(scsi=target(b"\0" * 7)), pytest.raises(IncompleteAnswer):
        scsi.report_capabilities(FD)


@given(st.binary(max_size=40))
def test_sense_data_of_any_length_is_parsed(sense: bytes) -> None:
    parsed: tuple[Any, ...] = scsi.parse_sense(sense)
    assert len(parsed) == 3
    assert 0 <= parsed[0] <= 15


@pytest.mark.parametrize(
    ("response", "parsed"),
    [
        (0x70, (5, 0x20, 7)),
        (0x71, (5, 0x20, 7)),
        (0x72, (4, 9, 8)),
        (0x73, (4, 9, 8)),
        (0xF0, (5, 0x20, 7)),
        (0xF2, (4, 9, 8)),
    ],
    ids=str,
)
def test_both_formats_of_sense_data_also_where_it_is_deferred(response: int, parsed: tuple[int, int, int]) -> None:
    """SPC-4 4.5.1: 71h and 73h; bit 7 of the fixed format says that its information field is valid."""
    assert (
        scsi.parse_sense(bytes([response, 4, 9 if response & 2 else 5, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 7])) == parsed
    )
