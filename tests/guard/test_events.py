"""A healthy node never reboots, whatever happens around it; fenced at last, it does.

Events in random order while the guard reads twenty times a second and reboots at once: one mistake ends the guest.
FENCE_PR_LONG=1: a thousand events.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests import seed
from tests.fencing import maps
from tests.guard.node import allowed_seconds, seconds_until_its_end
from tests.guard.story import MAPPED, Story, link_to_map
from tests.lab import plugin
from tests.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.cluster import Cluster

LONG = os.environ.get("FENCE_PR_LONG") == "1"
EVENTS = int(os.environ.get("FENCE_PR_EVENTS", "1000" if LONG else "100"))


PARAMETERS = [
    plugin.parameter(plugin.NEWEST, group="events-"),
    plugin.parameter(plugin.OLDEST, pytest.mark.long, group="events-"),
    plugin.parameter(plugin.SEVERAL_PROCESSORS, pytest.mark.long, group="events-"),
]


@pytest.fixture(scope="session", params=PARAMETERS)
def kernel(request: pytest.FixtureRequest) -> str:
    """The kernels in turn, by name."""
    return str(request.param)


@pytest.fixture
def mapped(mortal: Cluster) -> Iterator[str]:
    """n1's map, which goes with the guest."""
    entered = maps.mapped(mortal, MAPPED)
    path = entered.__enter__()
    link_to_map(mortal)
    yield path
    with suppress(LabError):
        entered.__exit__(None, None, None)


@pytest.mark.slow
@pytest.mark.parametrize("returned_paths", ["register", pytest.param("report", marks=pytest.mark.long)])
def test_a_healthy_node_never_reboots_and_a_fenced_one_does(mortal: Cluster, mapped: str, returned_paths: str) -> None:
    by_sysrq = returned_paths == "register"
    if not by_sysrq:
        mortal.n1.run(["mount", "--bind", "/dev/null", "/proc/sysrq-trigger"], check=True)
    order = seed.chance(f"events on {mortal.release[0]} {returned_paths}")
    story = Story(mortal, mapped, order, registers=returned_paths == "register")
    begun = time.monotonic()
    for _ in range(EVENTS):
        story.happen()
        story.is_well()
    print(f"{EVENTS} events in {time.monotonic() - begun:.0f} s: {dict(Counter(story.told))}")
    seconds = seconds_until_its_end(mortal.guest, since=story.n1_is_fenced())
    print(f"fenced at last, the guest ended after {seconds:.1f} s")
    assert seconds < allowed_seconds()
    resetting = "sysrq: Resetting" in mortal.guest.log.read_text(errors="replace")
    assert resetting == by_sysrq, "by the system call where sysrq does nothing"
