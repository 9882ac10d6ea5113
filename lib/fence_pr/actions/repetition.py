"""What passes by itself is asked again, after a pause, while there is time."""

from __future__ import annotations

from ..errors import Notice
from ..storage import transient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import FenceError
    from .time_budget import TimeBudget

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 1.0


class Repetition:
    """Of what fails once or several times, from the first failure on.

    spare    whether another node's turn comes when this one gives up
    is_over  whether something would pass by itself, but there is no time left
    """

    def __init__(
        self, time: TimeBudget, sleep: Callable[[float], None], say: Callable[[Notice], None], *, spare: bool
    ) -> None:
        self._time, self._sleep, self._say, self._spare = time, sleep, say, spare
        self._since: float | None = None
        self._seconds = _FIRST_PAUSE_SECONDS
        self.is_over = False

    def is_worthwhile(self, failure: FenceError, *, of_target: bool = False) -> bool:
        """Whether the failure passes by itself, and there is time for a pause; of_target: and it is the target's."""
        whose = transient.whose(failure)
        if not whose or (of_target and whose != transient.TARGET):
            return False
        now = self._time.clock()
        self._since = now if self._since is None else self._since
        briefly = whose == transient.INITIATOR and self._spare
        self.is_over = now + self._seconds > self._time.for_repeating(self._since, briefly=briefly)
        return not self.is_over

    def pause(self, failure: FenceError) -> None:
        """The log is told of the first one."""
        if self._seconds == _FIRST_PAUSE_SECONDS:
            disk = failure.fields.get("disk", "")
            self._say(Notice("asked-again", {"disk": disk, "answer": failure.notice().pack()}))
        self._sleep(self._seconds)
        self._seconds = min(2 * self._seconds, _LONGEST_PAUSE_SECONDS)
