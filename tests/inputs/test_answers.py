"""Answers written here from the standards, then made to lie: too long, too short, cut, 65536 keys."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import struct
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st

from fence_pr import child
from fence_pr.errors import Conflict, IncompleteAnswer, Notice, ReservationError
from fence_pr.storage import kernel_status, multipathd, nvme, pr_ioctl, scsi
from tests.inputs.answers import Connection, listen
from tests.inputs.properties import holds
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import Answer, NvmeCommand

if TYPE_CHECKING:
    from collections.abc import Callable

FD = 3
KEY = st.one_of(st.sampled_from([0, 1, 2**63, 2**64 - 1]), st.integers(0, 2**64 - 1))
KEYS = st.one_of(st.lists(KEY, max_size=80), st.integers(0, 8190).map(lambda count: list(range(1, count + 1))))
GENERATION = st.integers(0, 2**32 - 1)
TYPES = {1: 1, 2: 3, 3: 5, 4: 6, 5: 7, 6: 8}  # enum pr_type → SPC-4 table 36


def scsi_keys(generation: int, keys: list[int], length: int | None = None) -> bytes:
    """Parameter data of READ KEYS (SPC-4 table 217), with an additional length of our own if wanted."""
    body = b"".join(key.to_bytes(8, "big") for key in keys)
    return struct.pack(">II", generation, len(body) if length is None else length) + body


def scsi_reservation(generation: int, kind: int, key: int, scope: int) -> bytes:
    """Parameter data of READ RESERVATION (SPC-4 table 219)."""
    return struct.pack(">IIQ4sBBH", generation, 16, key, bytes(4), 0xEE, scope << 4 | TYPES[kind], 0xEEEE)


def read(what: Callable[[int], Any], data: bytes) -> Any:
    """What is read from a target that answers with so many bytes of this as there is room for."""
    with fake_ioctl.disk(scsi=lambda _command, room: Answer(data[:room])):
        return what(FD)


@pytest.mark.promise(1)
@holds("scsi", generation=GENERATION, keys=KEYS, more=st.binary(max_size=40))
def test_all_keys_of_a_target_are_read_and_nothing_after_them(generation: int, keys: list[int], more: bytes) -> None:
    found = read(scsi.read_keys, scsi_keys(generation, keys) + more)
    assert found == pr_ioctl.Keys(generation, tuple(keys))


@pytest.mark.promise(1)
@holds("scsi", keys=KEYS, cut=st.floats(0, 1, exclude_max=True))
def test_a_list_that_is_cut_anywhere_is_no_list(keys: list[int], cut: float) -> None:
    data = scsi_keys(1, keys)
    with pytest.raises(IncompleteAnswer):
        read(scsi.read_keys, data[: int(len(data) * cut)])


@pytest.mark.promise(1)
@holds("scsi", keys=st.lists(KEY, max_size=70), length=st.integers(0, 2**32 - 1))
def test_a_length_that_lies_never_makes_a_list_of_what_is_not_there(keys: list[int], length: int) -> None:
    try:
        found = read(scsi.read_keys, scsi_keys(1, keys, length))
    except IncompleteAnswer:
        assert length % 8 or length > 8 * len(keys)
    else:
        assert list(found.keys) == keys[: length // 8]


@holds("scsi", generation=GENERATION, kind=st.sampled_from(list(TYPES)), key=KEY, scope=st.integers(0, 15))
def test_a_reservation_is_read_field_by_field_and_not_from_a_part(
    generation: int, kind: int, key: int, scope: int
) -> None:
    data = scsi_reservation(generation, kind, key, scope)
    assert read(scsi.read_reservation, data) == pr_ioctl.Reservation(generation, kind, key)
    for length in range(len(data)):
        with pytest.raises(IncompleteAnswer):
            read(scsi.read_reservation, data[:length])


@holds(
    "scsi",
    sam=st.integers(0, 255),
    host=st.integers(0, 255),
    driver=st.integers(0, 255),
    sense=st.binary(max_size=110),
)
def test_a_status_other_than_good_is_a_failure_whatever_the_data(
    sam: int, host: int, driver: int, sense: bytes
) -> None:
    answer = Answer(scsi_keys(1, [5]), sam, sense, host, driver)
    with fake_ioctl.disk(scsi=lambda _command, _room: answer):
        if sam or host or driver & ~8:
            with pytest.raises(ReservationError) as failed:
                scsi.read_keys(FD)
            assert "read keys" in str(failed.value)
        else:
            assert scsi.read_keys(FD).keys == (5,)


HOST = st.builds(nvme.RegisteredHost, KEY, st.binary(min_size=16, max_size=16), st.booleans())
HOSTS = st.one_of(
    st.lists(HOST, min_size=1, max_size=40),
    st.integers(1, 1023).map(
        lambda count: [nvme.RegisteredHost(at, at.to_bytes(16, "big"), at == 1) for at in range(count)]
    ),
)


def nvme_report(generation: int, kind: int, hosts: list[nvme.RegisteredHost], extended: bool, count: int) -> bytes:
    """Reservation Status data structure (NVM Express base specification 2.0, figures 402 to 405)."""
    data = bytearray(64 if extended else 24)
    struct.pack_into("<IBH", data, 0, generation, kind, count)
    data[9] = 1
    for host in hosts:
        entry = bytearray(64 if extended else 24)
        entry[0:3] = b"\x07\x00" + bytes([0xFE | host.holder])
        entry[8 : 32 if extended else 24] = (
            host.key.to_bytes(8, "little") + host.host_id
            if extended
            else host.host_id[:8] + host.key.to_bytes(8, "little")
        )
        data += entry
    return bytes(data)


def report(data: bytes, extended: bool) -> nvme.ReservationReport:
    """What is read from a controller that answers with this, and knows the one form only."""

    def ioctl(_request: int, buffer: bytearray) -> int:
        command = NvmeCommand.from_buffer_copy(buffer)
        if bool(command.cdw11) != extended:
            return 0x4018
        ctypes.memmove(command.addr, data, min(len(data), command.data_len))
        return 0

    with fake_ioctl.disk(ioctl):
        return nvme.report(FD)


@pytest.mark.promise(1)
@holds("nvme", generation=GENERATION, kind=st.integers(0, 6), hosts=HOSTS, extended=st.booleans())
def test_all_registrants_of_a_controller_are_read(
    generation: int, kind: int, hosts: list[nvme.RegisteredHost], extended: bool
) -> None:
    found = report(nvme_report(generation, kind, hosts, extended, len(hosts)), extended)
    whole = [nvme.RegisteredHost(it.key, it.host_id[: 16 if extended else 8], it.holder) for it in hosts]
    assert found == nvme.ReservationReport(generation, kind, True, tuple(whole))


@pytest.mark.promise(1)
@holds("nvme", hosts=st.lists(HOST, max_size=20), count=st.integers(0, 65535), extended=st.booleans())
def test_a_count_that_lies_never_hides_that_somebody_may_be_missing(
    hosts: list[nvme.RegisteredHost], count: int, extended: bool
) -> None:
    """Where the controller sends less than it counts there are zeros, and key 0 forbids to call anybody fenced."""
    try:
        found = report(nvme_report(1, 0, hosts, extended, count), extended)
    except IncompleteAnswer:
        assert count > 1023
    else:
        assert len(found.registrants) == count
        assert count <= len(hosts) or 0 in [it.key for it in found.registrants]


@pytest.mark.promise(1)
@holds("ioctl", generation=GENERATION, keys=KEYS)
def test_all_keys_of_a_kernel_are_read(generation: int, keys: list[int]) -> None:
    with fake_ioctl.disk(reading_kernel(generation, keys, len(keys))):
        assert pr_ioctl.read_keys(FD) == pr_ioctl.Keys(generation, tuple(keys))


def reading_kernel(generation: int, keys: list[int], total: int) -> Callable[[int, bytearray], int]:
    """READ_KEYS of Linux 6.19: writes what fits, and says how many there are."""

    def ioctl(_request: int, buffer: bytearray) -> int:
        asked = fake_ioctl.ReadKeys.from_buffer(buffer)
        fake_ioctl.write_keys(asked.keys_ptr, keys[: asked.num_keys])
        asked.generation, asked.num_keys = generation, total
        return 0

    return ioctl


@pytest.mark.promise(1)
@pytest.mark.parametrize(
    ("ask", "data"),
    [
        (lambda data: read(scsi.read_keys, data), scsi_keys(1, list(range(65536)))),
        (lambda data: read(scsi.read_keys, data), scsi_keys(1, [1], 2**32 - 8)),
        (lambda data: report(data, extended=True), nvme_report(1, 3, [], extended=True, count=65535)),
        (lambda data: report(data, extended=False), nvme_report(1, 3, [], extended=False, count=65535)),
    ],
    ids=["SCSI: 65536 keys", "SCSI: four gigabytes", "NVMe", "NVMe, short form"],
)
def test_more_registrants_than_can_be_read_are_no_answer_and_cost_little_memory(
    ask: Callable[[bytes], object], data: bytes
) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(IncompleteAnswer):
            ask(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_65536_keys_of_a_kernel_are_no_answer() -> None:
    with (
        fake_ioctl.disk(reading_kernel(1, list(range(8190)), 65536)),
        pytest.raises(IncompleteAnswer, match="65536 registrations"),
    ):
        pr_ioctl.read_keys(FD)


@holds("status", value=st.integers(-4095, 2**31 - 1).filter(bool), name=st.sampled_from(["/dev/sda", "/dev/nvme0n1"]))
def test_every_number_of_an_ioctl_is_a_failure_with_words(value: int, name: str) -> None:
    failed = kernel_status.failure(name, "register", value)
    assert str(failed).startswith(f"{name}: register: ")
    number = f"status 0x{value:x}" if value > 0 else os.strerror(-value)
    assert re.search(rf"[a-z]{{2}}.* \({re.escape(number)}\)", failed.what())


@holds("status", flags=st.integers(0, 7), midlayer=st.integers(0, 5))
def test_a_conflict_is_a_conflict_in_every_vocabulary(flags: int, midlayer: int) -> None:
    """SCSI status 0x18 with the midlayer's verdict; NVMe status 0x83 with Command Retry Delay, More, Do Not Retry."""
    for value in (0x18, 0x18 | midlayer << 8, 0x83 | flags << 12, -errno.EBADE):
        assert kernel_status.explain(value)[0] is Conflict


