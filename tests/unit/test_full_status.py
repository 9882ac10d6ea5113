"""READ FULL STATUS: whose registrations these are, from answers as SPC-4 6.16.5 has them, LIO gives them, and lies."""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fence_pr.errors import DeviceFailure, IncompleteAnswer, PathFailure, UnitAttention
from fence_pr.storage import full_status, pr_ioctl
from fence_pr.storage.device import MULTIPATH, SCSI, Device
from fence_pr.storage.full_status import Registration
from fence_pr.storage.multipath_disk import MultipathDisk
from fence_pr.storage.scsi_disk import ScsiDisk
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import Answer, Unwatched
from tests.unit.page_83 import of_naa
from tests.unit.test_transport_id import iscsi, of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FD = 3
N1, N2 = "iqn.2026-01.org.example:n1", "iqn.2026-01.org.example:n2"
FC = of(0, (8, "10000090fa123456"))
# From LIO of Linux 7.2 over iSCSI: three nodes, the first holds the reservation; then the same with room for 100 bytes.
RECORDED = bytes.fromhex(
    "00000003000000d8"
    "08c7d4c63a6a9c62000000000105000000000001000000304500002c69716e2e323032362d30312e6c61622e686f7374"
    "3a6e312c692c3078303030323364303030303132000000002da9ec7e5c5c967400000000000000000000000200000030"
    "4500002c69716e2e323032362d30312e6c61622e686f73743a6e322c692c307830303032336430303030306300000000"
    "870c88fe95fd7518000000000000000000000003000000304500002c69716e2e323032362d30312e6c61622e686f7374"
    "3a6e332c692c307830303032336430303030303600000000"
)
RECORDED_SHORT = RECORDED[:4] + bytes.fromhex("00000048") + RECORDED[8:80]
KEYS_OF_RECORDED = 0x8C7D4C63A6A9C62, 0x2DA9EC7E5C5C9674, 0x870C88FE95FD7518


def node(name: str) -> bytes:
    """An iSCSI node's TransportID."""
    return iscsi(name.encode() + b"\0")


def descriptor(key: int, transport_id: bytes, holder: bool = False, length: int | None = None) -> bytes:
    """One registration (SPC-4 table 226), with an additional length of our own if wanted."""
    stated = len(transport_id) if length is None else length
    return struct.pack(">Q4xBB4xHI", key, 0xFE | holder, 0x05, 1, stated) + transport_id


def status(*descriptors: bytes, length: int | None = None) -> bytes:
    """Parameter data of READ FULL STATUS."""
    body = b"".join(descriptors)
    return struct.pack(">II", 7, len(body) if length is None else length) + body


def test_each_registration_has_a_key_a_host_and_perhaps_the_reservation() -> None:
    data = status(descriptor(0xA, node(N1), holder=True), descriptor(0xB, FC), descriptor(0xB, b""))
    assert full_status.parse("/dev/sda", data) == (
        Registration(0xA, N1, True),
        Registration(0xB, "fc.10000090fa123456", False, "fc.10000090fa123456"),
        Registration(0xB, "", False),
    )
    assert full_status.parse("/dev/sda", status()) == ()


def test_what_lio_tells() -> None:
    names = [f"iqn.2026-01.lab.host:{it}" for it in ("n1", "n2", "n3")]
    found = [(it.key, it.host, it.holder) for it in full_status.parse("/dev/sda", RECORDED)]
    assert found == [(key, name, name is names[0]) for key, name in zip(KEYS_OF_RECORDED, names)]


@pytest.mark.parametrize("byte", range(4))
def test_each_byte_of_a_descriptors_length_counts(byte: int) -> None:
    """SPC-4 6.16.5: four bytes. A length that is read without one of them would hide what follows."""
    length = len(node("n1")) + (1 << 8 * byte)
    with pytest.raises(IncompleteAnswer):
        full_status.parse("/dev/sda", status(descriptor(0xA, node("n1"), length=length)))


