"""F: a success is taken for silence, and a reservation for one that stays."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.fencing.agent import key
from tests.premises.bench import FAILED, LIE, OUT, WARNED, NotAsPlanned, Seen
from tests.premises.table import row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.cluster import Cluster
    from tests.premises.bench import Bench

STORE = "lun-a"
HELD_SECONDS, ACCEPTED_SECONDS = 4.0, 0.3
LONGER, SHORTER = "6", "1"  # settle_time, in seconds


@contextmanager
def _held_write(lab: Cluster) -> Iterator[None]:
    """While it lasts the target holds a write of n2, which it has accepted."""
    n2 = lab.n2
    n2.run(["sh", "-c", "head -c 4096 /dev/urandom > /run/block"], check=True)
    lab.guest.call("hold_writes", name=STORE, milliseconds=int(HELD_SECONDS * 1000))
    write = n2.start(["dd", "if=/run/block", f"of={n2.disk('a')}", "bs=4096", "count=1", "oflag=direct"])
    time.sleep(ACCEPTED_SECONDS)
    if write.done():
        raise NotAsPlanned("the target does not hold the write")
    try:
        yield
    finally:
        write.wait()
        lab.guest.call("hold_writes", name=STORE, milliseconds=0)


def _off_beside_a_held_write(bench: Bench, settle_time: str) -> Seen:
    lab = bench.cluster
    bench.join("n1", "n2")
    with _held_write(lab):
        done = bench.call("n1", "off", "n2", settle_time=settle_time)
        answered = lab.guest.call("landed", name=STORE)
        time.sleep(HELD_SECONDS)
        landed_later = lab.guest.call("landed", name=STORE) != answered
    if lab.n2.write("a") != "EBADE":
        raise NotAsPlanned("n2 is not shut out")
    return Seen(done, "ok" if landed_later else "EBADE", warning="slower writes")


@row("F1", "The target holds a write of n2, and no abort ends it", old=LIE, new=OUT)
def a_write_that_lands_later(bench: Bench) -> Seen:
    """What counts is whether it lands after the answer."""
    return _off_beside_a_held_write(bench, LONGER)


@row("F1-longer", "The same, for longer than settle_time", old=LIE, new=WARNED)
def a_write_that_lands_much_later(bench: Bench) -> Seen:
    return _off_beside_a_held_write(bench, SHORTER)


@row("F3", "The holder of a WERO reservation is unregistered: n3, which was fenced, can write. n1's monitor looks",
     old=FAILED, new=FAILED)  # fmt: skip
def a_reservation_that_goes(bench: Bench) -> Seen:
    bench.join("n2", "n1", "n3")
    if bench.call("n1", "off", "n3").returncode or bench.nodes["n3"].write("a") == "ok":
        raise NotAsPlanned("n3 is not fenced")
    bench.register("n2", key("n2"), 0)
    for node in ("n1", "n3"):
        bench.nodes[node].drain("a")
    if bench.nodes["n3"].write("a") != "ok":
        raise NotAsPlanned("the reservation is still in force")
    return Seen(bench.call("n1", "monitor"))
