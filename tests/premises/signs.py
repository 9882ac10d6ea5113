"""G, too: what is taken for a sign. A generation for evidence, a REGISTER for a question, a word for a time limit."""

from __future__ import annotations

import errno
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.fencing.agent import key
from tests.lab.inside.pr import CALLS
from tests.premises.bench import FAILED, OUT, SAID, NotAsPlanned, Seen, together
from tests.premises.table import NVME, row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.cluster import Cluster
    from tests.lab.guest import Completed, Running
    from tests.premises.bench import Bench

ALL = ("n1", "n2", "n3")
MOVES = 5
SECONDS = 10
SETTLED = 0.7  # until a command is where it waits

STORE, HELD_MILLISECONDS = "namespace-1", 15_000
VERBOSE = {"verbose_level": "2"}  # every command is announced
A_REGISTER = r": (register|replace key)$"
REGISTER = "import sys; from tests.lab.inside import pr; pr.call(sys.argv[1], 'register', *map(int, sys.argv[2:]))"

# What older Pacemaker looks for in what a fence agent says.
OF_THE_LIMIT = "imed out|imeout"
# A command that got no answer: the raw result of Linux 6.1 (DID_TIME_OUT), and what drivers say.
NO_ANSWER = (0x30000, -errno.ETIMEDOUT)
# Run in a node: a program whose kernel answers both preempts otherwise; a negative answer is an errno.
ANSWERED = """
import fcntl, os, runpy, sys
answer, *requests = map(int, sys.argv[1:4])
sys.argv = sys.argv[4:]
ask = fcntl.ioctl
def ioctl(fd, request, *rest):
    if request not in requests:
        return ask(fd, request, *rest)
    if answer < 0:
        raise OSError(-answer, os.strerror(-answer))
    return answer
fcntl.ioctl = ioctl
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@row(
    "G5",
    "Three nodes join at once; a restart sets the generation back, and it comes to the same number again",
    old=OUT,
    new=OUT,
)
def generation(bench: Bench) -> Seen:
    lab = bench.cluster
    _restart(lab)  # to count from the beginning
    _join_at_once(bench)
    for _ in range(MOVES):
        bench.register("n3", key("n3"), key("n3"))
    before = lab.reservation("a").generation
    _restart(lab)
    _count_up(bench, before)
    seen = Seen(bench.call("n1", "off", "n2"), lab.n2.write("a"))
    if seen.kind() != OUT:
        return seen
    bench.join("n2")
    if lab.n2.write("a") != "ok":
        raise NotAsPlanned("n2 is back, and cannot write")
    return Seen(bench.call("n3", "off", "n2"), lab.n2.write("a"))


def _restart(lab: Cluster) -> None:
    lab.restart_target("a")
    lab.drain()


def _join_at_once(bench: Bench) -> None:
    for name, running in [(name, bench.start(name, "on", name)) for name in ALL]:
        done = running.wait()
        if done.returncode:
            raise NotAsPlanned(f"'on' of {name} failed: {done.stdout}{done.stderr}")


def _count_up(bench: Bench, number: int) -> None:
    """Let n3 register its own key anew until the generation, which is less now, is this number."""
    if (now := bench.cluster.reservation("a").generation) >= number:
        raise NotAsPlanned(f"the restart did not set the generation back: {number}, then {now}")
    for _ in range(now, number):
        bench.register("n3", key("n3"), key("n3"))
    if (now := bench.cluster.reservation("a").generation) != number:
        raise NotAsPlanned(f"the generation is {now}, not {number}")


@row(
    "G7",
    "NVMe/TCP: n1's preempt-and-abort waits for a held write, and a REGISTER of n3 would stop its reads",
    old=OUT,
    new=OUT,
    needs=NVME,
)
def no_register_to_ask(bench: Bench) -> Seen:
    disk = bench.nvme.disk("n3")
    for name in ("n2", "n1"):
        bench.join(name, devices=bench.nvme.disk(name))
    if not _registers(bench.call("n3", "on", "n3", disk, **VERBOSE)):
        raise NotAsPlanned("'on' does not show its REGISTER")
    with _abort_that_waits(bench) as running:
        calls = [
            bench.call("n3", action, plug, disk, **VERBOSE)
            for action, plug in (("monitor", ""), ("status", "n2"), ("off", "n2"))
        ]
        calls.sort(key=lambda call: call.returncode == 1)  # what fails is the answer that matters
        done = together(calls)
        if not _registers(done):
            _see_a_register_stop_reads(bench, running)
    return Seen(done, bench.nvme.write("n2"), never=A_REGISTER)


def _registers(done: Completed) -> bool:
    return re.search(A_REGISTER, done.stderr, re.MULTILINE) is not None


@contextmanager
def _abort_that_waits(bench: Bench) -> Iterator[list[Running]]:
    """While it lasts n1 fences n2, of whom the target holds a write; what runs, n1's 'off' as the last."""
    guest, disk = bench.cluster.guest, bench.nvme.disk("n2")
    guest.call("hold_writes", name=STORE, milliseconds=HELD_MILLISECONDS)
    write = ["dd", "if=/dev/zero", f"of={disk}", "bs=4096", "count=1", "oflag=direct"]
    running = [bench.nodes["n2"].start(write)]
    try:
        time.sleep(SETTLED)
        running.append(bench.start("n1", "off", "n2", bench.nvme.disk("n1")))
        until = time.monotonic() + SECONDS
        while "n2" in bench.nvme.reservation().keys:
            if time.monotonic() > until:
                raise NotAsPlanned("n1 does not fence n2")
            time.sleep(0.02)
        yield running
    finally:
        guest.call("hold_writes", name=STORE, milliseconds=0)
        for each in running:
            each.wait()


def _see_a_register_stop_reads(bench: Bench, running: list[Running]) -> None:
    """Or nothing is shown: n1 waits, and n3's reads go on, until n3 sends one."""
    n3, disk, fencing = bench.nodes["n3"], bench.nvme.disk("n3"), running[-1]
    if bench.nvme.read("n3") != "ok" or fencing.done():
        raise NotAsPlanned("n1 does not wait for the held write")
    own = str(key("n3"))
    running.append(n3.start(["python3", "-B", "-c", REGISTER, disk, own, own], cwd="/project"))
    time.sleep(SETTLED)
    running.append(n3.start(["dd", f"if={disk}", "of=/dev/null", "bs=4096", "count=1", "iflag=direct"]))
    time.sleep(SETTLED)
    if any(each.done() for each in running[2:]) or fencing.done():
        raise NotAsPlanned("a REGISTER of n3 does not stop its reads")


@row(
    "G12",
    "A path gives no answer, as Linux 6.1 says it, as drivers say it, and a dead one; Pacemaker looks for 'timed out'",
    old=SAID,
    new=FAILED,
)
def words_of_the_limit(bench: Bench) -> Seen:
    bench.join("n1", "n2")
    calls = [_with_preempts_answered(bench, answer) for answer in NO_ANSWER]
    bench.cluster.n1.cut("a")
    calls.append(bench.call("n1", "off", "n2"))
    if any(each.returncode != 1 for each in calls):
        raise NotAsPlanned(f"'off' over a path without answer: {calls}")
    return Seen(together(calls), never=OF_THE_LIMIT)


def _with_preempts_answered(bench: Bench, answer: int) -> Completed:
    requests = [str(CALLS[name][0]) for name in ("preempt", "preempt_abort")]
    by = ["python3", "-ISXutf8", "-c", ANSWERED, str(answer), *requests]
    return bench.start("n1", "off", "n2", by=by).wait()
