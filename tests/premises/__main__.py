"""python3 -m tests.premises: break what the proof takes for granted, on 0.1.0 and on this version, as a table.

Each row: what is broken; what each version answers to the call that matters; what a write of the victim ends with
after that (ok: it lands; EBADE: refused); and what that comes to. LIE: called fenced, and it writes. BLOCKED: a
legitimate call failed. said: what must not be. Below stands the test that holds it. A row that another test holds is
not played here: what 0.1.0 answered is on record then. With names of rows, such as A1, only these.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.lab import kernels, root
from tests.lab.cluster import Cluster
from tests.lab.errors import LabError, LabUnavailable
from tests.lab.fabric import Fabric
from tests.lab.guest import Guest
from tests.lab.inside.layout import NODES
from tests.lab.nvme import KERNEL_ARGUMENTS, Namespaces
from tests.load import agents
from tests.premises import old
from tests.premises.bench import Bench
from tests.premises.elsewhere import Elsewhere
from tests.premises.rows import TABLE
from tests.premises.table import HOSTS, NVME, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.load.agents import Agent

WIDTH = 118
THIS = "this"
HERE = "tests/premises/test_premises.py"


class Lab:
    """Guests, booted when a row needs them."""

    def __init__(self, ends: ExitStack) -> None:
        self._ends = ends
        self._cluster: Cluster | None = None
        self._namespaces: Namespaces | None = None
        self._fabric: Fabric | None = None

    def bench(self, row: Row, agent: Agent) -> Bench:
        """All clean, as the row needs it."""
        if row.needs == HOSTS:
            return Bench(agent, fabric=self._hosts())
        cluster = self._guest()
        return Bench(agent, cluster, self._nvme(cluster) if row.needs == NVME else None)

    def _guest(self) -> Cluster:
        if not self._cluster:
            guest = Guest(kernels.NVME.kernel(), root.folder(), arguments=KERNEL_ARGUMENTS)
            self._ends.callback(guest.stop)
            guest.boot()
            self._cluster = Cluster(guest)
        self._cluster.reset()
        return self._cluster

    def _nvme(self, cluster: Cluster) -> Namespaces:
        if not self._namespaces:
            self._namespaces = Namespaces(cluster)
        self._namespaces.reset("tcp")
        return self._namespaces

    def _hosts(self) -> Fabric:
        if not self._fabric:
            kernel = kernels.NVME.kernel()
            self._fabric = self._ends.enter_context(Fabric(kernel, dict.fromkeys(NODES, kernel), root.folder()))
        self._fabric.reset()
        return self._fabric


def main(arguments: Sequence[str]) -> int:
    """0 if each row came out as it is on record, 1 if not."""
    description, _, _ = str(__doc__).partition("\n")
    parser = argparse.ArgumentParser(prog="python3 -m tests.premises", description=description, allow_abbrev=False)
    parser.add_argument("row", nargs="*", help=f"only these: {', '.join(row.name for row in TABLE)}")
    chosen = parser.parse_args(arguments).row
    if unknown := set(chosen) - {row.name for row in TABLE}:
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    started, surprises = time.monotonic(), 0
    rows = [row for row in TABLE if not chosen or row.name in chosen]
    try:
        versions = {old.NAME: old.agent(), THIS: agents.THIS}
        with ExitStack() as ends:
            lab = Lab(ends)
            for row in rows:
                if isinstance(row, Elsewhere):
                    print("\n".join(told(row)), flush=True)
                else:
                    surprises += not _play(lab, row, versions)
    except LabUnavailable as error:
        print(f"lab: not available: {error}", file=sys.stderr)
        return 1
    elsewhere = sum(isinstance(row, Elsewhere) for row in rows)
    took = time.monotonic() - started
    print(f"{len(rows)} premises in {took:.0f} s, {elsewhere} of them not played here; not as on record: {surprises}")
    return int(bool(surprises))


def _play(lab: Lab, row: Row, versions: dict[str, Agent]) -> bool:
    """Print a row; whether it came out as it is on record."""
    print(f"{row.name:<11} {row.premise}", flush=True)
    as_on_record = True
    for name, agent in versions.items():
        try:
            seen = row.story(lab.bench(row, agent))
        except LabError as error:
            print(f"    {name:<7} not measured: {error}", flush=True)
            as_on_record = False
            continue
        expected = row.old if name == old.NAME else row.new
        surprise = "" if seen.kind() == expected else f" (not as on record: {expected})"
        as_on_record = as_on_record and not surprise
        verdict = row.verdict(seen)
        said = textwrap.shorten(seen.said(), WIDTH - 44, placeholder=" …")
        print(f"    {name:<7} {verdict:<11} write {seen.writes or '-':<7} {said}{surprise}", flush=True)
    print(f"    test    {HERE}", flush=True)
    return as_on_record


def told(row: Elsewhere) -> list[str]:
    """The lines of a row that is not played."""
    return [
        f"{row.name:<11} {row.premise}",
        f"    {old.NAME:<7} {row.old} (on record)",
        f"    {THIS:<7} {row.new}",
        *(f"    test    {test} (not played here)" for test in row.tests or ("none",)),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
