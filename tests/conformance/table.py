"""What a case is, and how its lines are read.

A line of a case is a step and what the standard says of it, in cells:

    step | outcome | registered keys | reservation | generation
    step | outcome                                                 nothing changes
    access HOST … | access of each host: rw, r, w or -, such as "A rw, B r"

A cell "scsi …, nvme …" says that the standards differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.conformance.vocabulary import RESTART

if TYPE_CHECKING:
    from collections.abc import Iterator

UNCHANGED = "+0"
STANDARDS = ("scsi", "nvme")


@dataclass(frozen=True)
class Line:
    """One step and what came, or must come, of it.

    keys: names of the registered keys, "-" for none; a host has all its paths registered unless it says otherwise.
    reservation: "none", or type and holder. generation: what was added to it, after a restart its value.
    All three are "" for a step that tells of access.
    """

    step: str
    outcome: str
    keys: str = ""
    reservation: str = ""
    generation: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """What came of it."""
        return self.outcome, self.keys, self.reservation, self.generation

    def differs_from(self, other: Line) -> str:
        """The cells that are not as in `other`, "" if there are none."""
        return ", ".join(mine for mine, others in zip(self.cells, other.cells) if mine != others)


@dataclass(frozen=True)
class Case:
    """One row of the table.

    name    a sentence that says what holds
    source  where the standards say so
    lines   with the cells of both standards
    only    the kinds of target that it is about, none: all
    """

    name: str
    source: str
    lines: tuple[str, ...]
    only: tuple[str, ...] = ()

    @property
    def hosts(self) -> set[str]:
        """The hosts that take part, by letter."""
        return set(re.findall(r"\b[ABC]\b", " ".join(line.partition("|")[0] for line in self.lines)))

    @property
    def restarts(self) -> bool:
        """Whether the target is restarted on the way."""
        return any(line.startswith(RESTART) for line in self.lines)

    def expected(self, standard: str) -> list[Line]:
        """What a standard says, "scsi" or "nvme"."""
        return list(_read(self.lines, STANDARDS.index(standard)))


def case(name: str, source: str, text: str, only: tuple[str, ...] = (), **words: str) -> Case:
    """A case from its lines in one text; `words` stand for what is in braces."""
    lines = tuple(line.strip().format(**words) for line in text.strip().splitlines())
    return Case(name.format(**words), source, lines, only)


def _read(lines: tuple[str, ...], standard: int) -> Iterator[Line]:
    before = Line("", "", "-", "none", UNCHANGED)
    for text in lines:
        step, *cells = (_cell(cell.strip(), standard) for cell in text.split("|"))
        if step.startswith("access "):
            (access,) = cells
            yield Line(step, access)
            continue
        outcome, keys, reservation, generation = (
            cells if len(cells) > 1 else [*cells, before.keys, before.reservation, UNCHANGED]
        )
        before = Line(step, outcome, keys, reservation, generation)
        yield before


def _cell(text: str, standard: int) -> str:
    both = re.fullmatch(r"scsi (.*), nvme (.*)", text)
    return both[standard + 1] if both else text
