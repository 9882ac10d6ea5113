"""docs/migrate.md: its commands, as they stand there, for the nodes and disks of the lab."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "migrate.md"
DISK = "/dev/disk/by-id/wwn-0x60014051234567890123456789012345"
INDENT = "    "
THERE, BACK = "From fence_scsi", "Back to fence_scsi"


@dataclass
class Guide:
    """The commands of one section; `words` are what its examples mean, beside the disk."""

    section: str
    devices: str
    words: Mapping[str, str]
    _used: set[int] = field(default_factory=set)

    def commands(self, number: int, **words: str) -> list[str]:
        """A block of commands, for bash; further words count before the others."""
        self._used.add(number)
        return [self._translated(line, {**self.words, **words}) for line in _blocks(self.section)[number]]

    def unused(self) -> list[list[str]]:
        """The blocks that nobody has asked for."""
        return [block for number, block in enumerate(_blocks(self.section)) if number not in self._used]

    def _translated(self, line: str, words: Mapping[str, str]) -> str:
        line = line.replace(DISK, self.devices)
        return re.sub(rf"\b({'|'.join(words)})\b", lambda word: words[word[0]], line)


def blocks_elsewhere() -> list[list[str]]:
    """The blocks of commands that are in neither section."""
    followed = [*_blocks(THERE), *_blocks(BACK)]
    return [block for block in _blocks_in(DOCUMENT.read_text()) if block not in followed]


def _blocks(section: str) -> list[list[str]]:
    return _blocks_in(DOCUMENT.read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0])


def _blocks_in(text: str) -> list[list[str]]:
    runs = groupby(text.splitlines(), key=lambda line: line.startswith(INDENT))
    return [[line[len(INDENT) :] for line in lines] for indented, lines in runs if indented]
