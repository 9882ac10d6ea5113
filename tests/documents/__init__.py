"""Documents made from the code: metadata, a picture, a dashboard, and parts of README.md, man pages, bash completion
and rpm spec.

`make documents` writes them; a test compares.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(PROJECT / "lib"))

from fence_pr import __version__, metadata  # noqa: E402
from tests.documents import completion, dashboard, kernels, man_page, messages, readme, rooms, tool  # noqa: E402
from tests.documents.filling import filled  # noqa: E402

# Documents that a person writes, and what fills their marked parts.
PARTLY_MADE: dict[str, Callable[[], dict[str, list[str]]]] = {
    "README.md": readme.parts,
    "docs/kernels.md": kernels.parts,
    "docs/messages.md": messages.parts,
    "docs/pr_fence.md": tool.parts,
    "man/fence_pr_ioctl.8": man_page.agent_parts,
    "man/pr_fence_guard.8": man_page.guard_parts,
    "man/pr_fence.8": man_page.tool_parts,
    "completion/fence_pr_ioctl": completion.parts,
    "completion/pr_fence": completion.tool_parts,
    "rpm/fence-agents-pr-ioctl.spec": lambda: {"version": [f"Version:        {__version__}"]},
}


def documents() -> dict[Path, str]:
    """Each file and what it must contain."""
    made = {PROJECT / "metadata" / "fence_pr_ioctl.xml": metadata.xml(), rooms.PICTURE: rooms.picture()}
    made[dashboard.DASHBOARD] = dashboard.dashboard()
    for name, parts in PARTLY_MADE.items():
        path = PROJECT / name
        made[path] = filled(path.read_text(), parts())
    return made
