"""The root folder of guests that have everything that is compared: the agent, fence_scsi, and tgt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab import cache, root
from tests.targets.root import TARGETS

if TYPE_CHECKING:
    from pathlib import Path

# What fence_scsi imports; itself without what the other fence agents depend on.
IMPORTED = ("python3-pexpect", "python3-pycurl")
ALONE = (*TARGETS, "fence-agents")


def folder() -> Path:
    """The folder, made on first use; raises LabUnavailable."""
    recipe = repr((1, root.RECIPE, IMPORTED, ALONE))
    return cache.fill("load", recipe, lambda tree: root.build(tree, root.SUITE, (*root.PACKAGES, *IMPORTED), ALONE))
