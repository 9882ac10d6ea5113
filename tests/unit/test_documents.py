"""What the documents say can be done, and the messages that they explain."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest

from fence_pr.guard.options import CHECK, FORGET, RUN, parse
from fence_pr.tool import options as tool
from tests.documents import commands, guide
from tests.documents.commands import PROJECT, RUN_BY, UNIT, Command

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
        assert re.search(r"\b(?:commands\.)?run_by\([A-Z]+\)", (PROJECT / test).read_text()), test


def test_commands_are_found_wherever_they_stand() -> None:
    """Otherwise the test above would show nothing."""
    text = (
        "Text `pcs a\nb`.\n\n    crm one  # why\n    # only why\n    crm two \\\n        three\n\n"
        "| a | see `man x` |\n\n```\nno command\n```\n`off`, `Already OFF`\n"
    )
    found = commands.commands_in(text)
    assert found == ["pcs a b", "crm one", "crm two three", "man x"]


@pytest.mark.parametrize("document", guide.FOLLOWED)
def test_every_command_of_a_guide_is_a_step_of_the_story_that_a_test_follows(document: str) -> None:
    assert guide.blocks_elsewhere(document) == []


@pytest.mark.parametrize("command", ours("make"), ids=str)
def test_make_knows_the_target_and_what_it_runs_is_there(command: Command) -> None:
    planned = subprocess.run([*command.words, "-n"], cwd=PROJECT, check=True, capture_output=True, text=True)
    assert planned.stdout
    for module in MODULE.findall(planned.stdout):
        assert_runs(module)
    for script in SCRIPT.findall(planned.stdout):
        assert (PROJECT / script).exists()


CHOSEN = [command for command in ours("make") if command.words[1:2] == ["test"] and "ARGS=" in command.text]


@pytest.mark.parametrize("command", CHOSEN, ids=str)
def test_the_tests_that_a_command_chooses_are_there(command: Command) -> None:
    (arguments,) = [word.partition("=")[2] for word in command.words if word.startswith("ARGS=")]
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    subprocess.run([*collect, *shlex.split(arguments)], cwd=PROJECT, check=True, capture_output=True)


def test_one_test_is_told_how_to_be_run() -> None:
    assert CHOSEN, "or nothing was shown above"


@pytest.mark.parametrize("document", [name for name in commands.DOCUMENTS if name.endswith(".md")])
def test_what_a_document_leads_to_is_there(document: str) -> None:
    places = [(PROJECT / document).parent / place for place in commands.pictures_and_links(document)]
    places += [PROJECT / place for place in commands.files_named(document)]
    assert [str(place) for place in places if not place.exists()] == []


def test_links_pictures_and_names_of_files_are_found() -> None:
    """Otherwise the test above would show nothing."""
    assert "docs/proof.md" in commands.pictures_and_links("README.md")
    assert "CONTRIBUTING.md" in commands.pictures_and_links("README.md")
    assert "lib/fence_pr/option_table.py" in commands.files_named("CONTRIBUTING.md")


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


@pytest.mark.parametrize("command", ours("pr_fence_guard"), ids=str)
def test_the_guard_understands_what_it_is_told(command: Command) -> None:
    """What it does then: tests/guard, and the tests of the guard in this folder."""
    assert parse(command.words[1:]).mode in (CHECK, FORGET, RUN)


@pytest.mark.parametrize("command", ours("pr_fence"), ids=str)
def test_the_tool_understands_what_it_is_told(command: Command) -> None:
    """What it says then: the tests of the tool in this folder, and tests/tool."""
    called = tool.parse(command.words[1:])
    assert called.subcommand or called.flag("help")


@pytest.mark.parametrize("command", ours("systemctl"), ids=str)
def test_a_unit_that_a_person_enables_can_be_enabled(command: Command) -> None:
    name, _, kind = command.text.split()[-1].partition(".")
    unit = (PROJECT / f"systemd/{name}.{kind or 'service'}").read_text()
    assert re.search(r"\[Install\]\nWantedBy=", unit)
    unit = (PROJECT / f"systemd/{name}.service").read_text()
    started = re.search(r"^ExecStart=/usr/sbin/(\S+)", unit, re.MULTILINE)
    assert started
    assert (PROJECT / started[1]).exists()
