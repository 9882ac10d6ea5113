"""The tool's bash completion, in a real bash."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from fence_pr.option_table import FLAG, SELECT
from fence_pr.tool.subcommands import COMMON, SUBCOMMANDS, Subcommand
from tests.packaging.builds import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = PROJECT / "completion" / "pr_fence"
COMPLETE = """\
source "$0"
COMP_LINE=$1 COMP_POINT=${#1}
_pr_fence
printf '%s\\n' "${COMPREPLY[@]}"
"""


def replies(typed: str, script: Path = SCRIPT) -> list[str]:
    """What bash is offered after `pr_fence` and the typed text."""
    command = ["bash", "--norc", "-uc", COMPLETE, str(script), f"pr_fence {typed}"]
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
        assert not set(subcommand.deeds) & set(replies(f"{subcommand.name} {subcommand.deeds[0]} "))
    for option in subcommand.options:
        if option.kind == SELECT:
            assert replies(f"{subcommand.name} --{option.long()} ") == list(option.choices)
            first = option.choices[0]
            assert first in [it.rpartition("=")[2] for it in replies(f"{subcommand.name} --{option.long()}={first[0]}")]
        if option.kind != FLAG:
            assert not [it for it in replies(f"{subcommand.name} --{option.long()} ") if it.startswith("--")]


def test_nodes_and_disks_are_offered_where_they_belong(tmp_path: Path) -> None:
    (tmp_path / "etc/corosync").mkdir(parents=True)
    (tmp_path / "etc/corosync/corosync.conf").write_text("nodelist {\n  node {\n    name: alpha\n  }\n}\n")
    (tmp_path / "dev/mapper").mkdir(parents=True)
    (tmp_path / "dev/mapper/mpatha").touch()
    text = SCRIPT.read_text()
    for folder in ("/dev/disk/by-id/", "/dev/mapper/", "/etc/corosync/"):
        assert folder in text
        text = text.replace(folder, f"{tmp_path}{folder}")
    (tmp_path / "completion").write_text(text)
    disk = [f"{tmp_path}/dev/mapper/mpatha"]
    for typed, offered in (
        ("plan off ", ["alpha"]),
        ("plan off alpha ", disk),
        ("show ", disk),
        ("repair leave ", disk),
        ("explain ", []),
    ):
        assert replies(typed, tmp_path / "completion") == offered, typed
