"""Can this node fence there, and is a fenced one kept out? Its key may be a former session's, or nothing be reserved.

Asked in a thread of its own: a target that is slow to tell sessions is not one that hangs.
"""

from __future__ import annotations

from .threads import Threads, Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import Notice
    from ..storage.disk import Watch


class OwnNexus(Worker):
    """Of one disk. ask: asks the disk, and announces to its argument what hangs; raises FenceError.

    trouble  what was wrong when that was last found out; None if nothing was
    """

    def __init__(self, threads: Threads, ask: Callable[[Watch], Notice | None]) -> None:
        self._ask = ask
        self.trouble: Notice | None = None
        super().__init__(threads, self._find_out)

    def _find_out(self) -> None:
        self.trouble = self._ask(self)
