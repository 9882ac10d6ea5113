"""Plays a round: what a cluster does about an outage, as Pacemaker's fencer does it, while other things go wrong.

Who is asked to fence tries twice, then the next one is asked, until one succeeds. A node that was fenced loses its
power a moment later, starts, runs 'on' until that succeeds, and writes again.
"""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from . import plan
from .checker import WHOLE_SECONDS
from .history import History
from .world import LIMIT_SECONDS, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.cluster import Cluster
    from tests.load.agents import Agent

    from .plan import Fault, Round
    from .world import Process

TICK_SECONDS = 0.05
STAND_SECONDS = 1.0
TRIES_OF_ONE = 2  # pcmk_off_retries
RETRY_SECONDS = 0.5
# From the answer of 'off' until the victim has no power: it must not write by then, whatever it does.
REBOOT_SECONDS, START_SECONDS = 1.5, 0.5
UP_SECONDS = 30.0
# After the last fault and the outage have begun, so long at least.
CALM_SECONDS = 0.5


class NotBegun(Exception):
    """The cluster did not come up, before anything went wrong."""


@dataclass
class Fencing:
    """One node that somebody wants out. over: it is, or whoever wanted it is out himself."""

    victim: str
    fencers: tuple[str, ...]
    tries: int = 0
    over: bool = False
    running: Process | None = None

    def next(self) -> str:
        """Who is asked now."""
        return self.fencers[self.tries // TRIES_OF_ONE % len(self.fencers)]


@dataclass
class Agenda:
    """What is due when."""

    _entries: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: count[int] = field(default_factory=count)

    def add(self, at: float, what: Callable[[], None]) -> None:
        """At this time, or as soon after it as may be."""
        heapq.heappush(self._entries, (at, next(self._order), what))

    def due(self, now: float) -> list[Callable[[], None]]:
        """What is due by now; each once."""
        found = []
        while self._entries and self._entries[0][0] <= now:
            found.append(heapq.heappop(self._entries)[2])
        return found


class Game:
    """One round, once."""

    def __init__(self, cluster: Cluster, agent: Agent, it: Round) -> None:
        self._round, self.world = it, World(cluster, agent, it)
        self.history = History(it.nodes, LIMIT_SECONDS)
        self._agenda = Agenda()
        self._fencings: list[Fencing] = []
        self._up = set(it.nodes)
        self._faults: list[Fault] = []
        self._ends: dict[int, Callable[[bool], None]] = {}
        self._starts = dict.fromkeys(it.nodes, 0)

    def play(self) -> History:
        """All of it. Raises NotBegun, LabError."""
        self._come_up()
        self.history.begun = begun = self.world.now()
        self._agenda.add(begun + plan.OUTAGE_SECONDS, self._outage)
        self._agenda.add(begun, self._take_stand)
        for fault in self._round.faults:
            self._agenda.add(begun + fault.at, lambda it=fault: self._begin(it))  # type: ignore[misc]
        ends = [plan.OUTAGE_SECONDS, *(it.at + it.seconds for it in self._round.faults)]
        self._run(begun + max(ends) + CALM_SECONDS)
        while self._faults:
            self._finish(self._faults[0])
        self.history.healed = self.world.now()
        self._run(self.history.healed + WHOLE_SECONDS, self._whole)
        if self.history.whole is None:
            self.history.missing = self._missing()
        for node in self._round.nodes:
            self._note(node)
        for node in self._round.nodes:
            self.world.lose_power(node)
        return self.history

    def _come_up(self) -> None:
        for node in self._round.nodes:
            self._call(node, "on", node, lambda _: None)
        until = self.world.now() + UP_SECONDS
        self._run(until, lambda: not self.world.processes)
        for node in self._round.nodes:
            self.world.write(node)
        self._run(until, lambda: all(map(self.world.writes, self._round.nodes)))
        if not all(map(self.world.writes, self._round.nodes)):
            raise NotBegun(str([(it.node, it.status, it.said) for it in self.history.calls]))

    def _run(self, until: float, enough: Callable[[], bool] = lambda: False) -> None:
        looked = 0.0
        while (now := self.world.now()) < until:
            for process in [it for it in self.world.processes if it.done()]:
                call = self.world.end(process)
                self.history.calls.append(call)
                self._ends.pop(id(process))(call.ok)
            for what in self._agenda.due(now):
                what()
            if now - looked > TICK_SECONDS * 4:
                looked = now
                if enough():
                    return
            time.sleep(TICK_SECONDS)

    def _call(self, node: str, action: str, plug: str, end: Callable[[bool], None]) -> Process:
        process = self.world.call(node, action, plug)
        self._ends[id(process)] = end
        return process

    # What goes wrong.

    def _outage(self) -> None:
        it = self._round
        if it.outage == plan.DIES:
            self._lose(it.victim)
        self._fence(Fencing(it.victim, it.fencers))
        if it.outage == plan.DUEL:
            self._fence(Fencing(it.fencers[0], (it.victim,)))

    def _begin(self, fault: Fault) -> None:
        if fault.kind == plan.BY_HAND:
            if fault.node in self._up and fault.node != self._round.victim and self._round.outage != plan.DUEL:
                self._call(fault.node, "off", self._round.victim, self._done_by_hand)
            return
        self.world.begin(fault)
        self._faults.append(fault)
        self._agenda.add(self.world.now() + fault.seconds, lambda: self._finish(fault))

    def _finish(self, fault: Fault) -> None:
        if fault in self._faults:
            self._faults.remove(fault)
            self.world.finish(fault)

    def _lose(self, node: str) -> None:
        self._note(node)
        self._up.discard(node)
        self.world.lose_power(node)

    def _note(self, node: str) -> None:
        self.history.looks.append(self.world.look(node))
        self.history.answers.append(self.world.answers(node))

    # What the cluster does about it.

    def _fence(self, fencing: Fencing) -> None:
        """Begin, or try again."""
        if fencing not in self._fencings:
            self._fencings.append(fencing)
        node = fencing.next()
        if fencing.over or node not in self._up:
            return
        fencing.tries += 1
        fencing.running = self._call(node, "off", fencing.victim, lambda ok: self._tried(fencing, ok))

    def _tried(self, fencing: Fencing, ok: bool) -> None:
        fencing.running = None
        if ok:
            self._is_out(fencing.victim)
        elif not fencing.over:
            self._agenda.add(self.world.now() + RETRY_SECONDS, lambda: self._fence(fencing))

    def _done_by_hand(self, ok: bool) -> None:
        if ok:
            self._is_out(self._round.victim)

    def _is_out(self, node: str) -> None:
        """Nobody need fence it any more, nor does it fence anybody for long."""
        self._take_stand(again=False)
        for fencing in self._fencings:
            fencing.over = fencing.over or fencing.victim == node
        self._agenda.add(self.world.now() + REBOOT_SECONDS, lambda: self._reboot(node))

    def _reboot(self, node: str) -> None:
        self._lose(node)
        for fencing in self._fencings:
            fencing.over = fencing.over or fencing.fencers == (node,)
        self.world.start_anew(node)
        self._starts[node] += 1
        start = self._starts[node]
        self._agenda.add(self.world.now() + START_SECONDS, lambda: self._come_back(node, start))

    def _come_back(self, node: str, start: int) -> None:
        """Unless it has lost its power once more by now."""
        if start == self._starts[node]:
            self.history.looks.append(self.world.look(node))
            self._call(node, "on", node, lambda ok: self._came_back(node, start, ok))

    def _came_back(self, node: str, start: int, ok: bool) -> None:
        if start != self._starts[node]:
            return
        if not ok:
            self._agenda.add(self.world.now() + RETRY_SECONDS, lambda: self._come_back(node, start))
            return
        self._up.add(node)
        self.world.write(node)

    # What is seen of it.

    def _take_stand(self, *, again: bool = True) -> None:
        self.history.stands.append(self.world.stand(self._up))
        for node in self._round.nodes:
            self.history.looks.append(self.world.look(node))
        if again:
            self._agenda.add(self.world.now() + STAND_SECONDS, self._take_stand)

    def _whole(self) -> bool:
        """Everybody is in, and writes; whose disk was gone opens it anew."""
        if self.world.processes or self._up != set(self._round.nodes) or not self._fencings:
            return False
        if not all(it.over for it in self._fencings):
            return False
        silent = [node for node in self._round.nodes if not self.world.writes(node)]
        for node in silent:
            self._note(node)
            self.world.write(node)
        if silent:
            self._run(self.world.now() + UP_SECONDS / 10, lambda: all(map(self.world.writes, silent)))
            return False
        self.history.whole = self.world.now()
        return True

    def _missing(self) -> str:
        last = self.history.calls[-1] if self.history.calls else None
        out = sorted(set(self._round.nodes) - self._up)
        unfenced = [it.victim for it in self._fencings if not it.over]
        said = f"; last: '{last.action}' of {last.plug} by {last.node}: {last.status}: {last.said}" if last else ""
        silent = [node for node in self._round.nodes if node in self._up and not self.world.writes(node)]
        return f"not back: {out}, not fenced: {unfenced}, not writing: {silent}{said}"
