"""The nemesis as a command: `python3 -m tests.nemesis [--rounds N] [--seed N] [--agent NAME] [--record FILE]`.

--rounds N    so many rounds, 20 unless told otherwise
--seed N      of the first round; each further one has the next number. Unless told otherwise another one every time
--agent NAME  this (unless told otherwise), fence_scsi, or one that is broken on purpose: liar, first-disk, comes-back
--record FILE a line of JSON more for each round; `--table FILE` shows what is in it
--plot FILE   a picture (SVG) of the last round, or of the last with a violation if there is one
--shrink      cut the first round with a violation down, and end

Exit code 0: no violation; 1: some; 2: wrong call.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests import seed
from tests.lab import kernels, root
from tests.lab.cluster import Cluster
from tests.lab.errors import LabError
from tests.lab.guest import Guest
from tests.lab.nvme import KERNEL_ARGUMENTS
from tests.load import root as root_with_peers
from tests.load.agents import FENCE_SCSI

from . import agents, checker, plan, plot, record
from .fencer import Game
from .shrink import shrink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.load.agents import Agent

    from .checker import Violation
    from .plan import Round

_CLEAR = "\r\x1b[K"  # the line of a terminal


class Arena:
    """A guest that rounds are played in; another one after one that was lost, which is no violation but is told."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.kernel = f"linux-{kernels.SOURCES[-1].label()}"
        self._guest: Guest | None = None
        self.lost = 0
        self.picture, self._bad = "", False

    def play(self, it: Round) -> tuple[record.Played, list[Violation]] | None:
        """None if the lab failed."""
        try:
            history = Game(self._cluster(), self._agent, it).play()
        except LabError as error:
            print(f"    not played: {error}", file=sys.stderr)
            self.lost += 1
            self.stop()
            return None
        found = checker.violations(history)
        if found or not self._bad:
            self.picture, self._bad = plot.picture(it, history, found), bool(found)
        return record.Played.of(self._agent.name, self.kernel, it, history, found), found

    def _cluster(self) -> Cluster:
        if self._guest is None:
            folder = root_with_peers.folder() if self._agent is FENCE_SCSI else root.folder()
            self._guest = Guest(kernels.source(self.kernel).kernel(), folder, arguments=KERNEL_ARGUMENTS)
            self._guest.boot()
            self._found = Cluster(self._guest)
            self._agent.install(self._found)
        return self._found

    def stop(self) -> None:
        """End the guest."""
        if self._guest:
            self._guest.stop()
        self._guest = None


def main(arguments: Sequence[str]) -> int:
    """Play, and print."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw, usage=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=seed.number("nemesis"))
    parser.add_argument("--agent", choices=("this", FENCE_SCSI.name, *agents.CONTROLS), default="this")
    parser.add_argument("--record", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--shrink", action="store_true")
    chosen = parser.parse_args(arguments)
    if chosen.table:
        print("\n".join(record.table(record.read(chosen.table))))
        return 0
    print(f"{chosen.rounds} rounds with {chosen.agent}, from seed {chosen.seed}")
    arena = Arena(agents.by_name(chosen.agent))
    try:
        played = _play(arena, chosen)
    finally:
        arena.stop()
    if chosen.plot and arena.picture:
        chosen.plot.write_text(arena.picture)
    print("\n".join(record.table(played)) if played else "no round was played")
    if arena.lost:
        print(f"{arena.lost} rounds could not be played, because the lab failed")
    return 1 if not played or arena.lost or any(it.violations for it in played) else 0


def _play(arena: Arena, chosen: argparse.Namespace) -> list[record.Played]:
    rounds: list[record.Played] = []
    for number in range(chosen.seed, chosen.seed + chosen.rounds):
        it, begun = plan.draw(number), time.monotonic()
        if os.isatty(1):
            print(f"{_CLEAR}[{len(rounds) + 1}/{chosen.rounds}] seed {number} …", end="", flush=True)
        if (end := arena.play(it)) is None:
            continue
        played, found = end
        rounds.append(played)
        if chosen.record:
            record.append(chosen.record, played)
        if found:
            _clear()
            print(f"{it}\n    {time.monotonic() - begun:.0f} s", *found, sep="\n    !! ", flush=True)
            if chosen.shrink:
                _show_shorter(arena, it, found[0].kind)
                break
    _clear()
    return rounds


def _clear() -> None:
    if os.isatty(1):
        print(_CLEAR, end="")


def _show_shorter(arena: Arena, it: Round, kind: str) -> None:
    """What happens by chance may not happen again: then it stays as it is."""

    def fails(candidate: Round) -> bool:
        end = arena.play(candidate)
        return end is not None and any(found.kind == kind for found in end[1])

    print(f"the shortest that still ends in '{kind}':\n{shrink(it, fails)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
