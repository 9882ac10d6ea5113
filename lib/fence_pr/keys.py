"""Node name → reservation key. Pure: no I/O, no clock.

A key is an unsigned 64-bit integer, never 0 (0 means "no registration").
"""

from __future__ import annotations

from .errors import NodeUnknown, UsageError
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .corosync import Cluster

HASH64, HASH, ID = "hash64", "hash", "id"
METHODS = (HASH64, HASH, ID)

_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_MOST_DIGITS = 16


class Registrant(Record):
    """A node by its key; the name is "" where only the key is known."""

    node: str
    key: int

    def __str__(self) -> str:
        return f"{self.node} (key 0x{self.key:x})" if self.node else f"key 0x{self.key:x}"


def parse_key(option: str, text: str) -> int:
    """An explicit key: hexadecimal, up to 16 digits; case, 0x and leading zeros do not matter.

    Raises UsageError naming `option` for anything else, and for 0.
    """
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    if not digits or not _HEX_DIGITS.issuperset(digits) or len(digits.lstrip("0")) > _MOST_DIGITS:
        raise UsageError(option, text, "is no reservation key (a hexadecimal number of up to 16 digits)")
    key = int(digits, 16)
    if key == 0:
        raise UsageError(option, text, "a reservation key cannot be 0")
    return key


def of_node(node: str, cluster: Cluster, method: str = HASH64) -> int:
    """The key of the node called `node`.

    hash64  64 bits of SHA-256 over cluster name and node name
    hash    as fence_scsi's key_value=hash: 16 bits of MD5 of each
    id      as fence_scsi's key_value=id: 16 bits of MD5 of the cluster name, position in the nodelist
    Raises NodeUnknown if the cluster's name or the node's position is not known.
    """
    require_cluster_name(cluster)
    if method == HASH64:
        return int.from_bytes(_sha256(_bytes(cluster.name) + b"\0" + _bytes(node))[:8], "big") or 1
    prefix = _md5(_bytes(cluster.name)).hex()[:4]
    if method == HASH:
        return int(prefix + _md5(_bytes(node)).hex()[:4], 16) or 1
    entry = cluster.node(node)
    if entry is None:
        raise NodeUnknown(node, "not in the nodelist of corosync.conf, which key_value=id counts on")
    return int(f"{prefix}{entry.position:04d}", 16) or 1


def require_cluster_name(cluster: Cluster) -> None:
    """Raises NodeUnknown if the cluster's name, which every key is made from, is not known."""
    if not cluster.name:
        problem = f"there is no {cluster.missing}" if cluster.missing else "no cluster name in corosync.conf"
        raise NodeUnknown("", f"{problem}; set the option cluster_name, or give a key")


def of_cluster(cluster: Cluster, method: str = HASH64) -> dict[int, str]:
    """Every node of the nodelist: key → name. Raises NodeUnknown if two nodes would have one key."""
    nodes: dict[int, str] = {}
    for name in cluster.names():
        key = of_node(name, cluster, method)
        if nodes.get(key) == name:
            raise NodeUnknown(name, "is twice in the nodelist of corosync.conf; give each node its own name")
        if key in nodes:
            raise NodeUnknown(name, f"has the same key 0x{key:x} as node {nodes[key]}; use another key_value")
        nodes[key] = name
    return nodes


def named(plug: str, key: str, cluster: Cluster, method: str = HASH64) -> Registrant:
    """The node that the options name: an explicit key wins, then a plug that is a key, then a node's name.

    Raises UsageError if the options are wrong or contradict each other, NodeUnknown if the key cannot be known.
    """
    if key:
        number = parse_key("key", key)
        if is_number(plug) and parse_key("plug", plug) != number:
            raise UsageError("plug", plug, f"contradicts the option key, which is 0x{number:x}")
        return Registrant("" if is_number(plug) else plug, number)
    if is_number(plug):
        if cluster.node(plug):
            raise UsageError("plug", plug, "is a key and the name of a node; give the node's key with the option key")
        return Registrant("", parse_key("plug", plug))
    if cluster.node(plug):
        of_cluster(cluster, method)
    elif _HEX_DIGITS.issuperset(plug):
        if not cluster.nodes:
            raise UsageError("plug", plug, "could be a node or a key, and there is no nodelist; write a key with 0x")
        return Registrant("", parse_key("plug", plug))
    elif cluster.nodes:
        raise NodeUnknown(plug, f"not in the nodelist of corosync.conf ({', '.join(cluster.names())})")
    return Registrant(plug, of_node(plug, cluster, method))


def plug_of(plug: str, key: str, nodeid: str, cluster: Cluster) -> str:
    """The plug that a call means: its own, or the name of the node with the nodeid, where nothing else names one.

    Raises NodeUnknown if no node has the nodeid, UsageError if plug and nodeid are of two nodes.
    """
    node = cluster.with_nodeid(int(nodeid)) if nodeid else None
    if plug or key or not nodeid:
        if node and cluster.node(plug) not in (None, node):
            raise UsageError("node", nodeid, f"is {node.called()} in corosync.conf, and the plug is {plug}")
        return plug
    if node is None or not node.called():
        raise NodeUnknown(nodeid, "no node of corosync.conf has this nodeid")
    return node.called()


def is_number(plug: str) -> bool:
    """Whether the plug is written as a key, not as a name."""
    return plug[:2] in ("0x", "0X")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _sha256(data: bytes) -> bytes:
    return _digest(("_sha2", "_sha256", "hashlib"), "sha256", data)


def _md5(data: bytes) -> bytes:
    return _digest(("_md5", "hashlib"), "md5", data)


def _digest(modules: tuple[str, ...], name: str, data: bytes) -> bytes:
    """The interpreter's own implementation first: `hashlib` loads OpenSSL, which costs milliseconds of fencing time."""
    for module in modules:
        try:
            function: Callable[..., object] = getattr(__import__(module), name)
        except ImportError:
            continue
        digest: bytes = function(data, usedforsecurity=False).digest()  # type: ignore[attr-defined]
        return digest
    raise ImportError(f"no implementation of {name}")
