"""What one node is told: its corosync.conf and the options of its fence device. Nodes may be told different things."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from fence_pr import corosync
from fence_pr.actions.request import Request
from fence_pr.errors import NodeUnknown
from fence_pr.keys import HASH64, of_node

if TYPE_CHECKING:
    from collections.abc import Sequence

# So short that what passes by itself is asked again two or three times: every further time is the same once more.
LIMIT_SECONDS = 1.0


class Conf(NamedTuple):
    """One configuration. The default is what a cluster has that nobody has touched.

    listed        the nodelist, in its order; (): all nodes
    given         node → key, as pcmk_host_map gives them: the agent is told keys in place of names
    node_keys     the option of this name
    foreign_keys  the option of this name
    retry_on      the option of this name
    abort         the option of this name
    drains        whether the option drain is "reset"
    """

    cluster: str = "lab"
    method: str = HASH64
    listed: tuple[str, ...] = ()
    given: tuple[tuple[str, int], ...] = ()
    node_keys: tuple[tuple[str, int], ...] = ()
    foreign_keys: tuple[int, ...] = ()
    retry_on: int = 1
    abort: str = "auto"
    drains: bool = False

    def key(self, node: str, names: Sequence[str]) -> int:
        """The key that a node has by this configuration; 0 if none can be known. names: all nodes'."""
        if node in dict((*self.given, *self.node_keys)):
            return dict((*self.given, *self.node_keys))[node]
        try:
            return of_node(node, cluster(self, tuple(names)), self.method) if not self.node_keys else 0
        except NodeUnknown:
            return 0

    def request(self, action: str, plug: str, devices: Sequence[str]) -> Request:
        """What the cluster asks of the agent; options at their defaults but for those of this configuration."""
        told = dict(self.given).get(plug)
        values: dict[str, Any] = {
            "action": action, "plug": f"0x{told:x}" if told else plug, "key": "", "devices": tuple(devices),
            "key_method": self.method, "cluster_name": "", "reservation_type": None, "abort": self.abort,
            "refuse_foreign": False, "power_wait": 0.0, "settle_time": 0.0, "attempts": self.retry_on,
            "attempt_sleep": 0.0, "limit": LIMIT_SECONDS, "corosync_conf": "", "nodename": plug,
            "node_keys": self.node_keys, "foreign_keys": self.foreign_keys, "drains": self.drains,
        }  # fmt: skip
        return Request(**values)


@cache
def cluster(conf: Conf, names: tuple[str, ...]) -> corosync.Cluster:
    """The corosync.conf."""
    listed = conf.listed or names
    entries = tuple(corosync.Node(at, name, (f"192.0.2.{at + 1}",)) for at, name in enumerate(listed))
    return corosync.Cluster(conf.cluster, entries)


DEFAULT = Conf()
