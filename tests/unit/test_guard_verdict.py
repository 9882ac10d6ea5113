"""The guard's decisions, over every small case."""

from __future__ import annotations

from itertools import product

import pytest

from fence_pr.actions import plan
from fence_pr.errors import Notice
from fence_pr.guard.verdict import (
    FENCED,
    LOG,
    OTHERWISE,
    REACTIONS,
    REBOOT,
    REGISTERED,
    STOP,
    UNPROTECTED,
    UNREADABLE,
    Finding,
    Policy,
    Reading,
    Silence,
    View,
    after_loss,
    examine,
    is_lost,
    judge,
    proved,
    settled,
    unregistered_paths,
    whom_to_ask,
)
from fence_pr.keys import Registrant
from fence_pr.storage.snapshot import Snapshot

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


GONE, THERE = Snapshot(1, (OTHER,), 3, 0), Snapshot(1, (OWN, OTHER), 3, 0)


@pytest.mark.parametrize(
    ("readings", "verdict", "read", "waited"),
    [
        ([Reading(OWN, THERE), None], REGISTERED, 1, 0),
        ([Reading(OWN, GONE), Reading(OWN, GONE)], FENCED, 2, 1),
        ([Reading(OWN, GONE), Reading(OWN, THERE)], REGISTERED, 2, 1),
        ([Reading(OWN, GONE), Reading(OTHER, GONE)], REGISTERED, 2, 1),  # 'on' has registered another key meanwhile
        ([Reading(OWN, GONE), Reading(OWN, Snapshot(2, (), 0, 0))], UNPROTECTED, 2, 1),
        ([Reading(OWN, GONE), None], None, 2, 1),
        ([None, Reading(OWN, GONE)], None, 1, 0),
    ],
)
def test_a_node_is_examined_by_two_readings_unless_the_first_finds_it_registered(
    readings: list[Reading | None], verdict: str | None, read: int, waited: int
) -> None:
    left, waits = list(readings), 0

    def wait() -> None:
        nonlocal waits
        waits += 1

    finding = examine(lambda: left.pop(0), wait)
    assert (finding and finding.verdict) == verdict
    assert (len(readings) - len(left), waits) == (read, waited)


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
    good = [position for position in idle if views[position].answered_at and not views[position].failed]
    assert whom_to_ask(views, everybody=True) == idle
    asked = whom_to_ask(views)
    assert bool(asked) == bool(idle), "somebody is asked whenever anybody is free"
    if good:
        assert len(asked) == 1, "one path that works is enough"
        assert views[asked[0]].answered_at == max(views[position].answered_at for position in good)
    else:
        assert asked == idle


@pytest.mark.parametrize(("live", "registrations"), list(product(range(5), repeat=2)))
def test_paths_are_missed_only_while_the_key_stands(live: int, registrations: int) -> None:
    missing = unregistered_paths(live, registrations)
    assert missing == (live - registrations if 0 < registrations < live else 0)


def test_only_an_answer_ends_a_silence() -> None:
    silence = Silence()
    for answered_at, expected in ((0.0, 2.0), (0.0, 4.0), (7.0, 0.0), (7.0, 2.0), (0.0, 4.0), (7.0, 6.0), (8.0, 0.0)):
        silence.passed(2.0, answered_at)
        assert silence.seconds == expected


ZERO = Snapshot(1, (0, OTHER), 3, 0)
NOTHING = Snapshot(1, (), 0, 0)
ANOTHER = 0x77


