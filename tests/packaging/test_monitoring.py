"""A file of metrics, Debian's node exporter and Prometheus, the shipped rules, the dashboard's queries."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr.tool import metrics
from tests.documents import dashboard
from tests.lab.plugin import or_not_covered
from tests.packaging import prometheus
from tests.packaging.prometheus import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.packaging.prometheus import Prometheus

pytestmark = [pytest.mark.xdist_group("prometheus"), pytest.mark.slow]
DISKS = {name: {"disk": f"/dev/{name}", "identity": f"naa.{name}"} for name in ("good", "bad", "unread")}
MINUTES = 60.0


def _disk(labels: dict[str, str], **values: float) -> Iterator[tuple[str, dict[str, str], float]]:
    for name, value in values.items():
        yield f"fence_pr_disk_{name}", labels, value


def _paths(labels: dict[str, str], live: int, dead: int, unregistered: int) -> Iterator[Any]:
    for state, count in {"live": live, "dead": dead, "unregistered": unregistered}.items():
        yield "fence_pr_disk_paths", {**labels, "state": state}, count


def _bad() -> str:
    """A file of a node on which everything is wrong that an alert is about, and one disk is well."""
    action = {"action": "off", "node": "n2"}
    made = [
        ("fence_pr_build_info", {"version": "1"}, 1),
        ("fence_pr_collected_timestamp_seconds", {}, time.time() - 20 * MINUTES),
        ("fence_pr_guard_running", {}, 0),
        *((f"fence_pr_last_action_{name}", action, value) for name, value in
          (("success", 0), ("duration_seconds", 7.5), ("timestamp_seconds", time.time()))),
        *_disk(DISKS["good"], readable=1, problem=0, registered=1, writable=1, reserved=1, reservation_type=3,
               registrations=2, foreign_keys=0, generation=9),
        *_paths(DISKS["good"], 2, 0, 0),
        *_disk(DISKS["bad"], readable=1, problem=1, registered=1, writable=0, reserved=0, reservation_type=0,
               registrations=2, foreign_keys=1, generation=7),
        *_paths(DISKS["bad"], 2, 1, 1),
        *_disk(DISKS["unread"], readable=0, problem=1),
    ]  # fmt: skip
    found = [{"name": name, "labels": labels, "value": value} for name, labels, value in made]
    assert {it["name"] for it in found} == set(metrics.HELP)
    return "\n".join([*metrics.text({"metrics": found}, None), ""])  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has collected that file."""
    programs = or_not_covered(prometheus.tree)
    files, scratch = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("prometheus")
    (files / "pr_fence.prom").write_text(_bad())
    with prometheus.running(programs, files, scratch) as it:
        yield it


def test_the_node_exporter_takes_the_file_and_prometheus_has_every_metric(running: Prometheus) -> None:
    assert running.query("node_textfile_scrape_error") != []
    assert running.query("node_textfile_scrape_error > 0") == []
    for name in metrics.HELP:
        wait_until(lambda: running.query(name), f"{name} is not collected")  # noqa: B023
    (unread,) = running.query("fence_pr_disk_readable == 0")
    assert (unread["metric"]["disk"], unread["metric"]["identity"]) == ("/dev/unread", "naa.unread")


def test_every_alert_that_the_file_is_about_comes(running: Prometheus) -> None:
    """Those that wait for some minutes are pending; that they fire then is asked of promtool."""
    groups = running.ask("rules")["groups"]
    rules = {rule["name"]: rule["duration"] for group in groups for rule in group["rules"]}
    wanted = {name: "pending" if wait else "firing" for name, wait in rules.items()}
    assert len(wanted) == 10
    assert set(wanted.values()) == {"pending", "firing"}
    wait_until(lambda: running.alerts() == wanted, f"{running.alerts()}, expected {wanted}")
    wait_until(lambda: all(r["health"] == "ok" for g in running.ask("rules")["groups"] for r in g["rules"]), "not ok")
    told = [it["annotations"]["summary"] for it in running.ask("alerts")["alerts"]]
    assert not [it for it in told if "<no value>" in it]
    assert not [it for it in told if "/dev/good" in it]


@pytest.mark.parametrize("panel", dashboard.PANELS, ids=lambda it: it.title)
def test_every_query_of_the_dashboard_has_an_answer(running: Prometheus, panel: dashboard.Panel) -> None:
    expression = panel.query.replace("$instance", ".*").replace("$disk", ".*")
    wait_until(lambda: running.query(expression), f"{expression} has no answer")
    for label in re.findall(r"{{(\w+)}}", panel.legend):
        assert all(label in it["metric"] for it in running.query(expression)), label


def test_what_can_be_chosen_in_the_dashboard_is_there(running: Prometheus) -> None:
    made = json.loads(dashboard.dashboard())
    for variable in made["templating"]["list"]:
        if variable["type"] == "query":
            series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]).groups()  # type: ignore[union-attr]
            series = series.replace("$instance", ".*").replace("{}", "")
            found = running.ask(f"label/{label}/values", **{"match[]": series})
            assert found == sorted(it["disk"] for it in DISKS.values()) if label == "disk" else len(found) == 1
