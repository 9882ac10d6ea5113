"""What can happen next: the states of a scenario, and every move that leads from one to others."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from . import promises
from . import scenario as faults
from .deeds import DEEDS, Scene
from .kernel import Command, Contents, carry_out
from .runs import Call, Runs
from .site import Site
from .states import OVER, Event, Move, Program, State
from .unit import IO_ERROR, PATH_FAILED

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from fence_pr.actions.report import Report

    from .runs import Answer
    from .scenario import Scenario
    from .states import Made
    from .unit import Unit


class Moves:
    """The moves of one scenario. Disks' states go by numbers: `units`.

    unmet  which calls that came before have failed
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self._faults = scenario, scenario.faults.kinds
        self.site = Site(scenario.disks, scenario.nodes(), scenario.confs())
        scenario.start.wire(self.site)
        self.runs = Runs(self.site, exact=scenario.exact, asking=faults.REMAPPED in self._faults)
        self._programs = scenario.programs
        self.units: list[Unit] = []
        self.successes = 0
        self.unmet: list[Call] = []
        self._unit_numbers: dict[object, int] = {}
        self._effects: dict[tuple[int, str, Command], tuple[int, int]] = {}
        self._judged: dict[int, list[str]] = {}
        self._harms: dict[tuple[Call, int, int], list[str]] = {}

    def start(self) -> Made:
        """The first state."""
        scenario = self.scenario
        registered, kind, holder, alter, _ = scenario.start
        units = self.site.units(registered, kind, holder)
        alter(self.site, units)
        numbers = tuple(map(self._unit_number, units))
        state, broken = self._after_before(State(numbers, (), 0, kept=(0,) * len(self.site.names)))
        waiting = (Program(0, 0, OVER),) * len(scenario.programs)
        state = state._replace(programs=waiting, left=scenario.faults.most)
        for number in range(len(scenario.programs)):
            state, breaks = self._begun(state, number, state.programs[number])
            broken += breaks
        return state, broken

    def _after_before(self, state: State) -> Made:
        """The state after all that has happened before, one thing after the other."""
        broken: list[str] = []
        goals = self._programs
        for call in self.scenario.before:
            self._programs = (((call,),),)
            state, breaks = self._begun(state._replace(programs=(Program(0, 0, OVER),)), 0, Program(0, 0, OVER))
            broken += breaks
            while state.programs[0].run != OVER:
                state, breaks = next(iter(self.of(state))).make()
                broken += breaks
            self.unmet += [] if state.programs[0].results[-1] else [call]
        self._programs = goals
        return state, broken

    def of(self, state: State) -> Iterator[Move]:
        """Everything that can happen next."""
        for number, program in enumerate(state.programs):
            if program.run == OVER:
                continue
            call = self.runs.call_of(program.run)
            if call.is_deed():
                yield Move(Event(call.action, call), partial(self._done, state, number, call))
                continue
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
        if (call.node, fd) in state.remapped:
            channel = channel._replace(disk=len(state.units) - 1)
        unit = state.units[channel.disk]

        def move(before: State, after: int, answer: Answer, fault: str = "") -> Move:
            event = Event(fault, call, fd, command, answer, channel.disk)
            return Move(event, partial(self._answered, before, number, fd, channel.disk, after, answer))

        if (call.node, fd) in state.dead or (call.node, fd) in self.site.silent:
            yield move(state, unit, PATH_FAILED if (call.node, fd) in state.dead else None)
            return
        if command.name == "identify":
            yield move(state, unit, self.site.says[channel.disk])
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
            excused = promises.nothing_told(self.runs, state.programs[number], fd)
            late = tuple(sorted((*state.late, (channel.disk, channel.nexus, command, excused))))
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
        call = self.runs.call_of(program.run)
        harm = self._harm(call, state.units[disk], unit) if unit != state.units[disk] else []
        if unit != state.units[disk] and promises.nothing_told(self.runs, program, fd):
            state = _came_back(state, {call.node})
        state, told = self._on_disk(state, disk, unit, call.node), self._told(program, fd, disk, answer)
        run = self.runs.after(program.run, fd, self.runs.answer_number(answer))
        after = state.programs[number]._replace(run=run, told=told)
        state, broken = self._settled(state, number, after, program.run)
        return state, harm + broken

    def _told(self, program: Program, fd: int, disk: int, answer: Answer) -> frozenset[int]:
        """The paths of the node to the disk, if this is a reading that shows its registration gone; but those over
        which a REGISTER is under way.
        """
        if disk not in program.shut or not isinstance(answer, Contents):
            return program.told
        waiting = self.runs.moment(program.run).waiting
        busy = {it for it, command in waiting if it != fd and promises.registers(command)}
        return program.told | (set(self.site.hosts[self.runs.call_of(program.run).node].of_disk(disk)) - busy)

    def _on_disk(self, state: State, disk: int, unit: int, by: str = "") -> State:
        """The state with a disk's state changed by a node."""
        before, after = self.units[state.units[disk]].keys, self.units[unit].keys
        lost = {node for nexus in before if nexus not in after for node in self.site.owners(nexus)} - {by}
        if lost:
            programs = (
                it._replace(back=it.back - lost, shut=it.shut | ({disk} if self._joins(it, disk) in lost else set()))
                for it in state.programs
            )
            state = state._replace(programs=tuple(programs))
        return _on_disk(state, disk, unit)

    def _joins(self, program: Program, disk: int) -> str:
        """The node whose 'on' has read the disk's keys, if it is one: before that nothing can tell it what it had."""
        if program.run == OVER or self.runs.call_of(program.run).action != "on":
            return ""
        node = self.runs.call_of(program.run).node
        paths, sent = self.site.hosts[node].of_disk(disk), self.runs.moment(program.run).sent
        read = (it for it in sent if it.fd in paths and isinstance(it.answer, Contents))
        return node if any(it.command.name != "read_reservation" for it in read) else ""

    def _killed(self, state: State, number: int) -> Made:
        spent = state._replace(left=state.left - 1)
        return self._next_attempt(spent, number, state.programs[number], "")

    def _done(self, state: State, number: int, call: Call) -> Made:
        """A deed."""
        names = self.site.names
        units = [self.units[it].copy() for it in state.units]
        kept = dict(zip(names, map(self.runs.files.__getitem__, state.kept)))
        dead = set(state.dead)
        DEEDS[call.action](Scene(self.site, units, kept, dead), call.node)
        after = state._replace(
            units=tuple(map(self._unit_number, units)),
            kept=tuple(self.runs.files_number(kept[name]) for name in names),
            dead=frozenset(dead),
        )
        return self._next_attempt(after, number, state.programs[number], call.action)

    def _harm(self, call: Call, before: int, after: int) -> list[str]:
        """What a change of a disk by a call does to others."""
        key = (call, before, after)
        if key not in self._harms:
            found = promises.broken_by_change(self.site, call, self.units[before], self.units[after])
            self._harms[key] = [] if faults.HARM in self.scenario.excused else found
        return self._harms[key]

    def _arrivals(self, state: State) -> Iterator[Move]:
        """Commands that were under way reach their target; nobody hears the answer.

        A REGISTER that does was sent before its node was called off, if nobody could have known better then.
        """
        for position, (disk, nexus, command, excused) in enumerate(state.late):
            unit, answer = self.effect(state.units[disk], nexus, command)
            owners = self.site.owners(nexus)
            left = state.late[:position] + state.late[position + 1 :]
            after = (_came_back(state, owners) if excused else state)._replace(late=left)
            after = self._on_disk(after, disk, unit, min(owners))
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
            if faults.REMAPPED in allowed and (node, fd) not in spent.remapped:
                after = spent._replace(remapped=spent.remapped | {(node, fd)})
                yield _known(Event(faults.REMAPPED, who, fd, disk=channel.disk), after)
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

    def _settled(self, state: State, number: int, program: Program, before: int = OVER) -> Made:
        """If the attempt has ended, go on to what comes after; with everything that was broken. before: the moment that
        its files were written up to.
        """
        broken = self._judge(program.run)
        call, report = self.runs.call_of(program.run), self.runs.moment(program.run).report
        state = self._with_files(state, call.node, before, program.run)
        if report is None:
            return _with_program(state, number, program), broken
        self.successes += report.ok
        broken = broken + promises.broken_by_accepted(self.runs, program.run, [self.units[it] for it in state.units])
        verdict = report.verdict if report.ok else ""
        if ((verdict and call.action == "off") or verdict == promises.OFF) and not self._is_loud(report):
            state = state._replace(out=state.out | ({call.plug} - program.since - program.back))
        after, more = self._next_attempt(state, number, program, verdict or ("ok" if report.ok else ""))
        return after, broken + more

    def _is_loud(self, report: Report) -> bool:
        return faults.LOUD in self.scenario.excused and any(it.code == "keys-left" for it in report.warnings)

    def _with_files(self, state: State, node: str, before: int, run: int) -> State:
        at = self.site.names.index(node)
        kept = self.runs.files_after(state.kept[at], before, run)
        return state if kept == state.kept[at] else state._replace(kept=(*state.kept[:at], kept, *state.kept[at + 1 :]))

    def _next_attempt(self, state: State, number: int, program: Program, verdict: str) -> Made:
        """After an attempt that ended with this verdict, "" if it failed."""
        goals = self._programs[number]
        if not verdict and program.attempt + 1 < len(goals[program.goal]):
            return self._begun(state, number, program._replace(attempt=program.attempt + 1))
        program = Program(program.goal + 1, 0, OVER, (*program.results, verdict))
        if program.goal < len(goals):
            return self._begun(state, number, program)
        return _with_program(state, number, program), []

    def _begun(self, state: State, number: int, program: Program) -> Made:
        call = self._programs[number][program.goal][program.attempt]
        if call.action == "on":
            state = state._replace(
                out=state.out - {call.node}, programs=tuple(_knows(it, call) for it in state.programs)
            )
        run = self.runs.start(call, state.kept[self.site.names.index(call.node)])
        program = program._replace(run=run, since=frozenset(), back=frozenset(), shut=frozenset(), told=frozenset())
        return self._settled(state, number, program)

    def _judge(self, run: int) -> list[str]:
        """What this moment breaks by itself."""
        if run not in self._judged:
            report = self.runs.moment(run).report
            claims = [] if report and self._is_loud(report) else promises.broken_by_report(self.runs, run)
            self._judged[run] = promises.broken_by_sending(self.runs, run) + claims
        return self._judged[run]

    def _unit_number(self, unit: Unit) -> int:
        if not self.scenario.counts():
            unit.generation = 0
        name = (unit.frozen(), unit.generation)
        if name not in self._unit_numbers:
            self._unit_numbers[name] = len(self.units)
            self.units.append(unit)
        return self._unit_numbers[name]


def _knows(program: Program, on: Call) -> Program:
    """An 'on' begins while the program's call is under way, if one is that tells something of the node."""
    return program if program.run == OVER else program._replace(since=program.since | {on.node})


def _came_back(state: State, nodes: Set[str]) -> State:
    """What a call under way says of these nodes may be over already."""
    programs = tuple(it._replace(back=it.back | nodes) if it.run != OVER else it for it in state.programs)
    return state._replace(programs=programs, out=state.out - nodes)


def _with_program(state: State, number: int, program: Program) -> State:
    return state._replace(programs=(*state.programs[:number], program, *state.programs[number + 1 :]))


def _known(event: Event, state: State) -> Move:
    return Move(event, lambda: (state, []))


def _on_disk(state: State, disk: int, unit: int) -> State:
    return state._replace(units=(*state.units[:disk], unit, *state.units[disk + 1 :]))
