"""The bench of a pre-flight: its nodes with the disk in their hands, what they have said, and what a step comes to."""

from __future__ import annotations

import time

from ...errors import FenceError, Notice
from ...record import Record
from ...storage.snapshot import WRITE_EXCLUSIVE_ALL_REGS, WRITE_EXCLUSIVE_REG_ONLY
from .hand import CONFLICT, DONE, FAILED
from .keys import ScratchKeys, foreign, is_scratch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Protocol

    from ..report import Json

    class Asked(Protocol):
        """One node's hand, wherever it is; as `other_node.OtherNode`."""

        node: str

        def ask(self, question: Json, seconds: float) -> Json:
            """Raises FenceError if no answer comes."""

        def send(self, question: Json) -> None:
            """Without waiting."""

        def hear(self, question: str, seconds: float) -> Json:
            """Raises FenceError if no answer comes."""

        def close(self, seconds: float) -> None:
            """The hand takes away what it has left."""


PASS, WARN, FAIL, SKIP = "PASS", "WARN", "FAIL", "SKIP"
# What is said of a path that leads to another disk.
ANOTHER_DISK = ("another-disk", "disk-replaced", "namespace-replaced", "name-of-another-disk")
# What is not about how long a command of the target takes.
_COMMANDS = ("register", "unregister", "reserve", "release", "clear", "preempt", "write", "see")
_CLOCK_LOOKS = 5
# What an answer has in it: the other node's program may be another version.
_ANSWERS = {
    "open": ("identity", "device", "kind", "name", "paths", "host", "kernel"),
    "look": ("types", "active", "possible", "keys", "type", "dead", "hosts", "abort_harm", "warnings"),
    "use": ("users", "content"),
    "read": ("generation", "keys", "type", "holder"),
    "clock": ("at",),
    "keep": ("offset",),
    "write": ("outcome",),
    "see": ("outcome",),
    **dict.fromkeys(("register", "unregister", "reserve", "release", "clear", "preempt", "cut_off"), ("outcome",)),
    "streamed": ("count",),
    "stop": ("writes", "hanging"),
    "numbers": ("numbers",),
}
ALL_TYPES = (1, 2, 3, 4, 5, 6)


class Outcome(Record):
    """What a step comes to. notices: what was seen, of the severity that fits the state."""

    state: str
    notices: tuple[Notice, ...]


def passed(code: str, **fields: Any) -> Outcome:
    """What was seen is right."""
    return Outcome(PASS, (Notice(code, fields),))


def warned(code: str, **fields: Any) -> Outcome:
    """It can be lived with."""
    return Outcome(WARN, (Notice(code, fields),))


def failed(code: str, **fields: Any) -> Outcome:
    """This storage cannot be trusted with that."""
    return Outcome(FAIL, (Notice(code, fields),))


def skipped(code: str, **fields: Any) -> Outcome:
    """It was not tried."""
    return Outcome(SKIP, (Notice(code, fields),))


class StepFailed(FenceError):
    """A step cannot go on: what was seen fails it."""


class Party:
    """One node at the bench.

    name      how it is called in what is told
    found     what it said when it opened the disk; look: what the target said over it
    key       the scratch key that it registers
    seconds   how long it may take for an answer
    behind    its clock + this = the clock here, in seconds, give or take `unsure`
    """

    def __init__(self, asked: Asked, name: str, key: int, seconds: float) -> None:
        self.name, self.key = name, key
        self.found: Json = {}
        self.look: Json = {}
        self.behind, self.unsure = 0.0, 0.0
        self.took: dict[str, list[float]] = {}
        self._asked, self.seconds = asked, seconds

    def ask(self, ask: str, more_seconds: float = 0.0, **given: Any) -> Json:
        """The answer of its hand. Raises FenceError."""
        self.send(ask, **given)
        return self.hear(ask, more_seconds)

    def send(self, ask: str, **given: Any) -> None:
        """Have it begin something; one answer must be heard for each."""
        self._asked.send({"ask": ask, **given})

    def hear(self, ask: str, more_seconds: float = 0.0) -> Json:
        """What came of it. Raises FenceError."""
        answer = self._asked.hear(ask, self.seconds + more_seconds)
        if lacking := [it for it in _ANSWERS.get(ask, ()) if it not in answer and answer.get("outcome") != FAILED]:
            said = f"{ask} without {', '.join(lacking)}"
            raise FenceError("other-node-unreachable", node=self.name, program="its answer", answer=said)
        if ask in _COMMANDS and "seconds" in answer:
            self.took.setdefault(ask, []).append(answer["seconds"])
        return answer

    def must(self, ask: str, more_seconds: float = 0.0, **given: Any) -> Json:
        """What the target has to do. Raises StepFailed if it does not, FenceError if it does not answer."""
        answer = self.ask(ask, more_seconds, **given)
        if answer.get("outcome", DONE) in (CONFLICT, FAILED):
            raise StepFailed("step-refused", node=self.name, operation=ask, answer=answer["notice"])
        return answer

    def open(self) -> None:
        """Raises StepFailed, FenceError."""
        self.found = self.must("open")
        self.look = self.must("look")

    def register(self, path: int = 0, key: int = 0) -> None:
        """With its own key, or this one. Raises as `must`."""
        self.must("register", old=0, key=key or self.key, path=path)

    def paths(self) -> range:
        """The numbers of its live paths."""
        return range(len(self.found["paths"]))

    def elsewhere(self) -> list[Notice]:
        """Its paths that lead to another disk."""
        return [Notice("path-leads-elsewhere", {"path": path, "answer": why})
                for path, why in self.look["dead"].items() if why["code"] in ANOTHER_DISK]  # fmt: skip

    def compare_clocks(self) -> None:
        """By the shortest of some questions, whose answer was made somewhere within it."""
        looks = []
        for _ in range(_CLOCK_LOOKS):
            begun = time.monotonic()
            at = self.ask("clock")["at"]
            ended = time.monotonic()
            looks.append((ended - begun, (begun + ended) / 2 - at))
        self.unsure, self.behind = min(looks)

    def close(self, seconds: float) -> None:
        """Its hand takes away what it has left."""
        self._asked.close(seconds)


