"""A disk that lost this node's registration without a fencing: kept in mind until the node is registered again."""

from __future__ import annotations

from .. import files, state_file
from ..errors import Notice
from .verdict import after_loss, is_lost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .verdict import Finding


class Loss:
    """Of one disk. It is noted beside the state file, for a guard that is started anew; 'on' removes the note.

    Safe to use from several threads. warn: called if it cannot be noted
    """

    def __init__(self, identity: str, folder: str, warn: Callable[[Notice], None]) -> None:
        self._identity, self._folder, self._warn = identity, folder, warn
        self._stands = self._noted = self._is_noted()

    def stands(self) -> bool:
        """Whether it does. To be asked before the readings that it is to explain: 'on' may come meanwhile."""
        return self._stands and (not self._noted or self._is_noted())

    def explained(self, finding: Finding, *, before: bool) -> Finding:
        """What readings come to. before: whether it stood when they began."""
        lost = is_lost(finding, before=before)
        if lost != before:
            self._note(lost=lost)
        return after_loss(finding) if lost else finding

    def is_over(self) -> None:
        """This node is registered."""
        if self._stands:
            self._note(lost=False)

    def _is_noted(self) -> bool:
        return state_file.is_marked(state_file.LOST, self._identity, self._folder)

    def _note(self, *, lost: bool) -> None:
        self._stands = lost
        try:
            state_file.mark(state_file.LOST, self._identity, self._folder, holds=lost)
            self._noted = lost
        except OSError as error:
            self._noted = False
            self._warn(Notice("loss-not-noted", {"answer": files.what_failed(error)}))
