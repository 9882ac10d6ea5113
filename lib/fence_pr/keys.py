"""Node name → reservation key. Pure: no I/O, no clock.

A key is an unsigned 64-bit integer, never 0 (0 means "no registration").
"""

from __future__ import annotations

import sys

from .corosync import is_address, with_address
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
    """A node by its key; the name is "" where only the key is known.

    former  other keys that the node may still have, made when names made other ones
    """

    node: str
    key: int
    former: tuple[int, ...] = ()

    def all_keys(self) -> tuple[int, ...]:
        """Every key that the node may have."""
        return (self.key, *self.former)

    def __str__(self) -> str:
        return f"{self.node} (key 0x{self.key:x})" if self.node else f"key 0x{self.key:x}"


def parse_key(option: str, text: str) -> int:
    """An explicit key: hexadecimal, up to 16 digits; case, 0x and leading zeros do not matter.

    Raises UsageError naming `option` for anything else, and for 0.
    """
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    if not digits or not _HEX_DIGITS.issuperset(digits) or len(digits.lstrip("0")) > _MOST_DIGITS:
        raise UsageError("key-malformed", option=option, value=text)
    key = int(digits, 16)
    if key == 0:
        raise UsageError("key-is-zero", option=option, value=text)
    return key


def of_node(node: str, cluster: Cluster, method: str = HASH64) -> int:
    """The key of the node called `node`.

    hash64  64 bits of SHA-256 over cluster name and node name
    hash    as fence_scsi's key_value=hash: 16 bits of MD5 of each
    id      as fence_scsi's key_value=id: 16 bits of MD5 of the cluster name, position in the nodelist
    Where the cluster has node_keys, none of them: the key is the one that is given there.
    Raises NodeUnknown if the cluster's name, the node's position or the given key is not known.
    """
    if cluster.node_keys:
        return _given(node, cluster)
    require_cluster_name(cluster)
    if method == HASH64:
        return int.from_bytes(_sha256(_bytes(cluster.name) + b"\0" + _bytes(node))[:8], "big") or 1
    prefix = _md5(_bytes(cluster.name)).hex()[:4]
    if method == HASH:
        return int(prefix + _md5(_bytes(node)).hex()[:4], 16) or 1
    entry = cluster.node(node)
    if entry is None:
        raise NodeUnknown("node-without-position", node=node)
    return int(f"{prefix}{entry.position:04d}", 16) or 1


def _given(node: str, cluster: Cluster) -> int:
    for name, key in cluster.node_keys:
        if name == node:
            return key
    raise NodeUnknown("node-without-key", node=node, nodes=tuple(name for name, _ in cluster.node_keys))


def require_cluster_name(cluster: Cluster) -> None:
    """Raises NodeUnknown if the cluster's name, which every key is made from, is not known."""
    if cluster.missing and not cluster.name:
        raise NodeUnknown("corosync-conf-missing", path=cluster.missing)
    if not cluster.name:
        raise NodeUnknown("cluster-name-missing")


def of_cluster(cluster: Cluster, method: str = HASH64) -> dict[int, str]:
    """Every node that is known: key → name. Raises NodeUnknown if two nodes would have one key."""
    nodes: dict[int, str] = {}
    for name in [name for name, _ in cluster.node_keys] or cluster.names():
        key = of_node(name, cluster, method)
        if nodes.get(key) == name:
            raise NodeUnknown("node-twice", node=name)
        if key in nodes:
            raise NodeUnknown("key-twice", node=name, key=key, other=nodes[key])
        nodes[key] = name
    return nodes


def check(cluster: Cluster, method: str = HASH64) -> None:
    """Everything about names and keys that holds for every node. Raises UsageError or NodeUnknown."""
    if not cluster.node_keys:
        require_cluster_name(cluster)
    for node in cluster.nodes if method == ID and not cluster.node_keys else ():
        if not node.name:
            raise NodeUnknown("entry-without-name", address=", ".join(node.addresses))
    for name in cluster.names():
        _refuse_other_spelling(name, cluster)
        of_node(name, cluster, method)
    for key in of_cluster(cluster, method):
        _refuse_foreign(key, cluster)


def named(plug: str, key: str, cluster: Cluster, method: str = HASH64) -> Registrant:
    """The node that the options name: an explicit key wins, then a plug that is a key, then a node's name.

    Raises UsageError if the options are wrong or contradict each other, NodeUnknown if the key cannot be known.
    """
    if key:
        registrant = _with_key(plug, parse_key("key", key), cluster, method)
    elif is_number(plug):
        if plug in cluster.names():
            raise UsageError("plug-is-key-and-node", option="plug", value=plug)
        registrant = Registrant("", parse_key("plug", plug))
    else:
        _require_known_name(plug, cluster)
        if plug in cluster.names():
            of_cluster(cluster, method)
        registrant = Registrant(plug, of_node(plug, cluster, method))
    _refuse_foreign(registrant.key, cluster)
    return registrant


