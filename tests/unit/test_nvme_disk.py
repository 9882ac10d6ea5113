"""An NVMe namespace as a disk: one registrant a host, whatever its paths."""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import TYPE_CHECKING

import pytest

from fence_pr.errors import Conflict, FenceError, ReservationError
from fence_pr.storage import pr_ioctl
from fence_pr.storage.device import NVME, Device
from fence_pr.storage.nvme_disk import NvmeDisk
from fence_pr.storage.open import open_disk
from fence_pr.storage.snapshot import Snapshot
from fence_pr.storage.transport_id import nvme_host
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import NvmeCommand, Unwatched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OURS, THEIRS = b"\1" * 16, b"\2" * 16
INVALID_FIELD, HOST_PATH_ERROR = 0x4002, 0x370
NAMES = {pr_ioctl.REQUESTS.register: "register"}


def refuse(key: int) -> None:
    """Judges that no key may be replaced."""
    raise FenceError("keys-of-lvm", standing=(f"0x{key:x}",))


class Namespace:
    """An NVMe namespace: registrants by host identifier, holder among them; kernel ioctls by what `returns` says."""

    def __init__(self, folder: Path, host_id: bytes = OURS) -> None:
        (folder / "nvme0n1").touch()
        self.keys: dict[bytes, int] = {}
        self.holder, self.type, self.generation = b"", 0, 5
        self.returns: list[int] = []
        self.report_returns: list[int] = []
        self.identifier: dict[int, bytes] = {}
        self.sent: list[tuple[str, bytes]] = []
        self.then: Callable[[], None] = lambda: None
        device = Device("ns", str(folder / "nvme0n1"), "uuid.1", NVME, (), host_id)
        disk = open_disk(device, Unwatched())
        assert isinstance(disk, NvmeDisk)
        self.disk = disk

    def __call__(self, request: int, buffer: bytearray) -> int:
        if request in NAMES:
            self.sent.append((NAMES[request], bytes(buffer)))
            self.then()
            return self.returns.pop(0) if self.returns else 0
        command = NvmeCommand.from_buffer_copy(buffer)
        if command.opcode == 0x0A:
            return self._tell_identifier(command)
        if command.opcode == 0x0D:
            self.sent.append((f"register, action {command.cdw10 & 7}", ctypes.string_at(command.addr, 16)))
            return 0
        assert command.opcode == 0x0E
        if self.report_returns:
            return self.report_returns.pop(0)
        entries = b"".join(
            struct.pack("<HB5xQ16s32x", 1, int(host == self.holder), key, host) for host, key in self.keys.items()
        )
        answer = struct.pack("<IBHHB14x", self.generation, self.type, len(self.keys), 0, 0).ljust(64, b"\0") + entries
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


def test_a_host_is_registered_where_it_is_not(tmp_path: Path) -> None:
    namespace = Namespace(tmp_path)
    with fake_ioctl.disk(namespace) as calls:
        namespace.disk.register(0xA)
    assert namespace.sent == [("register", bytes(fake_ioctl.Registration(0, 0xA, 0, 0)))]
    assert namespace.disk.registered
    assert len(calls) == 1


ANEW, CONFIRMED, REPLACED = (0, 0xA, 0), (0xA, 0xA, 0), (0x77, 0xA, 0)
UNSEEN = (0xA, 0xA, pr_ioctl.FLAG_IGNORE_KEY)


@pytest.mark.promise(2)
@pytest.mark.parametrize(
    ("host_id", "registered", "judged", "sent", "blindly"),
    [
        (OURS, {OURS: 0xA}, [], [ANEW, CONFIRMED], False),
        (OURS, {OURS: 0x77, THEIRS: 0xA}, [0x77], [ANEW, REPLACED], False),
        (OURS, {OURS: 0}, [], [ANEW, UNSEEN], False),
        (OURS, {THEIRS: 0x77}, [], [ANEW, UNSEEN], True),
        (b"", {THEIRS: 0x77}, [], [ANEW, UNSEEN], True),
    ],
    ids=["its key", "another key", "key 0", "untold", "no identifier"],
)
def test_a_host_that_is_registered_already_replaces_the_key_that_the_report_tells(
    tmp_path: Path,
    host_id: bytes,
    registered: dict[bytes, int],
    judged: list[int],
    sent: list[tuple[int, int, int]],
    blindly: bool,
) -> None:
    namespace = Namespace(tmp_path, host_id)
    namespace.keys, namespace.returns = registered, [0x18] * (len(sent) - 1) + [0]
    seen: list[int] = []
    with fake_ioctl.disk(namespace):
        namespace.disk.snapshot()
        namespace.disk.register(0xA, judge=seen.append)
        assert [("register", bytes(fake_ioctl.Registration(*it, 0))) for it in sent] == namespace.sent
        assert (seen, namespace.disk.registered, namespace.disk.blindly) == (judged, True, blindly)
        assert ("registered-blindly" in [it.code for it in namespace.disk.warnings()]) == blindly


