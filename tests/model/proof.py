"""The model's part of the proof: what was explored and what came of it, as numbers.

`run` is for other programs; `python3 -m tests.model` prints what it gives.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from tests import seed

from . import larger, names, old_kernels, random_names, scenarios
from .mutants import MUTANTS
from .search import Search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .mutants import Mutant
    from .scenario import Scenario
    from .search import Result

WALKS, WALKS_LONG = 40, 2000
CLUSTERS, CLUSTERS_LONG, WALKS_OF_CLUSTER = 60, 3000, 4


class Line(NamedTuple):
    """One result. numbers: by what they count; trouble: what went wrong, for a person, "" if nothing did."""

    name: str
    numbers: dict[str, float]
    trouble: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong."""
        return not self.trouble

    def __str__(self) -> str:
        numbers = ", ".join(f"{_written(value)} {what}" for what, value in self.numbers.items())
        return f"{'ok    ' if self.ok else 'BROKEN'} {self.name}: {numbers}"


def run(long: bool = False) -> list[Line]:
    """All results. The short form takes about 40 seconds of one core, the long one half an hour."""
    return list(lines(long))


def lines(long: bool = False) -> Iterator[Line]:
    """As `run`, each line as soon as it is there."""
    families: list[tuple[str, Sequence[Scenario]]] = [
        ("two nodes that fence each other", scenarios.pairs()),
        ("two nodes that fence each other, with faults", scenarios.pairs_with_faults()),
        ("a node that is fenced", scenarios.fencing()),
        ("a node that cannot be fenced", scenarios.hopeless()),
        ("three nodes, and onlookers", scenarios.groups()),
        ("nodes that come", scenarios.unfencing()),
        ("paths that lead elsewhere", scenarios.elsewhere()),
        ("kernels that answer otherwise", old_kernels.short()),
        ("a name is not a node: a premise is broken", names.broken()),
        ("a name is not a node: what nobody can know is warned of", names.untold()),
        ("a name is not a node: legitimate fencing succeeds", names.legitimate()),
    ]
    tried: Counter[str] = Counter()
    for name, family in families:
        yield _explored(f"every order: {name}", family, lambda it: Search(it).explore(), tried)
    for scenario in (*larger.slow(), *larger.long(), *names.deeper(), *old_kernels.long()) if long else ():
        yield _explored(f"every order: {scenario.name}", [scenario], lambda it: Search(it).explore(), tried)
    walks = WALKS_LONG if long else WALKS
    yield _explored("at random", larger.at_random(), lambda it: Search(it).sample(seed.number("walks"), walks), tried)
    clusters = [random_names.draw(it) for it in seeds(CLUSTERS_LONG if long else CLUSTERS)]
    yield _explored(
        "names at random", clusters, lambda it: Search(it).sample(seed.number("walks"), WALKS_OF_CLUSTER), tried
    )
    yield Line("faults injected", dict(sorted(tried.items())))
    yield _caught()


def seeds(clusters: int) -> list[int]:
    """What so many clusters of this run are drawn from."""
    return [seed.number(f"cluster {number}") for number in range(clusters)]


def _explored(
    name: str, family: Sequence[Scenario], explore: Callable[[Scenario], Result], tried: Counter[str]
) -> Line:
    results = [explore(scenario) for scenario in family]
    for result in results:
        tried.update(result.faults)
    numbers = {
        "scenarios": len(results),
        "states": sum(it.states for it in results),
        "schedules": sum(it.schedules for it in results),
        "faults injected": sum(sum(it.faults.values()) for it in results),
        "seconds": sum(it.seconds for it in results),
    }
    return Line(name, numbers, "\n".join(str(it.violation) for it in results if it.violation))


def _caught() -> Line:
    """Every mutant must break the promise that it is known to break."""
    started = time.monotonic()
    survivors = [mutant.sentence for mutant in MUTANTS if not caught(mutant)[0]]
    numbers = {"caught": len(MUTANTS) - len(survivors), "of": len(MUTANTS), "seconds": time.monotonic() - started}
    return Line("mutants", numbers, "\n".join(f"survives: {it}" for it in survivors))


def by_name(name: str) -> Scenario:
    """One of the scenarios of which mutants are caught."""
    (found,) = [it for it in (*scenarios.short(), *names.short(), *larger.slow()) if it.name == name]
    return found


def caught(mutant: Mutant) -> tuple[bool, str]:
    """Whether the explorer catches the mutant, and how, in words."""
    scenario = by_name(mutant.scenario)
    with mutant.installed():
        violation = Search(scenario).explore().violation
    if violation is None:
        return False, "survives"
    return any(it.startswith(f"promise {mutant.promise}:") for it in violation.broken), str(violation)


def _written(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}" if value < 10**9 else f"{value:.1e}"
    return f"{value:.1f}"
