"""Text with a terminal's colours → SVG, readable on any page: it stands on a ground of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# A letter's width and a line's height, in pixels; letters are made to fit, whatever font the reader has.
_LETTER, _LINE, _MARGIN, _SIZE = 7.5, 17, 14, 12.5
_GROUND = "#1b1f24"
# What select graphic rendition (ECMA-48) asks for → class and colour.
COLOURS = {
    "": ("on", "#e6e6e6"),
    "32": ("good", "#58c372"),
    "1;31": ("bad", "#ff8a80"),
    "35": ("odd", "#d7a6ff"),
    "2": ("faint", "#a3abb5"),
}
_RENDITION = re.compile(r"\x1b\[([\d;]*)m")
_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" \
aria-labelledby="title description" font-family="monospace" font-size="{size}">
  <title id="title">{title}</title>
  <desc id="description">{description}</desc>
  <!-- Made by `make captures` from what the program prints. -->
  <style>
{style}
    text {{ white-space: pre; }}
  </style>
  <rect class="disk" x="0" y="0" width="{width}" height="{height}" rx="6"/>
"""


def picture(title: str, command: str, lines: Sequence[str], columns: int) -> str:
    """The picture of a call and of what it prints. columns: how wide the terminal is."""
    shown = [part for line in (f"$ {command}", *lines) for part in _wrapped(line, columns)]
    width, height = round(columns * _LETTER + 2 * _MARGIN), len(shown) * _LINE + 2 * _MARGIN
    style = [f"    .disk {{ fill: {_GROUND}; }}"]
    style += [f"    .{name} {{ fill: {colour}; }}" for name, colour in COLOURS.values()]
    text = _HEAD.format(width=width, height=height, size=_SIZE, title=escape(f"$ {command}"),
                        description=escape(title), style="\n".join(style))  # fmt: skip
    for number, line in enumerate(shown):
        text += _text(line, _MARGIN + _LINE * number + _LINE - 5)
    return f"{text}</svg>\n"


def plain(line: str) -> str:
    """Without colours."""
    return _RENDITION.sub("", line)


def _wrapped(line: str, columns: int) -> list[str]:
    """As a terminal breaks a line; one with colours is never that long."""
    if len(plain(line)) <= columns or "\x1b" in line:
        return [line]
    return [line[start : start + columns] for start in range(0, len(line), columns)]


def _text(line: str, y: int) -> str:
    bare = plain(line)
    if not bare.strip():
        return ""
    spans = "".join(f'<tspan class="{name}">{escape(part)}</tspan>' for name, part in _spans(line))
    fitted = f'textLength="{len(bare) * _LETTER:g}" lengthAdjust="spacingAndGlyphs"'
    return f'  <text class="on" x="{_MARGIN}" y="{y}" {fitted}>{spans}</text>\n'


def _spans(line: str) -> Iterator[tuple[str, str]]:
    """Class and text of each part."""
    at, colour = 0, ""
    for found in _RENDITION.finditer(line):
        if part := line[at : found.start()]:
            yield COLOURS[colour][0], part
        at, colour = found.end(), "" if found[1] in ("", "0") else found[1]
    if part := line[at:]:
        yield COLOURS[colour][0], part
