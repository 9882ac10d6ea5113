"""The table, the facts and the comparison, without a target."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance import __main__ as main
from tests.conformance import deviations, record
from tests.conformance.cases import CASES
from tests.conformance.deviations import DEVIATIONS, Deviation, Shown
from tests.conformance.table import STANDARDS, Line, case
from tests.conformance.targets import LIO, MULTIPATH, NVMET_LOOP, TARGETS

if TYPE_CHECKING:
    from tests.conformance.record import Results
    from tests.conformance.targets import Target

PROJECT = Path(__file__).resolve().parents[2]
OUTCOMES = {"ok", "conflict", "invalid", "not supported", "device failure"}
V6_1, V7_2 = (6, 1), (7, 2)
CASE = "a wrong own key cannot clear"
STEP = "A ioctl clear X"


@pytest.fixture(autouse=True)
def no_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    """For these tests no target deviates, unless a test says so."""
    monkeypatch.setattr(deviations, "DEVIATIONS", ())


def as_expected(target: Target) -> Results:
    """The results of a target that does everything as the standard says."""
    return {each.name: target.expected(each) for each in target.cases()}


def with_found(target: Target, outcome: str) -> Results:
    """The same, but for the outcome of one line."""
    results = as_expected(target)
    results[CASE] = [replace(line, outcome=outcome) if line.step == STEP else line for line in results[CASE]]
    return results


def fact(found: str, until: tuple[int, int] | None = None) -> Deviation:
    """A fact about that line."""
    return Deviation(("lio",), (None, until), "no", "yes", "because", (Shown(CASE, "A ioctl clear *", found),))


def test_names_are_sentences_of_their_own() -> None:
    assert [name for name, count in Counter(each.name for each in CASES).items() if count > 1] == []


@pytest.mark.parametrize("standard", STANDARDS)
def test_every_line_is_complete(standard: str) -> None:
    for each in CASES:
        for line in each.expected(standard):
            if line.step.startswith("access "):
                hosts = [part.split()[0] for part in line.outcome.split(", ")]
                assert (hosts, line.keys) == (line.step.split()[1:], ""), (each.name, line)
            else:
                assert line.outcome in OUTCOMES, (each.name, line)
                assert line.generation[0] in "+=", (each.name, line)
                assert int(line.generation[1:]) >= 0, (each.name, line)


def test_every_case_is_asked_of_some_target_and_the_others_have_an_excuse() -> None:
    asked = {each.name for target in TARGETS.values() for each in target.cases()}
    assert asked == {each.name for each in CASES}
    for target in TARGETS.values():
        assert {each.name for each in target.cases()} | target.excuses().keys() == asked
        assert all(target.excuses().values())


def test_a_step_without_a_state_changes_nothing() -> None:
    text = "A register | ok | A | none | +1\nB reserve WE | conflict"
    assert case("x", "y", text).expected("scsi")[1] == Line("B reserve WE", "conflict", "A", "none", "+0")


def test_the_standards_may_differ() -> None:
    each = case("x", "y", "A register | scsi conflict, nvme ok | A | none | scsi +0, nvme +1")
    assert [each.expected(standard)[0].outcome for standard in STANDARDS] == ["conflict", "ok"]
    assert [each.expected(standard)[0].generation for standard in STANDARDS] == ["+0", "+1"]


def test_a_host_with_two_paths_registers_twice_and_reserves_once() -> None:
    text = "A register | ok | A | none | +1\nA.1 register | ok | A | none | +1\nA preempt B WE | ok | A | none | +1"
    assert [MULTIPATH._for_paths(line).generation for line in case("x", "y", text).expected("scsi")] == [
        "+2",
        "+1",
        "+1",
    ]


@pytest.mark.parametrize("target", [LIO, MULTIPATH, NVMET_LOOP], ids=lambda target: str(target.name))
def test_who_does_all_as_the_standard_says_has_no_problem(target: Target) -> None:
    assert record.problems(target, V7_2, as_expected(target)) == []
    assert "deviates" not in record.text(target, V7_2, as_expected(target))


def test_a_deviation_that_is_no_fact_is_a_problem() -> None:
    (problem,) = record.problems(LIO, V7_2, with_found(LIO, "ok"))
    assert problem.startswith(f"no known deviation: {CASE} (SPC-4 ")
    assert problem.endswith(f"{STEP} | ok | A | none | +0; the standard: conflict")


def test_a_fact_explains_a_deviation_of_its_kind_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deviations, "DEVIATIONS", (fact("ok"),))
    assert record.problems(LIO, V7_2, with_found(LIO, "ok")) == []
    assert len(record.problems(LIO, V7_2, with_found(LIO, "invalid"))) == 2
    assert len(record.problems(MULTIPATH, V7_2, with_found(MULTIPATH, "ok"))) == 1


def test_a_deviation_that_is_gone_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deviations, "DEVIATIONS", (fact("ok", until=(6, 9)),))
    (problem,) = record.problems(LIO, V6_1, as_expected(LIO))
    assert problem == f"no deviation any more: {CASE}: A ioctl clear *: yes"
    assert record.problems(LIO, V7_2, as_expected(LIO)) == []
    assert len(record.problems(LIO, V7_2, with_found(LIO, "ok"))) == 1


def test_the_printed_table_says_why_a_case_deviates(monkeypatch: pytest.MonkeyPatch) -> None:
    known = fact("ok")
    monkeypatch.setattr(deviations, "DEVIATIONS", (known,))
    monkeypatch.setattr(main, "LETTERS", {known: "a"})
    (asked,) = (each for each in CASES if each.name == CASE)
    results: list[Results] = [as_expected(LIO), with_found(LIO, "ok"), with_found(LIO, "invalid"), {}]
    assert [main.cell((LIO, V7_2, each), asked) for each in results] == ["yes", "a", "?", "-"]


def test_a_record_is_compared_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "FOLDER", tmp_path)
    usual, other = (record.text(LIO, V6_1, each) for each in (as_expected(LIO), with_found(LIO, "ok")))
    assert record.changes(LIO, V6_1, usual)
    (tmp_path / "lio-6.1.txt").write_text(usual)
    assert record.changes(LIO, V6_1, usual) == []
    changed = [line for line in record.changes(LIO, V6_1, other) if line[0] in "+-" and line[:3] not in ("+++", "---")]
    row = f"            {STEP} | ok | A | none | +0      the standard: conflict"
    assert changed == [f"-conforms  {CASE}", f"+deviates  {CASE}", f"+{row}"]


def test_a_kernel_without_a_record_is_compared_with_the_newest_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "FOLDER", tmp_path)
    for name in ("lio-6.1", "lio-7.2", "lio-7.10", "nvmet-loop-7.3"):
        (tmp_path / f"{name}.txt").touch()
    found = [record.path(LIO, release).name for release in ((6, 1), (7, 1), (7, 9), (8, 0), (5, 4))]
    assert found == ["lio-6.1.txt", "lio-6.1.txt", "lio-7.2.txt", "lio-7.10.txt", "lio-5.4.txt"]


@pytest.mark.parametrize("each", DEVIATIONS, ids=lambda each: str(each.does))
def test_a_fact_is_shown_by_the_table_or_by_a_test_that_is_there(each: Deviation) -> None:
    assert bool(each.shown) != bool(each.pinned)
    if each.pinned:
        path, _, name = each.pinned.partition("::")
        tree = ast.parse((PROJECT / path).read_text())
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
