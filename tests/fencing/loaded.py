"""Fencing while victim, survivors and the fencing node have writes in flight: what must hold then."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.fencing.agent import succeed
from tests.lab.load import places, writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.lab.cluster import Cluster, Node
    from tests.lab.fabric import Fabric
    from tests.lab.guest import Completed
    from tests.lab.load import Load, Place
    from tests.lab.nvme import Namespaces

NODES = ("n1", "n2", "n3")
# As users have it: what a test gives no value for, the agent is not given.
DEFAULT = ""
# For writers to tell what they were answered, and for writes of the victim to come out late.
AFTERWARDS_SECONDS = 0.7
# What a target accepted of a victim and did not abort lands within this time: the default of settle_time.
LANDING_SECONDS = 1.0
# A guest has one processor. Where all nodes write to one disk they may have all of it. Where they write to several,
# all together get so many writes a second, or the slowest would have waited for the processor.
ALL_WRITES_A_SECOND = 200.0

_ONE = pytest.mark.by_chance("milliseconds")
_INSTANT, _QUICK, _SLOW = (pytest.param(milliseconds, marks=[pytest.mark.slow, _ONE]) for milliseconds in (0, 2, 20))
# How long a write takes its store: the time with which faults were found, and in CI one of all.
latencies = pytest.mark.parametrize("milliseconds", [_INSTANT, pytest.param(2, marks=_ONE), _SLOW])
slow_latencies = pytest.mark.parametrize("milliseconds", [_INSTANT, _QUICK, _SLOW])


def variants(names: str, first: tuple[str, ...], *others: tuple[str, ...]) -> pytest.MarkDecorator:
    """What a test is tried with, beside the time that a write takes its store: the first with all times, the others
    with the one with which faults were found; one of these in each run of CI. `make load` tries all with all.
    """
    times = [(milliseconds, first) for milliseconds in (0, 2, 20)] + [(2, other) for other in others]
    marks = [pytest.mark.slow, pytest.mark.by_chance("milliseconds", *names.split(", "))]
    found = [pytest.param(milliseconds, *other, marks=marks) for milliseconds, other in times]
    return pytest.mark.parametrize(f"milliseconds, {names}", found)


@contextmanager
def load_at(found: list[Place], milliseconds: int) -> Iterator[Load]:
    """While it lasts, eight writers write at each of these places."""
    rate = None if len(found) <= len(NODES) else ALL_WRITES_A_SECOND / len(found)
    with writing(found, milliseconds, rate) as load:
        yield load


@contextmanager
def load_on(
    where: Cluster | Namespaces | Fabric,
    milliseconds: int,
    luns: Iterable[str] = (),
    namespaces: Iterable[int] = (),
    nodes: Iterable[str] = NODES,
) -> Iterator[Load]:
    """While it lasts, each of these nodes has eight writers on each of these disks."""
    with load_at(places(where, nodes, luns, namespaces), milliseconds) as load:
        yield load


def off(load: Load, node: Node, victim: str, survivors: Iterable[str], **options: str) -> Completed:
    """'off', as users have it, which must succeed and shut the victim out, and harm nobody else."""
    done = succeed(node, "off", victim, **{"settle_time": DEFAULT, **options})
    assert done.stdout.startswith("Success: Powered OFF\n"), done
    is_out(load, victim)
    load.unharmed(*survivors)
    return done


def is_out(load: Load, victim: str) -> None:
    """Assert that from now on none of a victim's writes lands, and all are refused."""
    moment = load.landed(victim)
    time.sleep(AFTERWARDS_SECONDS)
    load.fenced(victim)
    assert load.landed_after(victim, moment) == 0


def is_out_soon(load: Load, victim: str) -> None:
    """The same of a victim whose writes the target had accepted, and says that it aborted, although it did not."""
    time.sleep(LANDING_SECONDS)
    is_out(load, victim)


def is_in_again(load: Load, node: str) -> None:
    """Assert that all of a node's writers write."""
    moment = load.landed(node)
    time.sleep(AFTERWARDS_SECONDS)
    assert load.landed_after(node, moment) == len(moment), load.reports(node)
