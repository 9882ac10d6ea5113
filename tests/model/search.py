"""Visits every state of a scenario, or walks through it at random, and looks whether the promises are kept.

States are visited in an order in which each comes after all that lead to it, fewest faults first: so every schedule
is counted, and what breaks a promise is shown with as few faults as can be.
"""

from __future__ import annotations

import heapq
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from . import promises, trace
from .deeds import DEEDS
from .moves import Moves
from .runs import Call
from .scenario import HARM, End
from .states import OVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .scenario import Scenario
    from .states import Event, State
    from .trace import Violation

FAULT_CHANCE = 0.1


class Result(NamedTuple):
    """What a search has seen.

    states     different ones
    ends       those of them in which nothing can happen any more
    schedules  ways that lead to them (in a search at random: walks)
    faults     how often each kind was tried, each time in another state
    runs       how many different moments of the agent's code were carried out
    successes  how many of them were a success
    unmet      which calls that came before have failed
    """

    states: int
    ends: int
    schedules: int
    faults: Counter[str]
    runs: int
    successes: int
    seconds: float
    violation: Violation | None
    unmet: tuple[Call, ...] = ()


class Search:
    """Explores one scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self._moves = scenario, Moves(scenario)
        self._calls = scenario.calls()
        self._bystanders: list[set[str]] = []
        self._parents: dict[State, tuple[State, Event] | None] = {}
        self._promised: dict[object, list[str]] = {}
        self._faults: Counter[str] = Counter()
        self._ends = 0

    def explore(self) -> Result:
        """Visit every state, until a promise is broken."""
        started = time.monotonic()
        with self._moves.runs.installed():
            start, violation = self._start()
            ways, schedules = {start: 1}, 0
            todo = [(self._measure(start), 0, start)]
            while todo and not violation:
                state = heapq.heappop(todo)[2]
                count, is_end = ways.pop(state), True
                for event, make in self._moves.of(state):
                    is_end = False
                    after, broken = make()
                    if after not in self._parents:
                        heapq.heappush(todo, (self._measure(after), len(self._parents), after))
                        ways[after] = 0
                    violation = self._arrive(state, event, after, broken)
                    ways[after] += count  # which is there still, as a state comes after all that lead to it
                    if violation:
                        break
                if is_end:
                    schedules += count
                    violation = self._end(state)
        return self._result(len(self._parents), schedules, started, violation)

    def sample(self, seed: int, walks: int) -> Result:
        """Walk at random to so many ends, or until a promise is broken. The same seed gives the same walks."""
        started, chance = time.monotonic(), random.Random(seed)
        seen: set[State] = set()
        with self._moves.runs.installed():
            for _ in range(walks):
                self._parents = {}
                start, violation = self._start()
                violation = violation or self._walk(start, chance)
                seen.update(self._parents)
                if violation:
                    break
        return self._result(len(seen), self._ends, started, violation)

    def _walk(self, state: State, chance: random.Random) -> Violation | None:
        while True:
            moves = list(self._moves.of(state))
            if not moves:
                return self._end(state)
            orderly = [move for move in moves if not move.event.fault or move.event.fault in DEEDS]
            faulty = [move for move in moves if move not in orderly]
            event, make = chance.choice(faulty if faulty and chance.random() < FAULT_CHANCE else orderly or faulty)
            after, broken = make()
            violation = self._arrive(state, event, after, broken)
            if violation:
                return violation
            state = after

    def _start(self) -> tuple[State, Violation | None]:
        state, broken = self._moves.start()
        self._parents[state] = None
        victims = {call.plug for call in self._calls if call.action == "off"}
        site = self._moves.site
        self._bystanders = [
            {it for node in site.hosts if node not in victims for it in site.nexuses(node, disk)}
            & self._moves.units[number].keys.keys()
            for disk, number in enumerate(state.units)
        ]
        return state, self._violation(state, None, broken) if broken else None

    def _arrive(self, state: State, event: Event, after: State, broken: list[str]) -> Violation | None:
        if event.fault and event.fault not in DEEDS:
            self._faults[event.fault] += 1
        if after not in self._parents:
            self._parents[after] = (state, event)
            broken = broken + self._broken_by_state(after)
        return self._violation(state, event, broken) if broken else None

    def _end(self, state: State) -> Violation | None:
        self._ends += 1
        units = [self._moves.units[number] for number in state.units]
        results = tuple(program.results for program in state.programs)
        end = End(self._moves.site, units, results, self.scenario.faults.most - state.left)
        broken = self._broken_by_status(state) + self.scenario.check(end)
        if not state.power_lost and HARM not in self.scenario.excused:
            broken += promises.broken_by_loss(units, self._bystanders)
        return self._violation(state, None, broken) if broken else None

    def _measure(self, state: State) -> tuple[int, int, int, int]:
        """Every event makes it greater."""
        attempts = answers = 0
        for goals, program in zip(self.scenario.programs, state.programs):
            attempts += sum(map(len, goals[: program.goal])) + program.attempt
            answers += self._moves.runs.length(program.run) if program.run != OVER else 0
        return self.scenario.faults.most - state.left, -len(state.late), attempts, answers

    def _broken_by_state(self, state: State) -> list[str]:
        if state.power_lost:
            return []
        key = (state.units, state.out)
        if key not in self._promised:
            units = [self._moves.units[number] for number in state.units]
            self._promised[key] = promises.broken_by_state(self._moves.site, units, state.out, self.scenario.start.type)
        return self._promised[key]

    def _broken_by_status(self, state: State) -> list[str]:
        """Promise 9: a node that has all its paths, and they lead to its disks, is asked for the status of each."""
        site, broken = self._moves.site, list[str]()
        lame = {node for node, _ in (*state.dead, *state.remapped)}
        alive = [node for node, host in site.hosts.items() if node not in lame and not host.misled]
        for observer in alive[:1]:
            kept, conf = state.kept[site.names.index(observer)], self.scenario.last_conf(observer)
            for node in site.hosts:
                call = Call(observer, "status", node, conf)
                key = (state.units, call, kept)
                if key not in self._promised:
                    verdict = self._status(state.units, call, kept)
                    units = [self._moves.units[number] for number in state.units]
                    self._promised[key] = promises.broken_by_true_status(site, units, call, verdict)
                broken += self._promised[key]
        return broken

    def _status(self, units: Sequence[int], call: Call, kept: int) -> str:
        """The verdict of the action status, "" if it fails."""
        runs = self._moves.runs
        run = runs.start(call, kept)
        while runs.moment(run).waiting:
            fd, command = runs.moment(run).waiting[0]
            channel = self._moves.site.hosts[call.node].channels[fd]
            if command.name == "identify":
                answer = runs.answer_number(self._moves.site.says[channel.disk])
            else:
                _, answer = self._moves.effect(units[channel.disk], channel.nexus, command)
            run = runs.after(run, fd, answer)
        report = runs.moment(run).report
        return report.verdict if report and report.ok else ""

    def _violation(self, state: State, event: Event | None, broken: Sequence[str]) -> Violation:
        site, events, last = self._moves.site, [event] if event else [], state
        step = self._parents[state]
        while step:
            state, before = step
            events.append(before)
            step = self._parents[state]
        start, end = ([self._moves.units[number] for number in it.units] for it in (state, last))
        words = tuple(trace.event(site, it) for it in reversed(events))
        before_last = "" if not event else "(before the last event) "
        end_words = before_last + trace.disks(site, end)
        return trace.Violation(
            self.scenario.name, tuple(dict.fromkeys(broken)), words, trace.disks(site, start), end_words
        )

    def _result(self, states: int, schedules: int, started: float, violation: Violation | None) -> Result:
        runs, seconds = self._moves.runs.count(), time.monotonic() - started
        successes, unmet = self._moves.successes, tuple(self._moves.unmet)
        return Result(states, self._ends, schedules, self._faults, runs, successes, seconds, violation, unmet)
