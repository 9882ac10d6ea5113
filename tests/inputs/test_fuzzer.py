"""Every parser under a coverage-guided fuzzer, and the inputs that were kept, tried one by one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import seed, tried
from tests.inputs import PROJECT, fuzz, properties
from tests.inputs.parsers import PARSERS, seeds
from tests.lab.plugin import not_covered


@pytest.mark.promise(8)
@pytest.mark.parametrize("parser", PARSERS)
def test_kept_inputs_break_no_parser(parser: str, request: pytest.FixtureRequest) -> None:
    kept = seeds(parser)
    tried.count(request.node, tried.INPUTS, len(kept))
    assert len(kept) >= 4
    for name, data in kept.items():
        try:
            PARSERS[parser](data)
        except Exception as error:
            raise AssertionError(f"{parser}: {name}: {data[:200]!r}") from error


@pytest.mark.promise(8)
@pytest.mark.parametrize("factor", [1, pytest.param(5, marks=pytest.mark.long)])
def test_a_fuzzer_breaks_no_parser(factor: int, request: pytest.FixtureRequest) -> None:
    if fuzz.unavailable():
        not_covered(fuzz.unavailable())
    found = fuzz.run(factor, seed=seed.number(f"fuzzer {factor}"))
    tried.count(request.node, tried.FUZZED, sum(it.executed for it in found))
    assert [it.parser for it in found] == list(PARSERS)
    for it in found:
        assert not it.broken_by, f"{it.parser} is broken by {it.broken_by} (hexadecimal):\n{it.why}"
        assert it.executed >= factor * fuzz.RUNS.get(it.parser, fuzz.OTHER_RUNS)
        assert it.coverage > 10, f"{it.parser} is not instrumented"


@pytest.mark.long
@pytest.mark.parametrize("made", properties.load(), ids=lambda it: it.check.__name__)
def test_properties_hold_for_other_inputs_too(made: properties.Property) -> None:
    made.run(5 * properties.EXAMPLES)


# Each breaks in another way, and not with the first input.
BROKEN = """
from tests.inputs import fuzz
def raises(data):
    if data[:4] == b"acti":
        raise KeyError(data)
def allocates(data):
    if data[:4] == b"acti":
        bytearray(fuzz.MEMORY_BYTES + (64 << 20))
def hangs(data):
    while data[:4] == b"acti":
        pass
print(fuzz.fuzz("stdin", {how}, 100, seconds=1))
"""


@pytest.mark.parametrize(("how", "word"), [("raises", "KeyError"), ("allocates", "MemoryError"), ("hangs", "timeout")])
def test_the_fuzzer_would_find_a_parser_that_is_broken(how: str, word: str) -> None:
    if fuzz.unavailable():
        not_covered(fuzz.unavailable())
    done = subprocess.run(
        [sys.executable, "-c", BROKEN.replace("{how}", how)],
        check=True, cwd=PROJECT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert f"broken_by='{b'acti'.hex()}" in done.stdout
    assert word in done.stdout
