"""What the states of a scenario are made of, and what leads from one to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from .kernel import Command
    from .runs import Answer, Call

    Made = tuple["State", list[str]]  # a state, and what was broken on the way

OVER = -1


class Program(NamedTuple):
    """How far a program is: goal, attempt and moment (OVER: none), and the verdicts of the goals before.

    since  the nodes that have begun an 'on' since this attempt began: what it says of them may be over already
    back   the nodes that came back meanwhile by a REGISTER that nobody could recall, and were not fenced again
    shut   the disks on which others have removed this node's registration since its 'on' has read them first
    told   the paths over which that 'on' must not register any more: it has read since, or could have
    """

    goal: int
    attempt: int
    run: int
    results: tuple[str, ...] = ()
    since: frozenset[str] = frozenset()
    back: frozenset[str] = frozenset()
    shut: frozenset[int] = frozenset()
    told: frozenset[int] = frozenset()


class State(NamedTuple):
    """A moment of all. Equal ones are one, however they were reached.

    units       each disk's state, by its number
    left        how many faults may still happen
    late        commands still under way: disk, nexus, command, and whether nobody could have known better than send it
    dead        dead paths: node, descriptor
    crashed     nodes that have crashed
    remapped    paths that lead to the last disk, whatever they are for: node, descriptor
    power_lost  whether a target has lost everything
    kept        the number of each node's files
    out         the nodes that were called off, by off or by status, and have begun no 'on' since that call began
    """

    units: tuple[int, ...]
    programs: tuple[Program, ...]
    left: int
    late: tuple[tuple[int, str, Command, bool], ...] = ()
    dead: frozenset[tuple[str, int]] = frozenset()
    crashed: frozenset[str] = frozenset()
    remapped: frozenset[tuple[str, int]] = frozenset()
    power_lost: bool = False
    kept: tuple[int, ...] = ()
    out: frozenset[str] = frozenset()


class Event(NamedTuple):
    """What happens: a command of a call is answered, a late one arrives (no call), or a fault alone (no command)."""

    fault: str = ""
    call: Call | None = None
    fd: int = -1
    command: Command | None = None
    answer: Answer = 0
    disk: int = -1


class Move(NamedTuple):
    """An event, and the state that it leads to."""

    event: Event
    make: Callable[[], Made]