@holds("multipathd", text=st.binary(max_size=3000), piece=st.integers(1, 4000), more=st.binary(max_size=9))
def test_an_answer_of_multipathd_is_whole_however_it_arrives(text: bytes, piece: int, more: bytes) -> None:
    connection: Any = Connection(struct.pack("@N", len(text)) + text + more, piece)
    assert multipathd.ask(connection, "setprkey") == text.rstrip(b"\0").decode("utf-8", "replace").strip()
    assert connection.asked == struct.pack("@N", 9) + b"setprkey\0"


def test_an_answer_that_trickles_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte in time, but all of them never."""

    class Trickling(Connection):
        def recv(self, room: int) -> bytes:
            time.sleep(0.02)
            return super().recv(room)

    monkeypatch.setattr(multipathd, "_TIMEOUT_SECONDS", 0.3)
    connection: Any = Trickling(struct.pack("@N", 1 << 20) + bytes(300), 1)
    started = time.monotonic()
    with pytest.raises(multipathd.NoAnswer, match="takes too long"):
        multipathd.ask(connection, "setprkey")
    assert time.monotonic() - started < 10


MESSAGE = st.tuples(st.integers(0, 2), st.text(max_size=30), st.text(max_size=30))
RESULT = st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.booleans(), st.text(max_size=9)), max_size=4)


@holds("pipe", messages=st.lists(MESSAGE, max_size=8), result=RESULT, cut=st.floats(0, 1))
def test_what_the_child_says_is_heard_in_order_and_a_torn_result_is_none(
    messages: list[tuple[int, str, str]], result: dict[str, object], cut: float
) -> None:
    stream = said_by_child(messages, result)
    heard, outcome = listen(stream)
    assert heard == [(2 - kind // 2, f"{one}: {two}" if kind == 0 else one) for kind, one, two in messages if kind != 1]
    assert (outcome.result, outcome.crash) == (result, "")
    torn = stream[: int(cut * (len(stream) - 1))]
    heard_of_it, outcome = listen(torn)
    assert heard_of_it == heard[: len(heard_of_it)]
    assert outcome == child.Ending(lost=Notice("child-killed", {}))


def said_by_child(messages: list[tuple[int, str, str]], result: object) -> bytes:
    """The bytes that the child's end of the pipe writes."""
    reading, writing = os.pipe()
    channel = child.Channel(writing, None)
    ways = (channel.announce, lambda one, _: channel.finished(one), lambda one, _: channel.say(one))
    for kind, one, two in messages:
        ways[kind](one, two)
    channel.result(3, result)
    with open(reading, "rb") as stream:
        return stream.read()


@pytest.mark.parametrize(
    "frame", [b"", b"\0", b"?", b"i\1\0\0\0", b"(\2\0\0\0NN", b"[\3\0\0\0", b"\xff" * 9, b"u\4\0\0\0\xff"]
)
def test_a_child_that_talks_nonsense_is_a_failure_with_words(frame: bytes) -> None:
    _, outcome = listen(len(frame).to_bytes(4, "big") + frame)
    assert outcome == child.Ending(lost=Notice("child-unintelligible", {}))
