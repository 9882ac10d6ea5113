"""corosync.conf: the cluster's name and its nodes. Read, never run. Format: corosync.conf(5)."""

from __future__ import annotations

import os

from . import files
from .record import Record

CONF = "/etc/corosync/corosync.conf"
_MOST_BYTES = 1 << 20
_NODEID_DIGITS = 10


class Node(Record):
    """One entry of the nodelist. position counts from 0, as corosync-cmapctl does; nodeid 0: it does not say."""

    position: int
    name: str
    addresses: tuple[str, ...]
    nodeid: int = 0

    def called(self) -> str:
        """The name, or the first address of a node without one; "" if it has neither."""
        return self.name or "".join(self.addresses[:1])


class Cluster(Record):
    """What corosync.conf says; name "" and no nodes where it does not. missing: the path where no file is."""

    name: str = ""
    nodes: tuple[Node, ...] = ()
    missing: str = ""

    def node(self, name: str) -> Node | None:
        """The node called `name`; a node without a name is called by its first address."""
        return next((node for node in self.nodes if node.called() == name), None)

    def with_nodeid(self, nodeid: int) -> Node | None:
        """The only node with this nodeid."""
        found = [node for node in self.nodes if nodeid and node.nodeid == nodeid]
        return found[0] if len(found) == 1 else None

    def names(self) -> list[str]:
        """What every node is called."""
        return [node.called() for node in self.nodes if node.called()]


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
    return Node(position, values.get("name", ""), tuple(values[ring] for ring in rings), number)


def local_node(cluster: Cluster, hostname: str, addresses: frozenset[str]) -> str:
    """The name of the node this is, "" if the nodelist does not tell. Pure.

    hostname: as `uname -n` says; addresses: this machine's own.
    """
    for name in (hostname, hostname.partition(".")[0]):
        if any(node.name == name for node in cluster.nodes):
            return name
    for node in cluster.nodes:
        if any(address in addresses or address == hostname for address in node.addresses):
            return node.called()
    return ""


def this_machine() -> tuple[str, frozenset[str]]:
    """Host name and IP addresses of this machine, without a name server."""
    return os.uname().nodename, frozenset(_ipv4_addresses() | _ipv6_addresses())


def _ipv4_addresses() -> set[str]:
    lines = _read("/proc/net/fib_trie").splitlines()
    return {before.split()[-1] for before, line in zip(lines, lines[1:]) if line.strip() == "/32 host LOCAL"}


def _ipv6_addresses() -> set[str]:
    from _socket import AF_INET6, inet_ntop  # the C module: `socket` itself takes milliseconds to import

    lines = _read("/proc/net/if_inet6").splitlines()
    return {inet_ntop(AF_INET6, bytes.fromhex(line.split()[0])) for line in lines}


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""
