"""What the documents say can be done, and the messages that they explain."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.documents import commands
from tests.documents.commands import PROJECT, RUN_BY, UNIT, Command
from tests.migration import guide

if TYPE_CHECKING:
    from pathlib import Path

MODULE = re.compile(r"-m (tests[\w.]*)")
SCRIPT = re.compile(r"\btests/\S+\.py\b")


def ours(program: str) -> list[Command]:
    """The commands of a program that this file answers for."""
    return [command for command in commands.run_by(UNIT) if command.program == program]


def test_every_command_of_the_documents_is_run_by_a_test() -> None:
    """A new program needs a test that runs it, and a line in RUN_BY; what is no command, one in PHRASES."""
    found = {command.program: command for command in commands.all_commands()}
    assert [str(command) for program, command in found.items() if program not in RUN_BY] == []
    assert set(RUN_BY) == set(found)
    for test in set(RUN_BY.values()):
        assert re.search(r"\b(?:commands\.)?run_by\((PACKAGING|PROGRAMS|UNIT)\)", (PROJECT / test).read_text()), test


def test_commands_are_found_wherever_they_stand() -> None:
    """Otherwise the test above would show nothing."""
    text = (
        "Text `pcs a\nb`.\n\n    crm one  # why\n    # only why\n    crm two \\\n        three\n\n"
        "| a | see `man x` |\n\n```\nno command\n```\n`off`, `Already OFF`\n"
    )
    found = commands.commands_in(text)
    assert found == ["pcs a b", "crm one", "crm two three", "man x"]


def test_every_command_of_the_guide_to_migration_is_a_step_of_the_story_that_a_test_follows() -> None:
    assert guide.blocks_elsewhere() == []


@pytest.mark.parametrize("command", ours("make"), ids=str)
def test_make_knows_the_target_and_what_it_runs_is_there(command: Command) -> None:
    planned = subprocess.run([*command.text.split(), "-n"], cwd=PROJECT, check=True, capture_output=True, text=True)
    assert planned.stdout
    for module in MODULE.findall(planned.stdout):
        assert_runs(module)
    for script in SCRIPT.findall(planned.stdout):
        assert (PROJECT / script).exists()


@pytest.mark.parametrize("command", ours("python3"), ids=str)
def test_a_module_that_a_person_starts_can_be_started(command: Command) -> None:
    (module,) = MODULE.findall(command.text)
    assert command.text == f"python3 -m {module}"
    assert_runs(module)


def assert_runs(module: str) -> None:
    """A package with a main module, or a module that does something when it is the main one."""
    path = PROJECT / module.replace(".", "/")
    if not (path / "__main__.py").exists():
        assert '\nif __name__ == "__main__":\n' in path.with_suffix(".py").read_text()


@pytest.mark.parametrize("command", ours("man"), ids=str)
def test_a_manual_page_is_there(command: Command) -> None:
    (page,) = command.text.split()[1:]
    assert f".TH {page.upper()} 8" in (PROJECT / f"man/{page}.8").read_text()


@pytest.mark.parametrize("command", ours("systemctl"), ids=str)
def test_a_unit_that_a_person_enables_can_be_enabled(command: Command) -> None:
    unit = (PROJECT / f"systemd/{command.text.split()[-1]}.service").read_text()
    assert re.search(r"\[Install\]\nWantedBy=", unit)
    started = re.search(r"^ExecStart=/usr/sbin/(\S+)", unit, re.MULTILINE)
    assert started
    assert (PROJECT / started[1]).exists()


@pytest.mark.parametrize("message", commands.messages())
def test_a_message_that_is_explained_is_one_that_the_agent_says_and_a_test_has_seen(message: str) -> None:
    assert any(says(text, message) for text in texts(PROJECT / "lib/fence_pr", "*.py"))
    assert any(says(text, message) for text in texts(PROJECT / "tests", "test_*.py"))


def says(text: str, message: str) -> bool:
    """Whether the message's words are in the text, whatever stands where it has …"""
    return bool(re.search(".*".join(map(re.escape, re.split(r"\s*…\s*", message))), text, re.DOTALL))


@cache
def texts(folder: Path, names: str) -> set[str]:
    """All strings in the code there, … for what is put in."""
    nodes = [node for path in folder.rglob(names) for node in ast.walk(ast.parse(path.read_text()))]
    filled = [node.values for node in nodes if isinstance(node, ast.JoinedStr)]
    plain = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return plain | {"".join(_plain(part) or "…" for part in parts) for parts in filled}


def _plain(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else ""