@pytest.mark.promise(1)
@pytest.mark.parametrize(
    "data",
    [
        status(descriptor(0xA, FC), length=47),
        status(descriptor(0xA, FC), length=49),
        status(descriptor(0xA, FC), length=2**32 - 1),
        status(descriptor(0xA, FC, length=25)),
        status(descriptor(0xA, FC, length=23)),
        status(descriptor(0xA, FC, length=2**32 - 1), descriptor(0xB, FC)),
        status(bytes(23)),
        status(descriptor(0xA, FC), bytes(1)),
        RECORDED[:-1],
        bytes(7),
    ],
)
def test_lengths_that_contradict_each_other_are_no_answer(data: bytes) -> None:
    with pytest.raises(IncompleteAnswer, match="full status"):
        full_status.parse("/dev/sda", data.ljust(8, b"\xff"))


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.sampled_from([node(N1), FC, b""])), max_size=20), st.data())
def test_no_byte_more_or_less_goes_unnoticed(registrations: list[tuple[int, bytes]], data: st.DataObject) -> None:
    whole = status(*(descriptor(*it) for it in registrations))
    assert [it.key for it in full_status.parse("", whole)] == [key for key, _ in registrations]
    with pytest.raises(IncompleteAnswer):
        full_status.parse(
            "", whole[: data.draw(st.integers(8, len(whole) - 1))] if registrations else b"\0" * 7 + b"\1"
        )


class Lio:
    """A target as LIO is: it leaves out what has no room, and the length that it tells is without it."""

    def __init__(self, *descriptors: bytes) -> None:
        self.descriptors, self.rooms = descriptors, list[int]()

    def __call__(self, command: bytes, room: int) -> Answer:
        assert command == struct.pack(">BB5xHx", 0x5E, 3, room)
        self.rooms.append(room)
        fitting: list[bytes] = []
        for it in self.descriptors:
            if 8 + sum(map(len, fitting)) + len(it) > room:
                break
            fitting.append(it)
        return Answer(status(*fitting))


@pytest.mark.promise(1)
@pytest.mark.parametrize("count", [0, 1, 136, 137, 138, 300, 1150])
def test_a_target_that_hides_what_has_no_room_is_given_more(count: int) -> None:
    target = Lio(*(descriptor(number, node(N1)) for number in range(1, count + 1)))
    with fake_ioctl.disk(scsi=target):
        assert [it.key for it in full_status.read(FD)] == list(range(1, count + 1))
    assert len(target.rooms) <= 4


@pytest.mark.promise(1)
@pytest.mark.parametrize(("count", "length"), [(1200, None), (1, 2**32 - 1), (2000, 48 * 2000)])
def test_more_than_the_command_has_room_for_is_no_answer(count: int, length: int | None) -> None:
    whole = [descriptor(number, node(N1)) for number in range(count)]
    target: Callable[[bytes, int], Answer] = Lio(*whole)
    if length is not None:
        target = lambda _command, room: Answer(status(*whole, length=length)[:room])  # noqa: E731
    with fake_ioctl.disk(scsi=target), pytest.raises(IncompleteAnswer):
        full_status.read(FD)


@pytest.mark.parametrize(
    ("described", "listed", "told"),
    [
        ([(0xA, N1)], [0xA], {0xA: {N1}}),
        ([(0xA, N1), (0xA, N1)], [0xA, 0xA], {0xA: {N1}}),
        ([(0xA, N1), (0xA, N2)], [0xA, 0xA], {0xA: {N1, N2}}),
        ([(0xA, N1)], [0xA, 0xA], {}),
        ([(0xA, N1), (0xB, N2)], [0xA, 0xA, 0xB], {0xB: {N2}}),
        ([(0xA, N1), (0xA, N1)], [0xA], {0xA: {N1}}),
        ([(0xA, N1), (0xB, N2)], [0xA], {0xA: {N1}}),
        ([(0xA, N1)], [0xA, 0xB], {0xA: {N1}}),
        ([(0xA, N1), (0xA, "")], [0xA, 0xA], {}),
        ([], [0xA], {}),
        ([], [], {}),
    ],
    ids=[
        "one",
        "two paths",
        "two hosts",
        "one of two is missing",
        "only one key is affected",
        "one registration more by now",
        "a key that is new by now",
        "a key that is gone by now",
        "one is not told",
        "nothing is described",
        "nothing",
    ],
)
def test_a_key_has_hosts_only_if_all_its_registrations_are_told(
    described: list[tuple[int, str]], listed: list[int], told: dict[int, set[str]]
) -> None:
    assert full_status.hosts([Registration(key, host, False) for key, host in described], listed) == told


