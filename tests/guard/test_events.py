"""A healthy node never reboots, whatever happens around it; fenced at last, it does.

Events in random order while the guard reads twenty times a second and reboots at once: one mistake ends the guest.
FENCE_PR_LONG=1: a thousand events, in an order that is new each time.
"""

from __future__ import annotations

import os
import random
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.fencing import agent, maps
from tests.fencing.agent import key, succeed
from tests.fencing.maps import PATH_1, PATH_2
from tests.guard.node import allowed_seconds, end, said, seconds_until_its_end, start
from tests.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.cluster import Cluster
    from tests.lab.guest import Running

LONG = os.environ.get("FENCE_PR_LONG") == "1"
EVENTS = 1000 if LONG else 20  # on each of two kernels
AGENT_SECONDS = 10.0
QUICK = ("--interval=0.05", "--confirm-after=0.05", "--path-interval=0.2", "--unreadable-after=0.5")
MAPPED, PLAIN = "a", ("b", "c")
SECOND_KEY = "0x77"


class Story:
    """n1, with a map over two paths to LUN a and one path each to b and c, and its neighbour n3."""

    def __init__(self, lab: Cluster, mapped: str, chance: random.Random, options: tuple[str, ...]) -> None:
        self.lab, self.chance, self._options = lab, chance, options
        self._devices = f"{mapped},{agent.disks(lab.n1, PLAIN)}"
        self.key = ""
        self.told: list[str] = []
        self.unfence()
        self.neighbour_joins()
        self.guard: Running = start(lab.n1, *options)

    def events(self) -> dict[Callable[[], None], int]:
        """Each with how often it happens; those that take long are rare."""
        return {
            self.unfence: 8,
            self.unfence_with_another_key: 3,
            self.neighbour_joins: 3,
            self.neighbour_is_fenced: 3,
            self.path_flaps: 10,
            self.path_fails_during_unfencing: 4,
            self.path_hangs: 5,
            self.path_of_the_map_returns_unregistered: 4,
            self.disk_goes_and_returns: 3,
            self.guard_stands_still: 3,
            self.guard_is_started_anew: 2,
            self.registrations_are_lost: 2,
            self.connection_breaks: 1,
            self.target_loses_its_power: 1,
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
        assert said(self.lab.n1, "fenced") == [], self.told

    def unfence(self) -> None:
        succeed(self.lab.n1, "on", "n1", devices=self._devices, key=self.key)

    def unfence_with_another_key(self) -> None:
        """With a wait between the new key on the disks and its note."""
        self.key = "" if self.key else SECOND_KEY
        succeed(self.lab.n1, "on", "n1", devices=self._devices, key=self.key, power_wait="0.5")

    def neighbour_joins(self) -> None:
        succeed(self.lab.n3, "on", "n3")

    def neighbour_is_fenced(self) -> None:
        succeed(self.lab.n1, "off", "n3", devices=self._devices)

    def path_flaps(self) -> None:
        node, lun = self._path()
        for _ in range(3):
            self.lab.nodes[node].set_state(lun, "offline")
            time.sleep(self.chance.random() / 10)
            self.lab.nodes[node].set_state(lun, "running")

    def path_fails_during_unfencing(self) -> None:
        node = self.chance.choice((PATH_1, PATH_2))
        running = agent.start(self.lab.n1, "on", "n1", devices=self._devices, key=self.key)
        self.lab.nodes[node].set_state(MAPPED, "offline")
        done = running.wait()
        self.lab.nodes[node].set_state(MAPPED, "running")
        assert done.returncode == 0 or "path" in done.stderr or "device is gone" in done.stderr, done
        self.unfence()

    def path_hangs(self) -> None:
        node, lun = self._path()
        self.lab.nodes[node].hang(lun)
        time.sleep(self.chance.random())
        self.lab.nodes[node].resume(lun)

    def path_of_the_map_returns_unregistered(self) -> None:
        node = self.lab.nodes[self.chance.choice((PATH_1, PATH_2))]
        own = int(self.key, 16) if self.key else key("n1")
        node.drain(MAPPED)
        node.pr(MAPPED, "register", own, 0)
        time.sleep(self.chance.random() / 2)
        self.unfence()

    def disk_goes_and_returns(self) -> None:
        lun = self.chance.choice(PLAIN)
        self.lab.n1.drop(lun)
        time.sleep(self.chance.random() / 2)
        self.lab.n1.restore(lun)
        self._link()

    def guard_stands_still(self) -> None:
        self.guard.signal(19)
        time.sleep(self.chance.random() / 2)
        self.guard.signal(18)

    def guard_is_started_anew(self) -> None:
        assert end(self.guard).returncode == 0
        self.guard = start(self.lab.n1, *self._options, watching=1)

    def registrations_are_lost(self) -> None:
        """Nobody was fenced; this node comes first when they are mended."""
        lun = self.chance.choice(PLAIN)
        self.neighbour_joins()
        self.lab.n3.drain(lun)
        assert self.lab.n3.pr(lun, "clear", key("n3")) == 0
        time.sleep(self.chance.random() / 5)
        self.unfence()

    def connection_breaks(self) -> None:
        node, lun = self._path()
        self.lab.nodes[node].cut(lun)
        time.sleep(self.chance.random() * 2)
        self._heal(node, lun)

    def target_loses_its_power(self) -> None:
        """It keeps registrations, but for a moment there are none yet."""
        lun = self.chance.choice(PLAIN)
        self.lab.restart_target(lun)
        self._link()

    def _path(self) -> tuple[str, str]:
        return self.chance.choice([(PATH_1, MAPPED), (PATH_2, MAPPED), *((PATH_1, lun) for lun in PLAIN)])

    def _heal(self, node: str, lun: str) -> None:
        self.lab.nodes[node].heal(lun)
        self._link()

    def _link(self) -> None:
        """The lab makes all links anew, and knows no maps."""
        link_to_map(self.lab)


def link_to_map(lab: Cluster) -> None:
    """The stable name of the LUN leads to the map, as udev has it."""
    node = lab.n1.run(["readlink", f"/dev/mapper/{maps.NAME}"], check=True).stdout.strip()
    lab.n1.run(["ln", "-sf", node, lab.n1.by_id(MAPPED)], check=True)


@pytest.fixture
def mapped(mortal: Cluster) -> Iterator[str]:
    """n1's map, which goes with the guest."""
    entered = maps.mapped(mortal, MAPPED)
    path = entered.__enter__()
    link_to_map(mortal)
    yield path
    with suppress(LabError):
        entered.__exit__(None, None, None)


@pytest.mark.parametrize("returned_paths", ["report", "register"] if LONG else ["register"])
def test_a_healthy_node_never_reboots_and_a_fenced_one_does(mortal: Cluster, mapped: str, returned_paths: str) -> None:
    by_sysrq = mortal.release >= (7, 0)
    if not by_sysrq:
        mortal.n1.run(["mount", "--bind", "/dev/null", "/proc/sysrq-trigger"], check=True)
    seed = random.SystemRandom().getrandbits(32) if LONG else mortal.release[0]
    print(f"seed {seed}")
    story = Story(mortal, mapped, random.Random(seed), (*QUICK, f"--returned-paths={returned_paths}"))
    for _ in range(EVENTS):
        story.happen()
        story.is_well()
    story.unfence()
    story.neighbour_joins()
    fencing = time.monotonic()
    victim = story.key or "n1"
    mortal.n3.start(["/project/fence_pr_ioctl", "-o", "off", "-n", victim, "-d", mortal.n3.by_id("b")])
    assert seconds_until_its_end(mortal.guest, fencing) < allowed_seconds() + AGENT_SECONDS
    resetting = "sysrq: Resetting" in mortal.guest.log.read_text(errors="replace")
    assert resetting == by_sysrq, "by the system call where sysrq does nothing"
