"""The numbers that are printed are those of inputs that were really tried."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.inputs import fuzz, proof, properties
from tests.inputs.parsers import PARSERS, seeds

if TYPE_CHECKING:
    import pytest


def test_every_parser_has_its_row_and_every_input_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[str] = []
    monkeypatch.setattr(fuzz, "unavailable", lambda: "")
    monkeypatch.setattr(fuzz, "run", lambda *_: [fuzz.Fuzzed(name, 1000, 20, 0.5) for name in PARSERS])
    monkeypatch.setattr(properties, "EXAMPLES", 5)
    for name in PARSERS:
        monkeypatch.setitem(PARSERS, name, partial(lambda name, _: fed.append(name), name))
    rows = proof._parsers(long=False)
    assert [row.what for row in rows] == [f"parser {name}" for name in PARSERS]
    assert {it.parser for it in properties.PROPERTIES} == set(PARSERS)
    for row, name in zip(rows, PARSERS):
        assert row.tried >= 1000 + len(seeds(name)) + 1
        assert fed.count(name) == len(seeds(name))
