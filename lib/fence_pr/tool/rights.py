"""What an ordinary user does not see, said once instead of for each file and disk."""

from __future__ import annotations

import os

from ..errors import Notice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# What these say of an ordinary user is said of every disk.
OF_FILES = ("bindings-unreadable", "state-file-unreadable")


def without_rights(
    warnings: Iterable[Notice], unseen: Iterable[Notice], *, root: bool | None = None
) -> tuple[list[Notice], list[Notice]]:
    """The warnings, and what could not be examined, as they are for this user. root: whether it is root."""
    warnings, unseen = list(warnings), list(unseen)
    if os.geteuid() == 0 if root is None else root:
        return warnings, unseen
    left = [it for it in warnings if it.code not in OF_FILES]
    return left, [Notice("not-root", {}), *unseen]
