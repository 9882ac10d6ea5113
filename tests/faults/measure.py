"""How long an action takes, by number of disks and by how long a disk takes: `python -m tests.faults.measure`.

Boots guests of its own, makes that many disks, and runs the agent as Pacemaker does: from the start of the process to
its end. A disk is made slow by delay of every packet to it and from it (netem). Prints a table for each transport, in
seconds: the fastest and the slowest of the runs. Other work on the machine shows in both.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.faults.disks import NVME, SCSI, many, option
from tests.fencing.agent import AGENT
from tests.lab import kernels, root
from tests.lab.cluster import Cluster
from tests.lab.guest import Guest
from tests.lab.nvme import KERNEL_ARGUMENTS, Namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.faults.disks import Disks

COUNTS = (1, 4, 16, 64)
ANSWER_MILLISECONDS = (0, 50, 200)
RUNS = 5
ACTIONS = {"on": "n1", "status": "n2", "off": "n2"}
NODES = ("n1", "n2")


def main() -> int:
    """Measure SCSI on the oldest and the newest kernel, NVMe on its own."""
    for source in (*kernels.SOURCES, kernels.NVME):
        kind = NVME if source is kernels.NVME else SCSI
        with Guest(source.kernel(), root.folder(), arguments=KERNEL_ARGUMENTS) as guest:
            lab = Cluster(guest)
            if kind == NVME:
                Namespaces(lab)
            delays = ANSWER_MILLISECONDS if source is kernels.NEWEST else (0,)
            print(f"\n{kind}, Linux {guest.kernel.label}", flush=True)
            print(f"{'disks':>6}{'answer':>10}" + "".join(f"{action:>16}" for action in ACTIONS), flush=True)
            for count, milliseconds, seconds in _measure(lab, kind, delays):
                cells = [f"{min(each):.2f} …{max(each):6.2f}" for each in seconds.values()]
                print(f"{count:>6}{milliseconds:>7} ms" + "".join(f"{cell:>16}" for cell in cells), flush=True)
    return 0


def _measure(lab: Cluster, kind: str, delays: Sequence[int]) -> Iterator[tuple[int, int, dict[str, list[float]]]]:
    for count in COUNTS:
        with many(lab, kind, count, NODES) as disks:
            for milliseconds in delays:
                if milliseconds:
                    lab.guest.run(["tc", "qdisc", "add", *_delay(milliseconds)], check=True)
                yield count, milliseconds, _seconds(disks)
                if milliseconds:
                    lab.guest.run(["tc", "qdisc", "del", *_delay(milliseconds)], check=True)


def _delay(milliseconds: int) -> list[str]:
    return ["dev", "lo", "root", "netem", "delay", f"{milliseconds / 2}ms", "limit", "100000"]


def _seconds(disks: Disks) -> dict[str, list[float]]:
    """Of each action, RUNS times; n2 comes back after each `off`."""
    found: dict[str, list[float]] = {action: [] for action in ACTIONS}
    for node in NODES:
        _run(disks, node, "on", node)
    for _ in range(RUNS):
        for action, plug in ACTIONS.items():
            found[action].append(_run(disks, "n1", action, plug))
        _run(disks, "n2", "on", "n2")
    return found


def _run(disks: Disks, node: str, action: str, plug: str) -> float:
    given = f"action={action}\nplug={plug}\ndevices={option(disks, node)}\npower_timeout=100\n"
    done = disks.cluster.nodes[node].run([AGENT], stdin=given, timeout=120)
    assert done.returncode == 0, done
    return done.seconds


if __name__ == "__main__":
    sys.exit(main())
