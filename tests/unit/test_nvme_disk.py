"""An NVMe namespace as a disk: one registrant a host, whatever its paths."""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import TYPE_CHECKING

import pytest

from fence_pr import pr_ioctl
from fence_pr.device import NVME, Device
from fence_pr.errors import Conflict, ReservationError
from fence_pr.plan import Snapshot
from fence_pr.reservation import NvmeDisk, open_disk
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import NvmeCommand, Unwatched

if TYPE_CHECKING:
    from pathlib import Path

OURS, THEIRS = b"\1" * 16, b"\2" * 16
INVALID_FIELD, HOST_PATH_ERROR = 0x4002, 0x370
NAMES = {pr_ioctl.REQUESTS.register: "register"}


class Namespace:
    """An NVMe namespace: registrants by host identifier, holder among them; kernel ioctls by what `returns` says."""

    def __init__(self, folder: Path, host_id: bytes = OURS) -> None:
        (folder / "nvme0n1").touch()
        self.keys: dict[bytes, int] = {}
        self.holder, self.type = b"", 0
        self.returns: list[int] = []
        self.report_returns: list[int] = []
        self.identifier: dict[int, bytes] = {}
        self.sent: list[tuple[str, bytes]] = []
        device = Device("ns", str(folder / "nvme0n1"), "uuid.1", NVME, (), host_id)
        disk = open_disk(device, Unwatched())
        assert isinstance(disk, NvmeDisk)
        self.disk = disk

    def __call__(self, request: int, buffer: bytearray) -> int:
        if request in NAMES:
            self.sent.append((NAMES[request], bytes(buffer)))
            return self.returns.pop(0) if self.returns else 0
        command = NvmeCommand.from_buffer_copy(buffer)
        if command.opcode == 0x0A:
            return self._tell_identifier(command)
        assert command.opcode == 0x0E
        if self.report_returns:
            return self.report_returns.pop(0)
        entries = b"".join(
            struct.pack("<HB5xQ16s32x", 1, int(host == self.holder), key, host) for host, key in self.keys.items()
        )
        answer = struct.pack("<IBHHB14x", 5, self.type, len(self.keys), 0, 0).ljust(64, b"\0") + entries
        ctypes.memmove(command.addr, answer, len(answer))
        return 0

    def _tell_identifier(self, command: NvmeCommand) -> int:
        assert (command.cdw10, command.data_len) == (0x81, 16 if command.cdw11 & 1 else 8)
        if command.data_len not in self.identifier:
            return INVALID_FIELD
        ctypes.memmove(command.addr, self.identifier[command.data_len], command.data_len)
        return 0


def test_a_namespace_is_read_in_one_report(tmp_path: Path) -> None:
    namespace = Namespace(tmp_path)
    namespace.keys, namespace.holder, namespace.type = {OURS: 0xA, THEIRS: 0xB}, THEIRS, 3
    with fake_ioctl.disk(namespace) as calls:
        assert namespace.disk.snapshot() == Snapshot(5, (0xA, 0xB), 3, 0xB)
        assert len(calls) == 1
        namespace.keys, namespace.type = {}, 0
        assert namespace.disk.snapshot() == Snapshot(5, (), 0, 0)


def test_a_host_is_registered_and_a_key_that_stands_already_is_replaced(tmp_path: Path) -> None:
    namespace = Namespace(tmp_path)
    with fake_ioctl.disk(namespace):
        namespace.disk.register(0xA)
        assert namespace.sent == [("register", bytes(fake_ioctl.Registration(0, 0xA, 0, 0)))]
        assert namespace.disk.registered
        namespace.sent.clear()
        namespace.returns = [0x18, 0]
        namespace.disk.register(0xA)
    assert namespace.sent[1] == ("register", bytes(fake_ioctl.Registration(0xA, 0xA, pr_ioctl.FLAG_IGNORE_KEY, 0)))


