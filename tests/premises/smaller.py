"""E: what is smaller, and F: a success that was taken for silence; those that one guest with LIO can show."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.fencing.agent import key
from tests.fencing.test_abort import held_write
from tests.premises.bench import COROSYNC, FAILED, JOINED, LIE, OUT, SILENT, WARNED, NotAsPlanned, Seen
from tests.premises.limits import GUARD
from tests.premises.table import row

if TYPE_CHECKING:
    from tests.premises.bench import Bench

REMOTE = "remote1"
LATE_SECONDS = 1.0


@row("E3", "type=EARO is wanted, and WERO is in force", old=SILENT, new=WARNED)
def another_type(bench: Bench) -> Seen:
    bench.join("n1")
    return Seen(bench.call("n2", "on", "n2", type="EARO"), warning="the option type asks for")


@row("E13", "A disk leaves the cluster on purpose, and n1's guard looks", old=FAILED, new=JOINED)
def a_disk_that_leaves(bench: Bench) -> Seen:
    """What 0.1.0 knows no option for it refuses, and goes on watching."""
    bench.join("n1", "n2")
    n1, program = bench.nodes["n1"], bench.agent.program()
    n1.run(["python3", "-c", GUARD, program, f"--forget={n1.by_id('a')}"], timeout=60)
    done = bench.call("n2", "off", "n1")
    if done.returncode:
        raise NotAsPlanned(f"'off' failed: {done}")
    return Seen(n1.run(["python3", "-c", GUARD, program, "test"], timeout=60))


@row("E14", "A nodelist with addresses and without names, as crmsh wrote it for years", old=FAILED, new=JOINED)
def no_names(bench: Bench) -> Seen:
    bench.nodes["n1"].run(["sed", "-i", "/^ *name: /d", COROSYNC], check=True)
    return Seen(bench.call("n1", "on", "n1"))


@row("E15", "A node of Pacemaker Remote, which is on no nodelist, is to be fenced", old=FAILED, new=OUT)
def a_remote_node(bench: Bench) -> Seen:
    bench.join("n1")
    with bench.host_name("n3", REMOTE):
        joining = bench.call("n3", "on", REMOTE, other_nodes=REMOTE)
    if joining.returncode:
        return Seen(joining, bench.nodes["n3"].write("a"))
    return Seen(bench.call("n1", "off", REMOTE, other_nodes=REMOTE), bench.nodes["n3"].write("a"))


@row("F1", "LIO holds a write of n2 for three seconds, and no abort ends it", old=LIE, new=OUT)
def accepted(bench: Bench) -> Seen:
    return _accepted(bench, settle_time="5")


@row("F1-reset", "The same with drain=reset, which 0.1.0 does not know, and without waiting", old=LIE, new=OUT)
def accepted_and_reset(bench: Bench) -> Seen:
    return _accepted(bench, drain="reset")


def _accepted(bench: Bench, **options: str) -> Seen:
    """To write is what the held write does that lands after the answer, too."""
    lab = bench.cluster
    bench.join("n1", "n2")
    with held_write(lab, lab.n2, lab.n2.disk("a"), "lun-a") as held:
        done = bench.call("n1", "off", "n2", **options)
        late = held.landed_later()
    return Seen(done, "ok" if late else lab.n2.write("a"))


@row(
    "F3",
    "WERO: the holder is unregistered, every fenced node can write, and n1's monitor looks",
    old=FAILED,
    new=FAILED,
)
def the_holder_leaves(bench: Bench) -> Seen:
    bench.join("n2", "n1")
    bench.register("n2", key("n2"), 0)
    bench.nodes["n1"].drain("a")
    time.sleep(LATE_SECONDS)
    return Seen(bench.call("n1", "monitor"))
