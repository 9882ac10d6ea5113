"""The changes that are tried, the record of survivors, and what the command makes of them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.mutants import __main__ as command
from tests.mutants import changes, choice, record, trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.mutants.changes import Change

SAMPLE = 16
TEXT = '''\
"""Words."""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
LIMIT = 3

class Disk:
    """More words."""
    size: int = 0

    def judge(self, keys: list[int] | None, own: bool = True) -> str:
        assert self.size > 0
        if own and not keys:
            raise ValueError("no keys")
        for key in keys or []:
            if key < LIMIT:
                continue
            self.note(key)
        return "out" if own else "in"
'''
EXPECTED = """\
LIMIT: 4
Disk: 1
judge: False
judge: ((own) or (not keys))
judge: ((not keys))
judge: ((own))
judge: not (own and not keys)
judge: (keys)
judge: pass
judge: ((keys) and ([]))
judge: (([]))
judge: ((keys))
judge: (key) <= (LIMIT)
judge: not (key < LIMIT)
judge: break
judge: pass
judge: None
judge: ("out")
judge: ("in")
"""


def of_text(text: str) -> list[Change]:
    """All changes of a file that is only imagined."""
    return changes.of("some/file.py", text.encode())


def test_each_kind_of_change_is_made_and_nothing_that_cannot_matter() -> None:
    found = of_text(TEXT)
    told = [f"{it.where.rpartition('.')[2] or it.named}: {it.text}" for it in found]
    assert sorted(told) == sorted(EXPECTED.splitlines())
    assert {it.entry for it in found if it.entry[0]} == {("judge", 13)}


def test_a_change_is_known_by_its_text_wherever_it_stands() -> None:
    moved = of_text(TEXT.replace("LIMIT = 3\n", "\n\n\nLIMIT = 3\n"))
    assert list(map(str, moved)) == list(map(str, of_text(TEXT)))
    assert str(moved[0]) == "== some/file.py\n-LIMIT = 3\n+LIMIT = 4"


@pytest.mark.parametrize("path", ["actions/off.py", "guard/verdict.py", "storage/nvme.py"])
def test_every_change_is_another_program(path: str) -> None:
    source = (choice.LIB / path).read_bytes()
    found = changes.of(path, source)
    assert len(found) > 50
    same = ast.dump(ast.parse(source))
    for change in found:
        assert ast.dump(ast.parse(change.applied(source))) != same, change


def test_tests_are_chosen_by_the_lines_that_they_run() -> None:
    (change,) = changes.of("actions/plan.py", (choice.LIB / "actions/plan.py").read_bytes())[:1]
    line = change.lines[0]
    run = {"a": {"actions/plan.py": [line - 1]}, "b": {"actions/plan.py": [line]}, "c": {"actions/off.py": [line]}}
    assert choice.of_lines(change, run) == ["b"]
    outside = replace(change, entry=("", 0), named="SINGLE_HOLDER_TYPES")
    users = [number for number, text in enumerate((choice.LIB / "actions/off.py").read_text().splitlines(), 1)
             if "SINGLE_HOLDER_TYPES" in text]  # fmt: skip
    assert choice.of_lines(outside, {"a": {"actions/off.py": users}, "b": {"actions/off.py": [1]}}) == ["a"]
    assert choice.files(change)[0].name == "test_plan.py"


ENTRY = "Words.\n== a.py f\n-x = 1\n+x = 2\nequivalent: nobody reads x any more\n"


def test_the_record_says_why() -> None:
    assert record.load(ENTRY).entries == {
        "== a.py f\n-x = 1\n+x = 2": record.Known("== a.py f\n-x = 1\n+x = 2", "nobody reads x any more", True)
    }
    for wrong in (
        ENTRY.replace("equivalent: ", ""),
        ENTRY.replace("+x", " x"),
        ENTRY.replace("nobody reads x any", ""),
    ):
        with pytest.raises(ValueError, match="no "):
            record.load(wrong)


def test_what_is_on_record_is_still_in_the_code() -> None:
    known = record.load()
    paths = {re.split(r"[ \n]", it)[1] for it in known.entries} | known.complete
    there = {str(it) for path in paths for it in changes.of(path, (choice.LIB / path).read_bytes())}
    assert set(known.entries) <= there
    assert known.complete, "or the sample in CI judges nothing"
    assert {path.partition("/")[0] for path in known.complete} <= set(command.SAFETY)


@pytest.mark.parametrize(
    ("path", "outcome", "on_record", "code"),
    [
        ("actions/plan.py", trial.KILLED, False, 0),
        ("actions/plan.py", trial.SURVIVED, False, 1),
        ("actions/plan.py", trial.NOT_RUN, False, 1),
        ("actions/plan.py", trial.SURVIVED, True, 0),
        ("tool/plan.py", trial.SURVIVED, False, 0),
        ("actions/plan.py", "", False, 3),
    ],
)
def test_a_new_survivor_fails(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    path: str,
    outcome: str,
    on_record: bool,
    code: int,
) -> None:
    chosen: list[Change] = []

    def tried(found: Sequence[Change], _seed: int, measured: bool) -> Iterator[tuple[Change, str, str]]:
        assert measured
        chosen.extend(found)
        if outcome:
            yield found[0], outcome, "some test"

    def load() -> record.Record:
        known = [record.Known(str(it), "a reason", True) for it in changes.of(path, (choice.LIB / path).read_bytes())]
        return record.Record({it.anchor: it for it in known if on_record}, frozenset({"actions/plan.py"}))

    monkeypatch.setattr(command, "tried", tried)
    monkeypatch.setattr(record, "load", load)
    assert command.main(["--all", "--sample=1", "--seed=5", path]) == code
    said = capsys.readouterr().out
    assert 'the same again: make mutants ARGS="--all --sample=1 --seed=5' in said
    assert (str(chosen[0]) in said) == (outcome in (trial.SURVIVED, trial.NOT_RUN) and not on_record)


@pytest.mark.long
@pytest.mark.xdist_group("mutants")
def test_a_sample_is_noticed() -> None:
    """In files of which all survivors are known; another sample in each run."""
    asked = ["--quick", "--complete", f"--sample={SAMPLE}"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutants", *asked], cwd=choice.PROJECT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{SAMPLE} of {SAMPLE} tried" in done.stdout
    assert 'the same again: make mutants ARGS="--quick --complete' in done.stdout
