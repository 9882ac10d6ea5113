"""The tool as a person calls it: what it prints, its exit code, and its JSON, which has the form that is shipped."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jsonschema import Draft202012Validator

from fence_pr.tool import main as tool
from fence_pr.tool import terminal

if TYPE_CHECKING:
    import pytest

    from fence_pr.tool.terminal import Style

PROJECT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((PROJECT / "schema/pr_fence-1.schema.json").read_text())
PLAIN = terminal.Style()


class Called(NamedTuple):
    """How a call ended."""

    code: int
    out: str
    err: str


def call(capfd: pytest.CaptureFixture[str], *arguments: str) -> Called:
    """Call the tool in this process."""
    mask = os.umask(0o077)
    capfd.readouterr()
    try:
        code = tool.main(list(arguments))
    finally:
        os.umask(mask)
    return Called(code, *capfd.readouterr())


def reported(capfd: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The report of a call in JSON, and the text of the same call made from it."""
    done = call(capfd, *arguments, "--json")
    assert done.err == ""
    (line,) = done.out.splitlines()
    report: dict[str, Any] = json.loads(line)
    valid(report)
    assert report["exit_status"] == done.code
    return report


def valid(report: dict[str, Any]) -> None:
    """Raises unless it is of the form that is shipped."""
    Draft202012Validator(SCHEMA).validate(report)


def text_of(report: dict[str, Any], style: Style = PLAIN) -> list[str]:
    """What a person reads of a report."""
    module = tool._module(report["subcommand"])
    found = module.text(report["found"], style) if report["found"] is not None else []
    remarks = tool.remarks(report, style)
    return [*found, *([""] if found and remarks else []), *remarks]
