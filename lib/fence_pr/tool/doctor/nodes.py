"""What one node knows, as facts that nodes send each other as JSON, and what differs between them. Pure."""

from __future__ import annotations

from collections import Counter

from ...errors import Notice
from ...keys import ID
from .findings import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..report import Json

# The fields of a node's facts, and of each disk in them: what the answer of another node must have.
FIELDS: dict[str, type] = {"node": str, "program": str, "cluster": str, "nodelist": list, "boot": str, "machine": str,
                           "hosts": list, "disks": list}  # fmt: skip
DISK_FIELDS: dict[str, type] = {"name": str, "identity": str, "own_key": str, "keys": list, "read": bool,
                                "used": bool}  # fmt: skip
_FINDING_FIELDS: dict[str, type] = {"severity": str, "code": str, "nodes": list, "disk": str, "text": str,
                                    "evidence": list, "cause": str, "remedy": str}  # fmt: skip
_LISTS_OF_TEXTS = ("nodelist", "hosts", "keys", "nodes", "evidence")


def is_whole(found: object) -> bool:
    """Whether what came from another node is what `doctor` finds there: its facts, and findings."""
    if not isinstance(found, dict):
        return False
    nodes, findings = found.get("nodes"), found.get("findings")
    if not (isinstance(nodes, list) and isinstance(findings, list) and len(nodes) == 1):
        return False
    if not _has(nodes[0], FIELDS) or not all(_has(it, DISK_FIELDS) for it in nodes[0]["disks"]):
        return False
    return all(_has(it, _FINDING_FIELDS) and it["severity"] in ("failure", "unseen", "warning") for it in findings)


def _has(what: object, fields: dict[str, type]) -> bool:
    if not isinstance(what, dict) or not all(isinstance(what.get(name), kind) for name, kind in fields.items()):
        return False
    lists = (what[name] for name in _LISTS_OF_TEXTS if name in fields)
    return all(isinstance(it, str) for each in lists for it in each)


def compare(nodes: Sequence[Json], methods: Sequence[str] = ()) -> Iterator[Finding]:
    """What differs between these nodes that must not, and what is alike. methods: how fence devices make keys."""
    if len(nodes) < 2:
        return
    for name, count in Counter(it["node"] for it in nodes).items():
        if count > 1:
            yield Finding(Notice("node-names-equal", {"node": name}))
    nodes = _named_apart(nodes)
    yield from _differing(nodes, "cluster-names-differ", lambda it: it["cluster"] or "none")
    yield from _of_nodelists(nodes, ordered=ID in methods)
    yield from _of_names(nodes)
    yield from _alike(nodes, "host-identifiers-equal", lambda it: it["hosts"])
    yield from _alike(nodes, "own-keys-equal", _own_keys)
    yield from _of_registrations(nodes)
    yield from _alike(nodes, "machines-alike", lambda it: [it["machine"]] if it["machine"] else [])
    yield from _differing(nodes, "versions-differ", lambda it: it["program"])


def _named_apart(nodes: Sequence[Json]) -> list[Json]:
    """Each with a name of its own."""
    counts: Counter[str] = Counter()
    found = []
    for it in nodes:
        counts[it["node"]] += 1
        number = counts[it["node"]]
        found.append({**it, "node": f"{it['node']} ({number})"} if number > 1 else it)
    return found


def _differing(nodes: Sequence[Json], code: str, value: Callable[[Json], str]) -> Iterator[Finding]:
    said = {it["node"]: value(it) for it in nodes}
    if len(set(said.values())) > 1:
        yield Finding(Notice(code, {"values": [f"{node}: {it}" for node, it in said.items()]}))


def _of_nodelists(nodes: Sequence[Json], *, ordered: bool) -> Iterator[Finding]:
    listed = [tuple(it["nodelist"]) for it in nodes]
    values = [f"{it['node']}: {' '.join(it['nodelist']) or 'none'}" for it in nodes]
    if len({frozenset(it) for it in listed}) > 1 or len({len(it) for it in listed}) > 1:
        yield Finding(Notice("nodelists-differ", {"values": values}))
    elif ordered and len(set(listed)) > 1:
        yield Finding(Notice("nodelist-orders-differ", {"values": values}))


def _of_names(nodes: Sequence[Json]) -> Iterator[Finding]:
    """A name that leads to different disks."""
    names = dict.fromkeys(disk["name"] for it in nodes for disk in it["disks"])
    for name in names:
        found = {it["node"]: disk["identity"] for it in nodes for disk in it["disks"] if disk["name"] == name}
        if len(set(filter(None, found.values()))) > 1:
            values = [f"{node}: {identity}" for node, identity in found.items()]
            yield Finding(Notice("name-leads-elsewhere", {"disk": name, "values": values}))


def _alike(nodes: Sequence[Json], code: str, values: Callable[[Json], list[str]]) -> Iterator[Finding]:
    """What only one node can be or have, and two are or have."""
    of_nodes = {it["node"]: set(values(it)) for it in nodes}
    for value, count in sorted(Counter(it for found in of_nodes.values() for it in found).items()):
        if count > 1:
            who = [node for node, found in of_nodes.items() if value in found]
            yield Finding(Notice(code, {"nodes": who, "value": value}))


def _own_keys(node: Json) -> list[str]:
    return [disk["own_key"] for disk in node["disks"] if disk["own_key"]]


def _of_registrations(nodes: Sequence[Json]) -> Iterator[Finding]:
    """One identity with different registrations: two disks, or two heads of one that do not share them."""
    for identity in dict.fromkeys(disk["identity"] for it in nodes for disk in it["disks"] if disk["identity"]):
        found = {
            it["node"]: sorted(set(disk["keys"]))
            for it in nodes
            for disk in it["disks"]
            if disk["identity"] == identity and disk["read"]
        }
        if len(set(map(tuple, found.values()))) > 1:
            values = [f"{node}: {' '.join(keys) or 'none'}" for node, keys in found.items()]
            yield Finding(Notice("registrations-differ", {"disk": identity, "values": values}))


def unused(nodes: Sequence[Json], named: frozenset[str]) -> Iterator[Finding]:
    """Disks that serve only fencing, as far as these nodes and the cluster's resources tell.

    named: identities of the disks that resources name
    """
    asked = [it["node"] for it in nodes]
    for name, identity in dict.fromkeys((disk["name"], disk["identity"]) for it in nodes for disk in it["disks"]):
        found = [disk for it in nodes for disk in it["disks"] if disk["identity"] == identity]
        if (
            identity
            and identity not in named
            and all(it["read"] for it in found)
            and not any(it["used"] for it in found)
        ):
            yield Finding(Notice("disk-unused", {"disk": name, "nodes": asked}))
