"""The bash completion's lists: options, and what may follow each."""

from __future__ import annotations

from fence_pr.option_table import ACTIONS, BOOLEAN, FLAG, OPTIONS, Option
from fence_pr.tool import options
from fence_pr.tool import subcommands as tool

# What the help calls an argument → what stands for it.
KINDS = {"node": "nodes", "list": "disks", "file": "path", "path": "path"}


def parts() -> dict[str, list[str]]:
    """The lines of each part."""
    offered = [option for option in OPTIONS if option.advertised and not option.ignored]
    return {
        "options": [" ".join(_dashed(option, (option.name,))) for option in offered],
        "arguments": [
            f"{' | '.join(_dashed(option, option.names()))}) {_argument(option)} ;;"
            for option in OPTIONS
            if option.kind != FLAG
        ],
    }


def tool_parts() -> dict[str, list[str]]:
    """The lines of each part of the tool's completion: subcommands, and for each its options and what follows it."""
    return {
        "subcommands": [f"words=({' '.join(it.name for it in tool.SUBCOMMANDS)})"],
        "arguments": [
            f"{' | '.join(_dashed(option, option.names()))}) {_argument(option)} ;;"
            for option in options.all_options()
            if option.kind != FLAG
        ],
        "words": [f"{it.name}) {_words_of(it)} ;;" for it in tool.SUBCOMMANDS],
        "options": [
            f"{it.name}) words=({' '.join(_offered((*it.options, *tool.COMMON)))}) ;;" for it in tool.SUBCOMMANDS
        ],
        "common": [f"*) words=({' '.join(_offered(tool.COMMON))}) ;;"],
    }


def _offered(options: tuple[Option, ...]) -> list[str]:
    return [word for option in options for word in _dashed(option, (option.name,))]


def _words_of(it: tool.Subcommand) -> str:
    deeds = f"deeds=({' '.join(it.deeds)}) " if it.deeds else ""
    return f"{deeds}kind={it.kind}" + (f" behind={it.behind}" if it.behind else "")


def _dashed(option: Option, names: tuple[str, ...]) -> list[str]:
    short = [f"-{option.short}"] if option.short else []
    return [*short, *(f"--{name.replace('_', '-')}" for name in names)]


def _argument(option: Option) -> str:
    words = option.choices
    if option.name == "action":
        words = tuple(action.name for action in ACTIONS)
    if option.kind == BOOLEAN:
        words = ("true", "false")
    return f"words=({' '.join(words)})" if words else f"kind={KINDS.get(option.metavar, 'text')}"
