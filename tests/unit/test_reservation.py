"""One open disk: stable snapshots, the way back to SG_IO, repetition, and who is told of each command."""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING

import pytest

from fence_pr import pr_ioctl, reservation
from fence_pr.device import Device
from fence_pr.errors import Abandoned, Conflict, DeviceFailure, IncompleteAnswer, Invalid, NotPermitted, PathFailure
from fence_pr.plan import Snapshot
from fence_pr.reservation import ScsiDisk
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import Answer, Call

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

READ_KEYS, READ_RESERVATION = pr_ioctl.REQUESTS.read_keys, pr_ioctl.REQUESTS.read_reservation


class Watched:
    """Remembers what is announced and finished; forbids what it is told to."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.forbidden = ""

    def announce(self, disk: str, operation: str) -> None:
        """As `reservation.Watch`."""
        if operation == self.forbidden:
            raise Abandoned(operation)
        self.heard.append((disk, operation))

    def finished(self, disk: str) -> None:
        """As `reservation.Watch`."""
        self.heard.append((disk, "finished"))


@pytest.fixture
def watch() -> Watched:
    """Allows everything."""
    return Watched()


@pytest.fixture
def opened(tmp_path: Path, watch: Watched) -> ScsiDisk:
    """A disk whose node is a file: only the ioctls are made up."""
    (tmp_path / "sda").touch()
    disk = ScsiDisk(Device("shared", str(tmp_path / "sda"), "naa.1"), watch)
    watch.heard.clear()
    return disk


class Reads:
    """READ KEYS and READ RESERVATION by ioctl: (generation, keys) one after the other, the last for ever."""

    def __init__(self, *states: tuple[int, list[int]], kind: int = 3, holder: int = 0xA) -> None:
        self.states, self.kind, self.holder = list(states), kind, holder
        self.requests: list[int] = []

    def __call__(self, request: int, buffer: bytearray) -> int:
        self.requests.append(request)
        if request == READ_RESERVATION:
            fake_ioctl.fill(buffer, fake_ioctl.ReadReservation(self.holder, 1, self.kind))
            return 0
        generation, keys = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        asked = fake_ioctl.ReadKeys.from_buffer(buffer)
        fake_ioctl.write_keys(asked.keys_ptr, keys)
        asked.generation, asked.num_keys = generation, len(keys)
        return 0


def test_a_snapshot_reads_the_keys_before_and_after_the_reservation(opened: ScsiDisk) -> None:
    reads = Reads((4, [0xA, 0xB]))
    with fake_ioctl.disk(reads):
        assert opened.snapshot() == Snapshot(4, (0xA, 0xB), 3, 0xA)
    assert reads.requests == [READ_KEYS, READ_RESERVATION, READ_KEYS]


@pytest.mark.promise(1)
def test_a_snapshot_is_read_again_until_nothing_changed_meanwhile(opened: ScsiDisk) -> None:
    reads = Reads((4, [0xA, 0xB]), (5, [0xA]), (6, [0xA, 0xC]), (6, [0xA, 0xC]))
    with fake_ioctl.disk(reads):
        assert opened.snapshot() == Snapshot(6, (0xA, 0xC), 3, 0xA)
    assert reads.requests.count(READ_KEYS) == 4


@pytest.mark.promise(1)
def test_the_same_keys_with_another_generation_are_a_change(opened: ScsiDisk) -> None:
    """A key may have gone and come back, and the reservation with it."""
    reads = Reads((4, [0xA]), (6, [0xA]), (6, [0xA]))
    with fake_ioctl.disk(reads):
        assert opened.snapshot().generation == 6
    assert reads.requests.count(READ_RESERVATION) == 2


@pytest.mark.promise(1)
def test_a_disk_that_never_stands_still_gives_no_snapshot(opened: ScsiDisk) -> None:
    reads = Reads(*((number, [number]) for number in range(1, 1000)))
    with fake_ioctl.disk(reads), pytest.raises(IncompleteAnswer, match="registrations changed during each of 20 reads"):
        opened.snapshot()
    assert len(reads.requests) < 100


def scsi_answer(command: bytes, _room: int) -> Answer:
    """One key, 0xB, which holds type 5 (3 for the kernel)."""
    if command[1] == 0:
        return Answer(struct.pack(">IIQ", 9, 8, 0xB))
    return Answer(struct.pack(">IIQ5xB2x", 9, 16, 0xB, 5))


def no_read_ioctl(number: int, by_return: bool = False) -> Callable[[int, bytearray], int]:
    """A kernel without the READ ioctls, as it says so."""

    def fail(_request: int, _buffer: bytearray) -> int:
        if by_return:
            return number
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTTY, errno.EOPNOTSUPP])
def test_a_kernel_without_the_read_ioctls_is_read_through_sg_io_and_asked_only_once(
    opened: ScsiDisk, number: int
) -> None:
    with fake_ioctl.disk(no_read_ioctl(number), scsi_answer) as calls:
        assert opened.snapshot() == Snapshot(9, (0xB,), 3, 0xB)
        assert opened.snapshot() == Snapshot(9, (0xB,), 3, 0xB)
    assert sum(isinstance(call, Call) for call in calls) == 1
    assert sum(isinstance(call, bytes) for call in calls) == 6


def test_a_read_that_fails_without_words_is_asked_of_the_target_itself(opened: ScsiDisk) -> None:
    with fake_ioctl.disk(no_read_ioctl(2, by_return=True), scsi_answer):
        assert opened.snapshot().keys == (0xB,)


@pytest.mark.parametrize(
    ("number", "by_return", "kind"),
    [(0x10000, True, PathFailure), (errno.ENODEV, False, PathFailure), (errno.EPERM, False, NotPermitted)],
)
def test_a_path_that_is_dead_is_not_asked_twice(
    opened: ScsiDisk, number: int, by_return: bool, kind: type[Exception]
) -> None:
    with fake_ioctl.disk(no_read_ioctl(number, by_return)) as calls, pytest.raises(kind):
        opened.snapshot()
    assert len(calls) == 1


def returns(*results: int) -> Callable[[int, bytearray], int]:
    """One after the other, the last for ever."""
    left = list(results)
    return lambda _request, _buffer: left.pop(0) if len(left) > 1 else left[0]


COMMANDS: list[tuple[str, Callable[[ScsiDisk], None], int, bytes]] = [
    (
        "register",
        lambda disk: disk.register(0xA),
        pr_ioctl.REQUESTS.register,
        bytes(fake_ioctl.Registration(0, 0xA, pr_ioctl.FLAG_IGNORE_KEY, 0)),
    ),
    ("reserve", lambda disk: disk.reserve(0xA, 5), pr_ioctl.REQUESTS.reserve, bytes(fake_ioctl.Reservation(0xA, 5, 0))),
    (
        "preempt",
        lambda disk: disk.preempt(0xA, 0xB, 4, abort=False),
        pr_ioctl.REQUESTS.preempt,
        bytes(fake_ioctl.Preempt(0xA, 0xB, 4, 0)),
    ),
    (
        "preempt-and-abort",
        lambda disk: disk.preempt(0xA, 0xB, 4, abort=True),
        pr_ioctl.REQUESTS.preempt_abort,
        bytes(fake_ioctl.Preempt(0xA, 0xB, 4, 0)),
    ),
]
EACH_COMMAND = pytest.mark.parametrize(
    ("name", "command", "request_", "argument"), COMMANDS, ids=[it[0] for it in COMMANDS]
)


@EACH_COMMAND
def test_a_command_is_sent_once_and_announced(
    opened: ScsiDisk, watch: Watched, name: str, command: Callable[[ScsiDisk], None], request_: int, argument: bytes
) -> None:
    with fake_ioctl.disk(returns(0)) as calls:
        command(opened)
    assert calls == [Call(request_, argument)]
    label = opened.device.label()
    assert watch.heard == [(label, name), (label, "finished")]
    assert label.startswith("shared (")


@EACH_COMMAND
def test_a_unit_attention_that_the_kernel_does_not_tell_is_repeated_away(
    opened: ScsiDisk, name: str, command: Callable[[ScsiDisk], None], request_: int, argument: bytes
) -> None:
    """Up to Linux 6.8 the first command after a reset ends with 2 and is not carried out; there may be several."""
    with fake_ioctl.disk(returns(2, 2, 0)) as calls:
        command(opened)
    assert calls == [Call(request_, argument)] * 3
    with fake_ioctl.disk(returns(2)) as calls, pytest.raises(DeviceFailure, match=name):
        command(opened)
    assert 3 <= len(calls) < 20


@EACH_COMMAND
@pytest.mark.parametrize(("returned", "kind"), [(0x18, Conflict), (0x118, Conflict), (0x10000, PathFailure)])
def test_nothing_else_is_repeated(
    opened: ScsiDisk,
    watch: Watched,
    name: str,
    command: Callable[[ScsiDisk], None],
    request_: int,
    argument: bytes,
    returned: int,
    kind: type[Exception],
) -> None:
    with fake_ioctl.disk(returns(returned)) as calls, pytest.raises(kind, match=name):
        command(opened)
    assert calls == [Call(request_, argument)]
    assert watch.heard[-1][1] == "finished"


@pytest.mark.promise(6)
@pytest.mark.parametrize(("name", "command"), [it[:2] for it in COMMANDS])
def test_a_forbidden_command_is_not_sent(
    opened: ScsiDisk, watch: Watched, name: str, command: Callable[[ScsiDisk], None]
) -> None:
    watch.forbidden = name
    with fake_ioctl.disk(returns(0)) as calls, pytest.raises(Abandoned):
        command(opened)
    assert calls == []


@pytest.mark.promise(6)
def test_opening_and_reading_are_announced_too(tmp_path: Path, watch: Watched) -> None:
    (tmp_path / "sda").touch()
    device = Device("shared", str(tmp_path / "sda"), "naa.1")
    disk = ScsiDisk(device, watch)
    with fake_ioctl.disk(Reads((1, []))):
        disk.snapshot()
    operations = ["open", "read keys", "read reservation", "read keys"]
    assert watch.heard == [(device.label(), it) for operation in operations for it in (operation, "finished")]
    watch.forbidden = "open"
    with pytest.raises(Abandoned):
        ScsiDisk(device, watch)


@pytest.mark.promise(5)
def test_a_disk_that_cannot_be_opened_is_said(tmp_path: Path, watch: Watched) -> None:
    with pytest.raises(PathFailure, match=r"none: open: the device is gone \(No such file") as failed:
        ScsiDisk(Device("shared", str(tmp_path / "none"), "naa.1"), watch)
    assert failed.value.status == -errno.ENOENT


@pytest.mark.promise(1, 5)
@pytest.mark.parametrize("found", ["naa.2", ""])
def test_a_node_that_became_another_disks_before_it_was_opened_is_sent_nothing(
    tmp_path: Path, watch: Watched, monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    (tmp_path / "sda").touch()
    monkeypatch.setattr(reservation, "identity_of_open", lambda _fd, _kind: found)
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(PathFailure, match=f"sda: open: is another disk by now: {found or 'none'}"):
        ScsiDisk(Device("shared", str(tmp_path / "sda"), "naa.1"), watch)
    assert set(os.listdir("/proc/self/fd")) == before
    ScsiDisk(Device("shared", str(tmp_path / "sda"), ""), watch).close()


def test_a_disk_knows_whether_it_registered_its_nexus(opened: ScsiDisk) -> None:
    assert not opened.registered
    with fake_ioctl.disk(returns(0x18)), pytest.raises(Conflict):
        opened.register(0xA)
    assert not opened.registered
    with fake_ioctl.disk(returns(0)):
        opened.register(0xA)
    assert opened.registered


class Registers(Reads):
    """REGISTER answers one after the other, the last for ever; `keys` are what is listed. What was sent is kept."""

    def __init__(self, keys: list[int], *answers: int) -> None:
        super().__init__((4, keys))
        self.answers = list(answers)
        self.sent: list[tuple[int, int, int]] = []

    def __call__(self, request: int, buffer: bytearray) -> int:
        if request != pr_ioctl.REQUESTS.register:
            return super().__call__(request, buffer)
        asked = fake_ioctl.Registration.from_buffer(buffer)
        self.sent.append((asked.old_key, asked.new_key, asked.flags))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


CONFIRMED, ANEW = (0xA, 0xA, 0), (0, 0xA, pr_ioctl.FLAG_IGNORE_KEY)


@pytest.mark.parametrize(
    ("listed", "answers", "sent"),
    [
        (False, [0], [ANEW]),
        (True, [0], [CONFIRMED]),
        (True, [2, 0], [CONFIRMED, CONFIRMED]),
        (True, [0x18, 0], [CONFIRMED, ANEW]),
    ],
    ids=["new", "registered", "registered, after a unit attention", "only an older nexus is registered"],
)
def test_a_nexus_is_registered_unconditionally_only_if_it_is_not_registered(
    opened: ScsiDisk, listed: bool, answers: list[int], sent: list[tuple[int, int, int]]
) -> None:
    registers = Registers([0xA, 0xB], *answers)
    with fake_ioctl.disk(registers):
        opened.register(0xA, listed=listed)
    assert registers.sent == sent
    assert opened.registered


@pytest.mark.promise(2)
def test_a_node_whose_listed_key_is_gone_is_not_registered_again(opened: ScsiDisk) -> None:
    registers = Registers([0xB], 0x18)
    with fake_ioctl.disk(registers), pytest.raises(Conflict):
        opened.register(0xA, listed=True)
    assert registers.sent == [CONFIRMED]
    assert not opened.registered


@pytest.mark.promise(5)
@pytest.mark.parametrize(
    ("answer", "explained"),
    [
        (Answer(bytes([0, 8, 0, 0x80, 0, 0, 0, 0])), True),
        (Answer(bytes([0, 8, 1, 0x80, 0, 0, 0, 0])), False),
        (Answer(status=2), False),
    ],
    ids=["cannot persist", "can persist", "does not say"],
)
def test_a_target_that_refuses_to_register_is_asked_whether_it_can_persist(
    opened: ScsiDisk, answer: Answer, explained: bool
) -> None:
    with fake_ioctl.disk(returns(-errno.EINVAL), scsi=lambda _command, _room: answer), pytest.raises(Invalid) as failed:
        opened.register(0xA)
    assert ("cannot keep registrations over a power loss" in str(failed.value)) == explained
    assert "register: refused as invalid" in str(failed.value)


def test_capabilities_are_asked_of_the_target(opened: ScsiDisk, watch: Watched) -> None:
    with fake_ioctl.disk(scsi=lambda _command, _room: Answer(bytes([0, 8, 0, 0x81, 0x20, 0, 0, 0]))):
        assert opened.capabilities().types == (3,)
    assert watch.heard[0][1] == "report capabilities"
