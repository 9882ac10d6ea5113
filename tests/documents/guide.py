"""Documents that tell a story: their commands, as they stand there, for the nodes and disks of the lab."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCUMENTS = Path(__file__).resolve().parents[2] / "docs"
MIGRATE, REMOTE = "migrate.md", "remote.md"
DISK = "/dev/disk/by-id/wwn-0x60014051234567890123456789012345"
INDENT = "    "
THERE, BACK = "From fence_scsi", "Back to fence_scsi"
REMOTE_NODE = "A remote node"
# Document → its sections that tests follow.
FOLLOWED = {MIGRATE: (THERE, BACK), REMOTE: (REMOTE_NODE,)}


@dataclass
class Guide:
    """The commands of one section; `words` are what its examples mean, beside the disk."""

    document: str
    section: str
    devices: str
    words: Mapping[str, str]
    _used: set[int] = field(default_factory=set)

    def commands(self, number: int, **words: str) -> list[str]:
        """A block of commands, for bash; further words count before the others."""
        self._used.add(number)
        return [self.translated(line, {**self.words, **words}) for line in _blocks(self.document, self.section)[number]]

    def unused(self) -> list[list[str]]:
        """The blocks that nobody has asked for."""
        return [block for number, block in enumerate(_blocks(self.document, self.section)) if number not in self._used]

    def translated(self, line: str, words: Mapping[str, str] | None = None) -> str:
        """A line of the document for the lab; without words, with those of the whole section."""
        words = words or self.words
        line = line.replace(DISK, self.devices)
        return re.sub(rf"\b({'|'.join(words)})\b", lambda word: words[word[0]], line)


def blocks_elsewhere(document: str) -> list[list[str]]:
    """The blocks of commands that are in none of the sections that tests follow."""
    followed = [block for section in FOLLOWED[document] for block in _blocks(document, section)]
    return [block for block in _blocks_in((DOCUMENTS / document).read_text()) if block not in followed]


def _blocks(document: str, section: str) -> list[list[str]]:
    text = (DOCUMENTS / document).read_text()
    return _blocks_in(text.partition(f"\n## {section}\n")[2].partition("\n## ")[0])


def _blocks_in(text: str) -> list[list[str]]:
    runs = groupby(text.splitlines(), key=lambda line: line.startswith(INDENT))
    return [[line[len(INDENT) :] for line in lines] for indented, lines in runs if indented]
