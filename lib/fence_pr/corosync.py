"""Which cluster, and which nodes: corosync.conf. Read, never run. Format: corosync.conf(5)."""

from __future__ import annotations

import os

from . import files
from .record import Record

CONF = "/etc/corosync/corosync.conf"
_MOST_BYTES = 1 << 20
_NODEID_DIGITS = 10


class Node(Record):
    """One entry of the nodelist.

    position   counts from 0, as corosync-cmapctl does
    name       what Pacemaker calls the node; "" if that is the node's own `uname -n`, which nobody else can know
    addresses  what stands at its links
    nodeid     0: the entry does not say
    """

    position: int
    name: str
    addresses: tuple[str, ...]
    nodeid: int = 0


class Cluster(Record):
    """What corosync.conf says, and what the options add to it.

    name          "" where it does not say
    nodes         the nodelist
    missing       the path where no file is
    other_nodes   names of nodes that are on no nodelist
    node_keys     node and key of every node; () if keys are made from names
    foreign_keys  keys that are no node's
    own_name      what this machine is called, where its entry of the nodelist does not say
    """

    name: str = ""
    nodes: tuple[Node, ...] = ()
    missing: str = ""
    other_nodes: tuple[str, ...] = ()
    node_keys: tuple[tuple[str, int], ...] = ()
    foreign_keys: tuple[int, ...] = ()
    own_name: str = ""

    def node(self, name: str) -> Node | None:
        """The entry of the nodelist that is called `name`."""
        return next((node for node in self.nodes if name and node.name == name), None)

    def with_nodeid(self, nodeid: int) -> Node | None:
        """The only node with this nodeid."""
        found = [node for node in self.nodes if nodeid and node.nodeid == nodeid]
        return found[0] if len(found) == 1 else None

    def names(self) -> list[str]:
        """Every node that is known by name: those of the nodelist in its order, then the others."""
        listed = [node.name for node in self.nodes if node.name]
        others = dict.fromkeys((self.own_name, *self.other_nodes, *(name for name, _ in self.node_keys)))
        return [*listed, *(name for name in others if name and name not in listed)]

    def nameless(self) -> int:
        """How many entries of the nodelist are nodes whose names nobody here knows. What other_nodes names is taken for
        such nodes first.
        """
        named = len({self.own_name, *self.other_nodes} - {"", *(node.name for node in self.nodes)})
        return max(0, sum(not node.name for node in self.nodes) - named)

    def lists_all(self) -> bool:
        """Whether a name that is not known is no node's."""
        return bool(self.node_keys or (self.nodes and not self.nameless()))


def load(path: str = CONF) -> Cluster:
    """The cluster described at `path`; an empty one if there is no such file. Raises OSError if it is unreadable."""
    try:
        data = files.read(path, _MOST_BYTES)
    except FileNotFoundError:
        return Cluster(missing=path)
    return parse(data.decode("utf-8", "surrogateescape"))


def parse(text: str) -> Cluster:
    """The cluster that the text describes. Pure; unknown sections and lines without meaning here are skipped.

    As corosync itself reads it (exec/coroparse.c): a line with { opens a section, else one with : is a key and its
    value, else one with } closes the section; only a line feed ends a line.
    """
    name = ""
    nodes: list[Node] = []
    sections: list[str] = []
    values: dict[str, str] = {}
    for raw in text.split("\n"):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        before, brace, _ = line.partition("{")
        key, colon, value = (part.strip() for part in line.partition(":"))
        if brace:
            sections.append(before.rstrip(" \t:").strip())
            values = {} if sections == ["nodelist", "node"] else values
        elif colon:
            if sections == ["totem"] and key == "cluster_name":
                name = value
            if sections == ["nodelist", "node"]:
                values[key] = value
        elif "}" in line:
            if sections == ["nodelist", "node"]:
                nodes.append(_node(len(nodes), values))
            del sections[-1:]
    return Cluster(name, tuple(nodes))


def _node(position: int, values: dict[str, str]) -> Node:
    rings = sorted(key for key in values if key.startswith("ring") and key.endswith("_addr"))
    nodeid = values.get("nodeid", "")
    number = int(nodeid) if nodeid.isascii() and nodeid.isdigit() and len(nodeid) <= _NODEID_DIGITS else 0
    return Node(position, _name(values), tuple(values[ring] for ring in rings), number)


def _name(values: dict[str, str]) -> str:
    """As Pacemaker has it (lib/cluster/corosync.c, pcmk__corosync_name): `name`, else what stands at ring0_addr, and at
    no other link, unless that is an IP address. A node without either is asked for its `uname -n`.
    """
    first = values.get("ring0_addr", "")
    return values.get("name", "") or ("" if is_address(first) else first)


def is_address(text: str) -> bool:
    """Whether Pacemaker takes the text for an IP address, and never for a name (node_name_is_valid there)."""
    parts = text.split(".")
    dotted = len(parts) > 3 and all(it.isascii() and it.isdigit() for it in (*parts[:3], parts[3][:1]))
    return dotted or ":" in text


def local_node(cluster: Cluster, hostname: str, addresses: frozenset[str]) -> str:
    """The name of the node this is, "" if nothing tells. Pure.

    hostname: as `uname -n` says; addresses: this machine's own. A short host name comes last: in a cluster of two sites
    it may well be another machine's name.
    """
    names = cluster.names()
    if hostname in names:
        return hostname
    entry = with_address(cluster, hostname, *addresses)
    if entry:
        return entry.name or hostname
    short = hostname.partition(".")[0]
    return short if short in names else ""


def own_name(cluster: Cluster, hostname: str, addresses: frozenset[str]) -> str:
    """What this machine is called where its entry has no name, as Pacemaker does it: `uname -n`; else ""."""
    entry = with_address(cluster, hostname, *addresses)
    return hostname if entry and not entry.name and not cluster.node(hostname) else ""


def with_address(cluster: Cluster, *addresses: str) -> Node | None:
    """The first entry of the nodelist that has one of these addresses, or host names, at a link."""
    own = set(map(_spelt, addresses)) - {""}
    return next((node for node in cluster.nodes if not own.isdisjoint(map(_spelt, node.addresses))), None)


def _spelt(address: str) -> str:
    """An IPv6 address as the kernel spells it, anything else as it is."""
    if ":" not in address:
        return address
    from _socket import AF_INET6, inet_ntop, inet_pton  # the C module: `socket` itself takes milliseconds to import

    try:
        return inet_ntop(AF_INET6, inet_pton(AF_INET6, address))
    except (OSError, ValueError):  # no address; not even text
        return address


def this_machine() -> tuple[str, frozenset[str]]:
    """Host name and IP addresses of this machine, without a name server."""
    return os.uname().nodename, frozenset(_ipv4_addresses() | _ipv6_addresses())


def _ipv4_addresses() -> set[str]:
    lines = _read("/proc/net/fib_trie").splitlines()
    return {before.split()[-1] for before, line in zip(lines, lines[1:]) if line.strip() == "/32 host LOCAL"}


def _ipv6_addresses() -> set[str]:
    from _socket import AF_INET6, inet_ntop

    lines = _read("/proc/net/if_inet6").splitlines()
    return {inet_ntop(AF_INET6, bytes.fromhex(line.split()[0])) for line in lines}


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read().decode("ascii", "replace")
    except OSError:
        return ""
