"""python3 -m tests.faults.compare CHECKOUT: how long actions take here, as a multiple of another checkout's time.

Boots a guest of its own for each transport. Each action is run by both in turn on the same disks, so that other work on
the machine is in both. Prints medians, in seconds, and the median of the ratios.
"""

from __future__ import annotations

import compileall
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.disks import NVME, SCSI, many, option
from tests.lab import kernels, root
from tests.lab.cluster import Cluster
from tests.lab.guest import Guest
from tests.lab.nvme import KERNEL_ARGUMENTS, Namespaces
from tests.load.agents import PROGRAM, Agent

if TYPE_CHECKING:
    from tests.faults.disks import Disks

COUNTS = (1, 16, 64)
RUNS = 9
NODES = ("n1", "n2")
PROJECT = Path(__file__).resolve().parents[2]
ACTIONS = {"status": "n2", "off": "n2"}


def main(folder: str) -> int:
    """Compare with the checkout in a folder."""
    other = Path(folder).resolve()
    if not (other / PROGRAM).is_file():
        sys.exit(f"there is no {PROGRAM} in {folder}")
    for checkout in (PROJECT, other):  # as packages have it: else each start would compile what has changed
        compileall.compile_dir(checkout / "lib", quiet=1)
    agents = (Agent("other", str(other)), Agent("this"))
    for source, kind in ((kernels.NEWEST, SCSI), (kernels.NVME, NVME)):
        with Guest(source.kernel(), root.folder(), arguments=KERNEL_ARGUMENTS) as guest:
            lab = Cluster(guest)
            if kind == NVME:
                Namespaces(lab)
            for agent in agents:
                agent.install(lab)
            print(f"\n{kind}, Linux {guest.kernel.label}\n disks  action   other    this  ratio", flush=True)
            for count in COUNTS:
                with many(lab, kind, count, NODES) as disks:
                    _compare(disks, agents, count)
    return 0


def _compare(disks: Disks, agents: tuple[Agent, ...], count: int) -> None:
    seconds: dict[str, list[tuple[float, ...]]] = {action: [] for action in ACTIONS}
    for node in NODES:
        _run(disks, agents[1], node, "on", node)
    for number in range(RUNS):
        order = agents if number % 2 else agents[::-1]
        for action, plug in ACTIONS.items():
            found = {}
            for agent in order:
                found[agent] = _run(disks, agent, "n1", action, plug)
                _run(disks, agents[1], "n2", "on", "n2")
            seconds[action].append(tuple(found[agent] for agent in agents))
    for action, pairs in seconds.items():
        other, this = (statistics.median(column) for column in zip(*pairs))
        ratio = statistics.median(mine / theirs for theirs, mine in pairs)
        print(f"{count:>6}  {action:6} {other:7.3f} {this:7.3f} {ratio:6.2f}", flush=True)


def _run(disks: Disks, agent: Agent, node: str, action: str, plug: str) -> float:
    given = f"action={action}\nplug={plug}\ndevices={option(disks, node)}\npower_timeout=100\nsettle_time=0\n"
    done = disks.cluster.nodes[node].run([agent.program()], stdin=given, timeout=120)
    assert done.returncode == 0, done
    return done.seconds


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
