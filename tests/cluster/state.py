"""What crm_mon says, as data."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

# What Pacemaker asks for; the fencer makes "off" of "reboot" where the agent has no reboot.
OFF = ("off", "reboot")
ONLINE, OFFLINE, UNCLEAN, PENDING = "online", "offline", "unclean", "pending"


@dataclass(frozen=True)
class Fencing:
    """One event of the fence history: `by` is the node that ran the agent."""

    action: str
    target: str
    by: str
    succeeded: bool
    running: bool


@dataclass(frozen=True)
class Failure:
    """A failed action of a resource, such as "start"."""

    resource: str
    action: str
    node: str


@dataclass(frozen=True)
class State:
    """The cluster as one node sees it.

    dc       the node that decides, "" if there is none yet
    nodes    node → ONLINE, OFFLINE, UNCLEAN or PENDING
    active   resource → the nodes where it runs, without failure and with nothing under way
    fencing  newest first
    """

    dc: str
    quorum: bool
    nodes: dict[str, str]
    active: dict[str, frozenset[str]]
    failures: tuple[Failure, ...]
    fencing: tuple[Fencing, ...]

    def fenced(self, target: str, by: str = "") -> bool:
        """Whether the last `off` of this node (by that node, if one is named) that has ended succeeded."""
        for event in self.fencing:
            if event.action in OFF and event.target == target and by in ("", event.by) and not event.running:
                return event.succeeded
        return False


def parse(xml: str) -> State:
    """The answer of crm_mon --output-as=xml --inactive --fence-history=3."""
    root = ElementTree.fromstring(xml)
    dc = root.find("summary/current_dc")
    return State(
        dc=dc.get("name", "") if dc is not None else "",
        quorum=dc is not None and dc.get("with_quorum") == "true",
        nodes={node.attrib["name"]: _node(node) for node in root.iterfind("nodes/node")},
        active=_active(root),
        failures=tuple(
            Failure(each.get("id", "") or each.get("op_key", ""), each.get("task", ""), each.get("node", ""))
            for each in root.iterfind("failures/failure")
        ),
        fencing=tuple(map(_event, root.iterfind("fence_history/fence_event"))),
    )


def _node(node: ElementTree.Element) -> str:
    if node.get("unclean") == "true":
        return UNCLEAN
    if node.get("pending") == "true":
        return PENDING
    return ONLINE if node.get("online") == "true" else OFFLINE


def _active(root: ElementTree.Element) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for resource in root.iter("resource"):
        name = resource.get("id", "").partition(":")[0]
        runs = (
            resource.get("role") == "Started" and resource.get("failed") != "true" and "pending" not in resource.attrib
        )
        nodes = [node.attrib["name"] for node in resource.iterfind("node")] if runs else []
        found[name] = found.get(name, frozenset()) | frozenset(nodes)
    return found


def _event(event: ElementTree.Element) -> Fencing:
    status = event.get("status", "")
    return Fencing(
        event.get("action", ""),
        event.get("target", ""),
        event.get("delegate", ""),
        status == "success",
        status == "pending",
    )


# The view of a node that does not know anything yet.
NOTHING = State("", False, {}, {}, (), ())
