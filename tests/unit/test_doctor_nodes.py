"""What differs between nodes; what of another node's answer is believed; and the order of findings."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from fence_pr.errors import Notice
from fence_pr.messages import sentences
from fence_pr.tool.doctor import findings as doctor_findings
from fence_pr.tool.doctor import nodes as doctor_nodes
from fence_pr.tool.doctor.findings import CAUSES, SYMPTOMS, Finding, headline, in_order, message, told
from tests.unit import doctored


def node(name: str = "n1", **changes: Any) -> dict[str, Any]:
    """A node's facts, which differ from another one's as they should."""
    facts: dict[str, Any] = {
        "node": name,
        "program": "pr_fence 0.1.0",
        "cluster": "lab",
        "nodelist": ["n1", "n2"],
        "boot": f"boot of {name}",
        "machine": f"machine {name}",
        "hosts": [f"iqn.host:{name}"],
        "disks": [disk(name)],
    }
    return {**facts, **changes}


def disk(name: str = "n1", **changes: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": "/dev/a",
        "identity": "naa.01",
        "own_key": f"0x{name[1:]}",
        "keys": ["0x1", "0x2"],
        "read": True,
        "used": True,
    }
    return {**facts, **changes}


def compared(second: dict[str, Any], methods: tuple[str, ...] = ()) -> list[str]:
    return doctored.codes(doctor_nodes.compare([node("n1"), second], methods))


def test_two_machines_that_take_themselves_for_one_node_are_told_and_compared() -> None:
    """As clones do."""
    clone = node("n1", boot="another", cluster="old")
    found = doctored.codes(doctor_nodes.compare([node("n1"), node("n2"), clone]))
    assert found == [
        "node-names-equal", "cluster-names-differ", "host-identifiers-equal", "own-keys-equal", "machines-alike",
    ]  # fmt: skip


def test_nodes_that_agree_are_well() -> None:
    assert compared(node("n2")) == []
    assert compared(node("n2"), ("id",)) == []
    assert doctored.codes(doctor_nodes.compare([node("n1")])) == []
    assert doctored.codes(doctor_nodes.compare([])) == []


@pytest.mark.parametrize(
    ("second", "methods", "wanted"),
    [
        ({"cluster": "old"}, (), ["cluster-names-differ"]),
        ({"cluster": ""}, (), ["cluster-names-differ"]),
        ({"nodelist": ["n1", "n2", "n3"]}, (), ["nodelists-differ"]),
        ({"nodelist": ["n1", "n1.example"]}, ("id",), ["nodelists-differ"]),
        ({"nodelist": ["n1", "n2", "n2"]}, (), ["nodelists-differ"]),
        ({"nodelist": []}, (), ["nodelists-differ"]),
        ({"nodelist": ["n2", "n1"]}, ("hash64", "id"), ["nodelist-orders-differ"]),
        ({"nodelist": ["n2", "n1"]}, ("hash64",), []),
        ({"disks": [disk("n2", identity="naa.02")]}, (), ["name-leads-elsewhere"]),
        ({"disks": [disk("n2", identity="")]}, (), []),
        ({"disks": [disk("n2", own_key="0x1")]}, (), ["own-keys-equal"]),
        ({"disks": [disk("n2", own_key="")]}, (), []),
        ({"disks": [disk("n2", keys=["0x2"])]}, (), ["registrations-differ"]),
        ({"disks": [disk("n2", keys=["0x2", "0x1", "0x1"])]}, (), []),
        ({"disks": [disk("n2", keys=[], read=False)]}, (), []),
        ({"disks": []}, (), []),
        ({"hosts": ["iqn.host:n1", "nvme.01"]}, (), ["host-identifiers-equal"]),
        ({"machine": "machine n1"}, (), ["machines-alike"]),
        ({"machine": ""}, (), []),
        ({"program": "pr_fence 0.2.0"}, (), ["versions-differ"]),
    ],
)
def test_what_differs_is_found_and_nothing_else(
    second: dict[str, Any], methods: tuple[str, ...], wanted: list[str]
) -> None:
    assert compared(node("n2", **second), methods) == wanted


def test_each_node_is_named_with_what_it_has() -> None:
    (found,) = doctor_nodes.compare([node("n1"), node("n2", cluster="old"), node("n3")])
    assert str(found.notice).startswith(
        "the nodes do not agree on the cluster's name, from which keys are made: n1: lab, n2: old, n3: lab"
    )


def test_a_list_that_is_empty_is_called_so() -> None:
    (found,) = doctor_nodes.compare([node("n1"), node("n2", nodelist=[])])
    assert found.notice.fields["values"] == ["n1: n1 n2", "n2: none"]
    (found,) = doctor_nodes.compare([node("n1"), node("n2", disks=[disk("n2", own_key="", keys=[])])])
    assert found.notice.fields["values"] == ["n1: 0x1 0x2", "n2: none"]


@pytest.mark.parametrize(
    ("first", "second", "named", "wanted"),
    [
        ({"used": False}, {"used": False}, frozenset(), ["disk-unused"]),
        ({"used": False}, {"used": True}, frozenset(), []),
        ({"used": False}, {"used": False}, frozenset({"naa.01"}), []),
        ({"used": False}, {"used": False, "read": False}, frozenset(), []),
        ({"used": False, "identity": ""}, {"used": False, "identity": ""}, frozenset(), []),
    ],
)
def test_a_disk_that_serves_only_fencing(
    first: dict[str, Any], second: dict[str, Any], named: frozenset[str], wanted: list[str]
) -> None:
    nodes = [node("n1", disks=[disk(**first)]), node("n2", disks=[disk("n2", **second)])]
    assert doctored.codes(doctor_nodes.unused(nodes, named)) == wanted


# ---- what another node answers

ANSWER: dict[str, Any] = {
    "cluster": "lab",
    "nodes": [node()],
    "findings": [told(Finding(Notice("guard-missing", {}), ("seen",), "n1"))],
}


def test_an_answer_that_is_whole_is_believed() -> None:
    assert doctor_nodes.is_whole(ANSWER)
    assert doctor_nodes.is_whole({**ANSWER, "more": 1, "findings": []})


PLACES = (
    *(("nodes", 0, name) for name in doctor_nodes.FIELDS),
    *(("nodes", 0, "disks", 0, name) for name in doctor_nodes.DISK_FIELDS),
    *(("findings", 0, name) for name in ("severity", "code", "nodes", "disk", "text", "evidence", "cause", "remedy")),
    ("nodes", 0),
    ("findings", 0),
    ("nodes", 0, "disks", 0),
    ("nodes", 0, "nodelist", 0),
    ("findings", 0, "evidence", 0),
)


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_an_answer_with_a_field_of_another_kind_is_not(place: tuple[Any, ...]) -> None:
    for value in (None, 7, {"a": "b"}):
        answer = copy.deepcopy(ANSWER)
        inside: Any = answer
        for step in place[:-1]:
            inside = inside[step]
        inside[place[-1]] = value
        assert not doctor_nodes.is_whole(answer), (place, value)


def test_each_disk_of_an_answer_is_looked_at() -> None:
    wrong = {**disk(), "keys": None}
    assert not doctor_nodes.is_whole({**ANSWER, "nodes": [node(disks=[disk(), wrong])]})
    assert not doctor_nodes.is_whole({**ANSWER, "findings": [*ANSWER["findings"], {}]})


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"nodes": []}, {"nodes": [node(), node()], "findings": []}])
def test_an_answer_of_another_form_is_not(answer: object) -> None:
    assert not doctor_nodes.is_whole(answer)


# ---- order


def ranked(*findings: Finding) -> list[str]:
    return [it["code"] for it in in_order(map(told, findings))]


def of(code: str, disk: str = "", *, unseen: bool = False, node: str = "", evidence: tuple[str, ...] = ()) -> Finding:
    return Finding(Notice(code, {"disk": disk} if disk else {}), evidence, node, unseen)


def test_causes_come_first_then_the_unseen_then_symptoms_then_warnings() -> None:
    assert ranked(
        of("guard-missing"),
        of("fencing-failed"),
        of("no-answer-in-time", "/dev/a", unseen=True),
        of("nothing-reserved", "/dev/a"),
        of("cluster-names-differ"),
        of("fencing-disabled"),
    ) == [
        "fencing-disabled", "cluster-names-differ", "nothing-reserved", "no-answer-in-time", "fencing-failed",
        "guard-missing",
    ]  # fmt: skip


def test_what_is_told_by_several_nodes_is_told_once() -> None:
    found = in_order(
        told(of("nothing-reserved", "/dev/a", node=name, evidence=("monitor", name))) for name in ("n1", "n2", "n1")
    )
    assert [(it["code"], it["nodes"], it["evidence"]) for it in found] == [
        ("nothing-reserved", ["n1", "n2"], ["monitor", "n1", "n2"])
    ]
    assert headline(found[0]) == "n1, n2: /dev/a: nodes are registered but nothing is reserved: every node can write"


def test_the_worse_severity_of_two_holds() -> None:
    (found,) = in_order([told(of("no-answer-in-time", unseen=True)), told(of("no-answer-in-time"))])
    assert found["severity"] == "failure"


def test_an_echo_is_left_out_where_its_cause_is_told() -> None:
    key = Notice("not-unfenced", {"own_key": 1, "disk": "/dev/a"})
    device = Finding(Notice("unfencing-missing", {"device": "disks"}))
    assert ranked(Finding(key), device) == ["unfencing-missing"]
    assert ranked(Finding(key)) == ["not-unfenced"]


def test_every_code_that_has_a_place_is_a_message() -> None:
    for code in (*CAUSES, *SYMPTOMS, *doctor_findings._ECHOES):
        assert sentences.find(code)[0] in (sentences.FAILURE, sentences.WARNING)


def test_a_finding_of_a_newer_version_can_be_told() -> None:
    said = {**told(of("guard-missing")), "code": "of-tomorrow", "severity": "failure"}
    assert message(said)["severity"] == "failure"
    assert in_order([said]) == [said]
