"""A number from the kernel → an error class and words. What kernels return for what: `test_kernel_answers`."""

from __future__ import annotations

import errno
import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fence_pr import errors
from fence_pr.errors import Conflict, DeviceFailure, Invalid, PathFailure, ReservationError
from fence_pr.messages import sentences
from fence_pr.storage import kernel_status

Kind = type[ReservationError]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (0x2, DeviceFailure),
        (0x18, Conflict),
        (0xE0000, PathFailure),
        (0xF0000, PathFailure),
        (0x10000, PathFailure),
    ],
)
def test_every_pr_status_of_linux_pr_h(number: int, kind: Kind) -> None:
    assert kernel_status.explain(number)[0] is kind


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (0x110000, Conflict, "reservation conflict"),  # DID_NEXUS_FAILURE
        (0x100000, Invalid, "refused the command"),  # DID_TARGET_FAILURE
        (0x402, Invalid, "write-protected"),  # Linux 6.1, LIO: DATA PROTECT as well as ILLEGAL REQUEST
        (0x30000, PathFailure, "no answer in time"),  # DID_TIME_OUT
        (0x70000, PathFailure, "host adapter error"),  # DID_ERROR
        (0x140000, PathFailure, "marginal"),  # DID_TRANSPORT_MARGINAL
        (0x220000, PathFailure, "transport error"),
        (0x8, DeviceFailure, "busy"),
        (0x28, DeviceFailure, "task set full"),
        (0x102, DeviceFailure, "check condition"),
        (0x4006, DeviceFailure, "internal error"),  # NVMe, Do Not Retry
        (0x4018, Invalid, "host identifier inconsistent"),
        (0x2083, Conflict, "reservation conflict"),  # NVMe, More
        (0x6001, errors.NotSupported, "no reservation"),  # nvmet without them, Linux 6.1: More, Do Not Retry
        (0x83, Conflict, "reservation conflict"),
        (0x371, PathFailure, "aborted by the host"),
        (0x370, PathFailure, "path error"),
        (0x4301, PathFailure, "lost the namespace"),
        (0x7FF, DeviceFailure, "unknown status"),
        (-errno.EBADE, Conflict, "reservation conflict"),
        (-errno.EAGAIN, PathFailure, "suspended"),
        (-errno.ENODEV, PathFailure, "the device is gone"),
        (-errno.EPERM, errors.NotPermitted, "not permitted"),
        (-errno.EINTR, DeviceFailure, "cancelled under way, may have been carried out"),
        (-errno.EIO, DeviceFailure, "kernel reported"),
        (-9999, DeviceFailure, "kernel reported"),
    ],
)
def test_raw_results_of_old_kernels_and_error_numbers(number: int, kind: Kind, words: str) -> None:
    found, answer = kernel_status.explain(number)
    assert found is kind
    assert words in str(answer)


@given(st.integers(min_value=1, max_value=2**31 - 1))
@example(2**31 - 1)
@example(0x100)
def test_every_positive_number_is_a_failure_with_words(number: int) -> None:
    failure = kernel_status.failure("/dev/sdx", "reserve", number)
    assert isinstance(failure, ReservationError)
    assert str(failure.answer)
    assert f"(status 0x{number:x})" in str(failure)


@pytest.mark.promise(5)
@pytest.mark.parametrize(
    "number",
    [
        *(-number for number in kernel_status._ERRNOS),
        *kernel_status._PR_STATUSES,
        *(number | 0x4000 for number in kernel_status._NVME_STATUSES),  # Do Not Retry
        *(number << 16 | 0x8 for number in kernel_status._HOST_BYTES),
    ],
)
def test_every_answer_that_is_known_has_its_own_words(number: int) -> None:
    """None is looked for in vain when it is told."""
    kind, answer = kernel_status.explain(number)
    assert sentences.severity(answer.code) == sentences.STEP
    failure = kernel_status.failure("/dev/sdx", "reserve", number)
    assert type(failure) is kind
    assert str(failure).startswith(f"/dev/sdx: reserve: {answer} (")


@given(st.integers(min_value=1, max_value=4095))
def test_every_error_number_is_a_failure_with_words(number: int) -> None:
    failure = kernel_status.failure("/dev/sdx", "reserve", -number)
    assert failure.status == -number
    # Pacemaker takes the words of ETIMEDOUT for its own time limit.
    words = "ETIMEDOUT" if number == errno.ETIMEDOUT else os.strerror(number)
    assert f"({words})" in str(failure)


@given(st.integers(min_value=0, max_value=0xFFFF), st.sampled_from([0x18, 0x118]))
def test_only_a_conflict_is_called_a_conflict(number: int, conflict: int) -> None:
    """A conflict taken for something else is retried or believed; anything taken for one looks like a lost race."""
    assert kernel_status.explain(conflict)[0] is Conflict
    nvme = number & 0x7FF == 0x83
    scsi = number & 0xFF == 0x18 and number >> 8 <= 5
    if number:
        assert (kernel_status.explain(number)[0] is Conflict) == (nvme or scsi)


@pytest.mark.promise(5)
@pytest.mark.parametrize("kind", ReservationError.__subclasses__(), ids=lambda kind: kind.__name__)
def test_an_error_names_device_operation_words_and_number(kind: Kind) -> None:
    text = str(kind("/dev/sdx", "preempt-and-abort", 0x118, "these words"))
    for part in ("/dev/sdx", "preempt-and-abort", "these words", "0x118"):
        assert part in text
    assert "/dev/sdx" not in kind("/dev/sdx", "reserve", 2).what()
    assert kind("/dev/sdx", "reserve", 2).answer


@pytest.mark.promise(5)
def test_an_error_without_a_number_does_not_speak_of_success() -> None:
    text = str(errors.IncompleteAnswer("/dev/sdx", "read keys", 0, "5 bytes"))
    assert text.startswith("/dev/sdx: read keys: 5 bytes; ")
    assert "Success" not in text


@pytest.mark.promise(5)
def test_hints_say_what_the_person_can_do() -> None:
    assert "root" in str(kernel_status.failure("/dev/sdx", "register", -errno.EPERM))
    assert "connection" in str(kernel_status.failure("/dev/sdx", "register", 0x10000))


@pytest.mark.parametrize(
    ("status", "scsi", "nvme"),
    [
        (-errno.EAGAIN, True, True),
        (0x08, True, False),
        (0x28, True, False),
        *((status, False, True) for status in (0x301, 0x302, 0x303, 0x4301, 0x4302, 0x4303)),
        (0x18, False, False),
        (0x300, False, False),
        (0x10000, False, False),
        (-errno.ENOLINK, False, False),
        (-errno.EIO, False, False),
    ],
)
def test_which_answers_prove_that_nothing_was_changed(status: int, scsi: bool, nvme: bool) -> None:
    """Numbers of one transport mean something else on the other."""
    error = kernel_status.failure("/dev/sda", "register", status)
    assert kernel_status.was_not_carried_out(error, nvme=False) == scsi
    assert kernel_status.was_not_carried_out(error, nvme=True) == nvme


@pytest.mark.parametrize("kind", [errors.NotPermitted, errors.UnitAttention])
@pytest.mark.parametrize("nvme", [False, True])
def test_a_command_that_is_refused_before_it_is_looked_at_changes_nothing(kind: Kind, nvme: bool) -> None:
    assert kernel_status.was_not_carried_out(kind("/dev/sda", "register", 2), nvme=nvme)
