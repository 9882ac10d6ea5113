"""Preempt-and-abort refused by kernels that tell it by the number of any error: the victim is shut out nevertheless."""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING

import pytest

from fence_pr.errors import Conflict, DeviceFailure, Invalid, NotSupported, PathFailure, UnitAttention
from fence_pr.storage import kernel_status, transient
from tests.model import kernel_answers
from tests.model.world import World, problems, warnings
from tests.unit import fake_ioctl
from tests.unit.fake_ioctl import PERSISTENT_RESERVE_OUT, SG_IO, Answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fence_pr.storage.scsi_disk import ScsiDisk
    from tests.model.target import Command
    from tests.model.world import Fault

UNCLEAR = sorted(kernel_answers.unclear().values())
WERO = 3


def returns(number: int) -> Callable[[int, bytearray], int]:
    return lambda _request, _buffer: number


@pytest.mark.promise(4)
@pytest.mark.parametrize("number", UNCLEAR)
@pytest.mark.parametrize(("abort", "action"), [(True, 5), (False, 4)])
def test_the_target_itself_is_asked_what_the_number_means(
    opened: ScsiDisk, number: int, abort: bool, action: int
) -> None:
    with fake_ioctl.disk(returns(number), lambda _command, _room: Answer()) as calls:
        opened.preempt(0xA, 0xB, WERO, abort=abort)
    (sent,) = (it for it in calls if isinstance(it, bytes))
    assert sent == struct.pack(">BBBBBIB", 0x5F, action, 5, 0, 0, 24, 0) + struct.pack(">QQ8x", 0xA, 0xB)


@pytest.mark.promise(4)
@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(status=2, sense=bytes([0x72, 5, 0x20, 0])), NotSupported, "sense key 5, additional sense 20/00"),
        (Answer(status=2, sense=bytes([0x72, 5, 0x24, 0])), Invalid, "sense key 5, additional sense 24/00"),
        (Answer(status=2, sense=bytes([0x72, 5, 0x26, 0])), Invalid, "sense key 5, additional sense 26/00"),
        (Answer(status=2, sense=bytes([0x72, 6, 0x29, 0])), UnitAttention, "sense key 6"),
        (Answer(status=2, sense=bytes([0x72, 4, 0x44, 0])), DeviceFailure, "sense key 4"),
        (Answer(status=0x18), Conflict, "reservation conflict"),
        (Answer(host=1), PathFailure, "host status 1"),
    ],
    ids=str,
)
def test_and_its_word_counts(opened: ScsiDisk, answer: Answer, kind: type[Exception], words: str) -> None:
    with fake_ioctl.disk(returns(0x2), lambda _command, _room: answer), pytest.raises(kind, match=words):
        opened.preempt(0xA, 0xB, WERO, abort=True)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOTTY])
def test_a_kernel_that_passes_no_question_on_has_refused_nothing(opened: ScsiDisk, number: int) -> None:
    def ioctl(request: int, _buffer: bytearray) -> int:
        assert request != SG_IO
        return 0x2

    def refused(_command: bytes, _room: int) -> Answer:
        raise OSError(number, os.strerror(number))

    with fake_ioctl.disk(ioctl, refused), pytest.raises(DeviceFailure, match="status 0x2") as raised:
        opened.preempt(0xA, 0xB, WERO, abort=True)
    assert transient.is_unclear(raised.value)


@pytest.mark.parametrize("number", [0x18, 0x402, 0x10000, 0x8, -errno.EINVAL])
def test_what_is_clear_is_not_asked(opened: ScsiDisk, number: int) -> None:
    def ioctl(_request: int, _buffer: bytearray) -> int:
        if number < 0:
            raise OSError(-number, "")
        return number

    with fake_ioctl.disk(ioctl, lambda *_: Answer()) as calls, pytest.raises(Exception, match="preempt-and-abort"):
        opened.preempt(0xA, 0xB, WERO, abort=True)
    assert not [it for it in calls if isinstance(it, bytes) and it[0] == PERSISTENT_RESERVE_OUT]


def refusing(number: int, times: int = 1000, *names: str) -> Fault:
    """So many preempts with abort, or commands of these names, are answered with this number."""
    refused = 0

    def fault(command: Command) -> None:
        nonlocal refused
        if command.name in (names or ("preempt",)) and refused < times:
            refused += 1
            raise kernel_status.failure("/dev/sdx", "preempt-and-abort", number)

    return fault


def fenced(folder: Path, fault: Fault, abort: str) -> tuple[World, bool, str]:
    world = World(folder)
    world.register("n1", "n2")
    world.faults[0] = fault
    report = world.run("n1", "off", "n2", abort=abort, limit=20.0)
    return world, report.ok, "\n".join((*warnings(report), problems(report), *world.nodes["n1"].said))


@pytest.mark.promise(4)
@pytest.mark.parametrize("number", UNCLEAR)
def test_after_a_second_answer_without_a_reason_it_is_sent_without_abort(tmp_path: Path, number: int) -> None:
    world, ok, said = fenced(tmp_path, refusing(number), "auto")
    assert ok
    assert (world.members(), world.changes()) == ({"n1"}, [(0, "preempt_without_abort")])
    assert "1 of 1 disks: no abort confirmed" in said
    assert f"without abort: preempt-and-abort: {kernel_status.explain(number)[1]}" in said
    assert sum(world.nodes["n1"].slept) < 1


@pytest.mark.promise(4)
@pytest.mark.parametrize("number", UNCLEAR)
def test_one_such_answer_is_no_reason(tmp_path: Path, number: int) -> None:
    """It may have been a unit attention."""
    world, ok, said = fenced(tmp_path, refusing(number, 1), "auto")
    assert ok
    assert world.changes() == [(0, "preempt")]
    assert "no abort confirmed" not in said


@pytest.mark.promise(4)
@pytest.mark.parametrize("number", UNCLEAR)
def test_where_the_abort_is_required_the_call_fails(tmp_path: Path, number: int) -> None:
    world, ok, said = fenced(tmp_path, refusing(number), "require")
    assert not ok
    assert (world.members(), world.changes()) == ({"n1", "n2"}, [])
    assert "preempt-and-abort" in said


@pytest.mark.promise(4)
@pytest.mark.parametrize("number", [0x8, 0x10000])
def test_what_may_pass_is_waited_for_with_abort(tmp_path: Path, number: int) -> None:
    world, ok, said = fenced(tmp_path, refusing(number, 5), "auto")
    assert ok
    assert world.changes() == [(0, "preempt")]
    assert "no abort confirmed" not in said


@pytest.mark.promise(4)
def test_a_disk_that_refuses_that_too_is_not_called_fenced(tmp_path: Path) -> None:
    world, ok, said = fenced(tmp_path, refusing(0x2, 1000, "preempt", "preempt_without_abort"), "auto")
    assert not ok
    assert world.members() == {"n1", "n2"}
    assert "answered with an error" in said
