"""The Grafana dashboard: what it asks for is what the tool tells, and Grafana's own types know every field of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from fence_pr.tool import metrics
from tests.documents import dashboard

register_default_plugins()
# What Prometheus and the node exporter's place give each series.
OF_PROMETHEUS = {"instance", "job"}
_METRIC = re.compile(r"fence_pr_\w+")
_SELECTORS = re.compile(r"(fence_pr_\w+)\{([^}]*)\}")
_GROUPED = re.compile(r"by \(([^)]*)\)")


def _labels() -> dict[str, set[str]]:
    """Metric → its labels, as the tool's own functions make them of a disk and of a node."""
    disk: dict[str, Any] = {
        "name": "/dev/a", "identity": "naa.1", "problem": None, "reservation": None, "generation": 1,
        "registrations": [], "paths": {"live": 1, "dead": [], "unregistered": 0},
    }  # fmt: skip
    made = [*metrics._of_disk(disk), *metrics._of_node("/nowhere", "/nowhere")]
    found = {it["name"]: set(it["labels"]) for it in made}
    last = {name: {"action", "node"} for name in metrics.HELP if name.startswith("fence_pr_last_action_")}
    assert set(found) | set(last) == set(metrics.HELP)
    return {**found, **last}


LABELS = _labels()


def test_every_metric_is_shown_and_none_that_there_is_not() -> None:
    assert {name for it in dashboard.PANELS for name in _METRIC.findall(it.query)} == set(metrics.HELP)


@pytest.mark.parametrize("panel", dashboard.PANELS, ids=lambda it: it.title)
def test_a_panel_asks_for_labels_that_its_metric_has(panel: dashboard.Panel) -> None:
    ((name, selector),) = _SELECTORS.findall(panel.query)
    has = LABELS[name] | OF_PROMETHEUS
    asked = set(re.findall(r"(\w+)[=!]", selector))
    grouped = {it.strip() for group in _GROUPED.findall(panel.query) for it in group.split(",")}
    assert asked | grouped <= has
    assert set(re.findall(r"{{(\w+)}}", panel.legend)) <= (grouped or has)


def test_the_file_is_that_dashboard_and_what_is_chosen_exists() -> None:
    made = json.loads(dashboard.DASHBOARD.read_text())
    assert made == json.loads(dashboard.dashboard())
    variables = {it["name"]: it for it in made["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(made["panels"]))) - {"__all"}
    assert used == set(variables)
    for it in variables.values():
        for name, label in re.findall(r"label_values\((\w+)\{.*\}, (\w+)\)", it["query"]):
            assert label in LABELS[name] | OF_PROMETHEUS


def test_panels_lie_beside_and_below_each_other() -> None:
    places = [it["gridPos"] for it in json.loads(dashboard.dashboard())["panels"]]
    taken = [
        (x, y) for it in places for x in range(it["x"], it["x"] + it["w"]) for y in range(it["y"], it["y"] + it["h"])
    ]
    assert len(taken) == len(set(taken))
    assert {x for x, _ in taken} == set(range(24))


def _read_by_grafana(made: Any) -> Any:
    return json.loads(json.dumps(Dashboard.from_json(made), cls=JSONEncoder))


def _lost(given: Any, kept: Any, place: str = "") -> list[str]:
    """What of a document is not in what was read of it."""
    if isinstance(given, dict):
        gone = [f"{place}/{name}" for name in given if name not in kept]
        return gone + [it for name in given if name in kept for it in _lost(given[name], kept[name], f"{place}/{name}")]
    if isinstance(given, list):
        return [it for at, (one, other) in enumerate(zip(given, kept)) for it in _lost(one, other, f"{place}/{at}")]
    return [] if given == kept else [place]


def test_grafanas_own_types_know_every_field() -> None:
    """No Grafana can be had here, but what it publishes of its dashboards' form (version 10.1)."""
    made = json.loads(dashboard.DASHBOARD.read_text())
    assert _lost(made, _read_by_grafana(made)) == []
    for place in (made, made["panels"][0], made["panels"][0]["targets"][0], made["panels"][0]["options"]):
        place["unheardOf"] = 1
        assert len(_lost(made, _read_by_grafana(made))) == 1
        del place["unheardOf"]
