"""'plan' on real disks: what it says is what the action then does, and the target has not even counted anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fencing import maps
from tests.fencing.agent import key, run, succeed
from tests.lab.plugin import newest
from tests.tool.pr_fence import reported, reservations

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster, Node

pytestmark = newest

LUNS = "abe"


def planned(lab: Cluster, node: Node, action: str, plug: str, luns: str = LUNS) -> dict[str, Any]:
    """The report of a plan that changes nothing: generations and this node's files are what they were."""
    before, files = reservations(lab, luns), node.run(["ls", "-lR", "/run/fence_pr_ioctl"]).stdout
    report = reported(node, "plan", action, plug, *(node.by_id(lun) for lun in luns))
    assert reservations(lab, luns) == before
    assert node.run(["ls", "-lR", "/run/fence_pr_ioctl"]).stdout == files
    return report


def steps(report: dict[str, Any]) -> dict[str, list[str]]:
    """The steps on each disk, in words."""
    return {it["name"]: [step["text"] for step in it["steps"]] for it in report["found"]["calls"][0]["disks"]}


def test_on_and_off_are_foretold(lab: Cluster) -> None:
    on = planned(lab, lab.n1, "on", "n1")
    assert [it["verdict"] for it in on["found"]["calls"]] == ["Powered ON"]
    own = f"{key('n1'):x}"
    expected = [f"register 0x{own}", f"reserve with 0x{own}, write exclusive, registrants only"]
    assert all(it == expected for it in steps(on).values()), on
    for node in (lab.n1, lab.n2):
        succeed(node, "on", node.name, luns=LUNS)
    off = planned(lab, lab.n1, "off", "n2")
    assert [(it["ok"], it["verdict"]) for it in off["found"]["calls"]] == [(True, "Powered OFF")]
    for lun in LUNS:
        (step,) = steps(off)[lab.n1.by_id(lun)]
        assert step.startswith(f"preempt 0x{key('n2'):x} with 0x{own}")
        assert ("with abort" if lun == "e" else "without abort") in step
    assert [it["name"] for it in off["found"]["calls"][0]["disks"]] == sorted(steps(off), key=identity(lab))
    assert succeed(lab.n1, "off", "n2", luns=LUNS).stdout.startswith("Success: Powered OFF\n")
    assert planned(lab, lab.n1, "off", "n2")["found"]["calls"][0]["verdict"] == "Already OFF"


def identity(lab: Cluster) -> Any:
    """Sorts names of n1's disks."""
    return {lab.n1.by_id(lun): lab.lun(lun).wwid for lun in LUNS}.__getitem__


def test_a_fenced_node_is_told_that_it_cannot_fence_and_why_as_the_agent_does(lab: Cluster) -> None:
    for node in (lab.n1, lab.n2):
        succeed(node, "on", node.name, luns=LUNS)
    succeed(lab.n1, "off", "n2", luns=LUNS)
    report = planned(lab, lab.n2, "off", "n1")
    assert (report["exit_status"], report["found"]["calls"][0]["ok"]) == (1, False)
    said = [f"{it['disk']}: {it['text']}" if it["disk"] else it["text"] for it in report["problems"]]
    assert [f"Failed: {it}" for it in said] == run(lab.n2, "off", "n1", luns=LUNS).stderr.splitlines()


def test_a_map_is_planned_over_its_paths(lab: Cluster) -> None:
    with maps.mapped(lab, "a") as mapped:
        for node, devices in ((lab.n1, mapped), (lab.n3, lab.n3.by_id("a"))):
            succeed(node, "on", node.name, devices=devices)
        before = lab.reservation("a")
        report = reported(lab.n1, "plan", "off", "n3", mapped)
        again = reported(lab.n1, "plan", "on", "n1", mapped)
        assert lab.reservation("a") == before
        assert (report["found"]["calls"][0]["verdict"], again["found"]["calls"][0]["verdict"]) == (
            "Powered OFF",
            "Powered ON",
        )
