"""How text looks where it goes: its width, and colour on a terminal alone."""

from __future__ import annotations

import os
import textwrap

from ..record import Record

GOOD, BAD, ODD, FAINT = "32", "1;31", "35", "2"
_WIDEST, _NARROWEST = 100, 40


class Style(Record):
    """width: of a line, in columns; colours: whether there are any."""

    width: int = _WIDEST
    colours: bool = False

    def paint(self, colour: str, text: str) -> str:
        """The text in this colour. What it says never depends on that."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colours and text else text

    def paragraph(self, text: str) -> list[str]:
        """A text in as many lines as it takes."""
        return textwrap.wrap(text, self.width, break_long_words=False, break_on_hyphens=False)

    def entry(self, name: str, text: str, indent: int = 2, column: int = 16) -> list[str]:
        """A name, and beside it from a column on what belongs to it, in as many lines as that takes."""
        head = f"{' ' * indent}{name}".ljust(column - 1) + " "
        wrapped = textwrap.wrap(text, max(self.width - column, 20), break_long_words=False, break_on_hyphens=False)
        lines = wrapped or [""]
        return [(head + lines[0]).rstrip(), *(" " * column + line for line in lines[1:])]


def style(stream: int) -> Style:
    """That of the terminal, file or pipe behind a descriptor."""
    if not os.isatty(stream):
        return Style()
    try:
        columns = os.get_terminal_size(stream).columns
    except OSError:
        columns = 0
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM", "dumb") == "dumb"
    return Style(min(max(columns, _NARROWEST), _WIDEST) if columns else _WIDEST, not plain)
