"""python3 -m tests.load: fence a node while all nodes write, in every way, and print what it did to whom as a table.

Of a guest with three nodes: n1 fences n2, n3 looks on. Each row: the target and how long its store takes for a write;
whether each node has eight direct writes in flight; who holds the reservation; the agent and its option abort; then the
seconds until 'off' answered, the errors and the longest write of both survivors, the writes of the victim that landed
after the answer, whether it is out, and the verdict. Without options everything, which takes half an hour or more.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import kernels
from tests.lab.errors import LabError, LabUnavailable
from tests.lab.load import WRITERS
from tests.load import agents, bench, measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.lab.kernels import Kernel
    from tests.load.agents import Agent
    from tests.load.bench import Bench
    from tests.load.measure import Case, Harm, Row

LATENCIES = (0, 2, 20)
LOADS = {"yes": True, "no": False}
SHORT = {"latency": [2], "load": ["yes"], "holder": ["victim"]}
COLUMNS = {
    "target": 14,
    "store": 6,
    "load": 5,
    "holder": 7,
    "agent": 11,
    "abort": 8,
    "off": 7,
    "n1 errors": 10,
    "longest": 8,
    "n3 errors": 10,
    "longest ": 8,
    "landed": 7,
    "n2": 4,
    "verdict": 0,
}


def main(arguments: Sequence[str]) -> int:
    """0, or 1 if a row could not be measured."""
    chosen = _parse(arguments)
    try:
        kernel = kernels.source(chosen.kernel).kernel()
        cases = _cases(chosen)
        print(f"Linux {kernel.release}; {WRITERS} writes in flight at each of 3 nodes where there is load", flush=True)
        print(_line(COLUMNS), flush=True)
        return _run(kernel, cases)
    except LabUnavailable as error:
        print(f"lab: not available: {error}", file=sys.stderr)
        return 1


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    description, _, _ = str(__doc__).partition("\n")
    parser = argparse.ArgumentParser(prog="python3 -m tests.load", description=description, allow_abbrev=False)
    choices: dict[str, Iterable[str]] = {
        "target": bench.TARGETS,
        "holder": measure.HOLDERS,
        "load": LOADS,
        "abort": (*agents.ABORT_MODES, agents.ITS_OWN),
    }
    for name, known in choices.items():
        parser.add_argument(f"--{name}", action="append", choices=tuple(known), help="only these rows")
    parser.add_argument("--latency", action="append", type=int, metavar="MS", help="of the stores; else 0, 2 and 20")
    parser.add_argument(
        "--agent", action="append", metavar="AGENT", help="'this', 'fence_scsi' or the folder of another checkout"
    )
    parser.add_argument("--times", type=int, default=1, metavar="N", help="measure each row so often")
    parser.add_argument("--kernel", default=kernels.NVME.name, help="one without NVMe has no nvmet")
    parser.add_argument("--short", action="store_true", help="only 2 ms, load, and a victim that holds")
    chosen = parser.parse_args(arguments)
    for name, values in SHORT.items() if chosen.short else ():
        setattr(chosen, name, getattr(chosen, name) or values)
    return chosen


def _cases(chosen: argparse.Namespace) -> list[Case]:
    """All that were asked for; what an agent or a kernel cannot do is left out."""
    has_nvme = chosen.kernel in (kernels.NVME.name, kernels.NVME.label())
    order = product(
        map(_agent, chosen.agent or ["this", "fence_scsi"]),
        chosen.target or bench.TARGETS,
        chosen.latency or LATENCIES,
        [LOADS[word] for word in chosen.load or LOADS],
        chosen.holder or measure.HOLDERS,
    )
    return [
        measure.Case(agent, target, milliseconds, load, holder, abort)
        for agent, target, milliseconds, load, holder in order
        if agent.can_fence_on(target) and (has_nvme or target != bench.NVMET)
        for abort in agent.aborts
        if not chosen.abort or abort in chosen.abort
        for _ in range(chosen.times)
    ]


def _agent(name: str) -> Agent:
    for known in (agents.THIS, agents.FENCE_SCSI):
        if name == known.name:
            return known
    folder = Path(name).resolve()
    if not (folder / agents.PROGRAM).is_file():
        sys.exit(f"there is no {agents.PROGRAM} in {folder}")
    return agents.Agent(folder.name, str(folder))


def _run(kernel: Kernel, cases: Sequence[Case]) -> int:
    """Measure and print; a guest in which something was harmed serves no other row."""
    started, rest, failed = time.monotonic(), list(cases), 0
    harmed = 0
    while rest:
        with bench.Bench(kernel, {case.agent for case in cases}) as guest:
            fit = True
            while rest and fit:
                case = rest.pop(0)
                row = _measure(guest, case)
                print(_of(row) if row else _line(_about(case)), flush=True)
                fit = row is not None and not any(row.harm.values())
                failed += row is None
                harmed += row is not None and any(row.harm.values())
    seconds = time.monotonic() - started
    print(f"{len(cases)} rows in {seconds:.0f} s; in {harmed} a survivor was harmed; not measured: {failed}")
    return bool(failed)


def _measure(guest: Bench, case: Case) -> Row | None:
    try:
        return measure.measure(guest, case)
    except LabError as error:
        print(f"not measured: {error}", file=sys.stderr, flush=True)
        return None


def _of(row: Row) -> str:
    first, second = (_harm(row.harm[name]) for name in measure.SURVIVORS)
    seen = [f"{row.seconds:.2f} s", *first, *second, "-" if row.landed is None else str(row.landed)]
    return _line([*_about(row.case), *seen, "out" if row.out else "IN", row.verdict])


def _about(case: Case) -> list[str]:
    load = "yes" if case.load else "no"
    return [case.target, f"{case.milliseconds} ms", load, case.holder, case.agent.name, case.abort]


def _harm(harm: Harm) -> list[str]:
    errors = " ".join(f"{name} {count}" for name, count in harm.errors.items()) or "0"
    return [errors, "-" if harm.longest is None else f"{harm.longest:.2f} s"]


def _line(words: Iterable[str]) -> str:
    return " ".join(f"{word.strip():<{width}}" for word, width in zip(words, COLUMNS.values())).rstrip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
