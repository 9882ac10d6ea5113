"""What can happen next: the states of a scenario, and every move that leads from one to others."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from . import promises
from . import scenario as faults
from .kernel import Command, carry_out
from .runs import Call, Runs
from .site import Site
from .unit import IO_ERROR, PATH_FAILED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .runs import Answer
    from .scenario import Scenario
    from .unit import Unit

    Made = tuple["State", list[str]]  # a state, and what was broken on the way

OVER = -1


class Program(NamedTuple):
    """How far a program is: goal, attempt and moment (OVER: none), and the verdicts of the goals before."""

    goal: int
    attempt: int
    run: int
    results: tuple[str, ...] = ()


class State(NamedTuple):
    """A moment of all. Equal ones are one, however they were reached.

    units       each disk's state, by its number
    left        how many faults may still happen
    late        commands still under way: disk, nexus, command
    dead        dead paths: node, descriptor
    crashed     nodes that have crashed
    power_lost  whether a target has lost everything
    """

    units: tuple[int, ...]
    programs: tuple[Program, ...]
    left: int
    late: tuple[tuple[int, str, Command], ...] = ()
    dead: frozenset[tuple[str, int]] = frozenset()
    crashed: frozenset[str] = frozenset()
    power_lost: bool = False


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


class Moves:
    """The moves of one scenario. Disks' states go by numbers: `units`."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self._faults = scenario, scenario.faults.kinds
        self.site = Site(scenario.disks, scenario.nodes())
        self.runs = Runs(self.site, exact=scenario.exact)
        self.units: list[Unit] = []
        self.successes = 0
        self._unit_numbers: dict[object, int] = {}
        self._effects: dict[tuple[int, str, Command], tuple[int, int]] = {}
        self._judged: dict[int, list[str]] = {}

    def start(self) -> Made:
        """The first state."""
        scenario = self.scenario
        registered, kind, holder, alter = scenario.start
        units = self.site.units(registered, kind, holder)
        alter(self.site, units)
        state = State(tuple(map(self._unit_number, units)), (), scenario.faults.most)
        broken: list[str] = []
        for number in range(len(scenario.programs)):
            begun, breaks = self._begun(number, Program(0, 0, OVER))
            state, broken = state._replace(programs=(*state.programs, begun)), broken + breaks
        return state, broken

    def of(self, state: State) -> Iterator[Move]:
        """Everything that can happen next."""
        for number, program in enumerate(state.programs):
            if program.run == OVER:
                continue
            call = self.runs.call_of(program.run)
            for fd, command in self.runs.moment(program.run).waiting:
                yield from self._command(state, number, call, fd, command)
            if state.left and faults.KILLED in self._faults:
                yield Move(Event(faults.KILLED, call), partial(self._killed, state, number))
        yield from self._arrivals(state)
        if state.left:
            spent = state._replace(left=state.left - 1)
            for node in sorted({self.runs.call_of(it.run).node for it in state.programs if it.run != OVER}):
                yield from self._of_node(spent, node)
            for disk, number in enumerate(state.units):
                yield from self._of_target(spent, disk, self.units[number])

    def effect(self, before: int, nexus: str, command: Command) -> tuple[int, int]:
        """Numbers of the disk's state after a command, and of the answer."""
        key = (before, nexus, command)
        if key not in self._effects:
            unit = self.units[before].copy()
            answer = carry_out(unit, nexus, command)
            self._effects[key] = self._unit_number(unit), self.runs.answer_number(answer)
        return self._effects[key]

    def _command(self, state: State, number: int, call: Call, fd: int, command: Command) -> Iterator[Move]:
        """A command is carried out and answered, or meets a fault."""
        channel = self.site.hosts[call.node].channels[fd]
        unit = state.units[channel.disk]

        def move(before: State, after: int, answer: Answer, fault: str = "") -> Move:
            event = Event(fault, call, fd, command, answer, channel.disk)
            return Move(event, partial(self._answered, before, number, fd, channel.disk, after, answer))

        if (call.node, fd) in state.dead:
            yield move(state, unit, PATH_FAILED)
            return
        after, answer = self.effect(unit, channel.nexus, command)
        yield move(state, after, self.runs.answers[answer])
        if not state.left:
            return
        spent, allowed = state._replace(left=state.left - 1), self._faults
        for fault, then, said in self._mishaps(unit, channel.nexus, command):
            if fault in allowed:
                yield move(spent, then, said, fault)
        if faults.LATE in allowed and command.changes():
            late = tuple(sorted((*state.late, (channel.disk, channel.nexus, command))))
            yield move(spent._replace(late=late), unit, PATH_FAILED, faults.LATE)

    def _mishaps(self, unit: int, nexus: str, command: Command) -> Iterator[tuple[str, int, Answer]]:
        """Fault, the disk's state after it, and what is answered."""
        yield faults.LOST, unit, PATH_FAILED
        yield faults.STUCK, unit, None
        if command.changes():
            once, _ = self.effect(unit, nexus, command)
            twice, second = self.effect(once, nexus, command)
            yield faults.UNANSWERED, once, PATH_FAILED
            yield faults.REFUSED, unit, IO_ERROR
            yield faults.DISTURBED, once, IO_ERROR
            yield faults.REPEATED, twice, self.runs.answers[second]
            yield faults.MUTE, once, None

    def _answered(self, state: State, number: int, fd: int, disk: int, unit: int, answer: Answer) -> Made:
        program = state.programs[number]
        run = self.runs.after(program.run, fd, self.runs.answer_number(answer))
        return self._with_program(_on_disk(state, disk, unit), number, self._settled(number, program._replace(run=run)))

    def _killed(self, state: State, number: int) -> Made:
        spent = state._replace(left=state.left - 1)
        return self._with_program(spent, number, self._next_attempt(number, state.programs[number], ""))

    def _arrivals(self, state: State) -> Iterator[Move]:
        """Commands that were under way reach their target; nobody hears the answer."""
        for position, (disk, nexus, command) in enumerate(state.late):
            unit, answer = self.effect(state.units[disk], nexus, command)
            after = _on_disk(state._replace(late=state.late[:position] + state.late[position + 1 :]), disk, unit)
            yield _known(Event("", None, -1, command, self.runs.answers[answer], disk), after)

    def _of_node(self, spent: State, node: str) -> Iterator[Move]:
        """What happens to a node and its paths."""
        who, allowed = Call(node, "", ""), self._faults
        if faults.CRASHED in allowed:
            yield _known(Event(faults.CRASHED, who), self._crashed(spent, node))
        for fd, channel in enumerate(self.site.hosts[node].channels):
            if faults.DEAD_PATH in allowed and (node, fd) not in spent.dead:
                after = spent._replace(dead=spent.dead | {(node, fd)})
                yield _known(Event(faults.DEAD_PATH, who, fd, disk=channel.disk), after)
            unit = self.units[spent.units[channel.disk]].copy()
            if faults.NEW_SESSION in allowed and unit.lose_session(channel.nexus):
                after = _on_disk(spent, channel.disk, self._unit_number(unit))
                yield _known(Event(faults.NEW_SESSION, who, fd, disk=channel.disk), after)

    def _crashed(self, state: State, node: str) -> State:
        programs = tuple(
            it._replace(run=OVER) if it.run != OVER and self.runs.call_of(it.run).node == node else it
            for it in state.programs
        )
        return state._replace(programs=programs, crashed=state.crashed | {node})

    def _of_target(self, spent: State, disk: int, before: Unit) -> Iterator[Move]:
        """What happens to a target."""
        if faults.RESTART in self._faults:
            unit = before.copy()
            unit.restart(nexus for node in self.site.hosts for nexus in self.site.nexuses(node, disk))
            yield _known(Event(faults.RESTART, disk=disk), _on_disk(spent, disk, self._unit_number(unit)))
        if faults.POWER_LOSS in self._faults:
            unit = before.copy()
            unit.lose_everything()
            after = _on_disk(spent._replace(power_lost=True), disk, self._unit_number(unit))
            yield _known(Event(faults.POWER_LOSS, disk=disk), after)

    def _with_program(self, state: State, number: int, settled: tuple[Program, list[str]]) -> Made:
        program, broken = settled
        programs = (*state.programs[:number], program, *state.programs[number + 1 :])
        return state._replace(programs=programs), broken

    def _settled(self, number: int, program: Program) -> tuple[Program, list[str]]:
        """If the attempt has ended, go on to what comes after; with everything that was broken."""
        broken = self._judge(program.run)
        report = self.runs.moment(program.run).report
        if report is None:
            return program, broken
        self.successes += report.ok
        after, more = self._next_attempt(number, program, report.verdict if report.ok else "")
        return after, broken + more

    def _next_attempt(self, number: int, program: Program, verdict: str) -> tuple[Program, list[str]]:
        """After an attempt that ended with this verdict, "" if it failed."""
        goals = self.scenario.programs[number]
        if not verdict and program.attempt + 1 < len(goals[program.goal]):
            return self._begun(number, program._replace(attempt=program.attempt + 1))
        program = Program(program.goal + 1, 0, OVER, (*program.results, verdict))
        return self._begun(number, program) if program.goal < len(goals) else (program, [])

    def _begun(self, number: int, program: Program) -> tuple[Program, list[str]]:
        call = self.scenario.programs[number][program.goal][program.attempt]
        return self._settled(number, program._replace(run=self.runs.start(call)))

    def _judge(self, run: int) -> list[str]:
        """What this moment breaks by itself."""
        if run not in self._judged:
            self._judged[run] = promises.broken_by_sending(self.runs, run) + promises.broken_by_report(self.runs, run)
        return self._judged[run]

    def _unit_number(self, unit: Unit) -> int:
        if not self.scenario.exact:
            unit.generation = 0
        name = (unit.frozen(), unit.generation)
        if name not in self._unit_numbers:
            self._unit_numbers[name] = len(self.units)
            self.units.append(unit)
        return self._unit_numbers[name]


def _known(event: Event, state: State) -> Move:
    return Move(event, lambda: (state, []))


def _on_disk(state: State, disk: int, unit: int) -> State:
    return state._replace(units=(*state.units[:disk], unit, *state.units[disk + 1 :]))