def test_a_host_that_has_its_key_registers_on_that_condition(tmp_path: Path) -> None:
    namespace = Namespace(tmp_path)
    namespace.keys = {OURS: 0xA, THEIRS: 0xB}
    with fake_ioctl.disk(namespace):
        namespace.disk.register(0xA, listed=True)
    assert namespace.sent == [("register", bytes(fake_ioctl.Registration(0xA, 0xA, 0, 0)))]
    assert namespace.disk.registered


@pytest.mark.promise(2)
def test_a_host_whose_key_is_gone_is_not_registered_again(tmp_path: Path) -> None:
    namespace = Namespace(tmp_path)
    namespace.keys, namespace.returns = {THEIRS: 0xB}, [0x18]
    with fake_ioctl.disk(namespace), pytest.raises(Conflict):
        namespace.disk.register(0xA, listed=True)
    assert len(namespace.sent) == 1
    assert not namespace.disk.registered


def test_a_host_that_can_neither_be_registered_nor_replaced_is_not_registered(tmp_path: Path) -> None:
    namespace = Namespace(tmp_path)
    namespace.returns = [0x18, 0x18]
    with fake_ioctl.disk(namespace), pytest.raises(Conflict):
        namespace.disk.register(0xA)
    assert not namespace.disk.registered


@pytest.mark.parametrize(
    ("host_id", "registered", "key"),
    [
        (OURS, {OURS: 0xA, THEIRS: 0xB}, 0xA),
        (OURS, {THEIRS: 0xB}, None),
        (OURS, {OURS: 0}, 0),
        (b"", {OURS: 0xA}, None),
    ],
)
def test_which_key_this_very_host_has(
    tmp_path: Path, host_id: bytes, registered: dict[bytes, int], key: int | None
) -> None:
    namespace = Namespace(tmp_path, host_id)
    namespace.keys = registered
    with fake_ioctl.disk(namespace):
        assert namespace.disk.registered_as() == key


@pytest.mark.parametrize("answer", [-errno.EINTR, -errno.EAGAIN, HOST_PATH_ERROR])
def test_a_read_that_a_dying_path_has_cancelled_is_sent_again_for_the_kernel_to_take_another_path(
    tmp_path: Path, answer: int
) -> None:
    namespace = Namespace(tmp_path)
    namespace.keys = {OURS: 0xA}
    namespace.report_returns = [answer] * 3
    with fake_ioctl.disk(namespace):
        assert namespace.disk.snapshot().keys == (0xA,)
        namespace.report_returns = [answer] * 4
        with pytest.raises(ReservationError, match="reservation report"):
            namespace.disk.snapshot()


@pytest.mark.parametrize(
    ("identifier", "key"),
    [
        ({16: OURS}, 0xA),
        ({8: OURS[:8]}, None),  # the report has the long form
        ({16: bytes(16)}, None),
        ({}, None),
    ],
)
def test_where_sysfs_has_no_identifier_the_controller_is_asked(
    tmp_path: Path, identifier: dict[int, bytes], key: int | None
) -> None:
    namespace = Namespace(tmp_path, b"")
    namespace.keys, namespace.identifier = {OURS: 0xA, bytes(16): 0xB}, identifier
    with fake_ioctl.disk(namespace):
        assert namespace.disk.registered_as() == key


@pytest.mark.parametrize(
    ("host_id", "identifier", "said"),
    [
        (b"", {16: bytes(16)}, True),
        (b"", {8: bytes(8)}, True),
        (b"", {16: OURS}, False),
        (b"", {}, False),
        (OURS, {16: bytes(16)}, False),
    ],
)
def test_a_controller_that_was_told_no_identifier_is_a_caution(
    tmp_path: Path, host_id: bytes, identifier: dict[int, bytes], said: bool
) -> None:
    namespace = Namespace(tmp_path, host_id)
    namespace.identifier = identifier
    with fake_ioctl.disk(namespace):
        assert [
            ("this host has not told the controller an identifier" in caution) for caution in namespace.disk.cautions()
        ] == [True] * said
