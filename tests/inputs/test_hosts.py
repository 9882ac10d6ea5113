"""Registrations with their hosts, written here from the standards, then made to lie."""

from __future__ import annotations

import struct
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st

from fence_pr.errors import IncompleteAnswer
from fence_pr.storage import full_status, transport_id
from tests.inputs.hosts import host_of
from tests.inputs.properties import holds
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

FD = 3
KEY = st.one_of(st.sampled_from([0, 1, 2**64 - 1]), st.integers(0, 2**64 - 1))
PORT = st.builds(
    lambda protocol, name: bytes([protocol]) + name, st.integers(0, 15), st.binary(min_size=23, max_size=23)
)
NAMES = st.text(st.characters(codec="utf-8"), max_size=60)
HOLDER = st.booleans()


def iscsi(name: str, session: str) -> bytes:
    """A node, or with a session one of its ports."""
    text = name.encode() + (f",i,0x{session}".encode() if session else b"") + b"\0"
    text = text.ljust(max(20, (len(text) + 3) // 4 * 4), b"\0")
    return struct.pack(">BxH", 0x45 if session else 5, len(text)) + text


NODE = st.builds(iscsi, NAMES, st.sampled_from(["", "00023d000012", "400001370000"]))
REGISTRATIONS = st.lists(st.tuples(KEY, st.one_of(PORT, NODE, st.just(b"")), HOLDER), max_size=40)


def answer(registrations: list[tuple[int, bytes, bool]], length: int | None = None) -> bytes:
    """Parameter data (SPC-4 table 225), with an additional length of our own if wanted."""
    body = b"".join(
        struct.pack(">Q4xBB4xHI", key, 2 | holder, 0xF5, 0xEEEE, len(name)) + name
        for key, name, holder in registrations
    )
    return struct.pack(">II", 1, len(body) if length is None else length) + body


def read(target: Callable[[bytes, int], Answer]) -> tuple[full_status.Registration, ...]:
    """What is believed of a target's answers."""
    with fake_ioctl.disk(scsi=target):
        return full_status.read(FD)


@pytest.mark.promise(1)
@holds("hosts", registrations=REGISTRATIONS, more=st.binary(max_size=40))
def test_every_registration_is_read_and_nothing_after_them(
    registrations: list[tuple[int, bytes, bool]], more: bytes
) -> None:
    data = answer(registrations) + more
    found = read(lambda _command, room: Answer(data[:room]))
    assert [(it.key, it.host, it.holder) for it in found] == [
        (key, host_of(name), holder) for key, name, holder in registrations
    ]


@pytest.mark.promise(1)
@holds("hosts", registrations=REGISTRATIONS, cut=st.floats(0, 1, exclude_max=True))
def test_what_is_cut_anywhere_is_no_answer(registrations: list[tuple[int, bytes, bool]], cut: float) -> None:
    data = answer(registrations)
    with pytest.raises(IncompleteAnswer):
        read(lambda _command, _room: Answer(data[: int(len(data) * cut)]))


@pytest.mark.promise(1)
@holds("hosts", registrations=REGISTRATIONS, length=st.integers(0, 2**32 - 1))
def test_a_length_that_lies_tells_of_no_registration_that_is_not_there(
    registrations: list[tuple[int, bytes, bool]], length: int
) -> None:
    data = answer(registrations, length)
    try:
        found = read(lambda _command, room: Answer(data[:room]))
    except IncompleteAnswer:
        return
    assert list(found) == list(full_status.parse("", answer(registrations)))[: len(found)]


@pytest.mark.promise(1)
@holds("hosts", registrations=REGISTRATIONS, hidden=st.integers(0, 40))
def test_a_registration_that_is_not_described_leaves_its_key_without_hosts(
    registrations: list[tuple[int, bytes, bool]], hidden: int
) -> None:
    described = full_status.parse("", answer(registrations[:hidden] + registrations[hidden + 1 :]))
    told = full_status.hosts(described, [key for key, _, _ in registrations])
    for key, _, _ in registrations[hidden : hidden + 1]:
        assert key not in told
    for key, hosts in told.items():
        assert hosts == {host_of(name) for other, name, _ in registrations if other == key}


@pytest.mark.promise(1)
@pytest.mark.parametrize(
    "data",
    [
        answer([(1, bytes(24), False)] * 2000),
        answer([(1, b"", False)] * 2800),
        answer([], 2**32 - 8),
        answer([(1, b"\7" * 60000, False)] * 2),
    ],
    ids=["2000 ports", "2800 without a name", "four gigabytes", "long names"],
)
def test_more_than_can_be_read_is_no_answer_and_costs_little_memory(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(IncompleteAnswer):
            read(lambda _command, room: Answer(data[:room]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


@holds("host", name=NAMES, session=st.sampled_from(["", "00023d000012"]))
def test_a_node_is_the_same_in_each_session_and_however_its_name_is_written(name: str, session: str) -> None:
    said = transport_id.host_of(iscsi(name, session))
    if not said.startswith("transport "):
        assert said == transport_id.host_of(iscsi(name, "400001370000"))
        assert said == transport_id.iscsi_node(name)
        assert transport_id.is_whole_host(said)


@holds("host", one=PORT, other=PORT)
def test_two_ports_are_never_taken_for_a_whole_host(one: bytes, other: bytes) -> None:
    for told in (one, other):
        if told[0] != 5:
            assert not transport_id.is_whole_host(transport_id.host_of(told))
