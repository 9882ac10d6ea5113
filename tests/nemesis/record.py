"""What became of many rounds: a line each in a file, and a table for a person."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from . import checker

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .checker import Violation
    from .history import History
    from .plan import Round


@dataclass(frozen=True)
class Played:
    """One round. faults: their kinds; seconds: that the cluster was not whole, from the first fault or outage on."""

    agent: str
    kernel: str
    seed: int
    outage: str
    nodes: int
    disks: int
    faults: tuple[str, ...]
    fencings: int
    violations: tuple[str, ...]

    @classmethod
    def of(cls, agent: str, kernel: str, it: Round, history: History, found: Iterable[Violation]) -> Played:
        """What there is to keep of a round."""
        fencings = sum(call.action == "off" and call.ok for call in history.calls)
        faults = tuple(fault.kind for fault in it.faults)
        told = tuple(map(str, found))
        return cls(agent, kernel, it.seed, it.outage, len(it.nodes), len(it.disks), faults, fencings, told)

    def broken(self) -> list[str]:
        """The kinds of its violations."""
        return sorted({kind for kind in checker.KINDS for said in self.violations if said.startswith(kind)})


def append(file: Path, played: Played) -> None:
    """A line more."""
    with file.open("a") as lines:
        lines.write(json.dumps(asdict(played)) + "\n")


def read(file: Path) -> list[Played]:
    """All of them."""
    found = [json.loads(line) for line in file.read_text().splitlines()]
    return [Played(**{**it, "faults": tuple(it["faults"]), "violations": tuple(it["violations"])}) for it in found]


def table(rounds: list[Played]) -> list[str]:
    """For each agent: rounds, outages that ended in a fencing, and of each violation in how many rounds it was seen."""
    agents = list(dict.fromkeys(it.agent for it in rounds))
    lines = [f"{'':58}" + "".join(f"{agent:>16}" for agent in agents)]
    of_agent = {agent: [it for it in rounds if it.agent == agent] for agent in agents}
    lines.append(_row("rounds", [len(of_agent[agent]) for agent in agents]))
    lines.append(_row("faults beside the outages", [sum(len(it.faults) for it in of_agent[agent]) for agent in agents]))
    lines.append(_row("fencings that succeeded", [sum(it.fencings for it in of_agent[agent]) for agent in agents]))
    counts = {agent: Counter(kind for it in of_agent[agent] for kind in it.broken()) for agent in agents}
    lines += [_row(kind, [counts[agent][kind] for agent in agents]) for kind in checker.KINDS]
    bad = [sum(bool(it.violations) for it in of_agent[agent]) for agent in agents]
    rate = [100 * count / len(of_agent[agent]) for agent, count in zip(agents, bad)]
    lines.append(f"{'rounds with a violation, in a hundred':58}" + "".join(f"{it:>16.1f}" for it in rate))
    return lines


def _row(what: str, numbers: list[int]) -> str:
    return f"{what:58}" + "".join(f"{it:>16,}" for it in numbers)
