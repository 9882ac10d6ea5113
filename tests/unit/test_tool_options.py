"""The tool's command line, its help and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator, ValidationError

from fence_pr import __version__
from fence_pr.errors import UsageError
from fence_pr.tool.options import all_options, help_text, parse
from fence_pr.tool.subcommands import COMMON, EXIT_CALL, SUBCOMMANDS, TOOL, Subcommand
from tests.unit import tooling

if TYPE_CHECKING:
    from fence_pr.option_table import Option

WRONG: tuple[tuple[list[str], str], ...] = (
    ([], "no subcommand: it is one of show, "),
    (["explian", "no-keys"], "no subcommand is called 'explian' (did you mean 'explain'?)"),
    (["explain"], "'explain' needs more words: CODE"),
    (["explain", "--jsn", "no-keys"], "option --jsn is not recognised (did you mean '--json'?)"),
    (["explain", "-x"], "option -x is not recognised"),
    (["explain", "--json=yes", "no-keys"], "option --json does not take an argument"),
    (["explain", "zzzz"], "no message is like 'zzzz'"),
)


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=lambda it: str(it)[:30])
def test_a_wrong_call_is_refused_and_told_why(
    arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    done = tooling.call(capfd, *arguments)
    assert (done.code, done.out) == (EXIT_CALL, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 1
    assert "--help' tells more" in done.err


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=lambda it: str(it)[:30])
def test_a_wrong_call_is_told_in_json_as_well(
    arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    report = tooling.reported(capfd, *arguments)
    assert (report["exit_status"], report["found"]) == (EXIT_CALL, None)
    (problem,) = report["problems"]
    assert said in problem["text"]


def test_json_behind_two_dashes_is_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    assert tooling.call(capfd, "explain", "--", "--json").out == ""


@pytest.mark.parametrize("subcommand", [None, *SUBCOMMANDS], ids=lambda it: it.name if it else "all")
def test_help_begins_with_calls_that_are_understood_and_fits_a_terminal(
    subcommand: Subcommand | None, capfd: pytest.CaptureFixture[str]
) -> None:
    done = tooling.call(capfd, *([subcommand.name] if subcommand else []), "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{help_text(subcommand)}\n"
    lines = done.out.splitlines()
    assert lines[0] == "Examples:"
    assert max(map(len, lines)) <= 100
    options: tuple[Option, ...] = (*(subcommand.options if subcommand else ()), *COMMON)
    for option in options:
        assert f"--{option.long()}" in done.out
    assert all(f"   {code} " in done.out for code in range(4))
    assert subcommand or all(it.name in done.out for it in SUBCOMMANDS)


@pytest.mark.parametrize("subcommand", SUBCOMMANDS, ids=lambda it: it.name)
def test_every_example_can_be_called(subcommand: Subcommand) -> None:
    import shlex

    assert subcommand.examples
    for command, _ in subcommand.examples:
        program, *arguments = shlex.split(command)
        assert program == TOOL
        assert parse(arguments).subcommand == subcommand


def test_options_of_one_name_are_one_option() -> None:
    names = [name for option in all_options() for name in option.names()]
    shorts = [option.short for option in all_options() if option.short]
    assert len({*names}) == len(names)
    assert len({*shorts}) == len(shorts)


def test_help_and_version_need_no_more(capfd: pytest.CaptureFixture[str]) -> None:
    assert tooling.call(capfd, "-V").out == tooling.call(capfd, "explain", "-V").out == f"{TOOL} {__version__}\n"
    with pytest.raises(UsageError, match="is called 'explian'"):
        parse(["explian", "--help"])


def test_the_program_runs_as_a_process() -> None:
    command = [sys.executable, "-ISXutf8", str(tooling.PROJECT / TOOL), "explain", "no-keys", "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    tooling.valid(json.loads(done.stdout))


def test_the_schema_is_one_and_lets_nothing_else_pass(capfd: pytest.CaptureFixture[str]) -> None:
    Draft202012Validator.check_schema(tooling.SCHEMA)
    report = tooling.reported(capfd, "explain", "no-keys")
    wrong: tuple[dict[str, object], ...] = (
        {"schema": 2},
        {"more": 1},
        {"exit_status": 1},
        {"found": {}},
        {"found": None},
        {"problems": [{}]},
    )
    for change in wrong:
        with pytest.raises(ValidationError):
            tooling.valid({**report, **change})
    for name in report:
        with pytest.raises(ValidationError):
            tooling.valid({key: value for key, value in report.items() if key != name})


@pytest.mark.parametrize(
    "action", ["metadata", "status", "off", "on", "monitor", "list", "list-status", "validate-all"]
)
def test_the_agent_loads_nothing_of_the_tool(action: str) -> None:
    """The agent stays as small as it is: start-up is part of fencing time."""
    program = (
        f"import sys; sys.path.insert(0, {str(tooling.PROJECT / 'lib')!r})\n"
        "from fence_pr import agent, child\n"
        "child.run = lambda work, *_: child.Ending(work(child.Channel(1, None)))\n"
        f"agent.main(['--action={action}', '--plug=n1', '--devices=/dev/null', '--cluster-name=lab'])\n"
        "sys.stderr.write('\\n' + ' '.join(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-IS", "-c", program], check=True, capture_output=True, text=True)
    loaded = done.stderr.splitlines()[-1].split()
    assert "fence_pr.agent" in loaded
    assert not [name for name in loaded if name.startswith(("fence_pr.tool", "fence_pr.messages.tool"))]


def test_neither_does_the_guard() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(tooling.PROJECT / 'lib')!r})\n"
        "from fence_pr.guard import check, main\n"
        "check.check = lambda *_: 0\n"
        "main.main(['--check'])\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-IS", "-c", program], check=True, capture_output=True, text=True)
    assert "fence_pr.guard.main" in done.stdout.split()
    assert "fence_pr.tool" not in done.stdout
    assert "fence_pr.messages.tool" not in done.stdout
