"""What can happen around a node that is healthy: one event after the other, in random order."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

from tests.fencing import agent, maps
from tests.fencing.agent import WERO, key, succeed
from tests.fencing.maps import PATH_1, PATH_2
from tests.fencing.sessions import log_in_anew
from tests.guard.node import end, said, start, wait_until

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.lab.cluster import Cluster, Node

MAPPED, PLAIN, ELSEWHERE = "a", ("b", "c"), "d"
LUNS = (MAPPED, *PLAIN)
SECOND_KEY = "0x77"
# Often, so that much is read in little time; a disk is unreadable soon.
QUICK = ("--interval=0.05", "--confirm-after=0.05", "--path-interval=0.2", "--unreadable-after=0.5")
PATH_CHECKS_SECONDS = 0.5


class Story:
    """n1 is guarded: it has a map over two paths to LUN a, and one path each to b and c.

    Its neighbours are n3 on all LUNs and n2 on b and c (n2's connection to a is n1's second path).
    registers  whether the guard registers paths that return
    """

    def __init__(self, lab: Cluster, mapped: str, chance: random.Random, *, registers: bool) -> None:
        self.lab, self.chance, self._registers = lab, chance, registers
        self._options = (*QUICK, f"--returned-paths={'register' if registers else 'report'}")
        self._devices = f"{mapped},{agent.disks(lab.n1, PLAIN)}"
        self._given_key = ""
        self.told: list[str] = []
        self.unfence()
        self.neighbours_join()
        self.guard = start(lab.n1, *self._options)

    @property
    def own_key(self) -> int:
        """The key with which n1 is registered now."""
        return int(self._given_key, 16) if self._given_key else key("n1")

    def events(self) -> dict[Callable[[], None], int]:
        """Each with how often it happens; those that take long are rare."""
        return {
            self.unfence: 6,
            self.unfence_with_another_key: 2,
            self.neighbours_join: 2,
            self.neighbour_is_fenced: 2,
            self.neighbours_fence_each_other: 2,
            self.neighbour_leaves_and_comes: 12,
            self.path_flaps: 12,
            self.path_fails_during_unfencing: 2,
            self.path_hangs: 5,
            self.disk_is_slow: 5,
            self.everything_is_unreadable: 3,
            self.logical_unit_is_reset: 10,
            self.map_is_reloaded: 10,
            self.path_leaves_the_map_and_comes: 5,
            self.path_of_the_map_returns_unregistered: 4,
            self.disk_goes_and_returns: 3,
            self.guard_stands_still: 8,
            self.guard_is_started_anew: 2,
            self.registrations_are_lost: 2,
            self.connection_breaks: 1,
            self.target_loses_its_power: 1,
            self.node_logs_in_anew: 2,
            self.path_of_the_map_logs_in_anew: 2,
            self.path_leads_to_another_disk: 4,
        }

    def happen(self) -> None:
        """One of them."""
        events = self.events()
        (event,) = self.chance.choices(list(events), list(events.values()))
        self.told.append(event.__name__)
        event()

    def is_well(self) -> None:
        """Neither has the guest ended, nor the guard, nor did it take the node for fenced."""
        assert self.lab.guest.alive(), self.told
        assert not self.guard.done(), (self.told, self.guard.wait())
        assert said(self.lab.n1, "was fenced") == [], self.told

    def n1_is_fenced(self) -> float:
        """At last, with a guard that checks once a second: the time at which the key was gone from LUN b."""
        self.unfence()
        self.neighbours_join()
        assert end(self.guard).returncode == 0
        self.guard = start(self.lab.n1)
        time.sleep(self.chance.random())
        self.lab.n3.drain("b")
        assert self.lab.n3.pr("b", "preempt_abort", key("n3"), self.own_key, WERO) == 0
        return time.monotonic()

    # ---- what clusters do

    def unfence(self) -> None:
        succeed(self.lab.n1, "on", "n1", devices=self._devices, key=self._given_key)

    def unfence_with_another_key(self) -> None:
        """With a wait between the new key on the disks and its note."""
        self._given_key = "" if self._given_key else SECOND_KEY
        succeed(self.lab.n1, "on", "n1", devices=self._devices, key=self._given_key, power_wait="0.5")

    def neighbours_join(self) -> None:
        succeed(self.lab.n2, "on", "n2", PLAIN)
        succeed(self.lab.n3, "on", "n3")

    def neighbour_is_fenced(self) -> None:
        """By its key: where this node's own was given, the agent does not trust names."""
        succeed(self.lab.n1, "off", "n3", devices=self._devices, key=hex(key("n3")))

    def neighbours_fence_each_other(self) -> None:
        self.neighbours_join()
        winner, loser = self.chance.sample((self.lab.n2, self.lab.n3), 2)
        succeed(winner, "off", loser.name, PLAIN)
        succeed(loser, "on", loser.name, PLAIN)

    def neighbour_leaves_and_comes(self) -> None:
        """By the commands alone; with the holder goes the reservation."""
        node, lun = self.chance.choice((self.lab.n2, self.lab.n3)), self.chance.choice(PLAIN)
        node.drain(lun)
        registered = key(node.name) if node.name in self.lab.reservation(lun).keys else 0
        assert node.pr(lun, "register", registered, key(node.name) - registered) == 0
        time.sleep(self.chance.random() / 10)

    def registrations_are_lost(self) -> None:
        """Nobody was fenced, whoever comes first when they are mended. Before that the guard has looked."""
        lun = self.chance.choice(LUNS)
        self.neighbours_join()
        self.lab.n3.drain(lun)
        assert self.lab.n3.pr(lun, "clear", key("n3")) == 0
        time.sleep(PATH_CHECKS_SECONDS * (1 + self.chance.random()))
        assert self.lab.reservation(lun).registrations == ()
        if self.chance.random() < 1 / 2:
            self.neighbours_join()
            time.sleep(PATH_CHECKS_SECONDS)
        self.unfence()

    # ---- what paths and disks do

    def path_flaps(self) -> None:
        path, lun = self._path()
        for _ in range(3):
            path.set_state(lun, "offline")
            time.sleep(self.chance.random() / 20)
            path.set_state(lun, "running")

    def path_fails_during_unfencing(self) -> None:
        path = self._path_of_the_map()
        running = agent.start(self.lab.n1, "on", "n1", devices=self._devices, key=self._given_key)
        path.set_state(MAPPED, "offline")
        done = running.wait()
        path.set_state(MAPPED, "running")
        assert done.returncode == 0 or "path" in done.stderr or "device is gone" in done.stderr, done
        self.unfence()

    def path_hangs(self) -> None:
        path, lun = self._path()
        path.hang(lun)
        time.sleep(self.chance.random())
        path.resume(lun)

    def disk_is_slow(self) -> None:
        path, lun = self._path()
        for _ in range(4):
            path.hang(lun)
            time.sleep(self.chance.random() / 10)
            path.resume(lun)

    def everything_is_unreadable(self) -> None:
        for path, lun in self._paths():
            path.set_state(lun, "offline")
        time.sleep(self.chance.random())
        for path, lun in self._paths():
            path.set_state(lun, "running")

    def logical_unit_is_reset(self) -> None:
        """Every path gets a unit attention."""
        path, lun = self._path()
        path.run(["sg_reset", "--device", "--no-escalate", path.disk(lun)], check=True)

    def map_is_reloaded(self) -> None:
        maps.reload(self.lab, MAPPED, self.chance.sample((PATH_1, PATH_2), 2))

    def path_leaves_the_map_and_comes(self) -> None:
        maps.reload(self.lab, MAPPED, [self._path_of_the_map().name])
        time.sleep(self.chance.random() / 2)
        maps.reload(self.lab, MAPPED, [PATH_1, PATH_2])

    def path_of_the_map_returns_unregistered(self) -> None:
        """While the key stands on the other path; and, after a new session, for former ones."""
        self.unfence()
        path = self._path_of_the_map()
        path.drain(MAPPED)
        before = self._registrations_over(path)
        assert path.pr(MAPPED, "register", self.own_key, 0) == 0
        if self._registers:
            wait_until(lambda: self._registrations_over(path) == before)
        else:
            time.sleep(PATH_CHECKS_SECONDS)
            assert self._registrations_over(path) == before - 1
            self.unfence()

    def disk_goes_and_returns(self) -> None:
        lun = self.chance.choice(PLAIN)
        self.lab.n1.drop(lun)
        time.sleep(self.chance.random() / 2)
        self.lab.n1.restore(lun)
        link_to_map(self.lab)

    def connection_breaks(self) -> None:
        path, lun = self._path()
        path.cut(lun)
        time.sleep(self.chance.random() * 2)
        path.heal(lun)
        link_to_map(self.lab)

    def target_loses_its_power(self) -> None:
        """It keeps registrations, but for a moment there are none yet."""
        self.lab.restart_target(self.chance.choice(PLAIN))
        link_to_map(self.lab)

    def node_logs_in_anew(self) -> None:
        """Its key stands for the former session then, until 'on' has run."""
        lun = self.chance.choice(PLAIN)
        log_in_anew(self.lab, "n1", lun)
        link_to_map(self.lab)
        time.sleep(self.chance.random() * PATH_CHECKS_SECONDS)
        assert self.own_key in (it for _, it in self.lab.reservation(lun).registrations)
        self.unfence()

    def path_of_the_map_logs_in_anew(self) -> None:
        """The map has its path back as another nexus, while the key stands on the other path."""
        path = self._path_of_the_map()
        log_in_anew(self.lab, path.name, MAPPED)
        link_to_map(self.lab)
        maps.reload(self.lab, MAPPED, [PATH_1, PATH_2])
        time.sleep(self.chance.random() * PATH_CHECKS_SECONDS)
        self.unfence()

    def path_leads_to_another_disk(self) -> None:
        """A LUN is remapped at the array: to one that says who it is, or to one that says it is the map's. The target
        drops the path's registration with that.
        """
        path = self._path_of_the_map()
        with self.lab.twin(MAPPED) if self.chance.random() < 1 / 2 else nullcontext(ELSEWHERE) as other:
            with path.leads_to(MAPPED, other):
                time.sleep(self.chance.random())
            time.sleep(self.chance.random() * PATH_CHECKS_SECONDS)
        self.unfence()

    # ---- what happens to the guard

    def guard_stands_still(self) -> None:
        self.guard.signal(19)
        time.sleep(self.chance.random() / 2)
        self.guard.signal(18)

    def guard_is_started_anew(self) -> None:
        assert end(self.guard).returncode == 0
        self.guard = start(self.lab.n1, *self._options)

    def _paths(self) -> list[tuple[Node, str]]:
        """All of n1: each by the node whose connection it is, and its LUN."""
        plain = [(self.lab.n1, lun) for lun in PLAIN]
        return [(self.lab.nodes[PATH_1], MAPPED), (self.lab.nodes[PATH_2], MAPPED), *plain]

    def _path(self) -> tuple[Node, str]:
        return self.chance.choice(self._paths())

    def _path_of_the_map(self) -> Node:
        return self.lab.nodes[self.chance.choice((PATH_1, PATH_2))]

    def _registrations_over(self, path: Node) -> int:
        """With this node's key, of its former sessions, too."""
        return self.lab.reservation(MAPPED).registrations.count((path.name, self.own_key))


def link_to_map(lab: Cluster) -> None:
    """The stable name of the LUN leads to the map, as udev has it; the lab knows no maps when it makes all anew."""
    node = lab.n1.run(["readlink", f"/dev/mapper/{maps.NAME}"], check=True).stdout.strip()
    lab.n1.run(["ln", "-sf", node, lab.n1.by_id(MAPPED)], check=True)
