"""What an action found, as data, and its texts and exit code. Pure."""

from __future__ import annotations

from ..errors import FenceError, Notice
from ..record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from ..storage.device import Device
    from ..storage.snapshot import Snapshot
    from .plan import Done, Step

    # What came of one disk; a FenceError is a failure.
    Outcome = Snapshot | Step | Done | FenceError

EXIT_OK, EXIT_FAILED, EXIT_STATUS_OFF = 0, 1, 2


class DiskReport(Record):
    """One disk: label and identity as in `device.Device`, and what is wrong with it."""

    label: str
    identity: str
    problem: Notice | None


class Report(Record):
    """The result of an action.

    ok        everything that was asked is done and proved
    verdict   in the words of the protocol, for example "Powered OFF"; "" where there is none
    disks     each disk's outcome
    problems  what is wrong apart from single disks
    warnings  what the person should know although it is no failure
    rows      lines of list and list-status, as columns
    """

    ok: bool
    verdict: str = ""
    disks: tuple[DiskReport, ...] = ()
    problems: tuple[Notice, ...] = ()
    warnings: tuple[Notice, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(
        cls,
        devices: Sequence[Device],
        outcomes: Sequence[Outcome],
        verdict: str = "",
        problems: Sequence[Notice] = (),
        warnings: Iterable[Notice] = (),
    ) -> Report:
        """The report of one outcome a device."""
        disks = tuple(
            DiskReport(device.label(), device.identity, _problem(device, outcome))
            for device, outcome in zip(devices, outcomes)
        )
        ok = not problems and not any(disk.problem for disk in disks)
        return cls(ok, verdict if ok else "", disks, tuple(problems), tuple(warnings))

    @classmethod
    def failed(cls, *problems: Notice) -> Report:
        """Of a failure that is no single disk's."""
        return cls(False, problems=problems)

    def with_warnings(self, warnings: Iterable[Notice]) -> Report:
        """The same report with more warnings."""
        return Report(self.ok, self.verdict, self.disks, self.problems, (*self.warnings, *warnings), self.rows)

    def failures(self) -> tuple[Notice, ...]:
        """Everything that is wrong, each disk's first."""
        return (*(disk.problem for disk in self.disks if disk.problem), *self.problems)

    def pack(self) -> dict[str, Any]:
        """As plain values, which can pass from the child to its parent."""
        disks = [(it.label, it.identity, it.problem and it.problem.pack()) for it in self.disks]
        problems, warnings = ([it.pack() for it in notices] for notices in (self.problems, self.warnings))
        return {**vars(self), "disks": disks, "problems": problems, "warnings": warnings}

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Report:
        """The report that was packed in the other process."""
        disks = [DiskReport(label, it, problem and Notice.unpack(problem)) for label, it, problem in packed["disks"]]
        problems, warnings = (tuple(map(Notice.unpack, packed[name])) for name in ("problems", "warnings"))
        return cls(**{**packed, "disks": tuple(disks), "problems": problems, "warnings": warnings})


class Answer(Record):
    """What the process prints and how it ends. `out` goes to standard output, `failures` to standard error."""

    exit_code: int
    out: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def _problem(device: Device, outcome: Outcome) -> Notice | None:
    return outcome.notice().about(device.label()) if isinstance(outcome, FenceError) else None


def answer(action: str, report: Report, separator: str) -> Answer:
    """The texts and the exit code for `report`: the only place where they are made."""
    warnings = tuple(map(str, report.warnings))
    if not report.ok:
        return Answer(EXIT_FAILED, failures=tuple(f"Failed: {it}" for it in report.failures()), warnings=warnings)
    out = tuple(separator.join(row) for row in report.rows)
    if action in ("on", "off"):
        out = (f"Success: {report.verdict}", *warnings)
    elif action == "status":
        out = (f"Status: {report.verdict}",)
    off = action == "status" and report.verdict == "OFF"
    return Answer(EXIT_STATUS_OFF if off else EXIT_OK, out, warnings=warnings)
