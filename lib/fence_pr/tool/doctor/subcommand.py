"""'doctor': from a fencing that failed to its cause. Everything is read, nothing is changed; what causes the rest comes
first.
"""

from __future__ import annotations

import os
from collections import Counter

from ...errors import FenceError
from ...log import one_line
from ...parallel import on_each
from .. import terminal
from . import here
from .findings import FAILURE, UNSEEN, WARNING, Finding, headline, in_order, message, told
from .here import Here
from .nodes import compare, unused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from ...child import Channel
    from ..options import Call
    from ..report import Json
    from ..terminal import Style

# The part of the time that other nodes may take.
_OTHERS_SHARE = 0.85
_WORDS = {FAILURE: ("wrong:", terminal.BAD), UNSEEN: ("unseen:", terminal.ODD), WARNING: ("warning:", terminal.ODD)}
_FIELDS = {FAILURE: "problems", UNSEEN: "unseen", WARNING: "warnings"}
_COLUMN = 10


def examine(call: Call, channel: Channel) -> Json:
    """Look at this node, and ask the others that are named. Raises UsageError."""
    from . import others

    nodes, seconds = others.names(call), call.seconds("timeout") * _OTHERS_SHARE

    def of_other(node: str) -> Callable[[], Any]:
        return lambda: others.ask(node, call, seconds)

    works: list[Callable[[], Any]] = [lambda: here.look(call, channel), *map(of_other, nodes)]
    own, *answers = on_each(lambda work: work(), works)
    for outcome in (own, *answers):
        if isinstance(outcome, FenceError):
            raise outcome
    assert isinstance(own, Here)
    return _report(own, answers)


def _report(here: Here, answers: Sequence[Any]) -> Json:
    """answers: of other nodes, what was found there, or that nothing came of it."""
    asked = [it for it in answers if isinstance(it, dict)]
    facts = _each_once([here.facts, *(it["nodes"][0] for it in asked)])
    found = [*here.findings, *(it for it in answers if isinstance(it, Finding)), *compare(facts, here.methods)]
    if os.geteuid() == 0:
        found += unused(facts, here.named)
    own = [*map(told, found)]
    said = in_order([*own, *(finding for it in asked for finding in _of_other(it, own))])
    report = {"cluster": here.cluster, "local_node": here.local, "fence_devices": list(here.fence_devices),
              "nodes": facts, "findings": said}  # fmt: skip
    return {"found": report, **{field: [message(it) for it in said if it["severity"] == name]
                                for name, field in _FIELDS.items()}}  # fmt: skip


def _of_other(found: Json, own: Sequence[Json]) -> Iterator[Json]:
    """What another node has found. What is the whole cluster's there, and not told here, is told of that node."""
    here = [_sameness(it) for it in own]
    for it in found["findings"]:
        of_cluster = it["nodes"] or _sameness(it) in here
        yield it if of_cluster else {**it, "nodes": [found["nodes"][0]["node"]]}


def _sameness(said: Json) -> tuple[str, str, str]:
    return said["code"], said["disk"], said["text"]


def _each_once(facts: Sequence[Json]) -> list[Json]:
    """Without a node that was asked under two names."""
    found: dict[object, Json] = {}
    for number, it in enumerate(facts):
        found.setdefault(it["boot"] or number, it)
    return list(found.values())


def text(found: Json, style: Style) -> list[str]:
    """For a person: each finding, how it was seen and what to do; then what was looked at."""
    lines: list[str] = []
    for said in found["findings"]:
        word, colour = _WORDS[said["severity"]]
        first, *more = style.entry(word, one_line(headline(said)), 0, _COLUMN)
        lines += [style.paint(colour, first), *(style.paint(colour, line) for line in more)]
        for evidence in said["evidence"]:
            lines += style.entry("seen", one_line(evidence), 2, _COLUMN)
        for name, field in (("cause", "cause"), ("do", "remedy")):
            lines += style.entry(name, one_line(said[field]), 2, _COLUMN) if said[field] else []
        lines.append("")
    return [*lines, *style.paragraph(_summary(found))]


def _summary(found: Json) -> str:
    counts = Counter(it["severity"] for it in found["findings"])
    told = [f"{counts[name]} {word}" for name, word in ((UNSEEN, "unseen"), (WARNING, "to know")) if counts[name]]
    begin = f"{counts[FAILURE]} wrong" if counts[FAILURE] else "Nothing wrong was found" if told else "Nothing is wrong"
    nodes = ", ".join(it["node"] for it in found["nodes"])
    disks = len({disk["identity"] or disk["name"] for it in found["nodes"] for disk in it["disks"]})
    devices = ", ".join(found["fence_devices"]) or "none"
    return one_line(f"{', '.join([begin, *told])}. Looked at: {nodes}; fence devices: {devices}; {disks} disks.")
