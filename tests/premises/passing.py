"""D: one bad answer decides for all."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.fencing import maps
from tests.premises.bench import FAILED, JOINED, OUT, Seen
from tests.premises.table import row

if TYPE_CHECKING:
    from tests.premises.bench import Bench

CHANGING_ITS_STATE = 0xF  # SPC-4 table 37
MOMENT_SECONDS = 2.0


@row("D1", "the port to n1 changes its state (ALUA) for two seconds when n1 fences n2", old=FAILED, new=OUT)
def a_port_that_changes_its_state(bench: Bench) -> Seen:
    n1, n2 = bench.cluster.n1, bench.cluster.n2
    bench.join("n1", "n2")
    with n1.port_state("a", CHANGING_ITS_STATE):
        fencing = bench.start("n1", "off", "n2")
        time.sleep(MOMENT_SECONDS)
    return Seen(fencing.wait(), n2.write("a"))


@row("D2", "the LUN was unmapped from one of two paths of n1's map, which says so (05/25/00)", old=FAILED, new=OUT)
def one_path_answers_wrongly(bench: Bench) -> Seen:
    lab = bench.cluster
    with maps.mapped(lab, "a") as path:
        bench.join("n1", devices=path)
        bench.join("n3")
        with lab.nodes[maps.PATH_2].unmapped("a"):
            done = bench.call("n1", "off", "n3", path)
        return Seen(done, lab.n3.write("a"))


@row("D7", "n1's disk appears two seconds after 'on' began, which may try ten times", old=FAILED, new=JOINED)
def a_disk_that_appears_late(bench: Bench) -> Seen:
    n1 = bench.cluster.n1
    name = n1.by_id("a")
    n1.drop("a")
    joining = bench.start("n1", "on", "n1", name, retry_on="10")
    time.sleep(MOMENT_SECONDS)
    n1.restore("a")
    return Seen(joining.wait())
