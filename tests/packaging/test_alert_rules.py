"""The metrics and the alert rules, as Debian's Prometheus judges them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from fence_pr.tool import metrics
from tests.lab.plugin import or_not_covered
from tests.packaging import prometheus
from tests.packaging.prometheus import RULES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.xdist_group("packages"), pytest.mark.slow]
# What one node tells for ten minutes → the alerts by then.
SERIES = {
    'fence_pr_disk_readable{disk="a",instance="n1"}': ("0x10", "FencePrDiskUnreadable"),
    'fence_pr_disk_writable{disk="b",instance="n1"}': ("0x10", "FencePrNodeShutOut"),
    'fence_pr_disk_foreign_keys{disk="c",instance="n1"}': ("2x10", "FencePrForeignKeys"),
    'fence_pr_disk_paths{disk="c",instance="n1",state="dead"}': ("1x10", "FencePrPathDead"),
    'fence_pr_last_action_success{action="off",node="n2",instance="n1"}': ("0x10", "FencePrActionFailed"),
    'fence_pr_guard_running{instance="n1"}': ("0x10", "FencePrGuardNotRunning"),
    'fence_pr_disk_registrations{disk="d",instance="n1"}': ("2x10", ""),
    'fence_pr_disk_reserved{disk="d",instance="n1"}': ("0x10", "FencePrNothingReserved"),
    'fence_pr_disk_registered{disk="e",instance="n1"}': ("1x10", ""),
    'fence_pr_disk_paths{disk="e",instance="n1",state="unregistered"}': ("1x10", "FencePrPathUnregistered"),
    'fence_pr_disk_readable{disk="f",instance="n1"}': ("1x10", ""),
    'fence_pr_disk_problem{disk="f",instance="n1"}': ("1x10", "FencePrDiskProblem"),
}


@pytest.fixture(scope="module")
def promtool() -> str:
    """Prometheus' own judge."""
    return str(or_not_covered(prometheus.tree) / "usr/bin/promtool")


def test_prometheus_understands_the_rules(promtool: str) -> None:
    done = subprocess.run([promtool, "check", "rules", RULES], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 rules found" in done.stdout


def test_prometheus_has_nothing_to_say_of_the_metrics(promtool: str) -> None:
    found = [{"name": name, "labels": {"disk": "/dev/sda"}, "value": 1} for name in metrics.HELP]
    text = "\n".join(metrics.text({"metrics": found}, None))  # type: ignore[arg-type]
    done = subprocess.run(
        [promtool, "check", "metrics"], input=f"{text}\n", check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_each_alert_comes_when_it_should(promtool: str, tmp_path: Path) -> None:
    """And none where a metric is missing."""
    series = [f"      - series: '{name}'\n        values: '{values}'" for name, (values, _) in SERIES.items()]
    wanted = sorted(alert for _, alert in SERIES.values() if alert)
    samples = [f"          - labels: '{{alertname=\"{alert}\"}}'\n            value: 1" for alert in wanted]
    test = tmp_path / "test.yml"
    test.write_text(
        f"rule_files: [{RULES}]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n"
        + "\n".join(series)
        + "\n    promql_expr_test:\n      - expr: 'count by (alertname) (ALERTS{alertstate=\"firing\"})'\n"
        + "        eval_time: 9m\n        exp_samples:\n"
        + "\n".join(samples)
        + "\n"
    )
    done = subprocess.run([promtool, "test", "rules", test], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
