"""Registering a returned path while another node fences this one: every interleaving, every single fault.

The paths A and B of this node, and C, which has no registration; another node fences it with one PREEMPT, which
removes every registration of the key, and reads the keys afterwards: its proof.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import combinations, product
from typing import NamedTuple

import pytest

from fence_pr.errors import Conflict, DeviceFailure, PathFailure, UnitAttention
from fence_pr.guard.returned_paths import FRESH_SECONDS, Findings, register_returned

OWN, OTHER = 1, 2
MOST_COMMANDS = 12
FAULTS = ("not carried out", "carried out nevertheless", "unit attention", "unknown to the kernel")


class Killed(BaseException):
    """The guard is gone."""


class Sent(NamedTuple):
    """One REGISTER, and whether the key was registered after it although this node had been fenced."""

    path: str
    old: int
    new: int
    back: bool


class Site:
    """A target, the node that fences, and what happens before and to the guard's nth command."""

    def __init__(self, registered: str, preempt: int, *, kill: int = -1, fault: tuple[int, str] = (-1, "")) -> None:
        self.keys = dict.fromkeys(registered, OWN)
        self.sent: list[Sent] = []
        self.fenced = False
        self.now = 0.0
        self.pause_before: int = -1
        self._preempt, self._kill, self._fault = preempt, kill, fault

    def send(self, path: str, old: int, new: int) -> None:
        number = len(self.sent)
        if number == self._preempt:
            self.fence()
        if number == self._kill:
            raise Killed
        at, fault = self._fault
        carried_out = number != at or fault == "carried out nevertheless"
        try:
            if carried_out:
                self._register(path, old, new)
        finally:
            self.sent.append(Sent(path, old, new, self.fenced and OWN in self.keys.values()))
            self.now += 1.0 if number + 1 == self.pause_before else FRESH_SECONDS / 10
        if number == at:
            kinds = {"unit attention": UnitAttention, "unknown to the kernel": DeviceFailure}
            raise kinds.get(fault, PathFailure)(path, "register", 2)

    def fence(self) -> None:
        """The other node's PREEMPT."""
        self.fenced = True
        self.keys = {path: key for path, key in self.keys.items() if key != OWN}

    def _register(self, path: str, old: int, new: int) -> None:
        """REGISTER without IGNORE, SPC-4 table 32."""
        if old != self.keys.get(path, 0):
            raise Conflict(path, "register", 0x18)
        if new:
            self.keys[path] = new
        else:
            self.keys.pop(path, None)

    def mend(self, paths: str = "ABC") -> Findings:
        """The guard at work."""
        return register_returned(list(paths), OWN, self.send, lambda: self.now)

    def registrations(self) -> list[Sent]:
        """The commands that can register."""
        return [it for it in self.sent if it.old == 0 and it.new]


REGISTERED_SETS = ["".join(it) for length in range(4) for it in combinations("ABC", length)]
MOMENTS = range(MOST_COMMANDS)
for_each_registered_set = pytest.mark.parametrize("registered", REGISTERED_SETS, ids=lambda it: it or "none")


@for_each_registered_set
def test_without_a_fencing_every_path_is_registered_or_none(registered: str) -> None:
    site = Site(registered, preempt=-1)
    outcome = site.mend()
    assert "".join(sorted(site.keys)) == ("ABC" if registered else "")
    assert outcome.witnesses == tuple(registered)
    assert set(outcome.registered) == (set("ABC") - set(registered) if registered else set())
    assert (outcome.refused, outcome.withdrawn, outcome.stuck, outcome.unknown) == ((), (), (), ())


@for_each_registered_set
def test_a_fenced_node_is_never_registered_in_the_end(registered: str) -> None:
    for preempt in MOMENTS:
        site = Site(registered, preempt)
        site.mend()
        if not site.fenced:
            site.fence()
        assert OWN not in site.keys.values(), preempt


