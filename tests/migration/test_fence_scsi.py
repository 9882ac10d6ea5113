"""From Debian's fence_scsi to this agent and back, node by node, while every host writes to the disks."""

from __future__ import annotations

import time
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import pytest

from tests.guard import node
from tests.migration.agents import FENCE_SCSI, OURS, POWERED_OFF, POWERED_ON, Agent, key
from tests.migration.hosts import INTRUDER, KEY_FILE, LUNS, MEMBERS
from tests.migration.watch import WERO, watching

if TYPE_CHECKING:
    from tests.migration.hosts import Hosts

REFUSED = "EBADE"
WATCHDOG_SCRIPT = "/usr/share/cluster/fence_scsi_check"
GUARD_READS_SECONDS = 2.0

# By which agents a node was let in, in order.
History = tuple[Agent, ...]
HISTORIES: tuple[History, ...] = ((FENCE_SCSI,), (OURS,), (FENCE_SCSI, OURS), (OURS, FENCE_SCSI))
STATES = list(combinations_with_replacement(HISTORIES, 2))
SHORT = [((FENCE_SCSI,), (OURS,)), ((FENCE_SCSI, OURS), (OURS, FENCE_SCSI))]


def _state(state: tuple[History, History]) -> object:
    name = " - ".join("+".join(agent.name for agent in history) for history in state)
    return pytest.param(*state, id=name, marks=() if state in SHORT else pytest.mark.long)


class Members:
    """n1 and n2 with one way of making keys."""

    def __init__(self, hosts: Hosts, method: str) -> None:
        self.hosts = hosts
        self.options = {"key_value": method}
        self.keys = {name: key(name, method) for name in MEMBERS}

    def let_in(self, name: str, *agents: Agent) -> None:
        """Run `on` of each of these agents on a node."""
        host = self.hosts.node(name)
        self.hosts.settle(host)
        for agent in agents:
            assert agent.succeed(host, "on", name, self.hosts.devices(), **self.options) == POWERED_ON

    def shut_out(self, name: str, by: str, agent: Agent) -> None:
        """Fence a node, which must be proved by the target and by the disks' answer to its writes."""
        said = agent.succeed(self.hosts.node(by), "off", name, self.hosts.devices(), **self.options)
        assert said.startswith(POWERED_OFF)
        self.assert_registered(by)
        for lun in LUNS:
            assert self.hosts.node(name).write(lun) == REFUSED
            assert self.hosts.node(by).write(lun) == "ok"

    def assert_registered(self, *names: str) -> None:
        """These nodes and no others are, each once on every disk and with its key."""
        for reservation in self.hosts.reservations():
            assert sorted(reservation.registrations) == [(name, self.keys[name]) for name in sorted(names)]
            assert reservation.type == WERO


BOTH_METHODS = pytest.mark.parametrize("members", ["id", "hash"], indirect=True)


@pytest.fixture(params=["hash", pytest.param("id", marks=pytest.mark.long)])
def members(hosts: Hosts, request: pytest.FixtureRequest) -> Members:
    """Both nodes, not yet registered."""
    return Members(hosts, str(request.param))


@pytest.mark.parametrize(("first", "second"), list(map(_state, STATES)))
def test_each_fences_the_other_by_either_agent_in_every_state(
    members: Members, first: History, second: History
) -> None:
    histories = dict(zip(MEMBERS, (first, second)))
    for name, history in histories.items():
        members.let_in(name, *history)
    members.assert_registered(*MEMBERS)
    with watching(members.hosts, [INTRUDER]) as seen:
        for by, victim in (MEMBERS, MEMBERS[::-1]):
            # fence_scsi knows the key of its own node only where its own `on` has run.
            for agent in {OURS, *histories[by]}:
                members.shut_out(victim, by, agent)
                members.let_in(victim, *histories[victim])
                members.assert_registered(*MEMBERS)
    seen.assert_always_protected(INTRUDER)


@BOTH_METHODS
def test_nobody_notices_the_roll_over_node_by_node(members: Members) -> None:
    for name in MEMBERS:
        members.let_in(name, FENCE_SCSI)
    with watching(members.hosts, [*MEMBERS, INTRUDER]) as seen:
        for name in MEMBERS:
            members.let_in(name, OURS)
            members.assert_registered(*MEMBERS)
    seen.assert_always_protected(INTRUDER)
    assert all(reservation.persistent for reservation in members.hosts.reservations())
    assert set(seen.keys) == {frozenset(members.keys.values())}
    assert [set(seen.answers[name]) for name in MEMBERS] == [{"ok"}, {"ok"}]


