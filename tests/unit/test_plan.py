"""The decisions, over all small states: who of own, victim and a third is registered, which type, who holds."""

from __future__ import annotations

from itertools import product

import pytest

from fence_pr.actions import plan
from fence_pr.actions.plan import Done, Preempt, Refused, Register, Reserve
from fence_pr.errors import Notice
from fence_pr.keys import Registrant
from fence_pr.storage import pr_ioctl
from fence_pr.storage.snapshot import OFF, ON, UNPROVED, Snapshot

OWN, VICTIM, THIRD = 0xA, 0xB, 0xC
KEYS = (OWN, VICTIM, THIRD)
TYPES = range(7)
SINGLE = (1, 2)
STATES = [
    Snapshot(1, tuple(key for key, present in zip(KEYS, chosen) if present), kind, holder)
    for chosen in product((True, False), repeat=3)
    for kind in TYPES
    for holder in ((0, *KEYS) if kind else (0,))
]
STATES += [Snapshot(1, (key, *KEYS, key), kind, 0) for key in KEYS for kind in TYPES]  # several nexuses a node
# An NVMe host that was unregistered by replacing its key: a registrant, able to write, and nobody knows which node.
KEY_0 = [Snapshot(1, (0, *snapshot.keys), snapshot.type, snapshot.holder) for snapshot in STATES]
STATES += KEY_0

victim = Registrant("n2", VICTIM)


def off(snapshot: Snapshot) -> plan.Reserve | plan.Preempt | plan.Done | plan.Refused:
    """With the type EARO asked for, to tell it from the type in force."""
    return plan.off(snapshot, OWN, victim, pr_ioctl.EXCLUSIVE_ACCESS_REG_ONLY)


@pytest.mark.promise(2)
def test_off_never_registers_and_only_ever_preempts_the_victim_with_the_type_in_force() -> None:
    for snapshot in STATES:
        decision = off(snapshot)
        assert not isinstance(decision, Register)
        if isinstance(decision, Preempt):
            assert (decision.victim, decision.type) == (VICTIM, snapshot.type)
            assert snapshot.type


@pytest.mark.promise(1)
def test_off_is_done_only_if_the_victim_is_absent_this_node_present_and_a_reservation_in_force() -> None:
    for snapshot in STATES:
        proved = not {VICTIM, 0} & set(snapshot.keys) and OWN in snapshot.keys and snapshot.type != 0
        assert isinstance(off(snapshot), Done) == proved


@pytest.mark.promise(2)
def test_off_does_nothing_on_a_disk_where_this_node_is_not_registered() -> None:
    for snapshot in STATES:
        if OWN not in snapshot.keys:
            assert isinstance(off(snapshot), Refused)


@pytest.mark.promise(1, 2)
def test_off_preempts_a_known_victim_beside_a_host_with_key_0_and_never_key_0_itself() -> None:
    """PREEMPT of key 0 removes everybody else under the all-registrants types."""
    for snapshot in KEY_0:
        if OWN in snapshot.keys and snapshot.type:
            decision = off(snapshot)
            assert isinstance(decision, Preempt if VICTIM in snapshot.keys else Refused)
            assert isinstance(decision, Preempt) or decision.why.code == "key-zero"


@pytest.mark.promise(1)
def test_off_reserves_before_it_preempts_because_a_preempt_alone_protects_nothing() -> None:
    for snapshot in STATES:
        if OWN in snapshot.keys and not snapshot.type:
            assert off(snapshot) == Reserve(pr_ioctl.EXCLUSIVE_ACCESS_REG_ONLY)


@pytest.mark.promise(2)
def test_off_of_this_nodes_own_key_is_refused_in_every_state() -> None:
    for snapshot in STATES:
        decision = plan.off(snapshot, OWN, Registrant("n1", OWN), 3)
        assert isinstance(decision, Refused)
        assert decision.why.code == "victim-is-this-node"


