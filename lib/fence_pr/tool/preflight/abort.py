"""A node writes as fast as it can and is fenced in the middle of it: nothing of it may land afterwards."""

from __future__ import annotations

import time

from ...storage.snapshot import SINGLE_HOLDER_TYPES, TYPE_NAMES, WRITE_EXCLUSIVE_ALL_REGS
from .bench import Outcome, StepFailed, failed, passed, skipped, warned
from .blocks import SLOTS
from .hand import DONE
from .stream import OK, REFUSED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..report import Json
    from .bench import Bench, Party

    # Number of the block, when it was begun and over, and what came of it.
    Writes = list[tuple[int, float, float, str]]

# Before the abort: so many writes, or for so long; slow stores do few.
_WRITES_BEFORE, _MOST_SECONDS_BEFORE = 100, 3.0
_PAUSE_SECONDS = 0.1
_STOPPING_SECONDS = 60.0
# Before and after the abort as much is kept of the record as a picture can show.
_SHOWN_SECONDS, _MOST_SHOWN = 2.0, 1500


def stream(*, victim_holds: bool) -> Callable[[Bench], Outcome]:
    """The step in which the victim holds the reservation, or only is a registrant."""

    def step(bench: Bench) -> Outcome:
        one, other, kind = bench.one, bench.second(), _type(bench)
        if not kind:
            return skipped("no-type-for-two")
        if victim_holds and kind == WRITE_EXCLUSIVE_ALL_REGS:
            return skipped("all-hold-it", type=TYPE_NAMES[kind])
        for party in bench.parties():
            for path in party.paths():
                party.register(path)
        holder = other if victim_holds else one
        holder.must("reserve", key=holder.key, kind=kind)
        name = "the victim holds the reservation" if victim_holds else "the survivor holds the reservation"
        return _fenced(bench, kind, name)

    return step


def _type(bench: Bench) -> int:
    kind = bench.usual_type()
    return kind if kind in bench.types() and kind not in SINGLE_HOLDER_TYPES else 0


def _fenced(bench: Bench, kind: int, name: str) -> Outcome:
    one, other = bench.one, bench.second()
    abort = one.look["abort_harm"] is None
    other.compare_clocks()
    one.compare_clocks()
    first = bench.number()
    longest = _MOST_SECONDS_BEFORE + other.seconds + one.seconds + bench.settle
    other.must("stream", run=bench.run, first=first, offset=bench.offset, seconds=longest)
    try:
        _wait_for_writes(other)
        cut = one.ask("cut_off", bench.settle, key=one.key, victim=other.key, kind=kind, abort=abort, path=0,
                      run=bench.run, offset=bench.offset, seconds=bench.settle)  # fmt: skip
    finally:
        ended = other.must("stop", _STOPPING_SECONDS)
    if "ended" not in cut:
        raise StepFailed("step-refused", node=one.name, operation="cut_off", answer=cut["notice"])
    writes = [
        (number, begun + other.behind, done + other.behind, said) for number, begun, done, said in ended["writes"]
    ]
    bench.numbers_until(max([first, *(number for number, *_ in writes)]))
    one.took.setdefault("preempt-and-abort" if abort else "preempt", []).append(cut["seconds"])
    last = one.must("numbers", run=bench.run, offset=bench.offset)["numbers"] if "first" in cut else []
    made = _record(one, name, abort, cut, writes, last)
    made["unsure"] = one.unsure + other.unsure
    bench.streams.append(made)
    if cut["outcome"] != DONE:
        return failed("writer-not-preempted", answer=cut["notice"])
    return _judged(bench, kind, made, cut, writes, last, ended["hanging"])


def _wait_for_writes(other: Party) -> None:
    until = time.monotonic() + _MOST_SECONDS_BEFORE
    while other.ask("streamed")["count"] < _WRITES_BEFORE and time.monotonic() < until:
        time.sleep(_PAUSE_SECONDS)


def _record(one: Party, name: str, abort: bool, cut: Json, writes: Writes, last: list[int]) -> Json:
    """What came of it, in seconds from the abort's answer on."""
    answered = cut["ended"] + one.behind
    near = [it for it in writes if abs(it[2] - answered) <= _SHOWN_SECONDS or it[1] < answered < it[2]]
    step = max(1, len(near) // _MOST_SHOWN + (len(near) % _MOST_SHOWN > 0))
    shown = [[number, round(begun - answered, 6), round(done - answered, 6), said]
             for at, (number, begun, done, said) in enumerate(sorted(near, key=lambda it: it[1]))
             if at % step == 0 or done > answered]  # fmt: skip
    return {
        "name": name,
        "aborting": abort,
        "sent": round(cut["begun"] - cut["ended"], 6),
        "acknowledged": sum(said == OK for *_, said in writes),
        "refused": sum(said != OK for *_, said in writes),
        "writes": shown,
        "landed_later": _late(cut, last, writes, answered) if last else [],
    }


def _late(cut: Json, last: list[int], writes: Writes, answered: float) -> list[list[float]]:
    """The blocks that were not there when the abort was answered, and are: when the survivor saw them come, or else the
    victim was told; at the latest when the watch was over.
    """
    seen = {number: at - cut["ended"] for at, number in cut["later"]}
    heard = {number: ended - answered for number, _, ended, said in writes if said == OK}
    new = [now for was, now in zip(cut["first"], last) if now != was]  # 0: a part of a block
    late = [[number, round(max(0.0, seen.get(number, heard.get(number, 0.0))), 6)] for number in new]
    return sorted(late, key=lambda it: it[1])


def _judged(bench: Bench, kind: int, made: Json, cut: Json, writes: Writes, last: list[int], hanging: int) -> Outcome:
    one, other = bench.one, bench.second()
    answered = cut["ended"] + one.behind
    acknowledged = [it for it in writes if it[3] == OK]
    if not acknowledged:
        return failed("write-refused", writer=other.name, answer=writes[0][3] if writes else "no answer")
    after = [it for it in acknowledged if it[1] > answered + made["unsure"]]
    if after:
        return failed("stream-goes-on", node=other.name, count=len(after))
    if later := made["landed_later"]:
        number, seconds = later[-1]
        code = "landed-after-abort" if made["aborting"] else "landed-after-preempt"
        return (failed if made["aborting"] else warned)(code, node=other.name, count=len(later), block=number,
                                                        answer=f"{seconds:.2f} s")  # fmt: skip
    if lost := _lost(last, writes):
        return failed("acknowledged-is-lost", node=other.name, block=lost)
    if other.key in one.must("read")["keys"]:
        return failed("registration-stays", key=other.key)
    if made["refused"] and not any(said == REFUSED for *_, said in writes):
        answer = next(said for *_, said in writes if said != OK)
        return failed("refused-otherwise", writer=other.name, type=TYPE_NAMES[kind], answer=answer)
    if hanging or not made["refused"]:
        return warned("victim-hangs", node=other.name, count=hanging)
    return passed("stream-ended" if made["aborting"] else "stream-ended-without-abort", node=other.name,
                  count=made["acknowledged"], answer=f"{cut['seconds']:.3f} s")  # fmt: skip


def _lost(last: list[int], writes: Writes) -> int:
    """A block of which the victim was told that it is written, and which does not stand there although nothing was
    written over it; 0 if there is none.
    """
    newest: dict[int, tuple[int, bool]] = {}
    for number, _, _, said in writes:
        newest[number % SLOTS] = max(newest.get(number % SLOTS, (0, False)), (number, said == OK))
    return next((number for slot, (number, ok) in sorted(newest.items()) if ok and last[slot] < number), 0)
