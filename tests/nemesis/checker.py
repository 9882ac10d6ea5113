"""Which promises a history breaks. It knows no agent and no storage: only calls, writes, and what disks say. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .history import Call, History

LATE_WRITE = "a write of a fenced node landed"
TWO_WINNERS = "two nodes are sure that they fenced each other"
NOBODY_LEFT = "no node is left on all disks, and one could reach them all"
BYSTANDER = "a node that nobody fenced was shut out"
TOO_LATE = "an answer came after the time limit"
NOT_WHOLE = "the cluster is not whole again by itself"
KINDS = (LATE_WRITE, TWO_WINNERS, NOBODY_LEFT, BYSTANDER, TOO_LATE, NOT_WHOLE)
# All but the last are broken promises; an agent that gives up breaks none, and is no use either.
REFUSED = "EBADE"
# A busy machine starts and ends a process late.
TOLERANCE_SECONDS = 5.0
WHOLE_SECONDS = 60.0


@dataclass(frozen=True)
class Violation:
    """kind: of KINDS; detail: what was seen, in a sentence."""

    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


def violations(history: History) -> list[Violation]:
    """Everything that is wrong, each kind once a pair of nodes."""
    found = [
        *_late_writes(history),
        *_two_winners(history),
        *_nobody_left(history),
        *_bystanders(history),
        *_late_answers(history),
        *_not_whole(history),
    ]
    return list(dict.fromkeys(found))


def _fencings(history: History) -> list[Call]:
    return [it for it in history.calls if it.action == "off" and it.ok]


def _until(history: History, node: str, after: float) -> float:
    """When the node began to come back: it may write from then on."""
    return min(
        (it.begun for it in history.calls if it.action == "on" and it.plug == node and it.begun > after),
        default=float("inf"),
    )


def _late_writes(history: History) -> Iterator[Violation]:
    for fencing in _fencings(history):
        until = _until(history, fencing.plug, fencing.ended)
        for look in history.looks:
            if look.node != fencing.plug or not fencing.ended < look.at <= until:
                continue
            for disk, before in fencing.landed.items():
                if look.landed.get(disk, before) != before:
                    yield Violation(
                        LATE_WRITE, f"{fencing.node} fenced {fencing.plug}, which wrote to disk {disk} then"
                    )


def _two_winners(history: History) -> Iterator[Violation]:
    fencings = _fencings(history)
    for first in fencings:
        for second in fencings:
            mutual = (first.node, first.plug) == (second.plug, second.node)
            if mutual and first.ended <= second.ended and _until(history, first.plug, first.ended) > second.begun:
                yield Violation(TWO_WINNERS, f"{first.node} and {second.node}")


def _nobody_left(history: History) -> Iterator[Violation]:
    for stand in history.stands:
        if stand.able and stand.registered and not frozenset.intersection(*stand.registered.values()):
            yield Violation(NOBODY_LEFT, f"able: {', '.join(sorted(stand.able))}")


def _bystanders(history: History) -> Iterator[Violation]:
    victims = {it.plug for it in history.calls if it.action == "off"}
    for answers in history.answers:
        if answers.node not in victims and answers.errors.get(REFUSED):
            yield Violation(BYSTANDER, f"{answers.node}: {answers.errors[REFUSED]} writes refused")


def _late_answers(history: History) -> Iterator[Violation]:
    for call in history.calls:
        if call.ended - call.begun > history.limit + TOLERANCE_SECONDS:
            yield Violation(TOO_LATE, f"'{call.action}' of {call.node}: {call.ended - call.begun:.0f} s")


def _not_whole(history: History) -> Iterator[Violation]:
    if history.whole is None or history.whole - history.healed > WHOLE_SECONDS:
        yield Violation(NOT_WHOLE, history.missing or "after too long a time")
