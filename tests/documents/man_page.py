"""What man pages have from the option tables, as roff: title, description, actions and options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import fence_pr
from fence_pr import option_table
from fence_pr.guard import options
from fence_pr.option_table import FLAG
from fence_pr.tool import subcommands as tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fence_pr.option_table import Action, Option


def agent_parts() -> dict[str, list[str]]:
    """The lines of each part of the agent's page."""
    ignored = [option for option in option_table.OPTIONS if option.ignored]
    return {
        **_front(option_table.AGENT, option_table.SHORTDESC, option_table.LONGDESC),
        "actions": [line for action in option_table.ACTIONS for line in _action(action)],
        "options": _options([option for option in option_table.OPTIONS if option not in ignored]),
        "ignored": [line for option in ignored for line in _ignored(option)],
    }


def guard_parts() -> dict[str, list[str]]:
    """The lines of each part of the guard's page."""
    return {
        **_front(options.GUARD, options.SHORTDESC, options.LONGDESC),
        "options": _options(options.OPTIONS),
    }


def tool_parts() -> dict[str, list[str]]:
    """The lines of each part of the tool's page."""
    return {
        **_front(tool.TOOL, tool.SHORTDESC, tool.LONGDESC),
        "subcommands": [line for it in tool.SUBCOMMANDS for line in _subcommand(it)],
        "options": _options(tool.COMMON),
        "exit": [line for code, meaning in tool.EXITS for line in (".TP", _bold(str(code)), roff(meaning))],
        "examples": [
            line
            for it in tool.SUBCOMMANDS
            for command, meaning in it.examples
            for line in (".PP", roff(meaning), ".PP", ".nf", roff(command), ".fi")
        ],
    }


def _subcommand(it: tool.Subcommand) -> list[str]:
    lines = [f".SS {_bold(it.name)} {roff(it.words)}", f"{roff(_capital(it.help))}."]
    lines += [line for paragraph in it.more.split("\n") for line in (".PP", roff(paragraph))]
    return [*lines, *_options(it.options)]


def _front(name: str, shortdesc: str, longdesc: str) -> dict[str, list[str]]:
    return {
        "title": [
            f'.TH {name.upper()} 8 "" "fence_pr_ioctl {fence_pr.__version__}" "Cluster administration"',
            ".SH NAME",
            f"{name} \\- {roff(shortdesc[:1].lower() + shortdesc[1:])}",
        ],
        "description": "\n.PP\n".join(roff(paragraph) for paragraph in longdesc.split("\n")).split("\n"),
    }


def _options(options: Sequence[Option]) -> list[str]:
    offered = sorted((option for option in options if option.advertised), key=lambda option: option.order)
    return [line for option in offered for line in _option(option)]


def roff(text: str) -> str:
    """Text as roff shows it unchanged, with hyphens that can be copied; raises UnicodeEncodeError if not ASCII."""
    text = text.replace("…", "...")
    text.encode("ascii")
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def _action(action: Action) -> list[str]:
    names = ", ".join(map(_bold, (action.name, *action.aliases)))
    return [".TP", names, f"{roff(_capital(action.help))}."]


def _option(option: Option) -> list[str]:
    notes = [f"One of {', '.join(map(_bold, option.choices))}."] if option.choices else []
    notes += [f"Former name: {_bold(option.former)}."] if option.former else []
    notes += [f"Default: {_bold(option.default)}"] if option.default else []
    return [".TP", _usage(option), f"{roff(option.help)}.", *notes]


def _ignored(option: Option) -> list[str]:
    return [".TP", _usage(option), f"{roff(option.help)}: {roff(option.ignored)}."]


def _usage(option: Option) -> str:
    argument = "" if option.kind == FLAG else f"\\fI{roff(option.metavar)}\\fR"
    long = _bold(f"--{option.long()}") + (argument and f"={argument}")
    if not option.short:
        return long
    return _bold(f"-{option.short}") + (argument and f" {argument}") + f", {long}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _bold(text: str) -> str:
    return f"\\fB{roff(text)}\\fR"
