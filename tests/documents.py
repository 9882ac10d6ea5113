"""Documents made from the option table: the golden metadata and the tables in README.md.

`make documents` writes them; a test compares.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "lib"))

from fence_pr import metadata  # noqa: E402
from fence_pr.option_table import ACTIONS, OPTIONS, Action, Option  # noqa: E402

METADATA = PROJECT / "metadata" / "fence_pr_ioctl.xml"
README = PROJECT / "README.md"


def documents() -> dict[Path, str]:
    """Each file and what it must contain."""
    text = README.read_text()
    actions = [_action_row(action) for action in ACTIONS]
    options = [_option_row(option) for option in OPTIONS if option.advertised]
    text = _filled(text, "actions", ["| action | what it does |", "|---|---|", *actions])
    text = _filled(text, "options", ["| option | default | meaning |", "|---|---|---|", *options])
    return {METADATA: metadata.xml(), README: text}


def _filled(text: str, marker: str, rows: list[str]) -> str:
    pattern = rf"(<!-- {marker} -->\n)(?:\|.*\n)*"
    assert re.search(pattern, text), f"no marker {marker} in README.md"
    return re.sub(pattern, lambda match: match.group(1) + "".join(f"{row}\n" for row in rows), text)


def _action_row(action: Action) -> str:
    return f"| {', '.join(f'`{name}`' for name in (action.name, *action.aliases))} | {action.help} |"


def _option_row(option: Option) -> str:
    names = ", ".join(f"`{name}`" for name in ([f"-{option.short}"] if option.short else []) + [option.name])
    default = f"`{option.default}`" if option.default else ""
    return f"| {names} | {default} | {metadata.description(option)} |"


if __name__ == "__main__":
    for path, content in documents().items():
        path.write_text(content)
