"""Every interleaving of what several nodes do at once, command by command.

A node's code is a function of the answers it got: it is run again from its start with the recorded answers until it
needs one more. So no thread is involved, and equal states are visited once however they were reached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fence_pr.errors import FenceError, PathFailure
from fence_pr.plan import Snapshot
from fence_pr.report import Report

from .node import Node, Pending

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fence_pr.device import Device

    from .target import Command, Send, Target

    Waiting = tuple[tuple[Device, Command], ...]


History = tuple[tuple[int, ...], ...]  # of one call: the numbers of the answers so far, disk by disk


class Call(NamedTuple):
    """One node carries out one action."""

    node: Node
    action: str
    plug: str


class State(NamedTuple):
    """A moment: number of each disk's target, what each call was answered, how many kills and lost answers remain."""

    targets: tuple[int, ...]
    histories: tuple[History, ...]
    kills: int
    losses: int


class Search:
    """Visits every state that `calls` can reach on `targets`.

    kills   how often a call may be killed at any point and be started again
    losses  how often a command may fail with a path failure, carried out or not
    """

    def __init__(self, calls: Sequence[Call], devices: Sequence[Device], *, kills: int = 0, losses: int = 0) -> None:
        self._calls, self._devices = list(calls), list(devices)
        self._kills, self._losses = kills, losses
        # Answers and targets are kept once and go by their numbers.
        self._answers: list[Snapshot | FenceError | None] = []
        self._answer_numbers: dict[object, int] = {}
        self._targets: list[Target] = []
        self._target_numbers: dict[object, int] = {}
        self._effects: dict[object, tuple[int, int]] = {}
        self._runs: dict[object, Report | Waiting] = {}

    def ends(self, targets: Sequence[Target], check: Callable[[Sequence[Target], list[Report]], None]) -> int:
        """Call `check` with targets and reports of each end; returns how many different ends there are."""
        nothing = tuple(() for _ in self._devices)
        start = tuple(self._target_number(target) for target in targets)
        todo = [State(start, tuple(nothing for _ in self._calls), self._kills, self._losses)]
        seen, ends = set(todo), 0
        while todo:
            state = todo.pop()
            following = self._following(state)
            if not following:
                ends += 1
                reports = [self._run(number, history) for number, history in enumerate(state.histories)]
                check([self._targets[it] for it in state.targets], [it for it in reports if isinstance(it, Report)])
            todo += [after for after in following if after not in seen]
            seen.update(following)
        return ends

    def _following(self, state: State) -> list[State]:
        states = []
        for number, history in enumerate(state.histories):
            waiting = self._run(number, history)
            if isinstance(waiting, Report):
                continue
            for device, command in waiting:
                states += self._after(state, number, self._devices.index(device), command)
            if state.kills:
                nothing = tuple(() for _ in self._devices)
                states.append(state._replace(histories=_with(state.histories, number, nothing), kills=state.kills - 1))
        return states

    def _after(self, state: State, number: int, position: int, command: Command) -> list[State]:
        """The command carried out and answered; and while answers may be lost, carried out or not and not answered."""
        before = state.targets[position]
        after, answer = self._effect(before, self._calls[number].node.name, command)
        states = [_recorded(state, number, position, after, answer)]
        if state.losses:
            loss = self._answer_number(PathFailure("model", command.name, 0x10000))
            fewer = state._replace(losses=state.losses - 1)
            states += [_recorded(fewer, number, position, target, loss) for target in (before, after)]
        return states

    def _effect(self, before: int, nexus: str, command: Command) -> tuple[int, int]:
        """Numbers of the target that the command leaves, and of its answer."""
        if (before, nexus, command) not in self._effects:
            target = self._targets[before].copy()
            answer: Snapshot | FenceError | None
            try:
                answer = target.carry_out(nexus, command)
            except FenceError as error:
                answer = error
            self._effects[before, nexus, command] = self._target_number(target), self._answer_number(answer)
        return self._effects[before, nexus, command]

    def _answer_number(self, answer: Snapshot | FenceError | None) -> int:
        name = answer if isinstance(answer, Snapshot) else repr(answer)
        if name not in self._answer_numbers:
            self._answer_numbers[name] = len(self._answers)
            self._answers.append(answer)
        return self._answer_numbers[name]

    def _target_number(self, target: Target) -> int:
        name = target.frozen()
        if name not in self._target_numbers:
            self._target_numbers[name] = len(self._targets)
            self._targets.append(target)
            target.generation = 0  # it only counts; without it more states are equal
        return self._target_numbers[name]

    def _run(self, number: int, history: History) -> Report | Waiting:
        """The report, or the commands that the call waits for."""
        if (number, history) not in self._runs:
            call = self._calls[number]
            try:
                self._runs[number, history] = call.node.run(call.action, call.plug, self._replay(history))
            except Pending as pending:
                self._runs[number, history] = pending.commands
        return self._runs[number, history]

    def _replay(self, history: History) -> Send:
        """Gives the recorded answers; Pending where there is none."""
        answers = {device.identity: iter(numbers) for device, numbers in zip(self._devices, history)}

        def send(device: Device, command: Command) -> Snapshot | None:
            if command.name == "open":
                return None
            recorded = next(answers[device.identity], None)
            if recorded is None:
                raise Pending(((device, command),))
            answer = self._answers[recorded]
            if isinstance(answer, FenceError):
                raise answer
            return answer

        return send


def _recorded(state: State, number: int, position: int, target: int, answer: int) -> State:
    history = state.histories[number]
    history = _with(history, position, (*history[position], answer))
    targets = _with(state.targets, position, target)
    return state._replace(targets=targets, histories=_with(state.histories, number, history))


def _with(items: tuple[Any, ...], position: int, item: object) -> tuple[Any, ...]:
    return (*items[:position], item, *items[position + 1 :])
