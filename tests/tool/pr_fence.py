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


def reported(node: Node, *arguments: str, **environment: str) -> dict[str, Any]:
    """The report of a call in JSON, which must have the form that is shipped."""
    done = node.run([TOOL, *arguments, "--json"], env=environment, cwd="/", timeout=60)
    assert done.stderr == "", done
    report: dict[str, Any] = json.loads(done.stdout)
    Draft202012Validator(SCHEMA).validate(report)
    assert report["exit_status"] == done.returncode
    return report


def states(report: dict[str, Any]) -> dict[str, str]:
    """Node → its state over all disks."""
    return {it["node"]: it["state"] for it in report["found"]["nodes"]}


def reservations(lab: Cluster, luns: str) -> list[Reservation]:
    """What the targets say, generation included, by no code under test."""
    return [lab.reservation(lun) for lun in luns]
