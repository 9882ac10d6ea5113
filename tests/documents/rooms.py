"""The rooms of the package, as its imports make them, and docs/pictures/rooms.svg drawn from that."""

from __future__ import annotations

import ast
import re
import textwrap
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parent.parent.parent
PACKAGE = PROJECT / "lib/fence_pr"
PICTURE = PROJECT / "docs/pictures/rooms.svg"
# Each room knows those below it, and none beside it. A folder is a room; what lies at the root is in one by its name.
FLOORS = (("agent", "tool"), ("actions", "guard"), ("words",), ("storage",), ("ground",), ("messages",))
AT_THE_ROOT = {
    "agent": ["agent"],
    "words": ["command_line", "key_options", "log", "metadata", "option_table", "options", "scribe"],
    "ground": [
        "bindings",
        "child",
        "corosync",
        "errors",
        "files",
        "key_form",
        "keys",
        "last_action",
        "nearest",
        "parallel",
        "record",
        "shortage",
        "state_file",
    ],
}
ROOMS = [room for rooms in FLOORS for room in rooms]


def modules() -> dict[str, ast.Module]:
    """Name below the package → its code; packages themselves, which have none, apart."""
    paths = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py"]
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(path.read_text()) for path in paths}


def imported(module: str, code: ast.Module) -> Iterator[str]:
    """The modules of the package that a module imports anywhere in it, also for its types only."""
    room = module.split(".")[:-1]
    for statement in ast.walk(code):
        if isinstance(statement, ast.ImportFrom) and statement.level:
            above = room[: len(room) + 1 - statement.level]
            start = ".".join([*above, *(statement.module or "").split(".")]).strip(".")
            for alias in statement.names:
                name = f"{start}.{alias.name}".strip(".")
                yield name if name in MODULES else start


MODULES = modules()
ARROWS = {name: set(imported(name, code)) & set(MODULES) for name, code in MODULES.items()}


def room_of(module: str) -> str:
    """The room that a module is in."""
    folder, dot, _ = module.partition(".")
    return folder if dot else next(room for room, inside in AT_THE_ROOT.items() if module in inside)


def inside(room: str) -> list[str]:
    """The modules of a room, by their names in it."""
    return [module.removeprefix(f"{room}.") for module in MODULES if room_of(module) == room]


def floor_of(room: str) -> int:
    """From 0, the highest."""
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def between_rooms() -> Counter[tuple[str, str]]:
    """From room to room, how many imports there are."""
    rooms = ((room_of(module), room_of(other)) for module, others in ARROWS.items() for other in others)
    return Counter(arrow for arrow in rooms if arrow[0] != arrow[1])


_WIDTH, _ROOM_WIDTH, _GAP, _MARGIN, _LETTERS = 960, 620, 18, 10, 88
_NAME_HEIGHT, _LINE_HEIGHT, _LEAST_HEIGHT = 34, 14, 74
_COLUMN = 18

_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" \
aria-labelledby="title description" font-family="sans-serif" font-size="14">
  <title id="title">The rooms of fence_pr</title>
  <desc id="description">{description}</desc>
  <!-- Made by `make documents` from the imports. Colours that can be read on white and on black. -->
  <style>
    .node {{ fill: #1f5fbf; stroke: #6f9fe0; }}
    .on {{ fill: #fff; }}
    .name {{ font-weight: bold; }}
    .small {{ font-size: 12px; }}
    .said {{ fill: #767676; font-size: 12px; }}
    .line {{ stroke: #767676; stroke-width: 1.5; fill: none; }}
    .head {{ fill: #767676; }}
  </style>
  <defs>
    <marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="6" markerHeight="6" orient="auto">\
<path class="head" d="M0 0 10 5 0 10z"/></marker>
  </defs>
"""


def picture() -> str:
    """Rooms from the highest; at their right side an arrow to each room that they import from, and how often."""
    tops, height = {}, _MARGIN
    for room in ROOMS:
        tops[room] = height
        height += _height(room) + _GAP
    arrows = sorted(between_rooms().items(), key=lambda it: (ROOMS.index(it[0][0]), -ROOMS.index(it[0][1])))
    described = "; ".join(f"{start} imports {count} times from {other}" for (start, other), count in arrows)
    lines = [_HEAD.format(width=_WIDTH, height=height, description=f"From the highest to the lowest: {described}.")]
    for room, top in tops.items():
        lines += _room(room, top)
    ends: Counter[str] = Counter()
    for column, ((start, other), count) in enumerate(arrows, 1):
        x, right = _MARGIN + _ROOM_WIDTH + 6 + column * _COLUMN, _MARGIN + _ROOM_WIDTH
        begin, end = (tops[room] + 10 + _step(ends, room) for room in (start, other))
        lines.append(f'  <path class="line" d="M{right} {begin} H{x} V{end} H{right + 2}" marker-end="url(#head)"/>\n')
        lines.append(f'  <text class="said" x="{x + 2}" y="{(begin + end) // 2}">{count}</text>\n')
    return "".join([*lines, "</svg>\n"])


def _step(ends: Counter[str], room: str) -> int:
    """Where at a room's side the next line meets it."""
    ends[room] += 1
    return 9 * (ends[room] - 1)


def _words(room: str) -> list[str]:
    """What is in a room, a line each: its modules, and of a folder in it the name."""
    names = dict.fromkeys(re.sub(r"\..*", "/", module) for module in inside(room))
    return textwrap.wrap("  ".join(names), _LETTERS)


def _height(room: str) -> int:
    return max(_LEAST_HEIGHT, _NAME_HEIGHT + _LINE_HEIGHT * len(_words(room)) + 8)


def _room(room: str, top: int) -> list[str]:
    name = room if room in AT_THE_ROOT else f"{room}/"
    lines = [f'  <rect class="node" x="{_MARGIN}" y="{top}" width="{_ROOM_WIDTH}" height="{_height(room)}" rx="6"/>\n']
    lines.append(f'  <text class="on name" x="{_MARGIN + 12}" y="{top + 22}">{name}</text>\n')
    for number, words in enumerate(_words(room)):
        y = top + 40 + _LINE_HEIGHT * number
        lines.append(f'  <text class="on small" x="{_MARGIN + 12}" y="{y}">{words}</text>\n')
    return lines