@for_each_registered_set
def test_a_late_registration_lasts_for_two_commands_at_most(registered: str) -> None:
    """This is what remains possible: the node is back from its REGISTER until the withdrawal, and at no other time."""
    for preempt in MOMENTS:
        site = Site(registered, preempt)
        outcome = site.mend()
        back = [position for position, it in enumerate(site.sent) if it.back]
        if back:
            register, witness, withdraw = site.sent[back[0] : back[0] + 3]
            assert back == [preempt, preempt + 1], "only a fencing between the witness's word and the next command"
            assert (register.old, register.new) == (0, OWN)
            assert (witness.old, witness.new, witness.path) == (OWN, OWN, outcome.witnesses[0])
            assert (withdraw.old, withdraw.new, withdraw.path) == (OWN, 0, register.path)
            assert outcome.withdrawn == (register.path,)


def test_the_race_exists() -> None:
    """Were it gone, returned_paths=register could be the default."""
    sites = [Site("AB", preempt) for preempt in MOMENTS]
    for site in sites:
        site.mend()
    assert any(it.back for site in sites for it in site.sent)


@for_each_registered_set
@pytest.mark.parametrize("fault", FAULTS)
def test_with_any_single_fault_a_path_stays_registered_only_if_that_is_said(registered: str, fault: str) -> None:
    for preempt, at in product((-1, *MOMENTS), MOMENTS):
        site = Site(registered, preempt, fault=(at, fault))
        outcome = site.mend()
        if site.fenced and OWN in site.keys.values():
            assert [it.fields["disk"] for it in outcome.stuck] == list(site.keys), (preempt, at)
        if not site.fenced:
            assert set(registered) <= set(site.keys), "what was registered stays so"
        sent = [it.path for it in site.registrations()]
        assert len(sent) == len(set(sent)), "never repeated: a unit attention may tell of this node's own fencing"
        assert not set(sent) & set(registered)
        assert registered or not sent


@for_each_registered_set
def test_killed_anywhere_it_leaves_a_registration_only_in_those_two_places(registered: str) -> None:
    for preempt, kill in product(MOMENTS, MOMENTS):
        site = Site(registered, preempt, kill=kill)
        with suppress(Killed):
            site.mend()
        if site.fenced and OWN in site.keys.values():
            assert len(site.sent) == kill
            assert any(it in site.sent[-2:] for it in site.registrations()), (preempt, kill)


def test_nothing_is_registered_once_the_fencing_was_seen() -> None:
    for preempt in MOMENTS:
        site = Site("AB", preempt)
        site.mend()
        for position, it in enumerate(site.sent):
            if it in site.registrations():
                witness = site.sent[position - 1]
                assert (witness.old, witness.new) == (OWN, OWN)
                assert preempt >= position, "the witness would have told"


@pytest.mark.parametrize("pause_before", range(6))
def test_who_stood_still_after_the_witness_spoke_asks_again_later(pause_before: int) -> None:
    site = Site("A", -1)
    site.pause_before = pause_before
    outcome = site.mend("AB")
    stood_still = pause_before == 3  # A and B are asked, then the witness, then comes the registration
    assert bool(outcome.unknown) == stood_still
    assert bool(site.registrations()) != stood_still


def test_a_path_with_another_key_is_left_alone_and_named() -> None:
    site = Site("A", -1)
    site.keys["B"] = OTHER
    outcome = site.mend("AB")
    (refused,) = outcome.refused
    assert (refused.fields["path"], site.keys["B"]) == ("B", OTHER)
    assert str(refused).startswith("B is not registered: register: reservation conflict")
    assert "; it is registered with another key, or as another path; " in str(refused)


def test_a_key_that_stands_for_none_of_the_paths_is_not_touched() -> None:
    site = Site("", -1)
    site.keys["an old session"] = OWN
    assert site.mend("AB") == Findings()
    assert site.keys == {"an old session": OWN}


def test_commands_that_cannot_register_are_repeated_over_unit_attentions() -> None:
    site = Site("A", -1, fault=(0, "unit attention"))
    assert site.mend("AB").registered == ("B",)


def test_a_path_with_unit_attentions_without_end_is_given_up() -> None:
    sent: list[str] = []

    def refuse(path: str, _old: int, _new: int) -> None:
        sent.append(path)
        raise UnitAttention(path, "register", 2)

    (unknown,) = register_returned(["B"], OWN, refuse, lambda: 0.0).unknown
    assert 1 < len(sent) < 10
    assert str(unknown).startswith("whether B is registered cannot be told: register: unit attention (status 0x2)")
