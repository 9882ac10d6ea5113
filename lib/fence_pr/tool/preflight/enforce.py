"""What two nodes can try of a target: the steps of a pre-flight in which one is shut out, and must stay so."""

from __future__ import annotations

from ...storage.snapshot import (
    EXCLUSIVE_ACCESS,
    EXCLUSIVE_ACCESS_ALL_REGS,
    EXCLUSIVE_ACCESS_REG_ONLY,
    SINGLE_HOLDER_TYPES,
    TYPE_NAMES,
)
from .bench import Outcome, failed, passed, skipped
from .hand import CONFLICT, DONE
from .stream import OK, REFUSED
from .write import told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .bench import Bench, Party

_HIDDEN_FROM_OTHERS = (EXCLUSIVE_ACCESS, EXCLUSIVE_ACCESS_REG_ONLY, EXCLUSIVE_ACCESS_ALL_REGS)
# The map, or the kernel's own multipath, may take another path for the next one.
_WRITES_OVER_ALL = 4
_DUELS = 5


def same_disk(bench: Bench) -> Outcome:
    """Both nodes see one disk: its registrations, and its blocks. Its identity was looked at before any write."""
    one, other = bench.one, bench.second()
    one.register()
    if one.key not in other.must("read")["keys"]:
        return failed("registration-unseen", node=other.name, own_key=one.key)
    said, number = bench.write(one)
    if said != OK:
        return failed("write-refused", writer=one.name, answer=said)
    answer, seen = bench.see(other, number)
    if answer != OK or seen != number:
        return failed("block-unseen", node=other.name, answer=answer if answer != OK else "another block")
    return passed("nodes-share-the-disk", nodes=[one.name, other.name])


def two_hosts(bench: Bench) -> Outcome:
    """To the target they are two: else whoever fences one fences both, or nobody."""
    one, other = bench.one, bench.second()
    one.register()
    answer = other.ask("register", old=0, key=other.key)
    keys = sorted(one.must("read")["keys"])
    if answer["outcome"] == CONFLICT or (answer["outcome"] == DONE and keys == [other.key]):
        return failed("one-registration-for-two", nodes=[one.name, other.name], keys=keys)
    if answer["outcome"] != DONE:
        return failed("registrations-full", count=1, node=other.name, answer=answer["notice"])
    if keys != sorted([one.key, other.key]):
        return failed("registration-unlisted", key=other.key, keys=keys)
    behind = dict(one.must("look")["hosts"] or ())
    if shared := sorted({*behind.get(one.key, ())}.intersection(behind.get(other.key, ()))):
        return failed("one-host-for-two", hosts=shared, nodes=[one.name, other.name])
    return passed("nodes-are-two", nodes=[one.name, other.name])


def enforces(kind: int) -> Callable[[Bench], Outcome]:
    """The step for one type: who may read and write while the first node holds the reservation (SPC-4 table 51)."""

    def step(bench: Bench) -> Outcome:
        one, other = bench.one, bench.second()
        if kind not in bench.types():
            return skipped("type-unclaimed", type=TYPE_NAMES[kind])
        one.register()
        answer = one.ask("reserve", key=one.key, kind=kind)
        if answer["outcome"] != DONE:
            code = "type-not-there" if one.look["types"] is None else "type-refused"
            make = skipped if one.look["types"] is None else failed
            return make(code, type=TYPE_NAMES[kind], answer=answer["notice"])
        if wrong := _shut_out(bench, kind):
            return wrong
        other.register()
        return _registered(bench, kind) or passed("type-is-enforced", type=TYPE_NAMES[kind])

    return step


def _shut_out(bench: Bench, kind: int) -> Outcome | None:
    """The other node is not registered: over each path, and as programs write, nothing gets through."""
    other, name = bench.second(), TYPE_NAMES[kind]
    for path in [*other.paths(), *[None] * _WRITES_OVER_ALL]:
        said, number = bench.write(other, path)
        where = f"{other.name}, which is not registered, over {_path(other, path)}"
        if said == OK or bench.see(bench.one, number)[1] == number:
            return failed("write-let-through", writer=where, type=name)
        if said != REFUSED:
            return failed("refused-otherwise", writer=where, type=name, answer=said)
        answer = bench.see(other, number, path)[0]
        if kind in _HIDDEN_FROM_OTHERS and answer == OK:
            return failed("read-let-through", writer=where, type=name)
        if kind in _HIDDEN_FROM_OTHERS and answer != REFUSED:
            return failed("refused-otherwise", writer=where, type=name, answer=answer)
        if kind not in _HIDDEN_FROM_OTHERS and answer != OK:
            return failed("read-refused", writer=where, type=name, answer=answer)
    return None


def _registered(bench: Bench, kind: int) -> Outcome | None:
    """The other node is registered: it may do what the type lets it, and the holder may do all."""
    other, name = bench.second(), TYPE_NAMES[kind]
    said, number = bench.write(other)
    if kind in SINGLE_HOLDER_TYPES and said == OK:
        return failed("write-let-through", writer=f"{other.name}, which does not hold it", type=name)
    if kind in SINGLE_HOLDER_TYPES and said != REFUSED:
        return failed("refused-otherwise", writer=f"{other.name}, which does not hold it", type=name, answer=said)
    if kind not in SINGLE_HOLDER_TYPES and said != OK:
        return failed("write-refused", writer=f"{other.name}, which is registered ({name})", answer=said)
    answer, _ = bench.see(other, number)
    if kind == EXCLUSIVE_ACCESS and answer == OK:
        return failed("read-let-through", writer=f"{other.name}, which does not hold it", type=name)
    if kind == EXCLUSIVE_ACCESS and answer != REFUSED:
        return failed("refused-otherwise", writer=f"{other.name}, which does not hold it", type=name, answer=answer)
    if kind != EXCLUSIVE_ACCESS and answer != OK:
        return failed("read-refused", writer=f"{other.name}, which is registered", type=name, answer=answer)
    said, _ = bench.write(bench.one)
    return None if said == OK else failed("write-refused", writer=f"the holder ({name})", answer=said)


def _path(party: Party, path: int | None) -> str:
    return str(party.found["device"] if path is None else party.found["paths"][path])


def duel(bench: Bench) -> Outcome:
    """Both fence each other at one moment: one of them survives, and the other one is told that it lost."""
    one, other = bench.one, bench.second()
    for _ in range(_DUELS):
        bench.clean()
        one.register()
        other.register()
        kind = bench.usual_type()
        one.must("reserve", key=one.key, kind=kind)
        for party, victim in ((one, other), (other, one)):
            party.send("preempt", key=party.key, victim=victim.key, kind=kind, abort=False)
        ends = {it.name: it.hear("preempt")["outcome"] for it in (one, other)}
        said = one.must("read")
        alive = [it.name for it in (one, other) if it.key in said["keys"]]
        if len(alive) != 1 or said["type"] != kind:
            return failed("duel-without-survivor", nodes=alive or "none of them", answer=told(said))
        if ends[alive[0]] != DONE or list(ends.values()).count(DONE) != 1:
            return failed("duel-misanswered", nodes=alive, answer=", ".join(f"{name}: {ends[name]}" for name in ends))
    return passed("duel-has-one-survivor", count=_DUELS)
