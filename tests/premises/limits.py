"""C and D, where they are no matter of paths: what a guard takes for a fencing, and what costs one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.fencing.agent import key
from tests.premises.bench import FAILED, JOINED, OUT, NotAsPlanned, Seen
from tests.premises.table import row

if TYPE_CHECKING:
    from tests.lab.guest import Completed
    from tests.premises.bench import Bench

# The guard beside an agent, here and in 0.1.0, with arguments. "test" is one check, as the watchdog daemon has it done.
GUARD = """
import importlib, os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(sys.argv[1])), "lib"))
guard = importlib.import_module("fence_pr.guard")
guard = guard if hasattr(guard, "main") else importlib.import_module("fence_pr.guard.main")
sys.exit(guard.main(sys.argv[2:]))
"""
NOWHERE = "/sys/log"  # nobody can make a file there
DISKS = "abc"
FEW_FILES = ("prlimit", "--nofile=8:1024")


def check(bench: Bench, node: str) -> Completed:
    """Of the guard's."""
    return bench.nodes[node].run(["python3", "-c", GUARD, bench.agent.program(), "test"], timeout=60)


@row(
    "C4",
    "All registrations are lost, n2 runs 'on' first, and n1's guard looks",
    old=FAILED,
    new=JOINED,
)
def loss(bench: Bench) -> Seen:
    bench.join("n1", "n2")
    if status := bench.nodes["n2"].pr("a", "clear", key("n2")):
        raise NotAsPlanned(f"CLEAR ended with {status:#x}")
    for node in ("n1", "n2"):
        bench.nodes[node].drain("a")
    check(bench, "n1")
    bench.join("n2")
    bench.nodes["n1"].drain("a")
    return Seen(check(bench, "n1"))


@row("D6", "n1 may have only eight files open, unless it asks for more", old=FAILED, new=OUT)
def few_files(bench: Bench) -> Seen:
    disks = ",".join(map(bench.nodes["n1"].by_id, DISKS))
    bench.join("n1", "n2", devices=disks)
    done = bench.start("n1", "off", "n2", disks, by=FEW_FILES).wait()
    return Seen(done, bench.nodes["n2"].write("a"))


@row("D8", "The debug file cannot be made", old=FAILED, new=OUT)
def debug_file(bench: Bench) -> Seen:
    bench.join("n1", "n2")
    done = bench.call("n1", "off", "n2", debug_file=NOWHERE)
    return Seen(done, bench.nodes["n2"].write("a"))


@row("D9", "A log file, and Pacemaker asks for the nodes", old=FAILED, new=JOINED)
def no_list(bench: Bench) -> Seen:
    """To say nothing and that all is well is to say that there is no node."""
    done = bench.call("n1", "list", logfile="/run/lists")
    return Seen(replace(done, returncode=done.returncode or int(not done.stdout)))
