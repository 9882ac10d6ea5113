"""'metrics' on real disks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client.openmetrics import parser

from tests.fencing.agent import run, succeed
from tests.lab.plugin import newest
from tests.tool.pr_fence import TOOL, reservations

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster, Node

pytestmark = newest

FILE = "/run/pr_fence.prom"
parse: Any = parser.text_string_to_metric_families


def values(node: Node, lun: str, code: int = 0) -> dict[str, float]:
    """Name, and what tells it apart → value, from the file that the tool wrote."""
    done = node.run([TOOL, "metrics", node.by_id(lun), f"--output={FILE}"], cwd="/")
    assert (done.returncode, done.stdout) == (code, ""), done
    text = node.run(["cat", FILE], check=True).stdout
    found: dict[str, float] = {}
    for sample in (it for family in parse(text) for it in family.samples):
        words = [sample.name.removeprefix("fence_pr_"), sample.labels.get("state"), sample.labels.get("action")]
        found[" ".join(filter(None, words))] = sample.value
    return found


def test_a_node_before_and_after_it_was_fenced(lab: Cluster) -> None:
    for node in (lab.n1, lab.n2):
        succeed(node, "on", node.name, luns="a")
    before = reservations(lab, "a")
    on = values(lab.n2, "a")
    assert reservations(lab, "a") == before
    assert (on["disk_registered"], on["disk_writable"], on["disk_reservation_type"]) == (1, 1, 3)
    assert (on["disk_generation"], on["disk_registrations"]) == (before[0].generation, 2)
    assert on["last_action_success on"] == 1
    assert 0 < on["last_action_duration_seconds on"] < 20
    succeed(lab.n1, "off", "n2", luns="a")
    assert values(lab.n1, "a")["last_action_success off"] == 1
    off = values(lab.n2, "a", 1)
    assert (off["disk_registered"], off["disk_writable"], off["disk_problem"]) == (0, 0, 1)
    run(lab.n2, "off", "n1", luns="a")
    assert values(lab.n2, "a", 1)["last_action_success off"] == 0
