"""The cluster's configuration, as far as fencing depends on it: read from the XML that cibadmin prints. Pure."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from ...errors import FenceError
from ...record import Record
from .. import cluster
from ..cib import PINNED
from .constraints import FALSE, banned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from ..cluster import FenceDevice

# The option was renamed; both are understood.
_ENABLED = ("stonith-enabled", "fencing-enabled")
_TIMEOUT = ("stonith-timeout", "fencing-timeout")
_STANDARD = "stonith"
_REMOTE_NODE = "remote-node"
_FIRST_OPTIONS = "cib-bootstrap-options"
# Character classes of POSIX, which Python's patterns lack.
_CLASSES = {"digit": "0-9", "alpha": "a-zA-Z", "alnum": "a-zA-Z0-9", "lower": "a-z", "upper": "A-Z", "space": r"\s",
            "blank": r" \t", "xdigit": "0-9a-fA-F"}  # fmt: skip
_CONTAINERS = ("group", "clone", "master")


class Device(Record):
    """A fence device of this agent.

    given     its options by the agent's names
    raw       the same, by the names that stand in the configuration
    meta      its meta attributes
    """

    name: str
    given: FenceDevice
    raw: dict[str, str]
    meta: dict[str, str]

    def disks(self) -> frozenset[str]:
        """As it names them."""
        return frozenset(self.given.disks())


class Resource(Record):
    """Anything else. agent: class and what follows, as Pacemaker writes it; raw: all its options."""

    name: str
    agent: str
    raw: dict[str, str]

    def fences(self) -> bool:
        """Whether it is a fence device (of another agent)."""
        return self.agent.startswith(f"{_STANDARD}:")


class Level(Record):
    """A topology level. target, pattern, attribute: one of them says for which nodes; attribute: (name, value)."""

    index: str
    devices: tuple[str, ...]
    target: str = ""
    pattern: str = ""
    attribute: tuple[str, str] = ("", "")


class Configuration(Record):
    """What the cluster is to do.

    switched_off  the option that keeps it from fencing, and its value; ("", "") if it fences
    timeout       its option for the time of fencing, "" if it is not set
    nodes         name → permanent attributes; members alone
    remotes       names of remote nodes
    bound         fence devices that 'disks' has left bound to a node
    guests        names of guest nodes, which the cluster fences by restarting the guest
    banned        (fence device, node) where constraints keep the node from using it
    """

    devices: tuple[Device, ...] = ()
    resources: tuple[Resource, ...] = ()
    levels: tuple[Level, ...] = ()
    switched_off: tuple[str, str] = ("", "")
    timeout: str = ""
    nodes: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    remotes: tuple[str, ...] = ()
    banned: tuple[tuple[str, str], ...] = ()
    guests: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """The cluster's members."""
        return [name for name, _ in self.nodes]

    def levels_of(self, node: str) -> list[Level]:
        """Those that are used when this node is fenced."""
        attributes = dict(self.nodes).get(node, ())
        return [
            it
            for it in self.levels
            if it.target.lower() == node.lower() or _fits(it, node) or it.attribute in attributes
        ]


def _fits(level: Level, node: str) -> bool:
    """Patterns are POSIX's."""
    pattern = re.sub(r"\[:([a-z]+):\]", lambda it: _CLASSES.get(it[1], ""), level.pattern)
    try:
        return bool(pattern and re.search(pattern, node))
    except re.error:
        return False


