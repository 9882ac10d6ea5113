"""The project's ioctl module, called in a guest on the nodes' disks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster

PROBE = "/project/tests/lab/inside/probe.py"


@dataclass(frozen=True)
class Answer:
    """What one call gave: a result, or the class, status and sentence of an error."""

    result: Any = None
    error: str = ""
    status: int = 0
    text: str = ""

    @property
    def brief(self) -> str:
        """ "ok" or the error's class."""
        return self.error or "ok"


def calls(
    lab: Cluster, *entries: tuple[Any, ...], constants: dict[str, int] | None = None, drain: bool = True
) -> list[Answer]:
    """Call (node, lun, "module.function", argument, …) one after the other, all in one process.

    constants: "module.NAME" to change first; drain: take the unit attentions that earlier calls left behind
    """
    if drain:
        lab.drain()
    resolved = [[lab.nodes[node].disk(lun), *rest] for node, lun, *rest in entries]
    request = json.dumps({"set": constants or {}, "calls": resolved})
    done = lab.guest.run(["/usr/bin/python3", "-ISB", PROBE], stdin=request, check=True)
    return [Answer(**answer) for answer in json.loads(done.stdout)]


def briefs(lab: Cluster, *entries: tuple[Any, ...]) -> list[str]:
    """As `calls`, but only "ok" or the error's class for each."""
    return [answer.brief for answer in calls(lab, *entries)]
