"""What 'show' prints: a table of disks and nodes, and then each disk."""

from __future__ import annotations

import os

from ..log import one_line
from ..storage.snapshot import OFF, ON
from . import terminal
from .disks import DECLARED, FOREIGN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .report import Json
    from .terminal import Style

    # What it says, and its colour, "" for none.
    Cell = tuple[str, str]

_SHORT_TYPES = {1: "WE", 2: "EA", 3: "WERO", 4: "EARO", 5: "WEAR", 6: "EAAR"}
_COLOURS = {ON: terminal.GOOD, OFF: terminal.ODD}
_NOTHING, _UNREAD, _HOLDER = "-", "?", "*"
_GAP = 2
_LONGEST_NAME = 24


def lines(found: Json, style: Style) -> list[str]:
    """For a person."""
    told = [_head(found)]
    if found["disks"]:
        told += ["", *_table(found, style)]
    for disk in found["disks"]:
        entries = of_disk(disk, style)
        told += ["", *entries] if len(entries) > 1 else []
    if found["without_reservations"]:
        told += ["", *style.entry("without reservations", ", ".join(found["without_reservations"]), 0, 22)]
    return told


def _head(found: Json) -> str:
    cluster = f"Cluster {found['cluster']}" if found["cluster"] else "No cluster is configured here"
    local = f", this is {found['local_node']}" if found["local_node"] else ""
    return one_line(f"{cluster}{local}; {len(found['disks'])} disks")


def short_name(disk: Json) -> str:
    """The last part of the kernel's name; of a map and of what leads to no disk that of its own."""
    own = disk["name"] if disk["kind"] in ("multipath", "") else disk["device"]
    name = one_line(os.path.basename(own.rstrip("/")) or own)
    return name if len(name) <= _LONGEST_NAME else f"…{name[1 - _LONGEST_NAME :]}"


def _table(found: Json, style: Style) -> list[str]:
    """As many tables as the width takes, with the same disks and other nodes."""
    nodes = [it["node"] for it in found["nodes"]]
    head: list[list[Cell]] = [[("DISK", ""), ("PATHS", ""), ("RESERVED", "")]]
    head += [[(short_name(it), ""), _paths(it), _reserved(it)] for it in found["disks"]]
    tail: list[list[Cell]] = [[("FOREIGN", "")], *([_foreign(it)] for it in found["disks"])]
    columns = [[(one_line(node), ""), *(_state(it, node) for it in found["disks"])] for node in nodes]
    if nodes and len(found["disks"]) > 1:
        head.append([("status", ""), ("", ""), ("", "")])
        tail.append([("", "")])
        for column, it in zip(columns, found["nodes"]):
            column.append((it["state"], _COLOURS.get(it["state"], terminal.BAD)))
    fixed = sum(_width(column) + _GAP for column in [*zip(*head), *zip(*tail)])
    told: list[str] = []
    for some in _portions(columns, style.width - fixed):
        rows = [[*left, *(column[at] for column in some), *right] for at, (left, right) in enumerate(zip(head, tail))]
        widths = [_width(column) for column in zip(*rows)]
        told += [*([""] if told else []), *(_row(row, widths, style) for row in rows)]
    if any(_HOLDER in cell for column in columns for cell, _ in column[1:]):
        told.append(f"{_HOLDER} holds the reservation")
    return told


def _portions(columns: list[list[Cell]], room: int) -> list[list[list[Cell]]]:
    portions: list[list[list[Cell]]] = [[]]
    left = room
    for column in columns:
        width = _width(column) + _GAP
        if portions[-1] and width > left:
            portions.append([])
            left = room
        portions[-1].append(column)
        left -= width
    return portions


def _width(cells: Iterable[Cell]) -> int:
    return max(len(said) for said, _ in cells)


def _row(row: list[Cell], widths: list[int], style: Style) -> str:
    padded = [style.paint(colour, said) + " " * (width - len(said)) for (said, colour), width in zip(row, widths)]
    return (" " * _GAP).join(padded).rstrip()


def _paths(disk: Json) -> Cell:
    if not disk["paths"]:
        return _UNREAD, terminal.BAD
    live, dead = disk["paths"]["live"], len(disk["paths"]["dead"])
    return f"{live}/{live + dead}", terminal.BAD if dead else ""


def _reserved(disk: Json) -> Cell:
    if disk["registrations"] is None:
        return _UNREAD, terminal.BAD
    held = disk["reservation"]
    return (_SHORT_TYPES.get(held["type"], str(held["type"])), "") if held else (_NOTHING, "")


def _foreign(disk: Json) -> Cell:
    if disk["registrations"] is None:
        return _UNREAD, terminal.BAD
    count = sum(it["count"] for it in disk["registrations"] if it["owner"] == FOREIGN)
    return (str(count), terminal.ODD) if count else (_NOTHING, "")


def _state(disk: Json, node: str) -> Cell:
    state = next((it["state"] for it in disk["states"] if it["node"] == node), "")
    if not state:
        return _UNREAD, terminal.BAD
    count = sum(it["count"] for it in disk["registrations"] if it["node"] == node)
    holds = disk["reservation"] and disk["reservation"]["holder"] == node
    times = f" x{count}" if count > 1 else ""
    return f"{state}{_HOLDER if holds else ''}{times}", _COLOURS.get(state, terminal.BAD)


def of_disk(disk: Json, style: Style) -> list[str]:
    alias = "" if disk["device"] in ("", disk["name"]) else f" ({disk['device']})"
    told = [one_line(f"{disk['name']}{alias}")]
    entries: list[tuple[str, str]] = []
    if disk["device"]:
        entries.append(("identity", f"{disk['identity'] or 'none'}, {disk['kind']}"))
    if disk["registrations"] is not None:
        entries += [("paths", _of_paths(disk["paths"])), ("registered", _of_registrations(disk["registrations"]))]
        entries += [("reserved", _of_reservation(disk)), ("generation", str(disk["generation"]))]
    if disk["fence_device"]:
        entries.append(("fence device", disk["fence_device"]))
    for it in disk["states"]:
        if it["state"] not in (ON, OFF):
            entries.append((it["node"], f"{it['state']}: {it['why']['text']}"))
    for entry, said in entries:
        told += style.entry(one_line(entry), one_line(said))
    return told


def _of_paths(paths: Json) -> str:
    dead = [f"{it['path']} is dead ({it['why']['text']})" for it in paths["dead"]]
    unregistered = f"{paths['unregistered']} without this node's registration"
    return ", ".join([f"{paths['live']} live", *dead, *([unregistered] if paths["unregistered"] else [])])


def _of_registrations(registrations: list[Json]) -> str:
    said = []
    for it in registrations:
        whose = {FOREIGN: "foreign", DECLARED: "declared"}.get(it["owner"]) or it["node"] or "known by its host"
        times = f" x{it['count']}" if it["count"] > 1 else ""
        hosts = f" from {' '.join(it['hosts'])}" if it["hosts"] and it["owner"] == FOREIGN else ""
        said.append(f"{whose} {it['key']}{times}{' (this node)' if it['own'] else ''}{hosts}")
    return ", ".join(said) or "nobody"


def _of_reservation(disk: Json) -> str:
    held = disk["reservation"]
    lasting = {True: "kept over power loss", False: "lost with power", None: "whether kept over power loss is not told"}
    if not held:
        return f"no; registrations {lasting[disk['persistent']]}"
    by = f", held by {held['holder'] or held['holder_key']}" if held["holder_key"] else ""
    return f"{held['name']}{by}; {lasting[disk['persistent']]}"
