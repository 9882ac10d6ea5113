"""What kernels return where the same target, or path, answers the same: a row an answer, a column some kernels.

`tests/unit/test_kernel_answers.py` asks the agent what it makes of each number; `old_kernels` puts each column between
the agent and the targets of the model. Distributions bring newer code into older kernels, so a kernel may answer as a
later column says: the agent goes by the number, never by a version.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from fence_pr.errors import Conflict, DeviceFailure, Invalid, NotSupported, PathFailure

from .unit import CONFLICT, INVALID, IO_ERROR, PATH_FAILED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fence_pr.errors import ReservationError


class Kernels(NamedTuple):
    """Kernels that answer alike, from the sd driver and the NVMe driver.

    versions   of kernel.org
    found_in   distributions that have such a version
    scsi, nvme  where it stands in their source, or who has measured it
    """

    versions: str
    found_in: str
    scsi: str
    nvme: str


class Row(NamedTuple):
    """What a target or a path says; for each column of KERNELS what an ioctl returns, and what the agent makes of it.

    model  how the model's targets say the same, None if they never do
    """

    said: str
    model: int | None
    returned: tuple[int, ...]
    taken_for: tuple[type[ReservationError], ...]


_RAW = "`nvme_pr_command` returns the status of the controller as it is, with Do Not Retry (4000h)"
KERNELS = (
    Kernels(
        "4.18 to 5.13",
        "RHEL 8, Debian 11",
        "`sd_pr_command` (drivers/scsi/sd.c) returns the result of `scsi_execute_req`; DRIVER_SENSE (08h) stands above"
        " a check condition. Read in 5.10.223; 4.18 from the same statements in its neighbours",
        f"{_RAW} (drivers/nvme/host/core.c). Read in 5.10.223",
    ),
    Kernels(
        "5.14 to 6.0",
        "RHEL 9, Ubuntu 22.04",
        "the same without DRIVER_SENSE, which 5.14 took away. By source",
        f"{_RAW}. By source",
    ),
    Kernels(
        "6.1",
        "Debian 12",
        "the same with the midlayer's verdict in bits 8 to 15 (drivers/scsi/scsi_error.c, `set_scsi_ml_byte`). "
        "Measured",
        f"{_RAW}. Measured",
    ),
    Kernels(
        "6.2 to about 6.10",
        "SLES 15 SP6 and SP7, Ubuntu 24.04",
        "`sd_scsi_to_pr_err` (drivers/scsi/sd.c). Read in 6.12, which has the same",
        "`nvme_sc_to_pr_err` (drivers/nvme/host/pr.c) compares the whole status, so Do Not Retry makes an error of"
        ' whatever it is, until "nvme: fix nvme_pr_* status code parsing" (b1a1fdd7096d). By source',
    ),
    Kernels(
        "6.12 to 6.18",
        "Debian 13, RHEL 10, SLES 16",
        "`sd_scsi_to_pr_err`. Measured",
        "`nvme_status_to_pr_err` (drivers/nvme/host/pr.c). Measured",
    ),
)


def _same(said: str, model: int | None, number: int, kind: type[ReservationError]) -> Row:
    return Row(said, model, (number,) * len(KERNELS), (kind,) * len(KERNELS))


SCSI = (
    Row("reservation conflict", CONFLICT, (0x18, 0x18, 0x118, 0x18, 0x18), (Conflict,) * 5),
    Row(
        "invalid field (24h, 26h), such as an abort that it does not have",
        INVALID,
        (0x8000002, 0x2, 0x402, -errno.EINVAL, -errno.EINVAL),
        (DeviceFailure, DeviceFailure, Invalid, Invalid, Invalid),
    ),
    Row(
        "no such command (20h)",
        None,
        (0x8000002, 0x2, 0x402, 0x2, 0x2),
        (DeviceFailure, DeviceFailure, Invalid, DeviceFailure, DeviceFailure),
    ),
    Row(
        "another check condition, such as a unit attention (repeated by the kernel since 6.9)",
        IO_ERROR,
        (0x8000002, 0x2, 0x2, 0x2, 0x2),
        (DeviceFailure,) * 5,
    ),
    _same("no connection (DID_NO_CONNECT)", PATH_FAILED, 0x10000, PathFailure),
    _same("the connection breaks (DID_TRANSPORT_DISRUPTED)", None, 0xE0000, PathFailure),
    _same("given up early (DID_TRANSPORT_FAILFAST)", None, 0xF0000, PathFailure),
    _same("nobody is asked: no such flag", None, -errno.EOPNOTSUPP, NotSupported),
    _same("nobody is asked: no such ioctl, such as those that read", None, -errno.EINVAL, Invalid),
)
NVME = (
    Row(
        "reservation conflict",
        CONFLICT,
        (0x4083, 0x4083, 0x4083, 0x2, 0x18),
        (*(Conflict,) * 3, DeviceFailure, Conflict),
    ),
    Row(
        "invalid field",
        INVALID,
        (0x4002, 0x4002, 0x4002, 0x2, -errno.EINVAL),
        (Invalid, Invalid, Invalid, DeviceFailure, Invalid),
    ),
    Row(
        "no such command",
        None,
        (0x4001, 0x4001, 0x4001, 0x2, -errno.EINVAL),
        (NotSupported, NotSupported, NotSupported, DeviceFailure, Invalid),
    ),
    Row("internal error", IO_ERROR, (0x6, 0x6, 0x6, 0x2, 0x2), (DeviceFailure,) * 5),
    Row("no way to the namespace (ANA)", None, (0x302, 0x302, 0x302, 0x10000, 0x10000), (PathFailure,) * 5),
    Row("given up by the host (370h)", PATH_FAILED, (0x370, 0x370, 0x370, 0x10000, 0x10000), (PathFailure,) * 5),
    _same("cancelled by a reset or a time-out", None, -errno.EINTR, DeviceFailure),
    _same("nobody is asked: no such ioctl, such as those that read", None, -errno.ENOTTY, NotSupported),
)


class Replayed(NamedTuple):
    """One column, for one transport.

    numbers  what the model's targets answer → what the kernel returns
    no_such_ioctl  what it returns for the ioctls that read, which it does not have; 0: it has them
    """

    numbers: tuple[tuple[int, int], ...]
    no_such_ioctl: int = 0

    def of(self, answer: int) -> int:
        """What an ioctl returns for this answer of the model."""
        return dict(self.numbers).get(answer, answer)


# What the model's targets answer is what these return, and they have the ioctls that read.
NEWEST = Replayed(())


def replayed(rows: Sequence[Row], column: int) -> Replayed:
    """A column of SCSI or NVME."""
    numbers = tuple((row.model, row.returned[column]) for row in rows if row.model is not None)
    return Replayed(numbers, rows[-1].returned[column])


def unclear() -> dict[str, int]:
    """Kernels → the number by which they tell a refused command like any other error, so that nobody knows which."""
    (invalid,) = (row for row in SCSI if row.model == INVALID)
    return {
        kernels.versions: number
        for kernels, number, kind in zip(KERNELS, invalid.returned, invalid.taken_for)
        if kind is DeviceFailure
    }
