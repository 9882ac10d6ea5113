"""The project's own files: linters, and documents that are made from the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import documents, run

PROJECT = Path(__file__).resolve().parent.parent.parent
LONGEST_LINE = 512


@pytest.mark.parametrize("linter", run.LINTERS, ids=" ".join)
def test_linter(linter: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, "-m", *linter], cwd=PROJECT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("path", "content"), documents.documents().items(), ids=lambda value: Path(value).name[:20])
def test_documents_say_what_the_option_table_says(path: Path, content: str) -> None:
    assert path.read_text() == content, "run `make documents`"


def test_no_line_of_a_document_is_too_long_for_debian() -> None:
    """Lintian's very-long-line-length-in-source-file."""
    lines = [
        (path.name, line)
        for path in [*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")]
        for line in path.read_text().splitlines()
    ]
    assert lines
    assert not [(name, line[:80]) for name, line in lines if len(line) >= LONGEST_LINE]


def test_the_code_is_understood_by_the_oldest_python() -> None:
    """Python 3.9 is promised; what it cannot parse must not come in unnoticed."""
    programs = [PROJECT / name for name in ("fence_pr_ioctl", "pr_fence", "pr_fence_guard")]
    for path in [*programs, *(PROJECT / "lib").rglob("*.py")]:
        ast.parse(path.read_text(), feature_version=(3, 9))


GROUPS = """
import os, pathlib, pytest

@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("group", [pytest.param(it, marks=pytest.mark.xdist_group(it)) for it in ("a", "b")])
def test_that_says_where_it_runs(group, number):
    pathlib.Path(f"{group}-{number}").write_text(str(os.getpid()))
"""


def test_a_group_of_tests_runs_in_one_process(tmp_path: Path) -> None:
    """Else every process boots every guest. pytest 9.2.0 takes the groups from pytest-xdist 3.8.0 without a word."""
    (tmp_path / "test_groups.py").write_text(GROUPS)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider", "."]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    processes = [{(tmp_path / f"{group}-{number}").read_text() for number in range(4)} for group in ("a", "b")]
    assert [len(process) for process in processes] == [1, 1]
    assert processes[0] != processes[1]


FOLDERS = sorted(path.parent for path in (PROJECT / "tests").glob("*/__init__.py") if list(path.parent.glob("test_*")))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_of_tests_says_what_it_proves_and_what_it_needs(folder: Path) -> None:
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    assert re.search(r"\bneeds? ", said, re.IGNORECASE), folder
    assert len(said.split("\n")[0]) > 50, folder


def test_every_folder_with_tests_is_a_package() -> None:
    assert {path.parent for path in (PROJECT / "tests").glob("*/test_*.py")} == set(FOLDERS)


def test_developers_are_told_of_every_folder() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (.+) \| (.+) \| (.+) \|$", (PROJECT / "tests/README.md").read_text(), re.MULTILINE
    )
    folders = sorted(path.parent for path in (PROJECT / "tests").glob("*/__init__.py"))
    assert sorted(name for name, *_ in rows) == [folder.name for folder in folders]
    for name, what, needs, _ in rows:
        said = ast.get_docstring(ast.parse((PROJECT / "tests" / name / "__init__.py").read_text())) or ""
        has_tests = PROJECT / "tests" / name in FOLDERS
        assert ("no tests: " in what) != has_tests, name
        assert ("the lab" in needs) >= bool(re.search(r"\bneeds the lab\b", said, re.IGNORECASE)), name
