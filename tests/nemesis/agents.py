"""The agents that the nemesis is set on: this one, fence_scsi, and some that are broken on purpose."""

from __future__ import annotations

from dataclasses import dataclass

from tests.load.agents import FENCE_SCSI, THIS, Agent

BROKEN = "/project/tests/nemesis/broken.py"
# In how many rounds, at most, each is caught.
CONTROLS = {"liar": 8, "first-disk": 8, "comes-back": 40}


@dataclass(frozen=True)
class Control(Agent):
    """One of `broken`. name: which."""

    def program(self) -> str:
        return f"{BROKEN} {self.name}"


def by_name(name: str) -> Agent:
    """Raises KeyError."""
    known = {it.name: it for it in (THIS, FENCE_SCSI, *map(Control, CONTROLS))}
    return known[name]
