"""One open disk: stable snapshots, the way back to SG_IO, repetition, and who is told of each command."""

from __future__ import annotations

import errno
import os
import resource
import struct
from typing import TYPE_CHECKING

import pytest

from fence_pr.errors import Abandoned, Conflict, DeviceFailure, Invalid, NotPermitted, OutOfDescriptors, PathFailure
from fence_pr.storage import pr_ioctl
from fence_pr.storage.device import Device
from fence_pr.storage.scsi_disk import ScsiDisk
from fence_pr.storage.snapshot import Snapshot
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import Answer, Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

READ_KEYS, READ_RESERVATION = pr_ioctl.REQUESTS.read_keys, pr_ioctl.REQUESTS.read_reservation


class Watched:
    """Remembers what is announced and finished; forbids what it is told to."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.forbidden = ""

    def announce(self, disk: str, operation: str) -> None:
        """As `disk.Watch`."""
        if operation == self.forbidden:
            raise Abandoned("too-late", operation=operation)
        self.heard.append((disk, operation))

    def finished(self, disk: str) -> None:
        """As `disk.Watch`."""
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


def test_a_snapshot_is_the_reservation_and_then_the_keys_each_read_once(opened: ScsiDisk) -> None:
    """So what is listed is never older than what is in force."""
    reads = Reads((4, [0xA, 0xB]))
    with fake_ioctl.disk(reads):
        assert opened.snapshot() == Snapshot(4, (0xA, 0xB), 3, 0xA)
    assert reads.requests == [READ_RESERVATION, READ_KEYS]


@pytest.mark.promise(1)
def test_another_node_that_registers_all_the_time_keeps_nobody_from_reading(opened: ScsiDisk) -> None:
    reads = Reads(*((number, [0xA]) for number in range(1, 1000)))
    with fake_ioctl.disk(reads):
        assert [opened.snapshot().generation for _ in range(3)] == [1, 2, 3]


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
    assert sum(isinstance(call, bytes) for call in calls) == 4


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
        lambda disk: disk.register(0xA, listed=True),
        pr_ioctl.REQUESTS.register,
        bytes(fake_ioctl.Registration(0xA, 0xA, 0, 0)),
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
    with fake_ioctl.disk(returns(returned)) as calls, pytest.raises(kind):
        command(opened)
    assert calls[0] == Call(request_, argument)
    # After a conflict it is asked which key this nexus has (test_register).
    assert len(calls) == 1 + (name == "register" and kind is Conflict)
    assert calls.count(calls[0]) == 1
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
    operations = ["open", "inquiry", "read reservation", "read keys"]
    assert watch.heard == [(device.label(), it) for operation in operations for it in (operation, "finished")]
    watch.forbidden = "open"
    with pytest.raises(Abandoned):
        ScsiDisk(device, watch)


@pytest.mark.promise(5)
def test_a_disk_that_cannot_be_opened_is_said(tmp_path: Path, watch: Watched) -> None:
    with pytest.raises(PathFailure, match=r"none: open: the device is gone \(No such file") as failed:
        ScsiDisk(Device("shared", str(tmp_path / "none"), "naa.1"), watch)
    assert failed.value.status == -errno.ENOENT


@pytest.fixture
def few_descriptors() -> Iterator[Callable[[int], None]]:
    """Lets this process open so many files more at first; the hard limit stays as it is."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def allow(more: int) -> None:
        used = max(map(int, os.listdir("/proc/self/fd")))
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + more, before[1]))

    yield allow
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_more_disks_than_the_usual_limit_of_open_files_can_be_opened(
    tmp_path: Path, watch: Watched, few_descriptors: Callable[[int], None]
) -> None:
    (tmp_path / "sda").touch()
    few_descriptors(4)
    disks = [ScsiDisk(Device("shared", str(tmp_path / "sda"), ""), watch) for _ in range(20)]
    for disk in disks:
        disk.close()


@pytest.mark.promise(5)
@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_disk_that_cannot_be_opened_for_want_of_descriptors_says_so(
    watch: Watched, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    def none_left(_: str) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(pr_ioctl, "open_disk", none_left)
    monkeypatch.setattr(resource, "setrlimit", refuse)
    with pytest.raises(OutOfDescriptors, match=r"open: .* more files open") as failed:
        ScsiDisk(Device("shared", "/dev/sda", "naa.1"), watch)
    assert "ulimit -n" in str(failed.value)
    assert "dmesg" not in str(failed.value)


def test_a_disk_knows_whether_it_registered_its_nexus(opened: ScsiDisk) -> None:
    assert not opened.registered
    with fake_ioctl.disk(returns(0x18)), pytest.raises(Conflict):
        opened.register(0xA)
    assert not opened.registered
    with fake_ioctl.disk(returns(0)):
        opened.register(0xA)
    assert opened.registered


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


@pytest.mark.promise(5)
@pytest.mark.parametrize("by_ioctl", [True, False])
def test_a_disk_that_refuses_even_to_be_read_is_reserved_by_the_older_command(opened: ScsiDisk, by_ioctl: bool) -> None:
    """SPC-2 5.5.1: RESERVE(6) of another host conflicts with PERSISTENT RESERVE IN."""
    opened._reads_by_ioctl = by_ioctl
    refusing = fake_ioctl.disk(returns(0x18), scsi=lambda _command, _room: Answer(status=0x18))
    with refusing, pytest.raises(Conflict, match=r"RESERVE\(6\)") as failed:
        opened.snapshot()
    assert failed.value.code == "reserved-by-older-command"
    assert "run 'on'" not in str(failed.value), "that would be refused, too"
