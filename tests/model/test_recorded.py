"""The model gives the answers that were recorded from real targets (`recorded/*.txt`, which say the kernels)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.model.lio import Lio, Lio61
from tests.model.nvmet import Nvmet
from tests.model.unit import CONFLICT, INVALID, NOT_SUPPORTED, NUMBERS, OK

if TYPE_CHECKING:
    from tests.model.unit import Unit

FOLDER = Path(__file__).parent / "recorded"
TARGETS: dict[str, type[Unit]] = {"lio": Lio, "lio-6.1": Lio61, "nvmet": Nvmet}
KEYS = {"a": 0xA, "b": 0xB00000000000000B}
TYPES = {name: number for number, name in enumerate(("none", "WE", "EA", "WERO", "EARO", "WEAR", "EAAR"))}
ANSWERS = {OK: "ok", CONFLICT: "conflict", INVALID: "invalid", NOT_SUPPORTED: "unsupported"}


class Section(NamedTuple):
    """Lines that begin with nothing registered."""

    table: str
    title: str
    lines: tuple[str, ...]


def sections() -> list[Section]:
    """Every section of every table."""
    found = []
    for name in TARGETS:
        lines = [it for it in (FOLDER / f"{name}.txt").read_text().splitlines() if it and not it.startswith("#")]
        starts = [number for number, line in enumerate(lines) if line.startswith("==")]
        assert starts[0] == 0
        found += [
            Section(name, lines[start].strip("= "), tuple(lines[start + 1 : end]))
            for start, end in zip(starts, [*starts[1:], len(lines)])
        ]
    return found


@pytest.mark.parametrize("section", sections(), ids=lambda it: f"{it.table}: {it.title}")
def test_the_model_answers_as_recorded(section: Section) -> None:
    unit = TARGETS[section.table]()
    for line in section.lines:
        if line.startswith("is"):
            assert state(unit, line) == line.split(), line
        else:
            said, expected = (it.split() for it in line.split("->"))
            assert carry_out(unit, said) == expected, line


def carry_out(unit: Unit, words: list[str]) -> list[str]:
    """What the model answers to the left half of a line, in the words of the right."""
    nexus, name, *numbers = words
    if name in ("write", "read"):
        return ["ok" if (unit.can_write if name == "write" else unit.can_read)(nexus) else "EBADE"]
    assert len(numbers) in (NUMBERS[name], NUMBERS[name] - 1)
    status = unit.call(nexus, name, *map(number, numbers))
    return [ANSWERS.get(status, f"{status:x}")]


def number(word: str) -> int:
    """A key's or a type's name, or a hexadecimal number."""
    return {**KEYS, **TYPES}[word] if word in (*KEYS, *TYPES) else int(word, 16)


def state(unit: Unit, line: str) -> list[str]:
    """The model's state in the words of the line, with a generation if the line has one."""
    names = {number: name for name, number in KEYS.items()}
    types = {number: name for name, number in TYPES.items()}
    keys = [f"{nexus}={names.get(key, f'{key:x}')}" for nexus, key in sorted(unit.keys.items())]
    holder = [names.get(unit.holder_key(), f"{unit.holder_key():x}")] if unit.type else []
    generation = [";", "gen", str(unit.generation)] if "gen" in line else []
    return ["is", *keys, ";", types[unit.type], ";", *holder, *generation]
