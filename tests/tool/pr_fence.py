"""The tool on a node of the lab."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster, Node, Reservation

PROJECT = Path(__file__).resolve().parents[2]
TOOL = "/project/pr_fence"
SCHEMA = json.loads((PROJECT / "schema/pr_fence-1.schema.json").read_text())


# A cluster's configuration without a fence device, for nodes on which no cluster runs.
EMPTY = """\
<cib crm_feature_set="3.0.0" validate-with="pacemaker-3.0" epoch="1" num_updates="0" admin_epoch="0">
  <configuration><crm_config/><nodes/><resources>{resources}</resources><constraints/></configuration>
  <status/>
</cib>
"""
CIB = "/run/cib.xml"


def configure(node: Node, resources: str = "") -> None:
    """What cibadmin tells there, where it is called with CIB_file=CIB."""
    node.run(["sh", "-c", f"cat > {CIB}"], stdin=EMPTY.format(resources=resources), check=True)


def valid(report: dict[str, Any]) -> None:
    """Raises unless it is of the form that is shipped."""
    Draft202012Validator(SCHEMA).validate(report)


def reported(node: Node, *arguments: str, **environment: str) -> dict[str, Any]:
    """The report of a call in JSON, which must have the form that is shipped."""
    done = node.run([TOOL, *arguments, "--json"], env=environment, cwd="/", timeout=60)
    assert done.stderr == "", done
    report: dict[str, Any] = json.loads(done.stdout)
    valid(report)
    assert report["exit_status"] == done.returncode
    return report


def states(report: dict[str, Any]) -> dict[str, str]:
    """Node → its state over all disks."""
    return {it["node"]: it["state"] for it in report["found"]["nodes"]}


def reservations(lab: Cluster, luns: str) -> list[Reservation]:
    """What the targets say, generation included, by no code under test."""
    return [lab.reservation(lun) for lun in luns]
