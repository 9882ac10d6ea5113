"""Words for what happened: how a promise came to be broken, to be read by a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .configuration import DEFAULT
from .deeds import DEEDS
from .kernel import Contents
from .scenario import WORDS
from .unit import CONFLICT, OK, PATH_FAILED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .runs import Answer
    from .site import Site
    from .states import Event
    from .unit import Unit


class Violation(NamedTuple):
    """A broken promise and the way to it. Prints as a numbered list of what happened."""

    scenario: str
    broken: tuple[str, ...]
    events: tuple[str, ...]
    start: str
    end: str

    def __str__(self) -> str:
        steps = [f"  {number:2}. {event}" for number, event in enumerate(self.events, 1)]
        broken = [f"  => {it}" for it in self.broken]
        return "\n".join([self.scenario, f"  start: {self.start}", *steps, f"  end: {self.end}", *broken])


def disks(site: Site, units: Sequence[Unit]) -> str:
    """All disks' states."""
    return "; ".join(f"disk {number}: {_unit(site, unit)}" for number, unit in enumerate(units, 1))


def _unit(site: Site, unit: Unit) -> str:
    names = _names(site)
    registered = ", ".join(
        nexus if names.get(key) == nexus else f"{nexus} with key {names.get(key, hex(key))}"
        for nexus, key in unit.keys.items()
    )
    held = f"type {unit.type} held by {unit.holder}" if unit.type else "nothing reserved"
    return f"{registered or 'nobody'} registered, {held}"


def event(site: Site, it: Event) -> str:
    """One line."""
    names, disk, fault = _names(site), it.disk + 1, WORDS.get(it.fault, "")
    if it.fault in DEEDS and it.call:
        return f"{it.call.node} {DEEDS[it.fault].__doc__}"
    if it.command is None:
        who = (f"{it.call}: " if it.call.action else f"{it.call.node}: ") if it.call else ""
        return f"{who}{fault}" + (f" (disk {disk})" if disk else "")
    what = f"{it.command.name}({', '.join(names.get(number, str(number)) for number in it.command.numbers)})"
    if it.call is None:
        return f"disk {disk}: the late {what} arrives → {_answer(it.answer, names)}"
    nexus = site.hosts[it.call.node].channels[it.fd].nexus
    over = "" if nexus == it.call.node else f" over {nexus}"
    return f"{it.call}: disk {disk}{over}: {what} → {fault or _answer(it.answer, names)}"


def _answer(answer: Answer, names: dict[int, str]) -> str:
    if isinstance(answer, Contents):
        keys = ", ".join(names.get(key, hex(key)) for key in answer.listed())
        return f"{keys or 'no keys'}; type {answer.type}"
    return {OK: "ok", PATH_FAILED: "path failure", CONFLICT: "conflict"}.get(answer or 0, f"status {answer}")


def _names(site: Site) -> dict[int, str]:
    """Key → node, by the configuration that nobody has touched first."""
    found: dict[int, str] = {}
    for conf in site.confs:
        for name in site.names:
            found.setdefault(site.key(name, conf), name if conf == DEFAULT else f"{name} by another name")
    return found
