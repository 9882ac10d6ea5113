"""The cluster's configuration and status as Pacemaker writes them (the CIB), with the changes that 'disks' makes. Pure.

What a function returns is a new text; what it is made from stays as it is.
"""

from __future__ import annotations

from xml.etree import ElementTree

from ..errors import FenceError, Notice
from ..record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

# Attributes of a node that tell with which parameters of fence devices it was unfenced, and the kind of digest in each.
DIGESTS = {"#digests-all": "all", "#digests-secure": "nonprivate"}
_HELD, PINNED = "held-by-pr_fence", "pinned-by-pr_fence"
_TIME_OF_REFRESH = "last-lrm-refresh"
_SETS = ("meta_attributes", "instance_attributes")
# What an operation may be after which nothing has run, and Pacemaker's code for "not running".
_PROBE, _NOT_RUNNING = ("monitor", "0"), "7"


def tree_of(text: str) -> Element:
    """The whole CIB, comments too: what is not there would be removed from the cluster's. Raises ParseError."""
    builder = ElementTree.TreeBuilder(insert_comments=True)
    tree: Element = ElementTree.fromstring(text, ElementTree.XMLParser(target=builder))
    return tree


class FenceDeviceElement(Record):
    """A fence device in a CIB. Raises FenceError where its disks cannot be changed by themselves.

    element  the primitive
    devices  the attribute with the names of its disks
    """

    element: Element
    devices: Element

    @classmethod
    def find(cls, tree: Element, name: str) -> FenceDeviceElement:
        """The one with this id."""
        element = _primitive(tree, name)
        parents = {child: parent for parent in tree.iter() for child in parent}
        if parents[element].tag == "clone":
            raise _not_changeable(name, "device-cloned")
        sets = element.findall("instance_attributes")
        found = [pair for it in sets for pair in it.findall("nvpair") if pair.get("name") == "devices"]
        if not found:
            raise _not_changeable(name, "set-by-template")
        if len(found) > 1 or any(it.find("rule") is not None or it.get("id-ref") for it in sets):
            raise _not_changeable(name, "set-more-than-once")
        return cls(element, found[0])

    def disks(self) -> tuple[str, ...]:
        """As they are named."""
        return tuple(self.devices.get("value", "").replace(",", " ").split())


def _primitive(tree: Element, name: str) -> Element:
    found = next((it for it in tree.iter("primitive") if it.get("id") == name), None)
    if found is None:
        raise FenceError("configuration-changed", name=name)
    return found


def _not_changeable(name: str, why: str) -> FenceError:
    return FenceError("device-not-changeable", name=name, answer=Notice(why, {}).pack())


def disks(text: str, name: str) -> tuple[str, ...]:
    """Those of a fence device. Raises FenceError."""
    return FenceDeviceElement.find(tree_of(text), name).disks()


def with_disks(text: str, name: str, wanted: tuple[str, ...]) -> str:
    """The fence device has these disks, and Pacemaker may start it. Raises FenceError."""
    tree = tree_of(text)
    found = FenceDeviceElement.find(tree, name)
    found.devices.set("value", ",".join(wanted))
    _let_go(found.element, name)
    return _next(tree)


def held(text: str, name: str) -> str:
    """Pacemaker leaves the fence device alone: it does not monitor, start or stop it. It fences with it as before.

    What is started later is started where it runs: on another node it would make other resources move, too.
    """
    tree, node = tree_of(text), place(text, name)
    element = FenceDeviceElement.find(tree, name).element
    _let_go(element, name)
    given = ElementTree.Element("meta_attributes", id=f"{name}-{_HELD}", score="INFINITY")
    ElementTree.SubElement(given, "nvpair", id=f"{name}-{_HELD}-maintenance", name="maintenance", value="true")
    last = max((at for at, child in enumerate(element) if child.tag in _SETS), default=-1)
    element.insert(last + 1, given)
    constraints = tree.find("configuration/constraints")
    if node and constraints is not None and not _pins(constraints, name):
        pin = {"id": f"{name}-{PINNED}", "rsc": name, "node": node, "score": "1000"}
        ElementTree.SubElement(constraints, "rsc_location", pin)
    return _next(tree)


def released(text: str, name: str) -> str:
    """The fence device is held no more, and may be started anywhere."""
    tree = tree_of(text)
    _let_go(FenceDeviceElement.find(tree, name).element, name)
    for constraints in tree.iterfind("configuration/constraints"):
        for pin in _pins(constraints, name):
            constraints.remove(pin)
    return _next(tree)


def is_held(text: str, name: str) -> bool:
    """Whether a call has left something behind that must be taken back."""
    pinned = any(_pins(it, name) for it in tree_of(text).iterfind("configuration/constraints"))
    return pinned or is_in_maintenance(text, name)


def is_in_maintenance(text: str, name: str) -> bool:
    """Whether a call holds the fence device, or has left it held."""
    return any(it.get("id") == f"{name}-{_HELD}" for it in tree_of(text).iter("meta_attributes"))


def is_unfinished(text: str, name: str) -> bool:
    """Whether a call was ended before all of it was done: something is held, or nodes have the digests of two lists of
    disks.
    """
    entries = [[it for it in value.split(",") if it.startswith(f"{name}:")] for value in digests(text).values()]
    return is_held(text, name) or any(len(it) > 1 for it in entries)


