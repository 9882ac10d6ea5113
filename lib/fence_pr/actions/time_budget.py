"""How the time limit of an action is shared out."""

from __future__ import annotations

from ..parallel import Patience

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Part of the limit after which a path of a multipath map that does not answer counts as dead.
_PATH_SHARE = 0.125
# A path that hangs in a question leaves time for the next one.
_PATHS_ASKED = 2
# Until when what passes by itself is asked again: as long as nothing is changed there must be time left to finish what
# is begun then; and at the end, for the proof.
_UNTOUCHED_SHARE, _CHANGING_SHARE = 0.5, 0.9
# Until when a reset may take: then the paths of a map, which have a share each, can still be asked for the proof. And
# when it must be known whether this node can finish what it begins.
_LATEST_SHARE = 0.75
# As long as a path may take to fail over, and no longer than another node may wait for its turn.
_BRIEF_SECONDS = 3.0
# Where there is no limit: the usual one.
_USUAL_SECONDS = 20.0


class TimeBudget:
    """limit: of the whole action, in seconds, from now on; None: none. clock: as time.monotonic(). waiting: the part of
    the limit that the action may wait where nothing is wrong.
    """

    def __init__(self, limit: float | None, clock: Callable[[], float], waiting: float = 0.0) -> None:
        self.limit, self.clock = limit, clock
        self._started = clock()
        self._seconds = _USUAL_SECONDS if limit is None else limit - waiting
        self._share = _UNTOUCHED_SHARE
        self._waited = 0.0

    def begin_to_change(self) -> None:
        """From now on what is begun is to be finished."""
        self._share = _CHANGING_SHARE

    def has_waited(self, seconds: float) -> None:
        """What the options asked for; disks wait at the same time. It takes nothing from the rest of the limit."""
        self._waited = max(self._waited, seconds)

    def for_repeating(self, since: float, *, briefly: bool = False) -> float:
        """Until when what fails since then, and passes by itself, is asked again, on the clock."""
        until = self._started + self._waited + self._seconds * self._share
        return min(until, since + _BRIEF_SECONDS) if briefly else until

    def is_left_after(self, seconds: float) -> bool:
        """Whether after so many seconds there is time for one more attempt."""
        until = self._started + self._waited + self._seconds * _CHANGING_SHARE
        return self.limit is None or self.clock() + seconds < until

    def for_paths(self, times: int = 1) -> Patience | None:
        """For the paths of one map, from now on; several times that for what is sent over one after the other."""
        if self.limit is None:
            return None
        until = self.clock() + self._seconds * _PATH_SHARE * times
        return Patience(until)

    def for_a_question(self, paths: int) -> Patience | None:
        """For what fencing can do without, and a disk with so many paths is asked over one after the other."""
        return self.for_paths(min(paths, _PATHS_ASKED))

    def for_the_last_question(self, paths: int) -> Patience | None:
        """The same right before the first change: what is begun then must have time to be finished."""
        question = self.for_a_question(paths)
        return question and Patience(min(question.until, self._latest()))

    def is_half_left(self) -> bool:
        """Whether there is still half of the limit, for what may take long and need not be."""
        return self.limit is None or self.clock() <= self._started + self._waited + self._seconds * _UNTOUCHED_SHARE

    def for_draining(self) -> Patience | None:
        """For what is begun while half of the limit is left, and must leave time for the proof."""
        if self.limit is None:
            return None
        return Patience(self._latest())

    def _latest(self) -> float:
        return self._started + self._waited + self._seconds * _LATEST_SHARE

    def for_readings(self) -> Patience | None:
        """For the first reading of all disks, none of which fencing can do without."""
        if self.limit is None:
            return None
        until = self.for_repeating(self.clock())
        return Patience(until)
