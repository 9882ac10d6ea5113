"""What a target says of itself, which a pre-flight judges without a write: the steps that harm nobody."""

from __future__ import annotations

from ...errors import Notice
from ...storage.device import NVME
from ...storage.snapshot import TYPE_NAMES, WRITE_EXCLUSIVE_ALL_REGS, WRITE_EXCLUSIVE_REG_ONLY
from .bench import ANOTHER_DISK, FAIL, WARN, Outcome, failed, passed, warned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .bench import Bench


def identity(bench: Bench) -> Outcome:
    """Who it is, as it says itself over every path."""
    found, look = bench.one.found, bench.one.look
    if elsewhere := bench.one.elsewhere():
        return Outcome(FAIL, tuple(elsewhere))
    if look["warnings"]:
        return Outcome(WARN, tuple(map(Notice.unpack, look["warnings"])))
    return passed("identity-told", identity=found["identity"], kind=found["kind"], device=found["device"])


def paths(bench: Bench) -> Outcome:
    """Each leads to the disk."""
    dead = [path for path, why in bench.one.look["dead"].items() if why["code"] not in ANOTHER_DISK]
    live = bench.one.found["paths"]
    if dead:
        return warned("paths-are-dead", paths=dead, live=live)
    return passed("paths-answer", paths=live)


def types(bench: Bench) -> Outcome:
    """A reservation among registrants is what a cluster needs."""
    told = bench.one.look["types"]
    if told is None:
        return warned("types-untold")
    names = [TYPE_NAMES[it] for it in told]
    if not {WRITE_EXCLUSIVE_REG_ONLY, WRITE_EXCLUSIVE_ALL_REGS}.intersection(told):
        return failed("types-lacking", types=names or "none")
    return passed("types-claimed", types=names)


def persistence(bench: Bench) -> Outcome:
    """Whether registrations outlive a power loss of the target."""
    look = bench.one.look
    # A SCSI target says that it does keep them only when one was registered that asks for it.
    possible = look["possible"] and bench.one.found["kind"] != NVME and not look["keys"]
    if look["active"] or possible:
        return passed("kept-over-power-loss")
    return warned("kept-untold" if look["active"] is None else "not-kept-over-power-loss")


def hosts(bench: Bench) -> Outcome:
    """Whether it tells which host is behind a registration."""
    return warned("hosts-not-told") if bench.one.look["hosts"] is None else passed("hosts-told")


def abort(bench: Bench) -> Outcome:
    """Whether something speaks against preempt-and-abort."""
    harm = bench.one.look["abort_harm"]
    return warned("abort-not-sent", answer=harm) if harm else passed("abort-harmless")
