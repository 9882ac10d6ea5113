"""Root folders of guests that have a whole cluster stack, of several Debian suites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab import cache, root

if TYPE_CHECKING:
    from pathlib import Path

STACK = (
    "bsdutils",
    "corosync",
    "crmsh",
    "debianutils",
    "e2fsprogs",
    "gzip",
    "pacemaker",
    "psmisc",
    "resource-agents",
    "sysvinit-utils",
    "tar",
    # What pcs and the fence agents import.
    "python3-dacite",
    "python3-dateutil",
    "python3-lxml",
    "python3-openssl",
    "python3-pexpect",
    "python3-pycurl",
    "python3-pyparsing",
    "python3-tornado",
)


@dataclass(frozen=True)
class Stack:
    """The cluster stack of a Debian suite.

    alone: packages without what they depend on (Ruby, cloud libraries), and although they conflict with another
    """

    suite: str
    alone: tuple[str, ...]

    def __str__(self) -> str:
        return f"Debian {self.suite}"

    def folder(self) -> Path:
        """The guests' root folder, made on first use; raises LabUnavailable."""
        recipe = repr((3, root.RECIPE, self.suite, STACK, self.alone))
        return cache.fill(f"cluster-{self.suite}", recipe, self._build)

    def _build(self, tree: Path) -> None:
        root.build(tree, self.suite, (*root.PACKAGES, *STACK), self.alone)
        # What the packages' installation scripts would have made.
        (tree / "usr/bin/which").symlink_to("which.debianutils")
        records = tree / "var/lib/iscsi"
        if records.is_dir():  # since Debian 13; the lab writes them where Debian 12 has them
            records.rmdir()
            records.symlink_to("../../etc/iscsi")


BOOKWORM = Stack("bookworm", ("pcs", "fence-agents", "python3-pkg-resources", "dlm-controld", "pacemaker-remote"))
FORKY = Stack(
    "forky",
    ("pcs", "fence-agents-common", "fence-agents-scsi", "fence-agents-mpath", "dlm-controld", "pacemaker-remote"),
)
# Pacemaker 2.1, and the newest 3.
STACKS = (BOOKWORM, FORKY)