@pytest.mark.promise(2)
@pytest.mark.parametrize("judge", [None, refuse])
def test_a_key_that_must_not_be_replaced_is_not(tmp_path: Path, judge: Callable[[int], None] | None) -> None:
    """Without anybody to judge none may be."""
    namespace = Namespace(tmp_path)
    namespace.keys, namespace.returns = {OURS: 0x77}, [0x18]
    with fake_ioctl.disk(namespace), pytest.raises((Conflict, FenceError)):
        namespace.disk.register(0xA, judge=judge)
    assert [it for _, it in namespace.sent] == [bytes(fake_ioctl.Registration(*ANEW, 0))]
    assert not namespace.disk.registered


@pytest.mark.promise(2)
def test_a_key_that_is_gone_when_it_is_to_be_replaced_is_not(tmp_path: Path) -> None:
    namespace = Namespace(tmp_path)
    namespace.keys, namespace.returns = {OURS: 0x77}, [0x18, 0x18]
    with fake_ioctl.disk(namespace), pytest.raises(Conflict):
        namespace.disk.register(0xA, judge=lambda _: None)
    assert len(namespace.sent) == 2
    assert not namespace.disk.registered


@pytest.mark.promise(2, 13)
@pytest.mark.parametrize("keys", [{OURS: 0x77}, {}], ids=["listed before", "not listed"])
def test_a_host_that_had_a_key_and_has_lost_it_since_is_not_registered(tmp_path: Path, keys: dict[bytes, int]) -> None:
    namespace = Namespace(tmp_path)
    namespace.keys, namespace.returns = keys, [0x18, 0]
    with fake_ioctl.disk(namespace):
        namespace.disk.snapshot()
        namespace.keys, namespace.generation = {}, namespace.generation + 1
        with pytest.raises(FenceError) as failed:
            namespace.disk.register(0xA)
    assert failed.value.code == "maybe-fenced"
    assert [it for _, it in namespace.sent] == [bytes(fake_ioctl.Registration(*ANEW, 0))]


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


@pytest.mark.promise(2, 13)
def test_a_host_that_was_registered_after_it_was_fenced_is_unregistered_and_not_left_with_key_0(tmp_path: Path) -> None:
    """Its key stood for another identifier, which was removed just before."""
    namespace = Namespace(tmp_path)
    namespace.keys, namespace.returns = {THEIRS: 0xA}, [0x18, 0]

    def fence() -> None:
        if len(namespace.sent) == 2:
            namespace.keys, namespace.generation = {OURS: 0xA}, namespace.generation + 2

    namespace.then = fence
    with fake_ioctl.disk(namespace):
        namespace.disk.snapshot()
        with pytest.raises(FenceError) as failed:
            namespace.disk.register(0xA, listed=True)
    assert failed.value.code == "maybe-fenced"
    assert [name for name, _ in namespace.sent] == ["register", "register", "register, action 1"]
    assert namespace.sent[-1][1] == struct.pack("<QQ", 0xA, 0)


def test_a_host_that_can_neither_be_registered_nor_replaced_is_not_registered(tmp_path: Path) -> None:
    namespace = Namespace(tmp_path)
    namespace.returns = [0x18] * 3
    with fake_ioctl.disk(namespace):
        namespace.disk.snapshot()
        with pytest.raises(Conflict):
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


@pytest.mark.parametrize(
    ("host_id", "registered", "keys"),
    [
        (OURS, {OURS: 0x77, THEIRS: 0xB}, (0x77,)),
        (OURS, {THEIRS: 0xB}, ()),
        (OURS, {OURS: 0, THEIRS: 0xB}, (0,)),
        (OURS, {THEIRS: 0}, ()),
        (OURS[:8], {OURS: 0x77}, None),  # the report has the long form
        (b"", {OURS: 0x77}, None),
        (bytes(16), {bytes(16): 0x77}, None),
    ],
)
def test_with_which_keys_this_machine_is_registered(
    tmp_path: Path, host_id: bytes, registered: dict[bytes, int], keys: tuple[int, ...] | None
) -> None:
    namespace = Namespace(tmp_path, host_id)
    namespace.keys = registered
    with fake_ioctl.disk(namespace):
        assert namespace.disk.nexus_keys(0xA) == keys
    assert namespace.sent == []


