"""`make`, `make test`, `make unit`: what is run, and what is fetched for it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests import run
from tests.run import PROJECT, WITHOUT_LAB

if TYPE_CHECKING:
    from pathlib import Path

LAB = PROJECT / "tests/lab"


def made(*arguments: str) -> str:
    """What make prints."""
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout


def test_make_alone_lists_every_target_with_a_line() -> None:
    printed = made()
    assert printed == made("help")
    listed = re.findall(r"^  ([a-z-]+) +\S.*$", printed, re.MULTILINE)
    assert listed == re.findall(r"^([a-z-]+):(?!=)", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert {"test", "unit", "lint", "install"} <= set(listed)
    assert all(len(line) <= 120 for line in printed.splitlines())


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        ([], True),
        (["-k", "abort"], True),
        (["-x", "tests/unit"], False),
        (["tests/unit/test_off.py", "-k", "abort"], False),
        (["tests/unit/test_off.py::test_that_is_new"], False),
        (["./tests/unit/"], False),
        ([str(PROJECT / "tests/unit")], False),
        (["tests/model/test_every_order.py", "tests/packaging"], False),
        (["tests"], True),
        (["tests/model"], True),
        (["tests/unit", "tests/fencing/test_abort.py"], True),
        (["tests/unit/../fencing"], True),
        (["tests/no_such_file.py"], True),
        ([""], True),
    ],
)
def test_kernels_are_fetched_for_what_may_boot_them(arguments: list[str], needed: bool) -> None:
    assert run.needs_lab(arguments) is needed


@pytest.mark.parametrize(
    ("arguments", "one"),
    [
        ([], False),
        (["tests/unit"], False),
        (["tests/unit/test_off.py", "-k", "abort"], True),
        (["tests/unit/test_off.py::test_a", "tests/unit/test_off.py::test_b"], True),
        (["tests/unit/test_off.py", "tests/unit/test_on.py"], False),
    ],
)
def test_one_file_needs_one_process(arguments: list[str], one: bool) -> None:
    assert run.one_file(arguments) is one


def asked_for(path: Path) -> set[str]:
    """The names of all arguments of all functions in a file: fixtures are among them."""
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    return {argument.arg for function in functions for argument in function.args.args}


def fixtures() -> set[str]:
    """What gives a test a kernel or a guest."""
    functions = [
        node for node in ast.walk(ast.parse((LAB / "plugin.py").read_text())) if isinstance(node, ast.FunctionDef)
    ]
    decorated = [function for function in functions if any("fixture" in ast.dump(it) for it in function.decorator_list)]
    return {function.name for function in decorated}


def test_what_is_said_to_need_no_kernel_asks_for_none() -> None:
    assert {"lab", "uml", "namespaces", "fabric"} <= fixtures()
    assert "lab" in asked_for(PROJECT / "tests/fencing/test_promises.py"), "or nothing is shown here"
    for name in WITHOUT_LAB:
        files = sorted((PROJECT / name).rglob("test_*.py")) or [PROJECT / name]
        assert [path.name for path in files if asked_for(path) & fixtures()] == []


def test_a_word_that_is_none_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main("tset") == 2
    assert run.main() == 2
    assert capsys.readouterr().err.count("run.py unit") == 2


def test_it_starts_on_a_machine_that_has_nothing_but_python() -> None:
    """`make` calls it before any tool has been installed."""
    program = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); import tests.run; tests.run.main()"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], check=False, capture_output=True, text=True)
    assert "run.py test" in done.stderr
    assert "Traceback" not in done.stderr
