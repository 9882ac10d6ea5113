"""What a cluster of the lab is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.cluster import cib

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# A disk is named by its LUN or by the number of its namespace. Every node writes to RAW; FILE_SYSTEM has one.
RAW: tuple[str | int, ...] = ("a", 1)
FILE_SYSTEM = "b"


@dataclass(frozen=True)
class Setup:
    """Nodes, the disks and parameters of the fence device, options of the cluster, and settings of its quorum.

    strangers  hosts with the same disks that are no nodes of the cluster
    named      whether the nodelist of corosync.conf has names
    """

    nodes: Sequence[str] = ("n1", "n2")
    strangers: Sequence[str] = ()
    named: bool = True
    disks: Sequence[str | int] = (*RAW, FILE_SYSTEM)
    parameters: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    quorum: Mapping[str, object] = field(default_factory=dict)
    agent: str = cib.AGENT