def test_the_way_back_is_protected_but_new_versions_of_fence_scsi_let_a_node_down_for_a_moment(
    members: Members,
) -> None:
    """Of 4.17.0 its `on` preempts this very node's key, if it is listed, and registers it once more.

    The node that holds the reservation, here n1, does not feel it.
    """
    for name in MEMBERS:
        members.let_in(name, OURS)
    with watching(members.hosts, [*MEMBERS, INTRUDER]) as seen:
        for name in MEMBERS:
            members.let_in(name, FENCE_SCSI)
            members.assert_registered(*MEMBERS)
    seen.assert_always_protected(INTRUDER)
    assert not any(reservation.persistent for reservation in members.hosts.reservations())
    assert set(seen.answers["n1"]) == {"ok"}
    assert set(seen.answers["n2"]) == {"ok", REFUSED} if members.hosts.fence_scsi_preempts_itself() else {"ok"}


def test_a_node_that_only_this_agent_has_let_in_cannot_fence_by_fence_scsi(members: Members) -> None:
    for name in MEMBERS:
        members.let_in(name, OURS)
    done = FENCE_SCSI.run(members.hosts.n1, "off", "n2", members.hosts.devices(), **members.options)
    assert done.returncode == 1
    assert f'Cannot open file "{KEY_FILE}"' in done.stderr
    members.assert_registered(*MEMBERS)


def test_a_fenced_node_does_not_fence_back_by_this_agent_but_by_new_versions_of_fence_scsi(members: Members) -> None:
    for name in MEMBERS:
        members.let_in(name, FENCE_SCSI, OURS)
    members.shut_out("n2", "n1", OURS)
    members.hosts.settle(members.hosts.n2)
    for agent in (OURS, FENCE_SCSI):
        members.assert_registered("n1")
        fenced_back = agent.run(members.hosts.n2, "off", "n1", members.hosts.devices(), **members.options)
        succeeds = agent is FENCE_SCSI and members.hosts.fence_scsi_preempts_itself()
        assert fenced_back.returncode == (0 if succeeds else 1)
    members.assert_registered("n2" if members.hosts.fence_scsi_preempts_itself() else "n1")


def test_a_node_with_a_key_of_the_other_kind_is_not_called_shut_out_and_can_be_fenced_by_that_key(
    members: Members,
) -> None:
    hosts, old = members.hosts, f"0x{members.keys['n2']:x}"
    members.let_in("n2", OURS)
    other = {"key_value": "hash64"}
    said = OURS.succeed(hosts.n1, "on", "n1", hosts.devices(), **other)
    assert f"no known node has these keys, which can still write: {old} (fence_scsi's form)" in said
    for action in ("off", "status"):
        failed = OURS.run(hosts.n1, action, "n2", hosts.devices(), **other)
        assert failed.returncode == 1
        assert f"n2 is registered with {old}, its key with key_value={members.options['key_value']}" in failed.stderr
    assert hosts.n2.write("a") == "ok"
    assert "Powered OFF" in OURS.succeed(hosts.n1, "off", old, hosts.devices(), **other)
    assert hosts.n2.write("a") == "EBADE"


def test_guard_and_the_watchdog_script_of_fence_scsi_trust_a_healthy_node_and_both_notice_its_fencing(
    members: Members,
) -> None:
    n2 = members.hosts.n2
    members.let_in("n1", FENCE_SCSI, OURS)
    members.let_in("n2", FENCE_SCSI, OURS)
    before = len(n2.syslog())
    guard = node.start(n2, "--fenced=log", watching=2)
    for agent in (OURS, FENCE_SCSI) * 2:
        running = agent.start(n2, "on", "n2", members.hosts.devices(), **members.options)
        while not running.done():
            assert agent is FENCE_SCSI or n2.run([WATCHDOG_SCRIPT]).returncode == 0
        assert running.wait().stdout == POWERED_ON
    time.sleep(GUARD_READS_SECONDS)
    assert "fenced" not in "".join(n2.syslog()[before:])
    members.shut_out("n2", "n1", FENCE_SCSI)
    node.wait_until(lambda: "this node was fenced" in "".join(n2.syslog()[before:]))
    assert n2.run([WATCHDOG_SCRIPT]).returncode == 2
    assert node.end(guard).returncode == 0
