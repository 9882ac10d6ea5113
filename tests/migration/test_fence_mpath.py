"""From Debian's fence_mpath to this agent and back, with explicit keys and the real multipathd.

The node is n1; its paths to LUN a are n1's and n2's connections. The other node is n3, which has one path, no map, and
hence no fence_mpath.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster import root
from tests.lab import kernels, multipathd
from tests.lab.cluster import Cluster
from tests.lab.guest import Guest
from tests.lab.nvme import KERNEL_ARGUMENTS
from tests.lab.plugin import or_not_covered
from tests.migration.agents import FENCE_MPATH, OURS, POWERED_OFF, POWERED_ON, Agent
from tests.migration.watch import WERO, watching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.root import Stack
    from tests.lab.cluster import Node, Reservation

LUN, PATHS = "a", ("n1", "n2")
KEYS = {"n1": 0x1, "n3": 0x3}
# How the node's key stands in multipath.conf: it must be there for mpathpersist.
SETTINGS = {"key": "reservation_key 0x1", "file": multipathd.KEY_FILE}


def sent(name: str) -> dict[str, str]:
    """How Pacemaker sends a node's key with pcmk_host_argument=key."""
    return {"nodename": name, "key": f"{KEYS[name]:x}"}


class Mapped:
    """n1 with its map, and n3."""

    def __init__(self, lab: Cluster, daemon: multipathd.Multipathd, name: str) -> None:
        self.lab, self._daemon, self._name = lab, daemon, name
        self._disks = {"n1": f"/dev/mapper/{name}", "n3": lab.n3.by_id(LUN)}

    def writer(self, name: str) -> tuple[Node, list[str]]:
        """A node and the names of its disks."""
        return self.lab.nodes[name], [self._disks[name]]

    def reservations(self) -> list[Reservation]:
        """The target's own view."""
        return [self.lab.reservation(LUN)]

    def let_in(self, name: str, *agents: Agent) -> None:
        """Run `on` of each of these agents on a node, with its key."""
        for agent in agents:
            said = agent.succeed(self.lab.nodes[name], "on", "", self._disks[name], **sent(name))
            assert said.startswith(POWERED_ON)

    def shut_out(self, name: str, by: str, agent: Agent) -> None:
        """Fence a node over all its paths."""
        node = self.lab.nodes[by]
        assert agent.succeed(node, "off", "", self._disks[by], **sent(name)).startswith(POWERED_OFF)
        self.assert_registered(by)
        for path in self._paths(name):
            self.lab.nodes[path].drain(LUN)
            assert self.lab.nodes[path].write(LUN) == "EBADE"

    def assert_registered(self, *names: str) -> None:
        """These nodes and no others are, over all their paths, and each path takes writes."""
        reservation = self.lab.reservation(LUN)
        expected = {path: KEYS[name] for name in names for path in self._paths(name)}
        assert (reservation.keys, reservation.type) == (expected, WERO)
        assert [self.lab.nodes[path].write(LUN) for path in expected] == ["ok"] * len(expected)

    def lose_a_path_and_let_in_meanwhile(self, *agents: Agent) -> None:
        """n1's second path is away while `on` runs, and comes back."""
        self.lab.n2.cut(LUN)
        self._daemon.wait_for_paths(self._name, 1)
        self.let_in("n1", *agents)
        multipathd.bring_back(self.lab, "n2", LUN)
        self._daemon.wait_for_paths(self._name, 2)

    @staticmethod
    def _paths(name: str) -> tuple[str, ...]:
        return PATHS if name == "n1" else (name,)


def _parameter(stack: Stack, mark: pytest.MarkDecorator) -> object:
    return pytest.param(stack, id=stack.suite, marks=(mark, pytest.mark.xdist_group(f"migration-mpath-{stack.suite}")))


@pytest.fixture(
    scope="module", params=[_parameter(root.BOOKWORM, pytest.mark.slow), _parameter(root.FORKY, pytest.mark.long)]
)
def booted(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A guest with Debian's fence_mpath and multipathd, of each suite in turn."""
    stack: Stack = request.param
    guest = or_not_covered(lambda: Guest(kernels.NVME.kernel(), stack.folder(), arguments=KERNEL_ARGUMENTS))
    with guest:
        yield Cluster(guest)


@pytest.fixture(params=["key", pytest.param("file", marks=pytest.mark.long)])
def mapped(booted: Cluster, request: pytest.FixtureRequest) -> Iterator[Mapped]:
    """n1 with its map, nobody registered."""
    booted.reset()
    with multipathd.running(booted, booted.n1, LUN, PATHS, settings=SETTINGS[request.param]) as (daemon, name):
        yield Mapped(booted, daemon, name)


def test_the_roll_over_and_back_is_seen_by_nobody_who_writes(mapped: Mapped) -> None:
    mapped.let_in("n1", FENCE_MPATH)
    mapped.let_in("n3", OURS)
    with watching(mapped, KEYS) as seen:
        for agent in (OURS, FENCE_MPATH, OURS):
            mapped.let_in("n1", agent)
            mapped.assert_registered(*KEYS)
    assert set(seen.types) == {WERO}
    assert set(seen.keys) == {frozenset(KEYS.values())}
    assert [set(seen.answers[name]) for name in KEYS] == [{"ok"}, {"ok"}]


HISTORIES = [
    pytest.param(history, id="+".join(agent.name for agent in history), marks=marks)
    for history, marks in (
        ((FENCE_MPATH,), (pytest.mark.long,)),
        ((OURS,), (pytest.mark.long,)),
        ((FENCE_MPATH, OURS), ()),
        ((OURS, FENCE_MPATH), (pytest.mark.long,)),
    )
]


@pytest.mark.parametrize("history", HISTORIES)
def test_each_fences_the_other_by_either_agent_in_every_state(mapped: Mapped, history: tuple[Agent, ...]) -> None:
    mapped.let_in("n1", *history)
    mapped.let_in("n3", OURS)
    mapped.assert_registered(*KEYS)
    # Either agent knows an explicit key of its own node only where its own `on` has run.
    for agent in history:
        mapped.shut_out("n3", "n1", agent)
        mapped.let_in("n3", OURS)
        mapped.assert_registered(*KEYS)
    mapped.shut_out("n1", "n3", OURS)
    mapped.let_in("n1", *history)
    mapped.assert_registered(*KEYS)


@pytest.mark.long
@pytest.mark.parametrize("agents", [(FENCE_MPATH,), (OURS,)], ids=["fence_mpath", "fence_pr_ioctl"])
def test_multipathd_registers_a_path_that_returns_whichever_agent_let_the_node_in(
    mapped: Mapped, agents: tuple[Agent, ...]
) -> None:
    mapped.lose_a_path_and_let_in_meanwhile(*agents)
    multipathd.wait_until(
        lambda: mapped.lab.reservation(LUN).keys == dict.fromkeys(PATHS, KEYS["n1"]), lambda: "no registration"
    )
