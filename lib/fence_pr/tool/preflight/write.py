"""What one node can try of a target with scratch keys: the steps of a pre-flight that write, and need no other node."""

from __future__ import annotations

from ...storage.snapshot import EXCLUSIVE_ACCESS_ALL_REGS, SINGLE_HOLDER_TYPES, TYPE_NAMES, WRITE_EXCLUSIVE_ALL_REGS
from .bench import Outcome, failed, passed, skipped, warned
from .hand import CONFLICT, DONE
from .stream import OK, REFUSED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..report import Json
    from .bench import Bench, Party

HELD_BY_ALL = (WRITE_EXCLUSIVE_ALL_REGS, EXCLUSIVE_ACCESS_ALL_REGS)


def register(bench: Bench) -> Outcome:
    """A registration is listed, goes on demand, and is counted."""
    one = bench.one
    before = one.must("read")["generation"]
    one.register()
    said = one.must("read")
    if said["keys"].count(one.key) != 1:
        return failed("registration-unlisted", key=one.key, keys=said["keys"])
    one.must("unregister", key=one.key)
    left = one.must("read")["keys"]
    if one.key in left:
        return failed("registration-stays", key=one.key)
    if said["generation"] == before:
        return warned("generation-stands-still", count=before)
    return passed("registration-works", key=one.key)


def wrong_key(bench: Bench) -> Outcome:
    """Who does not know the key that stands there replaces nothing: the agent's safety against itself."""
    one, wrong = bench.one, bench.keys.second
    one.register()
    for old, new in ((0, wrong), (wrong, wrong)):
        if one.ask("register", old=old, key=new)["outcome"] == DONE:
            return failed("wrong-key-accepted", own_key=one.key, old_key=old, key=new)
    if one.must("read")["keys"] != [one.key]:
        return failed("registration-unlisted", key=one.key, keys=one.must("read")["keys"])
    if one.ask("register", old=one.key, key=one.key)["outcome"] == CONFLICT:
        return failed("own-key-refused", own_key=one.key)
    return passed("wrong-key-refused")


def data(bench: Bench) -> Outcome:
    """What is written over one path is read over each other one."""
    one = bench.one
    for path in one.paths():
        said, number = bench.write(one, path)
        if said != OK:
            return failed("write-refused", writer=_path(one, path), answer=said)
        for other in (*one.paths(), None):
            answer, seen = bench.see(one, number, other)
            if answer != OK or seen != number:
                read = answer if answer != OK else "another block"
                return failed("another-block-read", path=_path(one, path), other=_path(one, other), answer=read)
    return passed("blocks-are-read", paths=one.found["paths"])


def _path(party: Party, path: int | None) -> str:
    return str(party.found["device"] if path is None else party.found["paths"][path])


def holds(kind: int) -> Callable[[Bench], Outcome]:
    """The step for one type: reserved, read back, written under, released."""

    def step(bench: Bench) -> Outcome:
        if kind not in bench.types():
            return skipped("type-unclaimed", type=TYPE_NAMES[kind])
        one = bench.one
        one.register()
        reserved = one.ask("reserve", key=one.key, kind=kind)
        if reserved["outcome"] != DONE:
            return _refused(bench, kind, reserved)
        said = one.must("read")
        if said["type"] != kind or said["holder"] not in (one.key, *([0] if kind in HELD_BY_ALL else [])):
            return failed("type-misread", type=TYPE_NAMES[kind], answer=told(said))
        answer, _ = bench.write(one)
        if answer != OK:
            return failed("write-refused", writer=f"the holder ({TYPE_NAMES[kind]})", answer=answer)
        one.must("release", key=one.key, kind=kind)
        said = one.must("read")
        if said["type"]:
            return failed("type-misread", type="none", answer=told(said))
        return passed("type-works", type=TYPE_NAMES[kind])

    return step


def _refused(bench: Bench, kind: int, answer: Json) -> Outcome:
    """What was not promised may be refused."""
    if bench.one.look["types"] is None:
        return skipped("type-not-there", type=TYPE_NAMES[kind], answer=answer["notice"])
    return failed("type-refused", type=TYPE_NAMES[kind], answer=answer["notice"])


def told(said: Json) -> Json:
    """What a disk says, as a field of a notice."""
    code = "disk-says" if said["keys"] else "disk-says-nothing-registered"
    return {"code": code, "keys": said["keys"], "type": TYPE_NAMES.get(said["type"], "none")}


def each_path(bench: Bench) -> Outcome:
    """A registration counts for the path that it was made over, and a path without one is shut out."""
    one = bench.one
    if len(one.paths()) < 2:
        return skipped("single-path")
    one.register(0)
    one.must("reserve", key=one.key, kind=bench.usual_type())
    kind = TYPE_NAMES[bench.usual_type()]
    for path in one.paths():
        answer, _ = bench.write(one, path)
        if path and answer == OK:
            return warned("registration-for-all-paths", path=_path(one, path))
        if path and answer != REFUSED:
            return failed("refused-otherwise", writer=_path(one, path), type=kind, answer=answer)
        if not path and answer != OK:
            return failed("write-refused", writer=_path(one, path), answer=answer)
        if path:
            one.register(path)
            answer, _ = bench.write(one, path)
            if answer != OK:
                return failed("write-refused", writer=_path(one, path), answer=answer)
    return passed("each-path-counts", paths=one.found["paths"])


def other_path(bench: Bench) -> Outcome:
    """A reservation that is held over one path is taken over by a preempt over another one."""
    one, second = bench.one, bench.keys.second
    if len(one.paths()) < 2:
        return skipped("single-path")
    kind = next((it for it in bench.types() if it not in (*SINGLE_HOLDER_TYPES, *HELD_BY_ALL)), bench.usual_type())
    one.register(0)
    one.register(1, second)
    one.must("reserve", key=one.key, kind=kind, path=0)
    one.must("preempt", key=second, victim=one.key, kind=kind, abort=False, path=1)
    said = one.must("read")
    if said["keys"] != [second] or said["type"] != kind:
        return failed("preempt-without-effect", path=_path(one, 1), other=_path(one, 0), answer=told(said))
    answer, _ = bench.write(one, 0)
    if answer != REFUSED:
        code = "write-let-through" if answer == OK else "refused-otherwise"
        return failed(code, writer=_path(one, 0), type=TYPE_NAMES[kind], answer=answer)
    answer, _ = bench.write(one, 1)
    if answer != OK:
        return failed("write-refused", writer=_path(one, 1), answer=answer)
    return passed("preempt-over-another-path", path=_path(one, 1), other=_path(one, 0))


def room(bench: Bench) -> Outcome:
    """As many registrations as there are paths of all nodes."""
    fitting = 0
    for party in bench.parties():
        for path in party.paths():
            answer = party.ask("register", old=0, key=party.key, path=path)
            if answer["outcome"] != DONE:
                return failed("registrations-full", count=fitting, node=party.name, answer=answer["notice"])
            fitting += 1
    listed = len(bench.one.must("read")["keys"])
    if listed < fitting:
        return warned("registrations-shared", count=fitting, listed=listed)
    return passed("registrations-fit", count=fitting)
