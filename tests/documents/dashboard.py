"""monitoring/pr_fence.dashboard.json: a Grafana dashboard on the metrics of pr_fence.

Its form is that of Grafana 10; a test reads it with Grafana's own types.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DASHBOARD = Path(__file__).resolve().parent.parent.parent / "monitoring/pr_fence.dashboard.json"
_WIDTH, _HEIGHT, _SMALL = 24, 8, 4
# Of all nodes and disks, or of those that were chosen above.
OF_NODE, OF_DISK = '{instance=~"$instance"}', '{instance=~"$instance", disk=~"$disk"}'
_GOOD, _BAD, _ODD = "green", "red", "orange"
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
Json = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """One panel.

    query   in PromQL
    legend  what a line or a number is called
    kind    timeseries or stat
    colours value from which on → colour
    words   value → what is shown in its place
    """

    title: str
    says: str
    query: str
    legend: str
    kind: str = "timeseries"
    unit: str = "short"
    colours: dict[float, str] = field(default_factory=dict)
    words: dict[str, tuple[str, str]] = field(default_factory=dict)
    width: int = 12
    height: int = _HEIGHT


_YES_NO = {"0": ("no", _BAD), "1": ("yes", _GOOD)}
_FROM_ONE = {0.0: _GOOD, 1.0: _BAD}

PANELS = (
    Panel("Disks that cannot be read", "No node can be fenced from a node that cannot read a disk.",
          f"count(fence_pr_disk_readable{OF_DISK} == 0) or vector(0)", "", "stat", colours=_FROM_ONE, width=6,
          height=_SMALL),
    Panel("Disks with a problem", "pr_fence show on the node says what.",
          f"count(fence_pr_disk_problem{OF_DISK} == 1) or vector(0)", "", "stat", colours=_FROM_ONE, width=6,
          height=_SMALL),
    Panel("Disks that a node cannot write to", "It was fenced, or has not joined.",
          f"count(fence_pr_disk_writable{OF_DISK} == 0) or vector(0)", "", "stat", colours=_FROM_ONE, width=6,
          height=_SMALL),
    Panel("Keys that nothing explains", "The largest number on a disk: they may be a node's that is taken for fenced.",
          f"max(fence_pr_disk_foreign_keys{OF_DISK}) or vector(0)", "", "stat", colours={0.0: _GOOD, 1.0: _ODD},
          width=6, height=_SMALL),
    Panel("Registered", "Whether the node is registered on the disk.", f"fence_pr_disk_registered{OF_DISK}",
          "{{instance}} {{disk}}", "stat", words=_YES_NO),
    Panel("Reserved", "Whether a reservation shuts out who is not registered.", f"fence_pr_disk_reserved{OF_DISK}",
          "{{instance}} {{disk}}", "stat", words=_YES_NO),
    Panel("Last on and off", "Whether it succeeded.", f"fence_pr_last_action_success{OF_NODE}",
          "{{action}} of {{node}} by {{instance}}", "stat", words={"0": ("failed", _BAD), "1": ("succeeded", _GOOD)}),
    Panel("How long the last on and off took", "", f"fence_pr_last_action_duration_seconds{OF_NODE}",
          "{{action}} of {{node}} by {{instance}}", unit="s"),
    Panel("Last on and off: how long ago", "", f"time() - fence_pr_last_action_timestamp_seconds{OF_NODE}",
          "{{action}} of {{node}} by {{instance}}", unit="s"),
    Panel("Guard", "Whether pr_fence_guard runs.", f"fence_pr_guard_running{OF_NODE}", "{{instance}}", "stat",
          words=_YES_NO),
    Panel("Paths", "Live, dead, and live ones without a registration.",
          f"sum by (instance, disk, state) (fence_pr_disk_paths{OF_DISK})", "{{instance}} {{disk}} {{state}}"),
    Panel("Registrations", "A node that is fenced takes its own with it.", f"fence_pr_disk_registrations{OF_DISK}",
          "{{disk}} seen by {{instance}}"),
    Panel("Generation", "It rises with every change of registrations; after a fall the target has forgotten.",
          f"fence_pr_disk_generation{OF_DISK}", "{{disk}} seen by {{instance}}"),
    Panel("Type of the reservation", "As linux/pr.h numbers it: 3 and 5 let registrants write, 0 is none.",
          f"fence_pr_disk_reservation_type{OF_DISK}", "{{disk}} seen by {{instance}}"),
    Panel("Age of the metrics", "The timer collects once a minute.",
          f"time() - fence_pr_collected_timestamp_seconds{OF_NODE}", "{{instance}}", unit="s"),
    Panel("Versions", "", f"sum by (version) (fence_pr_build_info{OF_NODE})", "{{version}}", "stat"),
)  # fmt: skip


def dashboard() -> str:
    """The file's content."""
    x = y = row = 0
    panels = []
    for number, panel in enumerate(PANELS, 1):
        if x + panel.width > _WIDTH:
            x, y = 0, y + row
        panels.append(_panel(number, panel, x, y))
        x, row = x + panel.width, panel.height
    made = {
        "uid": "fence-pr-ioctl",
        "title": "Shared disks and fencing (fence_pr_ioctl)",
        "description": "Persistent reservations on shared disks, as pr_fence metrics tells them.",
        "tags": ["fencing", "pacemaker"],
        "schemaVersion": 38,
        "version": 1,
        "editable": True,
        "timezone": "browser",
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_source(), _choice("instance", ""), _choice("disk", ', instance=~"$instance"')]},
        "panels": panels,
    }
    return json.dumps(made, indent=2) + "\n"


def _source() -> Json:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0}


def _choice(label: str, more: str) -> Json:
    query = f"label_values(fence_pr_disk_readable{{{more.lstrip(', ')}}}, {label})"
    return {
        "name": label, "label": label, "type": "query", "datasource": _SOURCE, "query": query, "refresh": 2, "sort": 1,
        "multi": True, "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}, "hide": 0,
    }  # fmt: skip


def _panel(number: int, panel: Panel, x: int, y: int) -> Json:
    steps = [{"value": at or None, "color": colour} for at, colour in panel.colours.items()]
    mapping = {value: {"text": text, "color": colour} for value, (text, colour) in panel.words.items()}
    plain = [{"value": None, "color": "text"}]
    thresholds = {"mode": "absolute", "steps": steps or plain}
    mappings = [{"type": "value", "options": mapping}] if mapping else []
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "targets": [{"refId": "A", "datasource": _SOURCE, "expr": panel.query, "legendFormat": panel.legend}],
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "thresholds": thresholds, "mappings": mappings},
            "overrides": [],
        },
        "options": _OPTIONS[panel.kind],
    }  # fmt: skip


_OPTIONS: dict[str, Json] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "none"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "values": False},
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
    },
}
