"""The cluster's configuration: corosync.conf, and the CIB that Pacemaker finds on its disk at its first start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from tests.lab.inside.layout import CLUSTER, NODES, ring_address

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FENCING = "fencing"
AGENT = "fence_pr_ioctl"
# Old enough for every Pacemaker; each takes it for what it is and goes on with its own.
VERSIONS = 'crm_feature_set="3.4.1" validate-with="pacemaker-3.5"'
# A node that dies is missed after some seconds; shorter, and a busy machine's nodes would be missed alive.
TOKEN_MILLISECONDS = 3000
OPTIONS = {"stonith-enabled": "true", "dc-deadtime": "2s", "stonith-timeout": "60s"}
MONITOR_SECONDS = 5


def corosync_conf(
    nodes: Sequence[str],
    more_quorum: Mapping[str, object] | None = None,
    *,
    cluster_name: str = CLUSTER,
    named: bool = True,
) -> str:
    """The nodes' /etc/corosync/corosync.conf. One node of two has quorum; more_quorum: settings on top of that.

    named: whether the nodelist has names, or addresses only
    """
    members = "".join(_block("node", _member(node, named=named), 4) for node in nodes)
    quorum: dict[str, object] = {"provider": "corosync_votequorum"}
    if len(nodes) == 2:
        quorum |= {"two_node": 1, "wait_for_all": 0}
    quorum |= more_quorum or {}
    totem: dict[str, object] = {
        "version": 2,
        "cluster_name": cluster_name,
        "transport": "knet",
        "token": TOKEN_MILLISECONDS,
        "token_coefficient": 0,
        "crypto_cipher": "none",
        "crypto_hash": "none",
    }
    parts: dict[str, dict[str, object]] = {
        "totem": totem,
        "quorum": quorum,
        "system": {"sched_rr": "no", "move_to_root_cgroup": "no"},
        "logging": {"to_syslog": "no", "to_stderr": "no", "to_logfile": "yes", "logfile": "/run/corosync.log"},
    }
    text = "".join(_block(name, part) for name, part in parts.items())
    return f"{text}nodelist {{\n{members}}}\n"


def _member(node: str, *, named: bool) -> dict[str, object]:
    name: dict[str, object] = {"name": node} if named else {}
    return {**name, "nodeid": NODES.index(node) + 1, "ring0_addr": ring_address(node)}


def _block(name: str, settings: Mapping[str, object], indent: int = 0) -> str:
    margin = " " * indent
    lines = "".join(f"{margin}    {setting}: {value}\n" for setting, value in settings.items())
    return f"{margin}{name} {{\n{lines}{margin}}}\n"


def monitor(
    resource: str, settings: Mapping[str, str] | None = None, parameters: Mapping[str, str] | None = None
) -> str:
    """The recurring monitor operation of a resource; `parameters` are for the resource agent."""
    given = {"name": "monitor", "interval": f"{MONITOR_SECONDS}s", "timeout": "60s", "on-fail": "restart"}
    words = " ".join(f"{name}={quoteattr(value)}" for name, value in {**given, **(settings or {})}.items())
    own = f"{resource}-monitor"
    return f'<op id="{own}" {words}>{_set("instance_attributes", own, parameters or {})}</op>'


@dataclass(frozen=True)
class Primitive:
    """A resource. group: the name of the group that it is in; clone: whether every node runs it."""

    name: str
    agent: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    clone: bool = False

    def xml(self) -> str:
        """The resource without clone and group."""
        words = ("class", "provider", "type") if self.agent.count(":") == 2 else ("class", "type")
        kind = " ".join(f'{word}="{part}"' for word, part in zip(words, self.agent.split(":")))
        return (
            f'<primitive id="{self.name}" {kind}>{_set("instance_attributes", self.name, self.parameters)}'
            f'<operations><op id="{self.name}-start" name="start" interval="0" timeout="60s"/>'
            f'<op id="{self.name}-stop" name="stop" interval="0" timeout="60s"/>'
            f"{monitor(self.name)}</operations></primitive>"
        )


def fencing(devices: Sequence[str], nodes: Sequence[str], parameters: Mapping[str, str], agent: str = AGENT) -> str:
    """The fence device as people configure it."""
    given = {"devices": ",".join(devices), "pcmk_host_list": " ".join(nodes), **parameters}
    return (
        f'<primitive id="{FENCING}" class="stonith" type="{agent}">{_set("instance_attributes", FENCING, given)}'
        f"{_set('meta_attributes', FENCING, {'provides': 'unfencing'})}"
        f'<operations><op id="{FENCING}-monitor" name="monitor" interval="60s" timeout="60s"/></operations></primitive>'
    )


def cib(nodes: Sequence[str], fence_device: str, resources: Sequence[Primitive], options: Mapping[str, str]) -> str:
    """The whole configuration.

    Nodes would come by themselves, but Pacemaker 3.0.1 then takes the fence device for one that no node may use.
    """
    members = "".join(f'<node id="{NODES.index(node) + 1}" uname="{node}"/>' for node in nodes)
    return (
        f'<cib {VERSIONS} admin_epoch="0" epoch="1" num_updates="0"><configuration>'
        f"<crm_config>{_set('cluster_property_set', 'options', {**OPTIONS, **options})}</crm_config>"
        f"<nodes>{members}</nodes>"
        f"<resources>{fence_device}{_resources(resources)}</resources><constraints/></configuration><status/></cib>"
    )


def _resources(resources: Sequence[Primitive]) -> str:
    groups: dict[str, str] = {}
    text = ""
    for each in resources:
        if each.group:
            groups[each.group] = groups.get(each.group, "") + each.xml()
        else:
            text += f'<clone id="{each.name}-clone">{each.xml()}</clone>' if each.clone else each.xml()
    return text + "".join(f'<group id="{name}">{members}</group>' for name, members in groups.items())


def _set(kind: str, owner: str, values: Mapping[str, str]) -> str:
    if not values:
        return ""
    pairs = "".join(
        f'<nvpair id="{owner}-{kind}-{name}" name="{name}" value={quoteattr(value)}/>' for name, value in values.items()
    )
    return f'<{kind} id="{owner}-{kind}">{pairs}</{kind}>'
