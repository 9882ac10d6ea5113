"""The tables of README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fence_pr import metadata
from fence_pr.option_table import ACTIONS, IGNORED, OPTIONS

if TYPE_CHECKING:
    from fence_pr.option_table import Action, Option


def parts() -> dict[str, list[str]]:
    """The rows of each table."""
    return {
        "actions": ["| action | what it does |", "|---|---|", *map(_action_row, ACTIONS)],
        "options": [
            "| option | default | meaning |",
            "|---|---|---|",
            *(_option_row(option) for option in OPTIONS if option.advertised and not option.ignored),
            f"| {metadata.ignored_names(lambda option: f'`{option.name}`')} | | {IGNORED} |",
        ],
    }


def _action_row(action: Action) -> str:
    return f"| {', '.join(f'`{name}`' for name in (action.name, *action.aliases))} | {action.help} |"


def _option_row(option: Option) -> str:
    names = ", ".join(f"`{name}`" for name in ([f"-{option.short}"] if option.short else []) + [option.name])
    default = f"`{option.default}`" if option.default else ""
    return f"| {names} | {default} | {option.help} |"
