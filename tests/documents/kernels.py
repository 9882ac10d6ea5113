"""Tables of docs/kernels.md: what kernels return that the lab has not. What runs where: `collected`."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from tests.model.kernel_answers import KERNELS, NVME, SCSI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.model.kernel_answers import Row


def parts() -> dict[str, list[str]]:
    """What `make documents` fills in."""
    return {"kernels": _sources(), "scsi-answers": _answers(SCSI), "nvme-answers": _answers(NVME)}


def _sources() -> list[str]:
    lines = ["| Linux | for example | SCSI (sd) | NVMe |", "|---|---|---|---|"]
    return lines + [f"| {it.versions} | {it.found_in} | {it.scsi} | {it.nvme} |" for it in KERNELS]


def _answers(rows: Sequence[Row]) -> list[str]:
    lines = [f"| answered | {' | '.join(it.versions for it in KERNELS)} |", "|---|" + "---|" * len(KERNELS)]
    return lines + [f"| {row.said} | {' | '.join(map(_number, row.returned))} |" for row in rows]


def _number(returned: int) -> str:
    return hex(returned) if returned > 0 else f"-{errno.errorcode[-returned]}"
