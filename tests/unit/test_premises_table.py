"""The table of premises: every row has a test, which there is, and stands in the proof."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.premises.__main__ import told
from tests.premises.elsewhere import ELSEWHERE, Elsewhere
from tests.premises.rows import ROWS, TABLE

PROJECT = Path(__file__).resolve().parents[2]
# What nobody can see from one node: the proof says so.
ON_TRUST = {"F4"}


def names_in(file: Path) -> set[str]:
    """The names of its tests."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {it.name for it in tree.body if isinstance(it, ast.FunctionDef) and it.name.startswith("test_")}


@pytest.mark.parametrize("row", ELSEWHERE, ids=lambda row: row.name)
def test_what_holds_a_row_elsewhere_is_there(row: Elsewhere) -> None:
    assert bool(row.tests) != (row.name in ON_TRUST)
    for test in row.tests:
        file, _, name = test.partition("::")
        assert name in names_in(PROJECT / file), test
        assert f"{test} (not played here)" in "\n".join(told(row))


def test_each_row_has_a_name_of_its_own() -> None:
    assert len({row.name for row in TABLE}) == len(TABLE) == len(ROWS) + len(ELSEWHERE)


def test_no_row_is_missing_between_two_others() -> None:
    """Of each table; C3, D3 and so on were once left out."""
    first = {"F": 0}
    for letter in "ABCDEFG":
        numbers = {int(row.name[1:].partition("-")[0]) for row in TABLE if row.name[0] == letter}
        assert numbers == set(range(first.get(letter, 1), max(numbers) + 1)) - {10 if letter == "G" else -1}, letter


def test_the_proof_has_every_row() -> None:
    proof = (PROJECT / "docs" / "proof.md").read_text(encoding="utf-8")
    assert [row.name for row in TABLE if "-" not in row.name and f"\n| {row.name} |" not in proof] == []
