"""A pre-flight's way through its steps: each begins on a disk on which nobody is registered, and leaves it so."""

from __future__ import annotations

import os

from ...errors import FenceError, Notice
from ...log import one_line
from .bench import FAIL, PASS, SKIP, Outcome, StepFailed, refuse_strangers, skipped, wipe
from .keys import is_scratch
from .refusal import refusal
from .report import found
from .steps import STATIC, Step, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..options import Call
    from ..report import Json
    from .bench import Bench


class Flight:
    """The steps of one call, on a bench whose nodes have opened the disk."""

    def __init__(self, call: Call, bench: Bench) -> None:
        self._call, self._bench = call, bench
        self._steps = steps(call)
        self._states: dict[str, str] = {}
        self._ends: list[tuple[Step, Outcome]] = []
        self._lost: Notice | None = None

    def fly(self) -> Json:
        """All of it. Raises UsageError."""
        refused: FenceError | None = None
        removed: list[Notice] = []
        self._go(STATIC)
        if any(it.part != STATIC for it in self._steps):
            refused = refusal(self._call, self._bench)
            if not refused:
                try:
                    removed = self._prepare()
                    self._go()
                except FenceError as error:
                    refused = error
                self._leave()
        for step in self._steps:
            if step.name not in self._states:
                self._note(step, skipped("step-not-reached"))
        return self._told(refused, removed)

    def _go(self, part: str = "") -> None:
        """The steps of this part, or all others."""
        chosen = [it for it in self._steps if (it.part == part if part else it.part != STATIC)]
        for step in chosen:
            self._show(step)
            outcome = self._outcome(step)
            self._note(step, outcome)
            if step.part != STATIC and not self._lost:
                try:
                    self._bench.clean()
                except FenceError as error:
                    self._lost = error.notice()
                    self._states[step.name] = FAIL
                    seen = outcome.notices if outcome.state == FAIL else ()
                    self._ends[-1] = (step, Outcome(FAIL, (*seen, *error.notices())))

    def _outcome(self, step: Step) -> Outcome:
        if self._lost:
            return skipped("step-not-reached")
        for need in step.needs:
            if self._states.get(need) in (FAIL, SKIP):
                return skipped("step-needs", name=need)
        try:
            return step.run(self._bench)
        except StepFailed as error:
            return Outcome(FAIL, error.notices())
        except FenceError as error:  # a node, or its disk, does not answer: nobody knows in what state it is
            self._lost = error.notice()
            return Outcome(FAIL, error.notices())

    def _note(self, step: Step, outcome: Outcome) -> None:
        self._states[step.name] = outcome.state
        self._ends.append((step, outcome))

    def _show(self, step: Step) -> None:
        """Progress, on a terminal."""
        if os.isatty(2):
            at = len(self._ends) + 1
            os.write(2, f"\r\x1b[K{one_line(f'[{at}/{len(self._steps)}] {step.title} …')}".encode())

    def _prepare(self) -> list[Notice]:
        """Nobody is registered from here on. What an earlier run has left. Raises FenceError."""
        bench = self._bench
        bench.offset = bench.one.must("keep")["offset"]
        found, now = bench.one.look["keys"], bench.one.must("read")["keys"]
        refuse_strangers(now, found)
        left = sorted({key for key in found if is_scratch(key)})
        if now:
            wipe(bench.one)
        return [Notice("scratch-keys-removed", {"keys": left})] if left else []

    def _leave(self) -> None:
        """Nothing is left; that is a step, too."""
        bench = self._bench
        step = Step("left-clean", self._steps[-1].part, "No scratch key is left", lambda _: skipped(""))
        self._steps = (*self._steps, step)
        try:
            bench.clean()
            bench.one.must("put_back")
            said = bench.one.must("read")
        except FenceError as error:
            self._note(step, Outcome(FAIL, (Notice("left-unclean", {"answer": error.notice().pack()}),)))
            return
        state = (FAIL, "registration-stays") if said["keys"] else (PASS, "left-clean")
        self._note(step, Outcome(state[0], (Notice(state[1], {"key": (said["keys"] or [0])[0]}),)))

    def _told(self, refused: FenceError | None, removed: list[Notice]) -> Json:
        if os.isatty(2):
            os.write(2, b"\r\x1b[K")
        return found(self._call.words[0], self._bench, self._ends, refused, removed)
