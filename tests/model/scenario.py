"""What is explored: who does what at once, from which state, and what may go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fence_pr.storage.pr_ioctl import WRITE_EXCLUSIVE_REG_ONLY

from .configuration import DEFAULT, Conf
from .ends import nothing
from .site import SCSI

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .runs import Call
    from .site import Kind, Site
    from .unit import Unit

    Program = tuple[tuple[Call, ...], ...]

# What may happen to a command.
LOST, UNANSWERED, REFUSED, DISTURBED = "lost", "unanswered", "refused", "disturbed"
REPEATED, LATE, STUCK, MUTE = "repeated", "late", "stuck", "mute"
# What may happen to whoever sends it, and between the two.
KILLED, CRASHED, DEAD_PATH, NEW_SESSION = "killed", "crashed", "dead path", "new session"
REMAPPED = "remapped"
RESTART, POWER_LOSS = "restart", "power loss"
WORDS = {
    LOST: "lost: not carried out, a path failure is answered",
    UNANSWERED: "carried out, but a path failure is answered",
    REFUSED: "not carried out, status 2 is answered, as for a unit attention",
    DISTURBED: "carried out, but status 2 is answered",
    REPEATED: "carried out twice, the second answer comes back",
    LATE: "still under way, though a path failure is answered",
    STUCK: "not carried out, and no answer ever comes",
    MUTE: "carried out, but no answer ever comes",
    KILLED: "the agent is killed",
    CRASHED: "the node crashes",
    DEAD_PATH: "the path dies",
    NEW_SESSION: "the path has a new session: the target has the old one's registration, and none for the new",
    REMAPPED: "the path leads to another disk from now on: its LUN was given away at the array",
    RESTART: "the target restarts and has kept everything",
    POWER_LOSS: "the target restarts and has kept nothing",
}

TO_COMMANDS = (LOST, UNANSWERED, REFUSED, DISTURBED, REPEATED, LATE, STUCK, MUTE)
TRANSIENT = (*TO_COMMANDS, KILLED, RESTART)
ALL = (*TRANSIENT, CRASHED, DEAD_PATH)
# Those for which the agent takes no path of a map for dead.
HARMLESS = (REFUSED, DISTURBED, REPEATED, KILLED, RESTART)


@dataclass(frozen=True)
class End:
    """Nothing happens any more. results: for each program, for each of its goals, the verdict, "" if it failed."""

    site: Site
    units: Sequence[Unit]
    results: tuple[tuple[str, ...], ...]
    faults: int

    def reached(self, program: int = 0, goal: int = 0) -> bool:
        """Whether a goal of a program was reached."""
        return bool(self.results[program][goal : goal + 1] and self.results[program][goal])


def _as_it_is(_site: Site, _units: Sequence[Unit]) -> None:
    pass


def _as_named(_site: Site) -> None:
    pass


class Start(NamedTuple):
    """All disks alike: who is registered, the reservation's type (0: none) and holder; alter: what is different.

    wire  where paths lead that do not lead where the names say
    """

    registered: tuple[str, ...] = ("n1", "n2")
    type: int = WRITE_EXCLUSIVE_REG_ONLY
    holder: str = "n2"
    alter: Callable[[Site, Sequence[Unit]], None] = _as_it_is
    wire: Callable[[Site], None] = _as_named


class Faults(NamedTuple):
    """How many of which kinds may happen."""

    most: int = 0
    kinds: tuple[str, ...] = ALL


HARM, LOUD = "harm", "loud"
BOTH, NO_FAULT = Start(), Faults()


@dataclass(frozen=True)
class Scenario:
    """What is explored.

    name      a sentence
    programs  what is done at once, each a sequence of goals. A goal is reached by its first attempt that succeeds; the
              further ones are what the cluster does after a failure, on the same node or on another. If all fail, the
              next goal is tried nevertheless.
    check     what must hold at every end, beside the promises that always do
    before    what has happened by then, one call or deed after the other, without faults
    excused   of what nobody could know: HARM, that another node is shut out in the victim's place; LOUD, that a node
              is called off that is not, if the success warns of keys that nothing explains
    exact     a read of a SCSI disk is the two commands that it is; else it is one, where that would be too much
    """

    name: str
    programs: tuple[Program, ...]
    disks: tuple[Kind, ...] = (SCSI,)
    start: Start = BOTH
    faults: Faults = NO_FAULT
    check: Callable[[End], list[str]] = nothing
    exact: bool = True
    before: tuple[Call, ...] = ()
    excused: tuple[str, ...] = ()

    def calls(self) -> list[Call]:
        """Every attempt of every goal, and what happened before."""
        return [*self.before, *(call for goals in self.programs for goal in goals for call in goal)]

    def counts(self) -> bool:
        """Whether generations do: the agent goes by them where a node comes that may be fenced, or not be answered."""
        actions = {call.action for call in self.calls()}
        return self.exact or ("on" in actions and bool("off" in actions or self.faults.most))

    def nodes(self) -> int:
        """How many nodes there are: n1 up to the last one that is named."""
        return max(
            int(name[1:])
            for name in (*self.start.registered, *(it for call in self.calls() for it in (call.node, call.plug)))
            if name
        )

    def confs(self) -> list[Conf]:
        """Every configuration that a node has at some time."""
        return [call.conf for call in self.calls()]

    def last_conf(self, node: str) -> Conf:
        """The last configuration of a node."""
        found = [call.conf for call in self.calls() if call.node == node and not call.is_deed()]
        return found[-1] if found else DEFAULT
