"""The fence device gets another list of disks while the cluster runs, and nothing is restarted: `pr_fence disks`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster import cib, steps
from tests.cluster.cluster import DUMMY, WRITER
from tests.tool.pr_fence import valid

if TYPE_CHECKING:
    from tests.cluster.cluster import PacemakerCluster

NEW = "c"
TOOL_SECONDS = 300.0
# Pacemaker, about what it has done to a resource: which.
_RAN = re.compile(r"local execution of (start|stop) operation for (\S+)")


@pytest.mark.slow
@pytest.mark.promise(1)
def test_a_disk_is_added_and_removed_and_no_resource_is_restarted(two: PacemakerCluster) -> None:
    new, everybody = two.path(NEW), frozenset(two.setup.nodes)
    before = _configured(two)
    heard = {name: len(two[name].syslog()) for name in everybody}

    _unfence(two, "n1", new)
    refused = _disks(two, "add", new)
    assert [it["code"] for it in refused["problems"]] == ["nodes-not-registered"]
    assert "are not registered there: n2;" in refused["problems"][0]["text"]
    assert (refused["found"]["done"], _configured(two)) == (False, before)

    _unfence(two, "n2", new)
    added = _disks(two, "add", new, "--device=fencing")
    assert added["found"], added
    assert (added["exit_status"], added["warnings"], added["found"]["after"]) == (0, [], [*before, new])
    assert _configured(two) == [*before, new]
    two.until(two.whole, "everything runs")
    assert _ran(two, heard) == {("start", cib.FENCING)}

    two.crash("n2")
    steps.wait_for_take_over(two, "n1", "n2")
    assert two.registered(NEW) == {"n1"}
    steps.comes_back(two, "n2")
    assert two.registered(NEW) == everybody
    # Neither daemon that keeps digests has brought back those of before. (The group goes to the node that it prefers.)
    steps.assert_unharmed(two, "n1")
    assert not [it for it in _ran(two, {"n1": heard["n1"]}) if it[1].partition(":")[0] in (WRITER, DUMMY)]

    heard = {name: len(two[name].syslog()) for name in everybody}
    removed = _disks(two, "remove", new)
    assert removed["found"], removed
    assert (removed["exit_status"], removed["found"]["after"]) == (0, before)
    assert [it["code"] for it in removed["warnings"]] == ["others-to-leave"]
    two.until(two.whole, "everything runs")
    assert _ran(two, heard) == {("start", cib.FENCING)}
    assert two.registered(NEW) == {"n2"}
    assert two["n1"].write(NEW) == steps.REFUSED
    identity = removed["found"]["disks"][0]["identity"]
    two["n2"].run(["pr_fence", "repair", "leave", new, f"--yes={identity}", "--force"], check=True)
    assert two.registered(NEW) == frozenset()
    steps.assert_unharmed(two, *everybody)


@pytest.mark.long
@pytest.mark.promise(1, 6)
def test_a_disk_that_hangs_and_keeps_the_cluster_from_fencing_is_removed(two: PacemakerCluster) -> None:
    two.spoilt = True
    new, everybody = two.path(NEW), frozenset(two.setup.nodes)
    for name in everybody:
        _unfence(two, name, new)
    assert _disks(two, "add", new)["found"]["done"]
    two.wait_until_whole()

    two.hang("n1", NEW)
    two.crash("n2")
    two.until(lambda: any(new in it for it in two.complaints("n1")), "the agent names the disk that hangs")
    assert not two.view("n1").fenced("n2")
    heard = {"n1": len(two["n1"].syslog())}
    refused = _disks(two, "remove", new, "--timeout=5")
    assert {it["code"] for it in refused["problems"]} == {"node-not-fenced-yet", "disk-unexamined"}
    removed = _disks(two, "remove", new, "--timeout=5", "--wait=200", "--force")
    assert removed["found"]["done"], removed
    assert "not-left" in [it["code"] for it in removed["warnings"]]
    steps.wait_for_take_over(two, "n1", "n2")
    assert two.registered(NEW) == everybody
    steps.assert_unharmed(two, "n1")
    assert not [it for it in _ran(two, heard) if it[1].partition(":")[0] in (WRITER, DUMMY)]


def _disks(cluster: PacemakerCluster, *words: str) -> dict[str, Any]:
    done = cluster["n1"].run(["pr_fence", "disks", *words, "--json"], timeout=TOOL_SECONDS)
    assert (done.stderr, done.stdout.count("\n")) == ("", 1), done
    report: dict[str, Any] = json.loads(done.stdout)
    valid(report)
    return report


def _unfence(cluster: PacemakerCluster, name: str, path: str) -> None:
    cluster[name].run(["fence_pr_ioctl", "-o", "on", "-n", name, "-d", path], check=True)


def _configured(cluster: PacemakerCluster) -> list[str]:
    asked = ["crm_resource", "--resource", cib.FENCING, "--get-parameter", "devices"]
    return cluster["n1"].run(asked, check=True).stdout.strip().split(",")


def _ran(cluster: PacemakerCluster, since: dict[str, int]) -> set[tuple[str, str]]:
    """What was started or stopped on these nodes since their logs had so many lines."""
    lines = [line for name, start in since.items() for line in cluster[name].syslog()[start:]]
    return {(found[1], found[2]) for line in lines if (found := _RAN.search(line))}