def parse(xml: bytes) -> Configuration:
    """Raises FenceError if it is no such configuration."""
    try:
        tree = cluster.with_references(ElementTree.fromstring(xml))
        given = {it.name: it for it in cluster.parse(xml)}
    except ElementTree.ParseError as error:
        raise FenceError("cib-unread", program="cibadmin", answer=str(error)) from error
    if tree.find("configuration") is None:
        raise FenceError("cib-unread", program="cibadmin", answer="no configuration")
    templates = {it.get("id", ""): it for it in tree.iter("template")}
    parents = {child: parent for parent in tree.iter() for child in parent}
    defaults = _defaults(tree)
    devices, resources = [], []
    for primitive in tree.iter("primitive"):
        name = primitive.get("id", "")
        template = templates.get(primitive.get("template", ""))
        elements = [it for it in (primitive, template) if it is not None]
        if name in given:
            inherited = {**defaults, **_pairs(list(_around(primitive, parents)), "meta_attributes")}
            raw, meta = _pairs(elements, "instance_attributes"), {**inherited, **_pairs(elements, "meta_attributes")}
            devices.append(Device(name, given[name], raw, meta))
        else:
            resources.append(Resource(name, _agent(elements), _pairs(elements, "instance_attributes")))
    options = _options(tree)
    members = tuple((it.get("uname", ""), _attributes(it)) for it in _members(tree))
    chains = {it: _ids(tree, it, parents) for it in given}
    return Configuration(
        tuple(devices),
        tuple(resources),
        tuple(map(_level, tree.iter("fencing-level"))),
        next(((it, options[it]) for it in _ENABLED if options.get(it, "").lower() in FALSE), ("", "")),
        next((options[it] for it in _TIMEOUT if options.get(it)), ""),
        members,
        tuple(dict.fromkeys(_remotes(tree))),
        tuple(banned(tree, chains, [name for name, _ in members], options)),
        tuple(dict.fromkeys(_guests(tree))),
        tuple(it for it in given if any(pin.get("id") == f"{it}-{PINNED}" for pin in tree.iter("rsc_location"))),
    )


def _options(tree: Element) -> dict[str, str]:
    """The cluster's. What is set first holds, and one set comes before all others."""
    sets = tree.findall(".//crm_config/cluster_property_set")
    found: dict[str, str] = {}
    for pair in (it for given in sorted(sets, key=_is_later) for it in given.iterfind("nvpair")):
        found.setdefault(pair.get("name", ""), pair.get("value", ""))
    return found


def _is_later(options: Element) -> bool:
    return options.get("id") != _FIRST_OPTIONS


def _defaults(tree: Element) -> dict[str, str]:
    """Meta attributes of all resources, but for those that hold by a rule."""
    found: dict[str, str] = {}
    for given in tree.iterfind(".//rsc_defaults/meta_attributes"):
        for pair in given.iterfind("nvpair") if given.find("rule") is None else ():
            found.setdefault(pair.get("name", ""), pair.get("value", ""))
    return found


def _around(element: Element, parents: dict[Element, Element]) -> Iterator[Element]:
    """The group and the clone that a resource is in; it has their meta attributes where it has none of its own."""
    while (element := parents[element]).tag in _CONTAINERS:
        yield element


def _ids(tree: Element, name: str, parents: dict[Element, Element]) -> list[set[str]]:
    """What constraints may call a resource: itself, and then each that it is in."""
    primitive = next(it for it in tree.iter("primitive") if it.get("id") == name)
    own = {name, primitive.get("template", "")} - {""}
    return [own, *({it.get("id", "")} for it in _around(primitive, parents))]


def _pairs(elements: list[Element], kind: str) -> dict[str, str]:
    """What is set first holds."""
    found: dict[str, str] = {}
    for element in elements:
        for pair in element.iterfind(f"{kind}/nvpair"):
            found.setdefault(pair.get("name", ""), pair.get("value", ""))
    return found


def _agent(elements: list[Element]) -> str:
    words = [next((it.get(word, "") for it in elements if it.get(word)), "") for word in ("class", "provider", "type")]
    return ":".join(filter(None, words))


def _level(it: Element) -> Level:
    return Level(
        it.get("index", ""),
        tuple(filter(None, (name.strip() for name in it.get("devices", "").split(",")))),
        it.get("target", ""),
        it.get("target-pattern", ""),
        (it.get("target-attribute", ""), it.get("target-value", "")),
    )


def _members(tree: Element) -> list[Element]:
    return [it for it in tree.iterfind(".//nodes/node") if it.get("type", "member") in ("member", "normal")]


def _attributes(node: Element) -> tuple[tuple[str, str], ...]:
    return tuple((it.get("name", ""), it.get("value", "")) for it in node.iterfind("instance_attributes/nvpair"))


def _remotes(tree: Element) -> Iterator[str]:
    for primitive in tree.iter("primitive"):
        if primitive.get("provider") == "pacemaker" and primitive.get("type") == "remote":
            yield primitive.get("id", "")


def _guests(tree: Element) -> Iterator[str]:
    for primitive in tree.iter("primitive"):
        for pair in primitive.iterfind("meta_attributes/nvpair"):
            if pair.get("name") == _REMOTE_NODE:
                yield pair.get("value", "")
