"""The model against real targets: random sequences of reservation commands, on both, with equal answers and effects.

A sequence is made with an eye to what it leads to in the model, carried out on the real target in one go, and compared
after every step: the kernel's answer, who is registered with which key, type and holder, and whether each node can
write and read. With FENCE_PR_LONG=1 there are five times as many.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.lab.inside.layout import NODES
from tests.lab.inside.nvme import host_id
from tests.model.lio import Lio, Lio61
from tests.model.nvmet import Nvmet
from tests.model.unit import ALL_REGISTRANTS, TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.cluster import Cluster
    from tests.lab.nvme import Namespaces
    from tests.model.unit import Unit

    Step = tuple[str, str, list[int]]
    Seen = dict[str, Any]  # what is compared: status, keys, type, holder, access, and a generation if there is one

EXAMPLES = 30 * (5 if os.environ.get("FENCE_PR_LONG") == "1" else 1)
STEPS = 30
PREEMPTS = ("preempt", "preempt_abort")
KEYS = {"n1": 0xA, "n2": 0xB00000000000000B, "n3": 0xC}
SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    derandomize=False,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

nodes = st.sampled_from(NODES)
keys = st.sampled_from([*KEYS.values(), 0x77, 0])
real_types = st.sampled_from(TYPES)
types = st.sampled_from([*TYPES] * 3 + [0, 7, 0xFFFFFFFF])
flags = st.sampled_from([0] * 12 + [1, 2, 0x80000000])
often = st.sampled_from([True, True, True, False])


class Commands(RuleBasedStateMachine):
    """One sequence. The rules write it down and let the model carry it out; at its end reality does and is compared.

    fit: the node is one that is registered; right: its own key; same: the type in force; else they are as drawn.
    """

    model: ClassVar[type[Unit]]
    carry_out: ClassVar[Callable[[list[Step]], list[Seen]]]

    def __init__(self) -> None:
        super().__init__()
        self.unit = self.model()
        self.steps: list[Step] = []
        self.expected: list[Seen] = [seen(self.unit, 0)]

    def send(self, node: str, name: str, *numbers: int) -> None:
        self.steps.append((node, name, list(numbers)))
        self.expected.append(seen(self.unit, self.unit.call(node, name, *numbers)))

    def who(self, node: str, fit: bool) -> str:
        return next(iter(self.unit.keys), node) if fit and node not in self.unit.keys else node

    def own(self, node: str, right: bool, other: int) -> int:
        return self.unit.keys.get(node, 0) if right else other

    def kind(self, same: bool, other: int) -> int:
        return self.unit.type if same and self.unit.type else other

    @initialize(first=nodes, others=st.sets(nodes, min_size=1), reserved=real_types)
    def begin(self, first: str, others: set[str], reserved: int) -> None:
        for node in (first, *sorted(others - {first})):
            self.send(node, "register", 0, KEYS[node])
        self.send(first, "reserve", KEYS[first], reserved)

    @precondition(lambda self: len(self.unit.keys) < len(NODES))
    @rule(node=nodes, usual=often, other=keys, flag=st.sampled_from([0, 0, 1]))
    def come(self, node: str, usual: bool, other: int, flag: int) -> None:
        absent = [it for it in NODES if it not in self.unit.keys]
        node = node if node in absent else absent[0]
        self.send(node, "register", 0, KEYS[node] if usual else other, flag)

    @precondition(lambda self: len(self.unit.keys) > 1)
    @rule(node=nodes, holder=st.booleans())
    def leave(self, node: str, holder: bool) -> None:
        node = self.unit.holder if holder and self.unit.holder else self.who(node, fit=True)
        self.send(node, "register", self.unit.keys[node], 0)

    @rule(node=nodes, right=often, other=keys, new=keys, flag=st.sampled_from([0, 0, 1, 1, 2]))
    def register(self, node: str, right: bool, other: int, new: int, flag: int) -> None:
        self.send(node, "register", self.own(node, right, other), new, flag)

    @rule(node=nodes, fit=often, right=often, other=keys, kind=types, same=often, flag=flags)
    def reserve(self, node: str, fit: bool, right: bool, other: int, kind: int, same: bool, flag: int) -> None:
        node = self.who(node, fit)
        self.send(node, "reserve", self.own(node, right, other), self.kind(same, kind), flag)

    @rule(node=nodes, fit=often, right=often, other=keys, kind=types, same=often, flag=flags)
    def release(self, node: str, fit: bool, right: bool, other: int, kind: int, same: bool, flag: int) -> None:
        node = self.who(node, fit)
        self.send(node, "release", self.own(node, right, other), self.kind(same, kind), flag)

    @rule(node=nodes, fit=often, victim=nodes, kind=real_types, same=often, name=st.sampled_from(PREEMPTS))
    def preempt(self, node: str, fit: bool, victim: str, kind: int, same: bool, name: str) -> None:
        node, victim = self.who(node, fit), self.who(victim, fit)
        own, key = self.unit.keys.get(node, 0), self.unit.keys.get(victim, 0)
        self.send(node, name, own, key, self.kind(same, kind))

    @rule(node=nodes, right=often, other=keys, victim=keys, kind=types, flag=flags, name=st.sampled_from(PREEMPTS))
    def preempt_oddly(self, node: str, right: bool, other: int, victim: int, kind: int, flag: int, name: str) -> None:
        self.send(node, name, self.own(node, right, other), victim, kind, flag)

    @precondition(lambda self: len(self.unit.keys) == len(NODES))
    @rule(node=nodes, right=often, other=keys, flag=flags)
    def clear(self, node: str, right: bool, other: int, flag: int) -> None:
        self.send(node, "clear", self.own(node, right, other), flag)

    def teardown(self) -> None:
        told = type(self).carry_out(self.steps)
        for number, (expected, found) in enumerate(zip(self.expected, told, strict=True)):
            common = {name: value for name, value in expected.items() if name in found}
            assert found == common, f"after {self.steps[:number]}"


def seen(unit: Unit, status: int) -> Seen:
    """What the model shows after a step."""
    access = {node: [unit.can_write(node), unit.can_read(node)] for node in NODES}
    holders = sorted(unit.keys) if unit.type in ALL_REGISTRANTS else [unit.holder] if unit.type else []
    return {
        "status": status, "keys": dict(unit.keys), "type": unit.type, "holder": unit.holder, "holders": holders,
        "access": access, "generation": unit.generation,
    }  # fmt: skip


def told_of(step: dict[str, Any], keys: dict[str, int]) -> Seen:
    """What any real target tells after a step; at the beginning nobody has tried to write or read."""
    words = {word for of_node in step["access"].values() for word in of_node}
    assert words <= {"ok", "EBADE"}, "nothing but a reservation may keep a node from its disk"
    access = {node: [word == "ok" for word in of_node] for node, of_node in step["access"].items()}
    found = {"status": step["status"], "keys": keys, "type": step["state"]["type"]}
    return found | {"access": access} if access else found


def run(target: type[Unit], carry_out: Callable[[list[Step]], list[Seen]], sequences: int = EXAMPLES) -> None:
    """Compare the model of a target with the real one."""
    machine = type("Sequence", (Commands,), {"model": target, "carry_out": staticmethod(carry_out)})
    run_state_machine_as_test(machine, settings=settings(SETTINGS, max_examples=sequences))


def test_the_model_of_lio_does_what_lio_does(lab: Cluster) -> None:
    paths = {name: node.disk("a") for name, node in lab.nodes.items()}

    def carry_out(steps: list[Step]) -> list[Seen]:
        told = lab.guest.call("sequence_on_lun", lun="a", paths=paths, steps=steps)
        first = told[0]["state"]["generation"]
        return [
            told_of(it, dict(it["state"]["registrations"]))
            | {"holder": it["state"]["holder"] or "", "generation": it["state"]["generation"] - first}
            for it in told
        ]

    run(Lio61 if lab.release == (6, 1) else Lio, carry_out)


def test_the_model_of_nvmet_does_what_nvmet_does(namespaces: Namespaces) -> None:
    paths = {node: namespaces.disk(node) for node in NODES}
    names = {host_id(node).replace("-", ""): node for node in NODES}

    def carry_out(steps: list[Step]) -> list[Seen]:
        call = namespaces.cluster.guest.call
        told = call("sequence_on_namespace", number=1, asker="n3", paths=paths, steps=steps)
        hosts = [{names[host]: entry for host, entry in it["state"]["hosts"].items()} for it in told]
        return [
            told_of(it, {node: key for node, (key, _) in registered.items()})
            | {"holders": sorted(node for node, (_, holds) in registered.items() if holds)}
            for it, registered in zip(told, hosts)
        ]

    run(Nvmet, carry_out, 2 * EXAMPLES)  # nvmet is fast
