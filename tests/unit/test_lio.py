"""LIO is recognised by what it says of itself, and nothing else is taken for it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fence_pr.errors import PathFailure
from fence_pr.storage import inquiry, lio
from fence_pr.storage.device import SCSI, Device
from fence_pr.storage.inquiry import Designator
from fence_pr.storage.scsi_disk import ScsiDisk
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import Answer
from tests.unit.page_83 import designator, page

FD = 5
SERIAL = "9a3d5c7e-0000-4000-8000-a0b1c2d3e4f5"
# As LIO makes it: the serial number's first 25 digits.
DIGITS = SERIAL.replace("-", "")[:25]
ILLEGAL_REQUEST = Answer(status=2, sense=bytes([0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0]))
STANDARD, PAGE_83 = 0, 1


def of_lio(vendor: str = "LIO-ORG", company: str = "001405", serial: str = SERIAL, digits: str = DIGITS) -> bytes:
    """What LIO answers (drivers/target/target_core_spc.c), with settings that vendors change."""
    named = vendor.ljust(8).encode() + b"disk:" + serial.encode() + b"\0"
    name = b"iqn.2026-01.example:a,t,0x0001\0\0"
    return page(
        designator(3, bytes.fromhex("6" + company + digits)),
        designator(1, named),
        designator(4, bytes(4), 1),
        designator(5, bytes(4), 1),
        designator(6, bytes(4)),
        designator(8, name, 1),
        designator(8, name, 2),
    )


def sign(data: bytes, vendor: str = "ACME") -> str:
    """What is recognised, in words; "" if nothing is."""
    found = lio.sign(vendor, inquiry.parse(data))
    return str(found) if found else ""


@pytest.mark.promise(4)
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (of_lio(), "vendor LIO-ORG"),
        (of_lio(vendor="SYNOLOGY"), "company identifier 001405"),
        (of_lio(vendor="ACME", company="0a1b2c"), "made from the serial number"),
        (of_lio(vendor="ACME", company="0a1b2c", serial="9A3D5C7E", digits="9a3d5c7e".ljust(25, "0")), "serial number"),
        (
            of_lio(vendor="ACME", company="0a1b2c", serial="x9a3d5c7e" * 4, digits=("9a3d5c7e" * 4)[:25]),
            "serial number",
        ),
    ],
)
def test_lio_under_any_name(data: bytes, words: str) -> None:
    assert words in sign(data)


@pytest.mark.promise(4)
def test_lio_without_a_page_83h_is_known_by_its_vendor() -> None:
    assert str(lio.sign("LIO-ORG", ())) == "vendor LIO-ORG"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        page(),
        page(designator(3, bytes.fromhex("60a98000" + "12345678" * 3))),
        # NAA 5 whose digits happen to be LIO's company identifier further on; and an identifier of a port.
        page(designator(3, bytes.fromhex("5001405000000001"))),
        page(designator(3, bytes.fromhex("6001405" + DIGITS), 1)),
        of_lio(vendor="ACME", company="0a1b2c", digits="0" * 25),
        # A serial number without digits spells nothing, and one with few spells little.
        of_lio(vendor="ACME", company="0a1b2c", serial="zz-ll", digits="0" * 25),
        of_lio(vendor="ACME", company="0a1b2c", serial="12345", digits="12345".ljust(25, "0")),
        page(designator(1, b"ACME    LIO-ORG:12345678\0")),
    ],
)
def test_no_other_target_is_taken_for_lio(data: bytes) -> None:
    assert sign(data) == ""


@given(st.binary(max_size=300))
def test_any_page_is_parsed(data: bytes) -> None:
    """Whatever comes, what is found lies within it."""
    found = inquiry.parse(data)
    assert sum(len(it.data) + 4 for it in found) <= max(0, len(data) - 4)
    assert lio.sign("ACME", found) is None or found


def test_a_page_that_is_cut_short_or_lies_gives_what_is_whole() -> None:
    whole = designator(3, bytes(16))
    assert inquiry.parse(page(whole, whole)[:-1]) == (Designator(0, 3, bytes(16)),)
    assert inquiry.parse(page(whole)[:4]) == ()
    lying = page(whole, struct.pack(">BBxB", 1, 3, 200))
    assert inquiry.parse(lying) == (Designator(0, 3, bytes(16)),)
    assert inquiry.parse(b"\0\x80" + page(whole)[2:]) == (), "another page than was asked for"


class Target:
    """Answers INQUIRY. standard, identification: None where it has no such answer."""

    def __init__(self, standard: bytes | None, identification: bytes | None) -> None:
        self._answers = {STANDARD: standard, PAGE_83: identification}
        self.asked: list[tuple[int, int]] = []

    def __call__(self, command: bytes, size: int) -> Answer:
        code, flags, which, length = struct.unpack(">BBBHx", command)
        assert (code, which) == (0x12, 0x83 if flags else 0)
        assert length == size
        self.asked.append((flags, size))
        data = self._answers[flags]
        return ILLEGAL_REQUEST if data is None else Answer(data[:size])


def standard(vendor: str) -> bytes:
    """Standard INQUIRY data."""
    return bytes([0, 0, 6, 2, 31, 0, 0, 2]) + vendor.ljust(8).encode() + b"disk".ljust(16) + b"1.0 "


def test_a_long_page_is_asked_for_again_with_more_room() -> None:
    long = page(*[designator(3, bytes(16))] * 30)
    target = Target(None, long)
    with fake_ioctl.disk(scsi=target):
        assert len(inquiry.designators(FD)) == 30
    assert target.asked == [(1, 252), (1, len(long))]


class Disk(ScsiDisk):
    """Not opened, but asked who it is, as every disk is when it is opened."""

    def __init__(self, watch: fake_ioctl.Unwatched) -> None:
        self.device, self._watch, self._fd = Device("/dev/sdx", "/dev/sdx", "", SCSI), watch, FD
        self.confirm_identity()


@pytest.mark.promise(4)
@pytest.mark.parametrize(
    ("target", "asked", "harm"),
    [
        (Target(standard("LIO-ORG"), of_lio()), [1], "vendor LIO-ORG"),
        (Target(standard("ACME"), of_lio(vendor="ACME")), [1], "company identifier"),
        (Target(standard("LIO-ORG"), None), [1, 0], "vendor LIO-ORG"),
        (Target(standard("ACME"), page()), [1, 0], ""),
        (Target(None, None), [1, 0], ""),
    ],
)
def test_a_disk_is_asked_once(target: Target, asked: list[int], harm: str) -> None:
    with fake_ioctl.disk(scsi=target):
        disk = Disk(fake_ioctl.Unwatched())
        for _ in range(2):
            said = disk.abort_harm()
            assert bool(said) == bool(harm)
            assert harm in str(said)
    assert [flags for flags, _ in target.asked] == asked


@pytest.mark.promise(4)
def test_a_path_that_does_not_answer_is_not_taken_for_another_target() -> None:
    with fake_ioctl.disk(scsi=lambda *_: Answer(host=1)), pytest.raises(PathFailure):
        Disk(fake_ioctl.Unwatched()).abort_harm()
