"""The guard's decisions, over every small case."""

from __future__ import annotations

from itertools import product

import pytest

from fence_pr import plan
from fence_pr.guard_plan import (
    FENCED,
    LOG,
    REACTIONS,
    REBOOT,
    REGISTERED,
    STOP,
    UNPROTECTED,
    UNREADABLE,
    Policy,
    View,
    judge,
    proved,
    unregistered_paths,
    whom_to_ask,
)
from fence_pr.keys import Registrant
from fence_pr.plan import Snapshot

OWN, OTHER = 1, 2
VERDICTS = (REGISTERED, FENCED, UNPROTECTED)


@pytest.mark.parametrize("kind", range(7))
def test_a_node_is_fenced_only_where_off_would_be_proved(kind: int) -> None:
    for keys in (keys for length in range(4) for keys in product((0, OWN, OTHER), repeat=length)):
        snapshot = Snapshot(1, keys, kind, 0)
        verdict = judge(snapshot, OWN)
        assert (verdict == REGISTERED) == (OWN in keys)
        assert (verdict == FENCED) == (OWN not in keys and 0 not in keys and kind != 0)
        if isinstance(plan.off(snapshot, OTHER, Registrant("n1", OWN), 3), plan.Done):
            assert verdict == FENCED, "what another node's off accepts as its proof"


@pytest.mark.parametrize(("first", "second"), list(product(VERDICTS, repeat=2)))
def test_only_what_both_readings_say_counts_against_the_node(first: str, second: str) -> None:
    verdict = proved(first, second)
    assert (verdict == FENCED) == (first == second == FENCED)
    assert (verdict == REGISTERED) == (REGISTERED in (first, second))
    assert verdict == proved(second, first)


def test_without_options_only_a_fenced_node_reboots() -> None:
    policy = Policy()
    assert {verdict: policy.reaction(verdict) for verdict in (*VERDICTS, UNREADABLE)} == {
        REGISTERED: "",
        FENCED: REBOOT,
        UNPROTECTED: LOG,
        UNREADABLE: LOG,
    }


@pytest.mark.parametrize("chosen", list(product(REACTIONS, repeat=3)))
def test_each_verdict_has_its_own_reaction(chosen: tuple[str, str, str]) -> None:
    policy = Policy(*chosen)
    assert tuple(map(policy.reaction, (FENCED, UNPROTECTED, UNREADABLE))) == chosen
    assert policy.reaction(REGISTERED) == ""
    assert STOP in REACTIONS


def test_a_disk_is_unreadable_only_after_the_time_given() -> None:
    policy = Policy(unreadable_after=30)
    assert [policy.is_unreadable(seconds) for seconds in (0, 29.9, 30, 1e9)] == [False, False, True, True]


VIEWS = [View(*it) for it in product((False, True), (False, True), (0.0, 1.0, 2.0))]


@pytest.mark.parametrize("paths", range(4))
def test_one_path_that_works_is_asked_and_without_one_all_that_are_free(paths: int) -> None:
    for views in product(VIEWS, repeat=paths):
        check_who_is_asked(list(views))


def check_who_is_asked(views: list[View]) -> None:
    idle = [position for position, view in enumerate(views) if not view.busy]
    good = [position for position in idle if views[position].answered and not views[position].failed]
    assert whom_to_ask(views, everybody=True) == idle
    asked = whom_to_ask(views)
    assert bool(asked) == bool(idle), "somebody is asked whenever anybody is free"
    if good:
        assert len(asked) == 1, "one path that works is enough"
        assert views[asked[0]].answered == max(views[position].answered for position in good)
    else:
        assert asked == idle


@pytest.mark.parametrize(("live", "registrations"), list(product(range(5), repeat=2)))
def test_paths_are_missed_only_while_the_key_stands(live: int, registrations: int) -> None:
    missing = unregistered_paths(live, registrations)
    assert missing == (live - registrations if 0 < registrations < live else 0)
