"""Disks that say who they are, written here from the standards, then made to lie."""

from __future__ import annotations

import struct

import pytest
from hypothesis import strategies as st

from fence_pr.storage import identity, inquiry
from tests.inputs import identities
from tests.inputs.properties import holds
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import Answer
from tests.unit.page_83 import designator, kernels_choice, page

DATA = st.one_of(st.binary(max_size=24), st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8))
FOUND = st.lists(st.builds(designator, st.integers(0, 15), DATA, st.integers(0, 3)), max_size=30)


def read(data: bytes) -> identity.Identity:
    """Who a disk is that answers with so many bytes of this as there is room for."""
    with fake_ioctl.disk(scsi=lambda _command, room: Answer(data[:room])):
        return identity.of_scsi(inquiry.designators(3))


@pytest.mark.promise(1)
@holds("identity", found=FOUND, more=st.binary(max_size=40))
def test_the_whole_page_is_read_and_nothing_after_it(found: list[bytes], more: bytes) -> None:
    assert read(page(*found) + more).text == kernels_choice(found)


@pytest.mark.promise(1)
@holds("identity", found=FOUND, cut=st.floats(0, 1), length=st.integers(0, 65535))
def test_a_page_that_is_cut_or_lies_about_its_length_names_nothing_that_it_does_not_hold(
    found: list[bytes], cut: float, length: int
) -> None:
    data = page(*found)
    data = data[: 4 + int(cut * (len(data) - 4))]
    lying = data[:2] + struct.pack(">H", length) + data[4:]
    for sent in (data, lying):
        assert set(read(sent).names) <= set(read(page(*found)).names) or not found
        assert read(sent).text == kernels_choice(identities.whole(sent))


@holds("identify", kind=st.integers(0, 4), statuses=st.binary(min_size=4, max_size=4), data=st.binary(max_size=200))
def test_a_controller_may_answer_anything(kind: int, statuses: bytes, data: bytes) -> None:
    identities.identify(bytes([kind]) + statuses + data)


DIGITS = st.text("0123456789abcdefABCDEF", min_size=15, max_size=33)
BEGINNING = st.sampled_from(["wwn-0x", "scsi-3", "scsi-2", "dm-uuid-mpath-3", "3", "2", "", "0x", "naa.", "nvme-eui."])


@holds("name", beginning=BEGINNING, digits=DIGITS, folder=st.sampled_from(["", "/dev/mapper/", "/dev/disk/by-id/"]))
def test_only_a_whole_identifier_is_compared(beginning: str, digits: str, folder: str) -> None:
    spelled = identity.spelled_by(folder + beginning + digits)
    assert all(it.partition(".")[2] in (beginning + digits).lower() for it in spelled)
    if beginning in ("wwn-0x", "scsi-3", "dm-uuid-mpath-3", "nvme-eui."):
        assert bool(spelled) == (
            len(digits) in (16, 32) or (("eui" in beginning or beginning == "wwn-0x") and len(digits) == 24)
        )
    identities.name((folder + beginning + digits).encode())


def test_thousands_of_designators_are_read_in_no_time() -> None:
    """As many as fit the page, each of which the kernel would prefer to the one before."""
    many = [designator(8, str(at).zfill(200).encode()) for at in range(320)]
    assert read(page(*many)).text == str(319).zfill(200)
    empty = [designator(3, b"")] * 16383
    assert read(page(*empty)) == identity.Identity()