def _with_key(plug: str, number: int, cluster: Cluster, method: str) -> Registrant:
    """The plug with an explicit key; not if that is known to be another node's."""
    if is_number(plug):
        if parse_key("plug", plug) != number:
            raise UsageError("key-contradiction", option="plug", value=plug, key=number)
        return Registrant("", number)
    given = dict(cluster.node_keys).get(plug, number)
    if given != number:
        raise UsageError("key-contradiction", option="node_keys", value=f"{plug}:0x{given:x}", key=number)
    owner = _owner(number, cluster, method) if plug in cluster.names() else ""
    if owner not in ("", plug):
        raise UsageError("key-of-another", option="key", value=f"0x{number:x}", node=owner, plug=plug)
    return Registrant(plug, number)


def _owner(number: int, cluster: Cluster, method: str) -> str:
    """The known node with this key; "" if there is none, or if no keys can be made."""
    try:
        return of_cluster(cluster, method).get(number, "")
    except NodeUnknown:
        return ""


def _require_known_name(plug: str, cluster: Cluster) -> None:
    """Raises NodeUnknown unless `plug` is a node's name, as far as anybody can tell."""
    _refuse_other_spelling(plug, cluster)
    if plug in cluster.names():
        return
    if is_address(plug):
        entry = with_address(cluster, plug)
        raise NodeUnknown("node-by-address", node=plug, near=entry.name if entry else "")
    if cluster.lists_all():
        digits = plug if _HEX_DIGITS.issuperset(plug) else ""
        names = tuple(cluster.names())
        raise NodeUnknown("node-not-listed", node=plug, nodes=names, near=_near(plug, names), digits=digits)


def _refuse_other_spelling(plug: str, cluster: Cluster) -> None:
    """Raises NodeUnknown if a known name differs from `plug` by case alone: to Pacemaker that is the same node."""
    for name in cluster.names():
        if name != plug and name.lower() == plug.lower():
            raise NodeUnknown("node-spelt-otherwise", node=plug, near=name)


def _near(plug: str, names: tuple[str, ...]) -> str:
    """The known name that may be meant: with or without its domain, or else by few slips."""
    from .nearest import nearest

    host = plug.partition(".")[0].lower()
    same_host = [name for name in names if name.partition(".")[0].lower() == host and ("." in name) != ("." in plug)]
    return same_host[0] if len(same_host) == 1 else nearest(plug, names)


def _refuse_foreign(key: int, cluster: Cluster) -> None:
    if key in cluster.foreign_keys:
        value = " ".join(f"0x{it:x}" for it in cluster.foreign_keys)
        raise UsageError("foreign-key-is-nodes", option="foreign_keys", value=value, key=key)


def plug_of(plug: str, key: str, nodeid: str, cluster: Cluster, nodename: str = "", method: str = HASH64) -> str:
    """The plug that a call means: its own, or the name of the node with the nodeid, where nothing else names one.

    Raises NodeUnknown if no node has the nodeid, UsageError if plug and nodeid, or plug and nodename, are of two nodes.
    """
    _refuse_two_nodes(plug, nodename, cluster, method)
    node = cluster.with_nodeid(int(nodeid)) if nodeid else None
    if plug or key or not nodeid:
        if node and node.name and plug != node.name and plug in cluster.names():
            raise UsageError("nodeid-contradiction", option="node", value=nodeid, node=node.name, plug=plug)
        return plug
    if node is None or not node.name:
        raise NodeUnknown("nodeid-unknown", node=nodeid)
    return node.name


def _refuse_two_nodes(plug: str, nodename: str, cluster: Cluster, method: str) -> None:
    """Pacemaker sends the node's name as nodename. A plug of another node was left over in the resource."""
    if plug == nodename or nodename not in cluster.names():
        return
    node = _owner(parse_key("plug", plug), cluster, method) if is_number(plug) else plug
    if node != nodename and node in cluster.names():
        raise UsageError("nodename-contradiction", option="plug", value=plug, node=node, nodename=nodename)


def is_number(plug: str) -> bool:
    """Whether the plug is written as a key, not as a name."""
    return plug[:2] in ("0x", "0X")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _sha256(data: bytes) -> bytes:
    # Python 3.12 gave the module another name. To look for one that there is not takes longer than to load it.
    return _digest(("_sha2" if sys.version_info >= (3, 12) else "_sha256", "hashlib"), "sha256", data)


def _md5(data: bytes) -> bytes:
    return _digest(("_md5", "hashlib"), "md5", data)


def _digest(modules: tuple[str, ...], name: str, data: bytes) -> bytes:
    """The interpreter's own implementation first: `hashlib` loads OpenSSL, which costs milliseconds of fencing time.

    Some interpreters are built without it, and those of RHEL in FIPS mode have it refuse (ImportError or ValueError);
    hashlib takes its word there that nothing secret hangs on the digest.
    """
    for module in modules:
        try:
            function: Callable[..., object] = getattr(__import__(module), name)
            digest: bytes = function(data, usedforsecurity=False).digest()  # type: ignore[attr-defined]
        except (ImportError, ValueError):
            continue
        return digest
    raise NodeUnknown("digest-missing", name=name)
