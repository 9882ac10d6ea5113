"""Names of initiator ports, written down from SPC-4 7.6.4: what each transport's are like, and what cannot be read."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fence_pr.storage import transport_id

NODE = "iqn.2026-01.org.example:n1"


def iscsi(name: bytes, form: int = 0, length: int | None = None) -> bytes:
    """The TransportID of an iSCSI node, or with form 1 of its port, padded as the standard has it."""
    padded = name.ljust(max(20, -(-len(name) // 4) * 4), b"\0")
    return bytes([form << 6 | 5, 0]) + (len(padded) if length is None else length).to_bytes(2, "big") + padded


def of(protocol: int, *parts: tuple[int, str]) -> bytes:
    """A TransportID of 24 bytes with these hexadecimal digits at these places."""
    data = bytearray(24)
    data[0] = protocol
    for at, digits in parts:
        data[at : at + len(digits) // 2] = bytes.fromhex(digits)
    return bytes(data)


# From LIO of Linux 7.2 over iSCSI.
RECORDED = bytes.fromhex(
    "4500002c69716e2e323032362d30312e6c61622e686f73743a6e312c692c307830303032336430303030313200000000"
)


@pytest.mark.parametrize(
    ("told", "host"),
    [
        (of(0, (8, "10000090fa123456")), "fc.10000090fa123456"),
        (of(1, (2, "0007"), (6, "0001")), "spi.000700000001"),
        (of(3, (8, "0011223344556677")), "sbp.0011223344556677"),
        (of(4, (8, "00112233445566778899aabbccddeeff")), "srp.00112233445566778899aabbccddeeff"),
        (of(6, (4, "500605b000000001")), "sas.500605b000000001"),
        (of(0xA, (2, "0312")), "sop.0312"),
        (iscsi(NODE.encode() + b"\0"), NODE),
        (iscsi(NODE.upper().encode() + b"\0"), NODE),
        (iscsi(NODE.encode() + b",i,0x00023d000012\0", form=1), NODE),
        (iscsi(b"eui.0011223344556677\0"), "eui.0011223344556677"),
        (iscsi(b"naa.52004567BA64678D\0"), "naa.52004567ba64678d"),
        (iscsi(b"fc.10000090fa123456\0"), "iscsi.fc.10000090fa123456"),
        (iscsi("iqn.2026-01.org.example:größe".encode() + b"\0"), "iqn.2026-01.org.example:größe"),
        (iscsi(b"iqn.2026-01.org.example:" + b"n" * 199 + b"\0"), "iqn.2026-01.org.example:" + "n" * 199),
        (RECORDED, "iqn.2026-01.lab.host:n1"),
        (b"", ""),
    ],
)
def test_what_an_initiator_port_is_called(told: bytes, host: str) -> None:
    assert transport_id.host_of(told) == host


@pytest.mark.parametrize(
    "told",
    [
        b"\0",
        of(0x40, (8, "10000090fa123456")),
        of(0)[:-1],
        of(6) + bytes(4),
        of(2, (8, "10000090fa123456")),  # SSA, ADT and UAS have no such name
        of(7),
        of(9),
        of(0xF),
        iscsi(NODE.encode() + b"\0", form=2),
        iscsi(NODE.encode() + b"\0", form=1),
        iscsi(NODE.encode() + b"\0", length=24),
        iscsi(NODE.encode() + b"\0", length=32),
        iscsi(NODE.encode() + b"..", length=28),
        iscsi(b"\0"),
        iscsi(b",i,0x00023d000012\0", form=1),
        iscsi(b"iqn.\xff\xfe\0"),
        iscsi(b"iqn.2026-01.org\n.example\0"),
        iscsi(b"iqn.2026-01.org .example\0"),
        iscsi(b"iqn.2026-01.org,i\0"),
        b"\x05",
        b"\x05\0\0",
    ],
    ids=bytes.hex,
)
def test_what_cannot_be_read_is_shown_as_it_is_and_is_no_whole_host(told: bytes) -> None:
    host = transport_id.host_of(told)
    assert host == f"transport {told[0] & 15}: {told.hex()}"
    assert not transport_id.is_whole_host(host)


@given(st.binary(min_size=1, max_size=300))
@example(RECORDED)
def test_no_bytes_crash_it_or_make_a_text_that_breaks_a_line(told: bytes) -> None:
    host = transport_id.host_of(told)
    assert host
    assert host.isprintable()
    assert transport_id.is_whole_host(host) <= (told[0] & 15 == 5)


@given(st.binary(min_size=1, max_size=40), st.binary(min_size=1, max_size=40))
def test_two_names_that_cannot_be_read_are_not_taken_for_one(one: bytes, other: bytes) -> None:
    if one != other and transport_id.host_of(one).startswith("transport "):
        assert transport_id.host_of(one) != transport_id.host_of(other)


def test_the_port_of_istgt_is_known_although_it_has_no_header() -> None:
    told = b"iqn.2026-01.lab.host:n1,i,0x00023D000013"
    assert transport_id.port_of(told) == transport_id.iscsi_port("iqn.2026-01.lab.host:n1", "00023d000013")


@pytest.mark.parametrize(
    ("host", "whole"),
    [
        (NODE, True),
        ("eui.0011223344556677", True),
        ("naa.52004567ba64678d", True),
        ("iscsi.n1", True),
        (transport_id.nvme_host(bytes(range(16))), True),
        (transport_id.port("fc", bytes(8)), False),
        (transport_id.port("sas", bytes(8)), False),
        ("srp.00112233445566778899aabbccddeeff", False),
        ("transport 7: 07", False),
        ("", False),
    ],
)
def test_a_machine_or_only_one_of_its_ports(host: str, whole: bool) -> None:
    assert transport_id.is_whole_host(host) == whole


def test_an_nvme_host_is_its_identifier_and_none_is_no_host() -> None:
    assert transport_id.nvme_host(bytes(range(16))) == "nvme.000102030405060708090a0b0c0d0e0f"
    assert transport_id.nvme_host(bytes(range(8))) == "nvme.0001020304050607"
    assert [transport_id.nvme_host(bytes(length)) for length in (0, 8, 16)] == [""] * 3
