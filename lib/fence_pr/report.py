"""What an action found, as data, and its texts and exit code. Pure."""

from __future__ import annotations

from .errors import FenceError
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .device import Device

EXIT_OK, EXIT_FAILED, EXIT_STATUS_OFF = 0, 1, 2


class DiskOutcome(Record):
    """One disk: label and identity as in `device.Device`, and what is wrong with it ("" if nothing)."""

    label: str
    identity: str
    problem: str


class Report(Record):
    """The result of an action.

    ok        everything that was asked is done and proved
    verdict   in the words of the protocol, for example "Powered OFF"; "" where there is none
    disks     each disk's outcome
    problems  what is wrong apart from single disks
    notes     what the person should know although it is no failure
    rows      lines of list and list-status, as columns
    """

    ok: bool
    verdict: str = ""
    disks: tuple[DiskOutcome, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()

    def with_notes(self, notes: Iterable[str]) -> Report:
        """The same report with more notes."""
        return Report(self.ok, self.verdict, self.disks, self.problems, (*self.notes, *notes), self.rows)


class Answer(Record):
    """What the process prints and how it ends. `out` goes to standard output, `failures` to standard error."""

    exit_code: int
    out: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def from_outcomes(
    devices: Sequence[Device],
    outcomes: Sequence[object],
    verdict: str = "",
    problems: Sequence[str] = (),
    notes: Iterable[str] = (),
) -> Report:
    """The report of one outcome a device; an outcome that is a FenceError is a failure."""
    disks = tuple(
        DiskOutcome(device.label(), device.identity, _problem(outcome)) for device, outcome in zip(devices, outcomes)
    )
    ok = not problems and not any(disk.problem for disk in disks)
    return Report(ok, verdict if ok else "", disks, tuple(problems), tuple(notes))


def _problem(outcome: object) -> str:
    return outcome.what() if isinstance(outcome, FenceError) else ""


def answer(action: str, report: Report, separator: str) -> Answer:
    """The texts and the exit code for `report`."""
    if not report.ok:
        return Answer(EXIT_FAILED, failures=tuple(f"Failed: {line}" for line in _failures(report)), notes=report.notes)
    out = tuple(separator.join(row) for row in report.rows)
    if action in ("on", "off"):
        out = (f"Success: {report.verdict}", *report.notes)
    elif action == "status":
        out = (f"Status: {report.verdict}",)
    off = action == "status" and report.verdict == "OFF"
    return Answer(EXIT_STATUS_OFF if off else EXIT_OK, out, notes=report.notes)


def _failures(report: Report) -> list[str]:
    return [*(f"{disk.label}: {disk.problem}" for disk in report.disks if disk.problem), *report.problems]