@pytest.mark.promise(5)
def test_a_refusal_says_why_and_what_to_do() -> None:
    decision = off(Snapshot(1, (VICTIM,), 3, VICTIM))
    assert isinstance(decision, Refused)
    assert f"0x{OWN:x}" in str(decision.why)
    assert "run 'on' here" in str(decision.why)


HAD_IT = Snapshot(1, (OWN,), 3, 0)


def test_on_registers_first_whatever_the_list_says() -> None:
    """A listed key may stand for a nexus that is long gone."""
    for snapshot in STATES:
        decision = plan.on(snapshot, None, OWN, 3, registered=False, joined=None)
        if snapshot.type in SINGLE:
            assert isinstance(decision, Refused)
        else:
            assert decision == Register(OWN in snapshot.keys)


@pytest.mark.promise(2)
def test_on_does_not_register_a_node_whose_key_has_vanished_since_it_looked() -> None:
    for snapshot in STATES:
        decision = plan.on(snapshot, HAD_IT, OWN, 3, registered=False, joined=None)
        assert isinstance(decision, Refused if snapshot.type in SINGLE or OWN not in snapshot.keys else Register)


@pytest.mark.promise(2, 13)
@pytest.mark.parametrize(
    ("keys", "generation", "may"),
    [
        ((), 7, True),
        ((THIRD,), 8, True),
        ((THIRD, VICTIM), 9, True),
        ((), 8, False),
        ((), 9, False),
        ((THIRD,), 7, False),
        ((THIRD,), 10, False),
        ((), 1, False),
        ((OWN,), 8, True),
        ((OWN, THIRD), 20, True),
    ],
    ids=[
        "nothing has happened",
        "another node has joined",
        "two have",
        "counted, and nobody knows what",
        "this node has joined and was fenced",
        "one has come, and nothing is counted",
        "one has come, and this node has joined and was fenced",
        "the target has restarted",
        "it was carried out",
        "it was carried out, and much has happened",
    ],
)
def test_a_register_that_may_have_been_carried_out_is_repeated_only_if_nobody_can_have_been_fenced(
    keys: tuple[int, ...], generation: int, may: bool
) -> None:
    joined = Snapshot(7, (0xD, 0xD), 3, 0xD)
    decision = plan.on(Snapshot(generation, (0xD, *keys, 0xD), 3, 0xD), joined, OWN, 3, False, joined)
    if may:
        assert decision == Register(OWN in keys)
    else:
        assert decision == Refused(Notice("maybe-fenced", {"own_key": OWN}))


@pytest.mark.promise(2, 13)
def test_a_registration_that_went_is_never_made_up_for_by_one_that_came() -> None:
    joined = Snapshot(0xFFFFFFFF, (0xD, 0xD), 3, 0xD)
    assert joined.only_grew_to(Snapshot(0, (THIRD, 0xD, 0xD), 3, 0xD))
    assert not joined.only_grew_to(Snapshot(0, (THIRD, 0xD), 3, 0xD))


@pytest.mark.promise(2, 13)
@pytest.mark.parametrize(
    ("keys", "generation", "grew"),
    [
        ((OWN, THIRD), 8, True),
        ((0xE, THIRD), 8, True),
        ((0xE, THIRD), 7, True),
        ((0xE, THIRD), 9, False),
        ((OWN, VICTIM), 8, False),
        ((0xE, VICTIM), 8, False),
        ((0xE, 0xE), 8, False),
        ((OWN,), 8, False),
        ((OWN, THIRD, VICTIM), 9, True),
        ((1, THIRD), 8, False),
    ],
)
def test_what_this_node_replaced_itself_hides_no_removal_of_another_key(
    keys: tuple[int, ...], generation: int, grew: bool
) -> None:
    """Its own keys are one to it, others' are not: one that came in place of another is a removal."""
    before = Snapshot(7, (OWN, THIRD), 3, OWN)
    assert before.only_grew_to(Snapshot(generation, keys, 3, 0), ours=(OWN, 0xE), own=1) == grew


