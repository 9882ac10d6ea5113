"""A code and its fields → the sentence that a person is told. Pure."""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType
    from typing import Any

    Entry = tuple[str, str, str, str, str]

FAILURE, WARNING, STEP = "failure", "warning", "step"


def tables() -> Iterator[ModuleType]:
    """The tables, one after the other: the agent's, the guard's own, and those of the tool."""
    yield from _tables_of_agent()
    from . import guard

    yield guard
    from . import tool

    yield tool
    from . import tool_disks

    yield tool_disks
    from . import doctor

    yield doctor
    from . import doctor_nodes

    yield doctor_nodes
    from . import preflight

    yield preflight
    from . import trial

    yield trial


def _tables_of_agent() -> Iterator[ModuleType]:
    """Those first that a call meets before any disk is opened."""
    from . import devices

    yield devices
    from . import disks

    yield disks
    from . import answers

    yield answers
    from . import fencing

    yield fencing
    from . import registrants

    yield registrants
    from . import call

    yield call
    from . import nodes

    yield nodes
    from . import draining

    yield draining


def load(*, guard: bool) -> None:
    """Have the tables in memory: for a process that must speak while the disk that these lie on hangs.

    guard: the guard's own, too
    """
    for _ in _tables_of_agent():
        pass
    if guard:
        from . import guard as _  # noqa: F401


def find(code: str) -> tuple[str, Entry]:
    """Severity and entry of a code."""
    for table in tables():
        for severity, entries in ((FAILURE, table.FAILURES), (WARNING, table.WARNINGS)):
            if code in entries:
                return severity, entries[code]
        if code in table.STEPS:
            return STEP, (table.STEPS[code], "", "", "", "")
    raise KeyError(code)


def severity(code: str) -> str:
    """FAILURE, WARNING or STEP."""
    return find(code)[0]


def sentence(code: str, fields: Mapping[str, Any], *, hint: bool = True) -> str:
    """The sentence, without the name of the disk in front, and what to do."""
    _, (said, to_do, *_) = find(code)
    parts = [_filled(said, fields)]
    if "last_answer" in fields:
        parts.append(f"last answer to {_shown('last_answer', fields['last_answer'])}")
    if "after" in fields:
        parts.append(_shown("after", fields["after"]))
    if hint and to_do:
        parts.append(_filled(to_do, fields))
    if "reaction" in fields:
        parts.append(_shown("reaction", fields["reaction"]))
    return "; ".join(filter(None, parts))


def to_do(code: str, fields: Mapping[str, Any]) -> str:
    """What to do alone; "" where that follows from the sentence."""
    return _filled(find(code)[1][1], fields)


class _Values:
    """Fields as they are shown, and two that are made of others; missing: whether one was asked for that is empty."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields, self.missing = fields, False

    def __getitem__(self, name: str) -> Any:
        made = _MADE.get(name)
        shown = made(self._fields) if made else _shown(name, self._fields.get(name, ""))
        self.missing = self.missing or shown == ""
        return shown


def _filled(template: str, fields: Mapping[str, Any]) -> str:
    always, *rest = template.split("[")
    text = always.format_map(_Values(fields))
    for part in rest:
        optional, _, always = part.partition("]")
        values = _Values(fields)
        said = optional.format_map(values)
        text += ("" if values.missing else said) + always.format_map(_Values(fields))
    return text


def _shown(name: str, value: Any) -> Any:
    """A field's value in words: keys in hexadecimal, a notice as its sentence; of several disks each with its own."""
    if isinstance(value, dict):
        return sentence(value["code"], value, hint=False)
    if isinstance(value, (list, tuple)):
        return ", ".join(f"{_disk(it)}{_shown(name, it)}" for it in value)
    return f"0x{value:x}" if isinstance(value, int) and name.endswith(("key", "keys")) else value


def _disk(value: Any) -> str:
    """The disk that a notice is about, before it; "" before anything else."""
    return f"{value['disk']}: " if isinstance(value, dict) and "disk" in value else ""


def _number(fields: Mapping[str, Any]) -> str:
    """The status that the kernel gave; of -ETIMEDOUT only the name: Pacemaker looks for its words."""
    status = fields.get("status", 0)
    if status > 0:
        return f"status 0x{status:x}"
    if status == -errno.ETIMEDOUT:
        return "ETIMEDOUT"
    return os.strerror(-status) if status else ""


def _who(fields: Mapping[str, Any]) -> str:
    """A node by name and key, or by its key alone."""
    key = f"key 0x{fields['key']:x}"
    return f"{fields['node']} ({key})" if fields["node"] else key


_MADE = {"number": _number, "who": _who}