def _let_go(element: Element, name: str) -> None:
    for given in element.findall("meta_attributes"):
        if given.get("id") == f"{name}-{_HELD}":
            element.remove(given)


def _pins(constraints: Element, name: str) -> list[Element]:
    return [it for it in constraints.findall("rsc_location") if it.get("id") == f"{name}-{PINNED}"]


def _next(tree: Element) -> str:
    """A patch is one from this version to a later one; a CIB of another version refuses it."""
    tree.set("epoch", str(int(tree.get("epoch", "0")) + 1))
    tree.set("num_updates", "0")
    return ElementTree.tostring(tree, encoding="unicode")


def configuration(text: str) -> str:
    """What people and their tools configure, to be compared: without the status of nodes and resources, and without the
    time at which crm_resource has made nodes look anew.
    """
    found = tree_of(text).find("configuration")
    for given in [] if found is None else found.findall("crm_config/cluster_property_set"):
        for pair in given.findall("nvpair"):
            if pair.get("name") == _TIME_OF_REFRESH:
                given.remove(pair)
    return "" if found is None else _canonical(found)


def _canonical(element: Element) -> str:
    return ElementTree.canonicalize(ElementTree.tostring(element, encoding="unicode"), strip_text=True)


# ---- with which parameters nodes were unfenced


def digests(text: str) -> dict[tuple[str, str], str]:
    """(node, name of the attribute) → its value, where there is one."""
    return {
        (node, name): pair.get("value", "")
        for node, state in _states(text)
        for pair in state.iterfind("transient_attributes/instance_attributes/nvpair")
        if (name := pair.get("name", "")) in DIGESTS
    }


def with_digest(value: str, device: str, agent: str, digest: str, *, only: bool) -> str:
    """The value with this digest of the fence device; only: without those that it had, which else hold as well.

    A node is taken for unfenced if the digest of the configuration is among those that it has.
    """
    entry, begin = f"{device}:{agent}:{digest}", f"{device}:{agent}:"
    kept = [it for it in value.split(",") if it and it != entry and not (only and it.startswith(begin))]
    return ",".join([*kept, entry, ""])


def with_attributes(text: str, wanted: dict[tuple[str, str], str]) -> str:
    """Nodes have these attributes."""
    tree = tree_of(text)
    for state in tree.iterfind("status/node_state"):
        for pair in state.iterfind("transient_attributes/instance_attributes/nvpair"):
            value = wanted.get((state.get("uname", ""), pair.get("name", "")))
            if value is not None:
                pair.set("value", value)
    return ElementTree.tostring(tree, encoding="unicode")


# ---- what has run


def forgotten(text: str, name: str, nodes: frozenset[str]) -> str:
    """These nodes have never run anything of this resource."""
    tree = tree_of(text)
    for state in tree.iterfind("status/node_state"):
        for found in state.iter("lrm_resources") if state.get("uname") in nodes else ():
            for resource in found.findall("lrm_resource"):
                if resource.get("id") == name:
                    found.remove(resource)
    return ElementTree.tostring(tree, encoding="unicode")


def is_forgotten(text: str, name: str, nodes: frozenset[str]) -> bool:
    """Whether none of these nodes has on record that it runs the resource.

    Where a fencing fails nothing else is done: they need not have looked again.
    """
    return all(
        (it.get("operation"), it.get("interval")) == _PROBE and it.get("rc-code") == _NOT_RUNNING
        for node, ops in _operations(text, name).items()
        if node in nodes
        for it in ops
    )


def runs(text: str, name: str, nodes: frozenset[str]) -> bool:
    """Whether one of these nodes has started the resource, and begun to monitor it if that is configured."""
    tree = tree_of(text)
    element = _primitive(tree, name)
    wanted = 1 + sum(it.get("name") == "monitor" for it in element.iterfind("operations/op"))
    return any(
        len([it for it in ops if it.get("rc-code") == "0" and it.get("operation") in ("start", "monitor")]) >= wanted
        for node, ops in _operations(text, name).items()
        if node in nodes
    )


def place(text: str, name: str) -> str:
    """The node where a resource runs, as the nodes have it on record; "" if none."""
    for node, ops in _operations(text, name).items():
        if any(it.get("rc-code") == "0" and it.get("operation") in ("start", "monitor") for it in ops):
            return node
    return ""


def started(text: str, but: str) -> dict[tuple[str, str, str], str]:
    """(node, resource, operation) → which one, of the last start or stop of each resource other than this."""
    return {
        (node, resource.get("id", ""), op.get("operation", "")): f"{op.get('call-id')} {op.get('last-rc-change')}"
        for node, state in _states(text)
        for resource in state.iter("lrm_resource")
        for op in resource.iterfind("lrm_rsc_op")
        if resource.get("id") != but and op.get("operation") != "monitor"
    }


def _operations(text: str, name: str) -> dict[str, list[Element]]:
    """Node → what it has done with a resource."""
    return {
        node: resource.findall("lrm_rsc_op")
        for node, state in _states(text)
        for resource in state.iter("lrm_resource")
        if resource.get("id") == name
    }


def _states(text: str) -> Iterator[tuple[str, Element]]:
    for state in tree_of(text).iterfind("status/node_state"):
        yield state.get("uname", ""), state
