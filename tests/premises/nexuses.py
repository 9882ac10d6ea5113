"""C: a listed key is not a node that can write and finish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fencing.sessions import log_in_anew
from tests.premises.bench import FAILED, OUT, SILENT, Seen, together
from tests.premises.table import row

if TYPE_CHECKING:
    from tests.premises.bench import Bench

DISKS = "abc"


@row(
    "C1",
    "n1 has logged out of disk c and in again: its key is another session's. n1 and n2 fence each other, n1 first",
    old=FAILED,
    new=OUT,
)
def nobody_is_left(bench: Bench) -> Seen:
    lab = bench.cluster
    disks = ",".join(map(lab.n1.by_id, DISKS))
    bench.join("n1", "n2", devices=disks)
    log_in_anew(lab, "n1", DISKS[-1])
    stale = bench.call("n1", "off", "n2", disks)
    done = bench.call("n2", "off", "n1", disks)
    return Seen(together([stale, done]), lab.n1.write(DISKS[0]))


@row("C2", "n1 has logged out and in again, and its monitor looks", old=SILENT, new=FAILED)
def monitor_of_a_new_session(bench: Bench) -> Seen:
    bench.join("n1", "n2")
    log_in_anew(bench.cluster, "n1", "a")
    return Seen(bench.call("n1", "monitor"), warning="not for this node as it is connected now")
