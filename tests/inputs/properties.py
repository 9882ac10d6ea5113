"""Properties of parsers, tried on inputs that hypothesis makes: counted, and others in each run.

A property is a test; `python3 -m tests.inputs --long` tries all of them on many more inputs.
"""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

EXAMPLES, LONG_EXAMPLES = 60, 3000
TRIED: Counter[str] = Counter()


@dataclass(frozen=True)
class Property:
    """What must hold for a parser: `check` with values of these strategies raises nothing."""

    parser: str
    check: Callable[..., None]
    strategies: dict[str, SearchStrategy[Any]]

    def run(self, examples: int = EXAMPLES) -> None:
        """Try it on so many inputs."""

        def counted(**values: Any) -> None:
            TRIED[self.parser] += 1
            self.check(**values)

        limits = settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=False,
            suppress_health_check=list(HealthCheck),
        )
        limits(given(**self.strategies)(counted))()


PROPERTIES: list[Property] = []
# Where they are written down.
MODULES = (
    "tests.inputs.test_texts",
    "tests.inputs.test_answers",
    "tests.inputs.test_identities",
    "tests.inputs.test_hosts",
)


def load() -> list[Property]:
    """All of them."""
    for module in MODULES:
        importlib.import_module(module)
    return PROPERTIES


def holds(parser: str, **strategies: SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Make a function of these values a property of the parser, and a test."""

    def decorate(check: Callable[..., None]) -> Callable[[], None]:
        made = Property(parser, check, strategies)
        PROPERTIES.append(made)

        def test() -> None:
            made.run()

        test.__name__, test.__doc__, test.__module__ = check.__name__, check.__doc__, check.__module__
        return test

    return decorate
