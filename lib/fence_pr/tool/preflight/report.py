"""What a pre-flight found, as a part of a report. Pure."""

from __future__ import annotations

from ...errors import Notice
from ...storage.snapshot import TYPE_NAMES
from ..report import examined, told
from .bench import FAIL, PASS, SKIP, WARN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...errors import FenceError
    from ..report import Json
    from .bench import Bench, Outcome, Party
    from .steps import Step

_SLOW_SECONDS = 3.0


def found(
    label: str,
    bench: Bench,
    outcomes: Iterable[tuple[Step, Outcome]],
    refused: FenceError | None,
    removed: list[Notice],
) -> Json:
    """The subcommand's part of the report, and what is wrong. label: the disk as it was named; refused: why nothing was
    written; removed: what an earlier run had left.
    """
    ends = [(step, it.state, [notice.about(label) for notice in it.notices]) for step, it in outcomes]
    problems = [it for _, state, seen in ends if state == FAIL for it in seen]
    problems += [] if refused is None else list(refused.notices())
    warnings = [*removed, *(it for _, state, seen in ends if state == WARN for it in seen)]
    latencies = _latencies(bench)
    slow = [it for it in latencies if it["max"] > _SLOW_SECONDS]
    warnings += [Notice("command-is-slow", {"disk": label, "operation": it["command"], "node": it["node"],
                                            "answer": f"{it['max']:.1f} s"}) for it in slow]  # fmt: skip
    states = [state for _, state, _ in ends]
    said = {
        **_disk_of(bench.one),
        "nodes": [_node_of(it) for it in bench.parties()],
        "verdict": FAIL if FAIL in states else SKIP if refused else WARN if warnings else PASS,
        "tried": sorted({step.part for step, state, _ in ends if state != SKIP}),
        "count": {state: states.count(state) for state in (PASS, WARN, FAIL, SKIP)},
        "steps": [{"name": step.name, "part": step.part, "title": step.title, "state": state,
                   "seen": [told(it) for it in seen]} for step, state, seen in ends],
        "refused": told(refused.notice()) if refused else None,
        "removed": [told(it) for it in removed],
        "latencies": latencies,
        "streams": bench.streams,
        "page": None,
    }  # fmt: skip
    return examined(said, problems, warnings)


def _disk_of(one: Party) -> Json:
    types = one.look["types"]
    return {
        "disk": one.found["name"],
        "identity": one.found["identity"],
        "kind": one.found["kind"],
        "types": None if types is None else [TYPE_NAMES[it] for it in types],
    }


def _node_of(party: Party) -> Json:
    return {
        "node": party.name,
        "host": party.found["host"],
        "kernel": party.found["kernel"],
        "device": party.found["device"],
        "paths": party.found["paths"],
        "dead": sorted(party.look["dead"]),
    }


def _latencies(bench: Bench) -> list[Json]:
    """Of each command of each node, in seconds."""
    return [
        {"node": party.name, "command": command, "count": len(took), "min": min(took),
         "median": sorted(took)[len(took) // 2], "max": max(took)}
        for party in bench.parties() for command, took in sorted(party.took.items())
    ]  # fmt: skip