@pytest.mark.promise(3)
@pytest.mark.parametrize(
    ("host_id", "registered", "told"),
    [
        (OURS, {OURS: 0xA, THEIRS: 0xB}, True),
        (OURS, {OURS: 0x77, THEIRS: 0xA}, False),
        (OURS, {THEIRS: 0xA}, False),
        (OURS[:8], {OURS: 0xA}, None),  # the report has the long form
        (b"", {OURS: 0xA}, None),
        (bytes(16), {bytes(16): 0xA}, None),
    ],
)
def test_whether_this_host_is_registered_with_a_key(
    tmp_path: Path, host_id: bytes, registered: dict[bytes, int], told: bool | None
) -> None:
    namespace = Namespace(tmp_path, host_id)
    namespace.keys = registered
    with fake_ioctl.disk(namespace):
        namespace.disk.snapshot()
        namespace.report_returns = [HOST_PATH_ERROR] * 9  # no second report is asked for
        assert namespace.disk.tells_registered(0xA) is told
    assert namespace.sent == []


def test_a_machine_with_two_identifiers_is_registered_if_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace = Namespace(tmp_path)
    namespace.keys = {THEIRS: 0x77}
    both = frozenset(map(nvme_host, (OURS, THEIRS)))
    monkeypatch.setattr("fence_pr.storage.own_hosts.of_nvme", lambda _: both)
    with fake_ioctl.disk(namespace):
        assert namespace.disk.nexus_keys(0xA) == (0x77,)


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
def test_a_controller_that_was_told_no_identifier_is_warned_of(
    tmp_path: Path, host_id: bytes, identifier: dict[int, bytes], said: bool
) -> None:
    namespace = Namespace(tmp_path, host_id)
    namespace.identifier = identifier
    with fake_ioctl.disk(namespace):
        codes = [warning.code for warning in namespace.disk.warnings()]
    assert codes == ["host-identifier-untold"] * said


@pytest.mark.parametrize(
    ("registered", "hosts"),
    [
        ({}, {}),
        ({OURS: 0xA, THEIRS: 0xB}, {0xA: {OURS}, 0xB: {THEIRS}}),
        ({OURS: 0xA, THEIRS: 0xA}, {0xA: {OURS, THEIRS}}),
        ({OURS: 0, THEIRS: 0xB}, {0: {OURS}, 0xB: {THEIRS}}),
        ({bytes(16): 0xA, THEIRS: 0xB}, {0xB: {THEIRS}}),
        ({bytes(16): 0xA, THEIRS: 0xA}, {}),
    ],
    ids=["nobody", "each its own", "one key on two hosts", "key 0", "a host without identifier", "and with its key"],
)
def test_the_report_tells_the_hosts_behind_each_key_in_one_command(
    tmp_path: Path, registered: dict[bytes, int], hosts: dict[int, set[bytes]]
) -> None:
    namespace = Namespace(tmp_path)
    namespace.keys = registered
    with fake_ioctl.disk(namespace) as calls:
        assert namespace.disk.hosts() == {
            key: frozenset(f"nvme.{it.hex()}" for it in identifiers) for key, identifiers in hosts.items()
        }
        assert len(calls) == 1


@pytest.mark.parametrize("answer", [0x4001, INVALID_FIELD])
def test_a_controller_without_the_report_tells_nothing(tmp_path: Path, answer: int) -> None:
    namespace = Namespace(tmp_path)
    namespace.report_returns = [answer] * 9
    with fake_ioctl.disk(namespace):
        assert namespace.disk.hosts() is None
        namespace.report_returns = [HOST_PATH_ERROR] * 9
        with pytest.raises(ReservationError):
            namespace.disk.hosts()


def test_this_machine_is_called_by_the_identifier_that_the_disks_controller_was_told(tmp_path: Path) -> None:
    namespace = Namespace(tmp_path)
    with fake_ioctl.disk(namespace):
        assert f"nvme.{OURS.hex()}" in namespace.disk.own_hosts()
    namespace = Namespace(tmp_path, b"")
    namespace.identifier = {8: THEIRS[:8]}
    with fake_ioctl.disk(namespace):
        assert f"nvme.{THEIRS[:8].hex()}" in namespace.disk.own_hosts()