class Bench:
    """What the steps work on.

    one, other  the nodes; other: None if there is only one
    run         the name that its blocks bear, 16 hexadecimal digits
    settle      for how long after an abort it is watched whether something lands, in seconds
    streams     what came of each stream of writes
    """

    def __init__(self, one: Party, other: Party | None, keys: ScratchKeys, run: str, settle: float) -> None:
        self.one, self.other, self.keys, self.run, self.settle = one, other, keys, run, settle
        self.offset = 0
        self.streams: list[Json] = []
        self._number = 0

    def parties(self) -> list[Party]:
        """All nodes."""
        return [self.one, *([self.other] if self.other else [])]

    def second(self) -> Party:
        """The other node, in a step that is for two."""
        assert self.other
        return self.other

    def types(self) -> tuple[int, ...]:
        """Those that the target claims; all if it does not say."""
        told = self.one.look["types"]
        return ALL_TYPES if told is None else tuple(told)

    def usual_type(self) -> int:
        """Whose reservation nodes share, as the agent takes it."""
        first = WRITE_EXCLUSIVE_REG_ONLY
        return first if first in self.types() else WRITE_EXCLUSIVE_ALL_REGS

    def number(self) -> int:
        """A new number for a block."""
        self._number += 1
        return self._number

    def numbers_until(self, last: int) -> None:
        """Numbers up to this one were given to blocks by somebody else."""
        self._number = max(self._number, last)

    def write(self, party: Party, path: int | None = 0) -> tuple[str, int]:
        """One block: "ok" or the error's name, and its number. Raises FenceError."""
        number = self.number()
        said = party.ask("write", run=self.run, number=number, offset=self.offset, path=path)
        return str(said["outcome"]), number

    def see(self, party: Party, number: int, path: int | None = 0) -> tuple[str, int]:
        """Whether the block can be read, and which one stands in its place. Raises FenceError."""
        said = party.ask("see", run=self.run, number=number, offset=self.offset, path=path)
        return str(said["outcome"]), int(said.get("number", 0))

    def clean(self) -> None:
        """No registration and no reservation is left, also of a node that does not answer any more.

        Raises StepFailed, FenceError, also for such a node: what it still does nobody knows.
        """
        failures: list[FenceError] = []
        for it in reversed(self.parties()):
            try:
                it.must("leave")
            except FenceError as error:
                failures.append(error)
        left = self.one.must("read")
        refuse_strangers(left["keys"])
        if left["keys"] or left["type"]:
            wipe(self.one)
        if failures:
            raise failures[0]


def refuse_strangers(keys: Iterable[int], known: Iterable[int] = ()) -> None:
    """Somebody begins to use the disk while it is tried: his key is never removed. known: keys that may go.

    Raises FenceError.
    """
    if came := sorted({*foreign(keys)}.difference(known)):
        raise FenceError("keys-came-meanwhile", keys=came)


def wipe(party: Party) -> None:
    """Everything on the disk goes, as this node alone can do it. Raises StepFailed, FenceError."""
    key = party.key
    answer = party.ask("register", old=0, key=key)
    if answer["outcome"] != DONE:  # this very path has a key, which is one of those that are listed
        for old in sorted(set(party.must("read")["keys"]), key=lambda it: not is_scratch(it)):
            if party.ask("register", old=old, key=key)["outcome"] == DONE:
                break
    party.must("clear", key=key)