def test_on_after_registering_reserves_only_where_nothing_is_reserved() -> None:
    for snapshot in STATES:
        decision = plan.on(snapshot, None, OWN, 4, registered=True, joined=None)
        if snapshot.type in SINGLE or OWN not in snapshot.keys:
            assert isinstance(decision, Refused)
        elif snapshot.type:
            assert isinstance(decision, Done)
        else:
            assert decision == Reserve(4)


def test_on_never_preempts() -> None:
    for snapshot in STATES:
        for registered in (True, False):
            assert not isinstance(plan.on(snapshot, HAD_IT if registered else None, OWN, 3, registered, None), Preempt)


@pytest.mark.promise(5)
def test_on_names_the_holder_of_a_reservation_that_keeps_others_out() -> None:
    decision = plan.on(Snapshot(1, (THIRD,), 1, THIRD), None, OWN, 3, registered=False, joined=None)
    assert decision == Refused(Notice("held-by-one", {"type": "write exclusive", "holder_key": THIRD}))


@pytest.mark.promise(9)
def test_status_is_off_only_if_shut_out_and_on_only_if_registered() -> None:
    for snapshot in STATES:
        state = snapshot.state_of(VICTIM)
        assert (state == ON) == (VICTIM in snapshot.keys)
        assert (state == OFF) == (not {VICTIM, 0} & set(snapshot.keys) and snapshot.type != 0)
        assert state in (ON, OFF, UNPROVED)


def test_monitor_fails_where_everybody_or_only_one_can_write() -> None:
    for snapshot in STATES:
        decision = plan.health(snapshot, None, unfenced=False)
        open_to_all = bool(snapshot.keys) and not snapshot.type
        assert isinstance(decision, Refused) == (open_to_all or snapshot.type in SINGLE or 0 in snapshot.keys)


def test_monitor_fails_for_a_missing_own_key_only_after_it_was_registered() -> None:
    for snapshot in STATES:
        for unfenced in (True, False):
            decision = plan.health(snapshot, OWN, unfenced)
            sound = isinstance(plan.health(snapshot, None, unfenced), Done)
            missing = OWN not in snapshot.keys
            assert isinstance(decision, Done) == (sound and not (missing and unfenced))
            if isinstance(decision, Done):
                assert bool(decision.warning) == missing


def said(snapshot: Snapshot) -> str:
    """What a disk says, as people read it."""
    return Notice.unpack(snapshot.told()).what()


def test_a_snapshot_speaks_of_keys_and_type() -> None:
    text = said(Snapshot(1, (OWN, 0xFFFFFFFFFFFFFFFF), 5, 0))
    assert "0xa" in text
    assert "0xffffffffffffffff" in text
    assert "write exclusive, all registrants" in text
    assert said(Snapshot(1, (), 0, 0)) == "registered keys: none; reservation: none"
    assert "type 9" in said(Snapshot(1, (), 9, 0))


@pytest.mark.parametrize("step", [Register(False), Reserve(3), Preempt(VICTIM, 5)])
def test_a_step_in_words_names_the_keys(step: Register | Reserve | Preempt) -> None:
    assert f"0x{OWN:x}" in str(step.told(OWN))
    if isinstance(step, Preempt):
        assert f"0x{VICTIM:x}" in str(step.told(OWN))
        assert str(step.told(OWN)).startswith("preempt ")


def test_who_is_told_to_run_on_is_not_told_by_on_to_fence_first() -> None:
    """A dead machine holds the disk alone, and this node is not registered: 'off' and 'on' name the same way out."""
    held = Snapshot(1, (THIRD,), 1, THIRD)
    by_off = plan.off(held, OWN, Registrant("", THIRD), 5)
    by_on = plan.on(held, None, OWN, 5, registered=False, joined=None)
    assert isinstance(by_off, Refused)
    assert by_off == by_on
    assert "clear the disk" in by_off.why.what()
