"""The table of a pre-flight's steps, in their order."""

from __future__ import annotations

from ...errors import UsageError
from ...nearest import nearest
from ...record import Record
from ...storage.snapshot import TYPE_NAMES
from . import abort, enforce, operator, static, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..options import Call
    from .bench import Bench, Outcome

STATIC, WRITE, TWO = "static", "write", "two nodes"
PARTS = (STATIC, WRITE, TWO)
_SHORT_TYPES = {1: "we", 2: "ea", 3: "wero", 4: "earo", 5: "wear", 6: "eaar"}


class Step(Record):
    """One step.

    name   short, unique
    part   one of PARTS
    title  the question that it answers
    needs  the steps that must not have failed, or been left out
    """

    name: str
    part: str
    title: str
    run: Callable[[Bench], Outcome]
    needs: tuple[str, ...] = ()


_STATIC = (
    Step("identity", STATIC, "It says who it is, the same over every path", static.identity),
    Step("paths", STATIC, "Every path answers", static.paths),
    Step("types", STATIC, "It knows a reservation that nodes can share", static.types),
    Step("persistence", STATIC, "Registrations outlive a power loss", static.persistence),
    Step("hosts", STATIC, "It tells which host is behind a registration", static.hosts),
    Step("abort", STATIC, "Nothing speaks against preempt-and-abort", static.abort),
)
_WRITE = (
    Step("register", WRITE, "A registration comes, is listed and counted, and goes", write.register),
    Step("wrong-key", WRITE, "Who names a wrong key changes nothing", write.wrong_key, ("register",)),
    Step("data", WRITE, "What is written over one path is read over all", write.data),
    *(
        Step(f"hold-{short}", WRITE, f"Reserved, read back, written, released: {TYPE_NAMES[kind]}",
             write.holds(kind), ("register",))
        for kind, short in _SHORT_TYPES.items()
    ),
    Step("each-path", WRITE, "Each path is registered, or shut out, by itself", write.each_path,
         ("register", "data")),
    Step("other-path", WRITE, "A preempt over another path than the holder's", write.other_path,
         ("register", "data")),
)  # fmt: skip
_SHARED = ("register", "same-disk", "two-hosts")
_TWO = (
    Step("same-disk", TWO, "Both nodes see one disk: identity, registrations, blocks", enforce.same_disk,
         ("register",)),
    Step("two-hosts", TWO, "To the target the nodes are two hosts", enforce.two_hosts, ("same-disk",)),
    *(
        Step(f"enforce-{short}", TWO, f"Who is shut out is shut out: {TYPE_NAMES[kind]}",
             enforce.enforces(kind), _SHARED)
        for kind, short in _SHORT_TYPES.items()
    ),
    Step("abort-registrant", TWO, "A registrant is fenced while it writes: nothing lands later",
         abort.stream(victim_holds=False), _SHARED),
    Step("abort-holder", TWO, "The holder is fenced while it writes: nothing lands later",
         abort.stream(victim_holds=True), _SHARED),
    Step("duel", TWO, "Two nodes fence each other at once: one survives", enforce.duel, _SHARED),
)  # fmt: skip


def steps(call: Call) -> tuple[Step, ...]:
    """Those that the call asks for. Raises UsageError."""
    writes, two = call.flag("write") or bool(call.values["with"]), bool(call.values["with"])
    chosen = [*_STATIC, *(_WRITE if writes else ()), *(_TWO if two else ())]
    if writes:
        needs = _SHARED if two else ("register",)
        room = Step("room", TWO if two else WRITE, "A registration of every path of every node fits",
                    write.room, needs)  # fmt: skip
        chosen.append(room)
    for name, title, make in (
        ("relogin", "A registration and a new login", operator.relogin),
        ("restart", "Registrations outlive a restart of the target", operator.restart),
    ):
        if writes and call.values[name]:
            part = TWO if two else WRITE
            chosen.append(Step(name, part, title, make(call.values[name]), _SHARED if two else ("register",)))
    if not (only := call.values["only"].replace(",", " ").split()):
        return tuple(chosen)
    known = [it.name for it in chosen]
    for name in only:
        if name not in known:
            fields = {"value": name, "near": nearest(name, known), "choices": tuple(known)}
            raise UsageError("step-unrecognised", option="only", **fields)
    needed = [*only]
    for name in needed:  # grows meanwhile
        needed += next(it.needs for it in chosen if it.name == name)
    return tuple(it for it in chosen if it.name in needed)
