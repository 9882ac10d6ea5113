"""REGISTER over the paths of one disk, so that a node that is fenced meanwhile does not come back by it.

No command adds a registration only if none was removed before. So a path is asked first whether it has one, which
changes nothing, and is given one only where the target shows that none was removed since it was read last. What is
removed after that shows in the next reading, and then the path is not left registered.
"""

from __future__ import annotations

from ..errors import Abandoned, DeviceFailure, DiskNotAsAsked, FenceError, PathFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol, TypeVar

    from ..errors import Conflict, ReservationError
    from .device import Device
    from .disk import Judge
    from .snapshot import Snapshot

    Result = TypeVar("Result")

    class Nexus(Protocol):
        """A path, as a registrant: `single_path.SinglePath`."""

        device: Device
        joined: bool

        def add(self, key: int, former: Sequence[int], judge: Judge | None) -> bool:
            """Register it."""

        def has_or_had(self, key: int, asked: Sequence[int], judge: Judge | None) -> tuple[int, Conflict | None]:
            """Ask it."""

        def withdraw(self, key: int) -> None:
            """End its registration."""

    class Paths(Protocol):
        """The live paths of one disk."""

        def witness(self) -> Snapshot:
            """What one of them tells now."""

        def over(self, paths: Sequence[Nexus], command: Callable[[Nexus], Result]) -> list[tuple[Nexus, Result]]:
            """What came of a command over these at once, but for those that fail, which are dead from then on.

            Raises the failure if all do, and anything that no other path could do better.
            """


# Each time another node has changed something just then.
_MOST_ROUNDS = 4


class Joining:
    """One registration of a node over the live paths of a disk.

    paths   the disk
    key     what each path is to be registered with
    former  keys that this node may have had there
    judge   as for `Disk.register`
    late    whether a REGISTER that adds a registration was sent before, and may still be carried out
    """

    def __init__(self, paths: Paths, key: int, former: Sequence[int], judge: Judge | None, *, late: bool) -> None:
        self._paths, self._key, self._former, self._judge, self._late = paths, key, former, judge, late
        self._ours = {key}

    def register(self, live: Sequence[Nexus], before: Snapshot | None, *, listed: bool) -> None:
        """Over each of `live`. before: what was read last, if anything; listed: as for `Disk.register`.

        Raises Conflict or DiskNotAsAsked if this node was fenced meanwhile, or if nobody can tell.
        """
        known = before.keys if before else ()
        asked = (self._key,) if listed else tuple(it for it in dict.fromkeys(self._former) if it in known)
        self._ours = {self._key, *asked}
        left, one_is_registered = list(live), False
        while left:
            if asked:
                left, own, before = self._without_registration(left, asked, before)
                one_is_registered = one_is_registered or own > 0
            # One first: a target may have one registration for several ports, and then no other path adds one.
            now = left if one_is_registered else left[:1]
            if now:
                before = self._add(now, before, others=bool(asked))
            left, one_is_registered, asked = left[len(now) :], True, (self._key,)
            if left and not before:
                before = self._paths.witness()

    def _add(self, paths: list[Nexus], before: Snapshot | None, *, others: bool) -> Snapshot | None:
        """Register these, whatever they have. What is known of the disk since, if anything.

        others: whether there are other registrations of this node's keys
        Where one must keep its key another may have been added just then: that one is looked at all the same.
        """
        had_one: list[Nexus] = []
        refused: dict[Nexus, FenceError] = {}
        failure: ReservationError | None = None
        try:
            answers = self._paths.over(paths, self._added)
            had_one = [path for path, (had, _) in answers if had]
            refused = {path: why for path, (_, why) in answers if why}
        except (DeviceFailure, PathFailure) as unclear:
            failure = unclear
        added = [it for it in paths if it not in had_one and it not in refused]
        if others and before and added:
            before = self._see_that_all_are_left(added, before)
        elif had_one:
            before = None  # what was replaced has been counted
        if failure:
            raise failure
        for refusal in refused.values():
            raise refusal
        return before

    def _added(self, path: Nexus) -> tuple[bool, FenceError | None]:
        """As `Nexus.add`; and why nothing was added, where that is sure."""
        try:
            return path.add(self._key, self._former, self._judge), None
        except (Abandoned, DeviceFailure, PathFailure):
            raise
        except FenceError as refusal:
            return False, refusal

    def _without_registration(
        self, live: list[Nexus], asked: tuple[int, ...], before: Snapshot | None
    ) -> tuple[list[Nexus], int, Snapshot | None]:
        """The paths that have none of the keys, how many have, and what was read since."""
        for _ in range(_MOST_ROUNDS):
            answers = self._paths.over(live, lambda path: path.has_or_had(self._key, asked, self._judge))
            left = [(path, refusal) for path, (_, refusal) in answers if refusal]
            carried_out = sum(count for _, (count, _) in answers)
            if not left:
                return [], carried_out, before
            now = self._paths.witness()
            if self._ours.isdisjoint(now.keys):
                for path, _ in left:
                    path.joined = True
                raise left[0][1]
            if before and before.only_grew_to(now, self._ours, carried_out):
                return [path for path, _ in left], carried_out, now
            if self._late:
                break  # what is listed may be what arrived after this node was fenced
            before = now
        raise self._maybe_fenced(now)

    def _see_that_all_are_left(self, added: list[Nexus], before: Snapshot) -> Snapshot:
        """Whoever fences this node removes all that it has, those that were listed before as well."""
        now = self._paths.witness()
        if now.count(self._ours) < before.count(self._ours) + len(added) and not before.only_grew_to(now):
            self._paths.over(added, lambda path: path.withdraw(self._key))
            raise self._maybe_fenced(now)
        return now

    def _maybe_fenced(self, now: Snapshot) -> DiskNotAsAsked:
        operation = "read keys and reservation"
        return DiskNotAsAsked("maybe-fenced", operation=operation, answer=now.told(), own_key=self._key)
