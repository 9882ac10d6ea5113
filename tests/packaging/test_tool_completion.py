"""The tool's bash completion, in a real bash."""

from __future__ import annotations

import subprocess

import pytest

from fence_pr.option_table import FLAG, SELECT
from fence_pr.tool.options import COMMON, SUBCOMMANDS, Subcommand
from tests.packaging.builds import PROJECT

SCRIPT = PROJECT / "completion" / "pr_fence"
COMPLETE = """\
source "$0"
COMP_LINE=$1 COMP_POINT=${#1}
_pr_fence
printf '%s\\n' "${COMPREPLY[@]}"
"""


def replies(typed: str) -> list[str]:
    """What bash is offered after `pr_fence` and the typed text."""
    command = ["bash", "--norc", "-uc", COMPLETE, str(SCRIPT), f"pr_fence {typed}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1] if done.stdout != "\n" else []


def test_subcommands() -> None:
    assert replies("") == [it.name for it in SUBCOMMANDS]
    assert replies("exp") == ["explain"]
    assert replies("--json exp") == ["explain"]


@pytest.mark.parametrize("subcommand", SUBCOMMANDS, ids=lambda it: it.name)
def test_options_are_those_of_the_subcommand(subcommand: Subcommand) -> None:
    options = (*subcommand.options, *COMMON)
    expected = {f"--{option.long()}" for option in options} | {f"-{option.short}" for option in options if option.short}
    assert set(replies(f"{subcommand.name} -")) == expected
    assert set(replies("-")) == set(replies("--json -")) == {"--json", "-V", "--version", "-h", "--help"}


@pytest.mark.parametrize("subcommand", SUBCOMMANDS, ids=lambda it: it.name)
def test_what_follows_a_subcommand_and_its_options(subcommand: Subcommand) -> None:
    if subcommand.deeds:
        assert replies(f"{subcommand.name} ") == list(subcommand.deeds)
    for option in subcommand.options:
        if option.kind == SELECT:
            assert replies(f"{subcommand.name} --{option.long()} ") == list(option.choices)
            first = option.choices[0]
            assert first in [it.rpartition("=")[2] for it in replies(f"{subcommand.name} --{option.long()}={first[0]}")]
        if option.kind != FLAG:
            assert not [it for it in replies(f"{subcommand.name} --{option.long()} ") if it.startswith("--")]
