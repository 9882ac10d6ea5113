"""How much was tried: inputs a parser, kept seeds, surroundings, seconds. Raises where an answer was not right."""

from __future__ import annotations

import time
from collections import Counter
from typing import NamedTuple

from tests import seed
from tests.inputs import fuzz, properties, start
from tests.inputs.parsers import PARSERS, seeds
from tests.inputs.surroundings import SURROUNDINGS, Surrounding, folder, of_an_ordinary_user

LONG_FACTOR = 50
NOT_COVERED = "NOT COVERED"


class Row(NamedTuple):
    """One line: what was tried, how often, in how many seconds, and what there is to say about it."""

    what: str
    tried: int
    seconds: float
    note: str = ""


def run(long: bool) -> list[Row]:
    """Try everything that needs no lab; `long`: fifty times the inputs."""
    return [*_parsers(long), *_surroundings()]


def _parsers(long: bool) -> list[Row]:
    made, took = _properties(long)
    why_not = fuzz.unavailable()
    chosen = seed.number("fuzzer")
    fuzzed = {} if why_not else {it.parser: it for it in fuzz.run(LONG_FACTOR if long else 1, chosen)}
    rows = []
    for name, feed in PARSERS.items():
        kept = seeds(name)
        for data in kept.values():
            feed(data)
        it = fuzzed.get(name)
        if it and it.broken_by:
            raise AssertionError(f"{name} is broken by {it.broken_by} (hexadecimal), seed {chosen}:\n{it.why}")
        by_fuzzer = f"{it.executed} by the fuzzer, {it.coverage} branches" if it else f"{NOT_COVERED}: {why_not}"
        note = f"{len(kept)} kept, {made[name]} by hypothesis, {by_fuzzer}"
        total = len(kept) + made[name] + (it.executed if it else 0)
        rows.append(Row(f"parser {name}", total, took[name] + (it.seconds if it else 0.0), note))
    return rows


def _properties(long: bool) -> tuple[Counter[str], dict[str, float]]:
    """Inputs a parser, and seconds."""
    before = Counter(properties.TRIED)
    took = dict.fromkeys(PARSERS, 0.0)
    for it in properties.load():
        started = time.monotonic()
        it.run(properties.LONG_EXAMPLES if long else properties.EXAMPLES)
        took[it.parser] += time.monotonic() - started
    return properties.TRIED - before, took


def _surroundings() -> list[Row]:
    with of_an_ordinary_user() as of_user:
        return [_surrounding(it) for it in (*SURROUNDINGS, *of_user)]


def _surrounding(surrounding: Surrounding) -> Row:
    started = time.monotonic()
    with folder() as place, folder() as other:
        if surrounding.needs_namespace(other) and start.no_namespaces():
            return Row(surrounding.name, 0, 0.0, f"{NOT_COVERED}: {start.no_namespaces()}")
        tried = surrounding.try_all(place)
    return Row(surrounding.name, tried, time.monotonic() - started)