class Disk:
    """A SCSI disk that tells `full`, lists `keys` by ioctl, and says who it is. What it is asked is kept."""

    def __init__(self, full: Answer, keys: list[int]) -> None:
        self.full, self.listed, self.asked = full, keys, list[str]()

    def ioctl(self, request: int, buffer: bytearray) -> int:
        """READ_KEYS."""
        assert request == pr_ioctl.REQUESTS.read_keys
        self.asked.append("read keys")
        wanted = fake_ioctl.ReadKeys.from_buffer(buffer)
        fake_ioctl.write_keys(wanted.keys_ptr, self.listed)
        wanted.num_keys = len(self.listed)
        return 0

    def scsi(self, command: bytes, _room: int) -> Answer:
        """INQUIRY and READ FULL STATUS."""
        if command[0] == 0x12:
            return Answer(of_naa("naa.6001405aaaaaaaaaaaaaaaaaaaaaaaaa"))
        assert command[:2] == b"\x5e\3"
        self.asked.append("full status")
        return self.full

    def hosts(self, folder: Path, *paths: str) -> dict[int, frozenset[str]] | None:
        """What the agent makes of it; over a map where there are paths."""
        for name in ("sda", *paths):
            (folder / name).touch()
        nodes = tuple(str(folder / path) for path in paths)
        device = Device("d", str(folder / "sda"), "", MULTIPATH if paths else SCSI, nodes)
        with fake_ioctl.disk(self.ioctl, self.scsi):
            disk = MultipathDisk(device, Unwatched(), None) if paths else ScsiDisk(device, Unwatched())
            try:
                return disk.hosts()
            finally:
                disk.close()


@pytest.mark.parametrize("paths", [(), ("sdb", "sdc")], ids=["a LUN", "a map"])
def test_a_disk_tells_hosts_in_two_commands(tmp_path: Path, paths: tuple[str, ...]) -> None:
    disk = Disk(Answer(status(descriptor(0xA, node(N1)), descriptor(0xB, node(N2)))), [0xA, 0xB, 0xB])
    assert disk.hosts(tmp_path, *paths) == {0xA: frozenset({N1})}
    assert disk.asked == ["full status", "read keys"]


@pytest.mark.parametrize("code", [0x20, 0x24])
def test_a_target_without_the_command_tells_nothing(tmp_path: Path, code: int) -> None:
    sense = bytes([0x72, 5, code, 0, 0, 0, 0, 0])
    disk = Disk(Answer(status=2, sense=sense), [0xA])
    assert disk.hosts(tmp_path) is None
    assert disk.hosts(tmp_path, "sdb") is None


@pytest.mark.parametrize("number", [errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP])
def test_a_driver_that_passes_no_commands_on_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    disk = Disk(Answer(), [0xA])

    def refuse(_command: bytes, _room: int) -> Answer:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(disk, "scsi", refuse)
    assert disk.hosts(tmp_path) is None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(host=1), PathFailure),
        (Answer(status=2, sense=bytes([0x72, 4, 0x44, 0, 0, 0, 0, 0])), DeviceFailure),
        (Answer(status=2, sense=bytes([0x72, 6, 0x29, 0, 0, 0, 0, 0])), UnitAttention),
        (Answer(status(bytes(23))), IncompleteAnswer),
        (Answer(RECORDED, residual=8192 - 100), IncompleteAnswer),
    ],
)
def test_no_other_failure_is_taken_for_a_target_that_does_not_tell(
    tmp_path: Path, answer: Answer, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        Disk(answer, [0xA]).hosts(tmp_path)


def test_a_short_answer_of_lio_hides_registrations_and_the_list_shows_it(tmp_path: Path) -> None:
    """So it would be if the room had not been enough."""
    assert set(Disk(Answer(RECORDED_SHORT), list(KEYS_OF_RECORDED)).hosts(tmp_path) or ()) == {KEYS_OF_RECORDED[0]}