@pytest.mark.parametrize(
    ("snapshot", "nexus_keys", "verdict", "code"),
    [
        (GONE, None, FENCED, "this-node-fenced"),
        (GONE, (), FENCED, "this-node-fenced"),
        (GONE, (ANOTHER,), OTHERWISE, "registered-with-other-key"),
        (GONE, (OWN,), REGISTERED, "this-node-registered"),
        (ZERO, None, UNPROTECTED, "key-gone-beside-key-zero"),
        (ZERO, (), FENCED, "this-node-fenced"),
        (ZERO, (0,), OTHERWISE, "registered-with-zero"),
        (ZERO, (0, ANOTHER), OTHERWISE, "registered-with-other-key"),
        (NOTHING, (ANOTHER,), UNPROTECTED, "protection-lost"),
        (NOTHING, (), UNPROTECTED, "protection-lost"),
        (THERE, (), REGISTERED, "this-node-registered"),
    ],
)
def test_what_this_node_is_registered_with_settles_what_readings_leave_open(
    snapshot: Snapshot, nexus_keys: tuple[int, ...] | None, verdict: str, code: str
) -> None:
    found = examine(lambda: Reading(OWN, snapshot), lambda: None)
    assert found
    assert found.suspects() == (snapshot in (GONE, ZERO))
    found = settled(found, nexus_keys)
    assert (found.verdict, found.why.code) == (verdict, code)


@pytest.mark.parametrize(("first", "second"), [(ZERO, NOTHING), (NOTHING, ZERO), (GONE, NOTHING), (NOTHING, GONE)])
def test_without_a_reservation_in_both_readings_nobody_was_fenced(first: Snapshot, second: Snapshot) -> None:
    readings = [Reading(OWN, first), Reading(OWN, second)]
    found = examine(lambda: readings.pop(0), lambda: None)
    assert found
    found = settled(found, ())
    assert (found.verdict, found.why.code) == (UNPROTECTED, "protection-lost")
    assert is_lost(found, before=False)
    assert after_loss(found) == found


@pytest.mark.parametrize(
    ("snapshot", "nexus_keys", "lost", "code"),
    [
        (GONE, (), True, "kept-out-after-loss"),
        (GONE, None, True, "kept-out-after-loss"),
        (NOTHING, None, True, "protection-lost"),
        (ZERO, None, True, "key-gone-beside-key-zero"),
        (GONE, (ANOTHER,), False, "registered-with-other-key"),
        (THERE, None, False, "this-node-registered"),
    ],
)
def test_that_nobody_was_fenced_holds_until_this_node_is_registered_again(
    snapshot: Snapshot, nexus_keys: tuple[int, ...] | None, lost: bool, code: str
) -> None:
    found = examine(lambda: Reading(OWN, snapshot), lambda: None)
    assert found
    found = settled(found, nexus_keys)
    assert is_lost(found, before=True) == lost
    assert (after_loss(found) if lost else found).why.code == code
    assert is_lost(found, before=False) == (snapshot == NOTHING)


def test_a_node_that_is_registered_otherwise_is_only_told_of() -> None:
    assert Policy(REBOOT, REBOOT, REBOOT).reaction(OTHERWISE) == LOG


@pytest.mark.parametrize("verdict", [FENCED, UNPROTECTED, OTHERWISE])
def test_what_no_reading_tells_is_settled_by_no_key(verdict: str) -> None:
    found = Finding(verdict, Notice("watch-ended", {"folder": "/run"}))
    assert settled(found, (OWN,)) == found
    assert after_loss(found) == found
    assert not is_lost(found, before=False)


def test_who_is_registered_on_a_disk_where_nothing_is_reserved_has_lost_nothing() -> None:
    reading = Reading(OWN, Snapshot(1, (OWN,), 0, 0))
    assert not is_lost(Finding(REGISTERED, Notice("this-node-registered", {"own_key": OWN}), reading), before=False)


def test_of_two_readings_that_say_fenced_the_last_is_told() -> None:
    readings = [Reading(OWN, Snapshot(number, (OTHER,), 3, 0)) for number in (1, 2)]
    found = examine(iter([*readings]).__next__, lambda: None)
    assert found
    assert (found.verdict, found.reading) == (FENCED, readings[1])


def test_one_path_that_works_is_enough_unless_everybody_is_asked() -> None:
    views = [View(False, False, 1.0), View(False, False, 2.0)]
    assert whom_to_ask(views) == [1]
    assert whom_to_ask(views, everybody=True) == [0, 1]
