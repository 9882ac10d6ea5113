"""The bash completion's lists: options, and what may follow each."""

from __future__ import annotations

from fence_pr.option_table import ACTIONS, BOOLEAN, FLAG, OPTIONS, Option

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
