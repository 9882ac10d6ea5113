"""The root folder of a guest that has other iSCSI targets than the kernel's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab import cache, root

if TYPE_CHECKING:
    from pathlib import Path

# istgt and tgt with the libraries that they load, but not the Perl that tgt's other programs are written in.
TARGETS = ("istgt", "tgt", "libaio1", "libibverbs1", "librdmacm1", "libnl-3-200", "libnl-route-3-200", "libfaketime")


def folder() -> Path:
    """The folder, made on first use; raises LabUnavailable."""
    recipe = repr((1, root.RECIPE, TARGETS))
    return cache.fill("targets", recipe, lambda tree: root.build(tree, root.SUITE, root.PACKAGES, TARGETS))
