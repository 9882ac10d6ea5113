"""Node name → key; and fence_scsi's keys, compared with fence_scsi itself."""

from __future__ import annotations

import hashlib
import sys
import types
import warnings
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fence_pr import keys
from fence_pr.corosync import Cluster, Node, parse
from fence_pr.errors import NodeUnknown, UsageError
from fence_pr.keys import HASH, HASH64, ID, Registrant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def cluster(*names: str, name: str = "lab") -> Cluster:
    """Nodes with these names."""
    return Cluster(name, tuple(Node(position, node, ()) for position, node in enumerate(names)))


LAB = cluster("n1", "n2", "cafe", "0815")


@pytest.mark.parametrize(
    ("cluster_name", "node"), [("lab", "n1"), ("lab", "n2"), ("l", "abn1"), ("la", "bn1"), ("ö", "ä")]
)
def test_the_default_key_is_64_bits_of_sha256_over_both_names(cluster_name: str, node: str) -> None:
    digest = hashlib.sha256(cluster_name.encode() + b"\0" + node.encode()).hexdigest()
    assert keys.of_node(node, cluster(name=cluster_name)) == int(digest[:16], 16)


def test_the_default_key_never_changes() -> None:
    """A changed key would shut nodes out while a cluster is upgraded. Digits computed with sha256sum."""
    assert f"{keys.of_node('n1', LAB):016x}" == "08c7d4c63a6a9c62"
    assert f"{keys.of_node('node2', cluster(name='hacluster')):016x}" == "32cd8dfc8574ff5d"


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20), st.sampled_from([HASH64, HASH]))
def test_a_key_is_64_bits_and_never_0(cluster_name: str, node: str, method: str) -> None:
    try:
        node.encode("utf-8", "surrogateescape")
        cluster_name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return  # no text that came from bytes
    assert 0 < keys.of_node(node, cluster(name=cluster_name), method) < 2**64


def test_a_digest_of_nothing_but_zeros_gives_key_1() -> None:
    """No known name has one; the digests are replaced to see it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "_sha256", lambda _: bytes(32))
        patch.setattr(keys, "_md5", lambda _: bytes(16))
        assert keys.of_node("n1", LAB) == 1
        assert keys.of_node("n1", LAB, HASH) == 1
        assert keys.of_node("n1", LAB, ID) == 1


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("2a", 0x2A), ("2A", 0x2A), ("0x2a", 0x2A), ("0X2A", 0x2A), ("002a", 0x2A), ("0x0000000000000000002a", 0x2A),
        ("ffffffffffffffff", 2**64 - 1), ("0xFFFFFFFFFFFFFFFF", 2**64 - 1), ("1", 1), ("10", 0x10),
    ],
)  # fmt: skip
def test_a_key_is_hexadecimal_in_any_spelling(text: str, key: int) -> None:
    assert keys.parse_key("key", text) == key


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        "0",
        "0x0",
        "0000",
        "10000000000000000",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1_0",
        "g",
        "0x1g",
        "1.0",
        "\u0661",
        "0x-1",
        "x1",
    ],
)
def test_anything_else_is_no_key(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        keys.parse_key("key", text)
    assert f"option 'key', value '{text}'" in str(refused.value)


@pytest.mark.parametrize(
    ("plug", "key", "node", "number"),
    [
        ("n1", "0x2a", "n1", 0x2A),  # an explicit key wins
        ("n1", "2A", "n1", 0x2A),
        ("", "2a", "", 0x2A),
        ("0x2A", "2a", "", 0x2A),
        ("unknown", "2a", "unknown", 0x2A),
        ("0x2a", "", "", 0x2A),
        ("0X00002A", "", "", 0x2A),
        ("beef", "", "", 0xBEEF),  # not a node's name
        ("42", "", "", 0x42),
        ("cafe", "", "cafe", keys.of_node("cafe", LAB)),  # a node's name
        ("0815", "", "0815", keys.of_node("0815", LAB)),
        ("n2", "", "n2", keys.of_node("n2", LAB)),
    ],
)
def test_which_node_a_call_names(plug: str, key: str, node: str, number: int) -> None:
    assert keys.named(plug, key, LAB) == Registrant(node, number)


def test_without_a_nodelist_a_name_is_taken_as_it_is() -> None:
    alone = Cluster("lab")
    assert keys.named("n1", "", alone) == Registrant("n1", keys.of_node("n1", LAB))
    assert keys.named("n1", "7", Cluster()) == Registrant("n1", 7)
    assert keys.named("0x7", "", Cluster()) == Registrant("", 7)


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    ("plug", "key", "known", "words"),
    [
        ("0x2b", "2a", LAB, "contradicts the option key, which is 0x2a"),
        ("beef", "", Cluster("lab"), "could be a node or a key, and there is no nodelist; write a key with 0x"),
        ("0x2", "", cluster("n1", "0x2"), "is a key and the name of a node; give the node's key with the option key"),
        ("42", "", Cluster(), "write a key with 0x"),
        ("0x0", "", LAB, "cannot be 0"),
        ("0xzz", "", LAB, "is no reservation key"),
        ("n1", "zz", LAB, "is no reservation key"),
        ("n1", "0", LAB, "cannot be 0"),
        ("0", "", LAB, "cannot be 0"),
    ],
)
def test_a_call_that_contradicts_itself_is_refused(plug: str, key: str, known: Cluster, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        keys.named(plug, key, known)


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    ("plug", "known", "method", "words"),
    [
        ("n9", LAB, HASH64, r"node n9: not in the nodelist of corosync.conf \(n1, n2, cafe, 0815\)"),
        ("n.", LAB, ID, "node n.: not in the nodelist"),
        ("N1", LAB, HASH64, "node N1: not in the nodelist"),
        ("n1", cluster("n1", name=""), HASH64, "set the option cluster_name, or give a key"),
        ("n1", Cluster(), HASH, "set the option cluster_name, or give a key"),
        ("n1", Cluster("lab"), ID, "not in the nodelist of corosync.conf, which key_value=id counts on"),
        ("10.0.0.1", Cluster("lab", (Node(0, "n1", ("10.0.0.1",)),)), HASH64, "not in the nodelist"),
    ],
)
def test_a_key_that_cannot_be_known_is_said(plug: str, known: Cluster, method: str, words: str) -> None:
    with pytest.raises(NodeUnknown, match=words):
        keys.named(plug, "", known, method)


def same_16_bits() -> tuple[str, str]:
    """Two node names whose MD5 begins alike; a search of a few hundred names."""
    seen: dict[str, str] = {}
    for number in count():
        name = f"node{number}"
        prefix = hashlib.md5(name.encode()).hexdigest()[:4]
        if prefix in seen:
            return seen[prefix], name
        seen[prefix] = name
    raise AssertionError


NUMBERED = Cluster("lab", (Node(0, "n1", (), 1), Node(1, "n2", (), 2), Node(2, "", ("192.0.2.3",), 3)))


@pytest.mark.parametrize(
    ("plug", "key", "nodeid", "meant"),
    [
        ("", "", "2", "n2"),
        ("", "", "3", "192.0.2.3"),
        ("n2", "", "2", "n2"),
        ("n2", "", "", "n2"),
        ("n2", "", "4", "n2"),
        ("0x7", "", "2", "0x7"),
        ("", "0x7", "2", ""),
    ],
)
def test_a_nodeid_names_a_node_where_nothing_else_does(plug: str, key: str, nodeid: str, meant: str) -> None:
    assert keys.plug_of(plug, key, nodeid, NUMBERED) == meant


def test_a_nodeid_of_another_node_than_the_plug_is_refused() -> None:
    """The caller would take one node for fenced, and it was the other."""
    with pytest.raises(UsageError, match=r"is n2 in corosync\.conf, and the plug is n1"):
        keys.plug_of("n1", "", "2", NUMBERED)


@pytest.mark.parametrize("known", [NUMBERED, Cluster("lab")])
def test_a_nodeid_of_no_node_is_refused(known: Cluster) -> None:
    with pytest.raises(NodeUnknown, match=r"node 4: no node of corosync\.conf has this nodeid"):
        keys.plug_of("", "", "4", known)


@pytest.mark.parametrize("plug", ["n1", "n2"])
def test_one_name_for_two_nodes_is_refused(plug: str) -> None:
    with pytest.raises(NodeUnknown, match="node n1: is twice in the nodelist"):
        keys.named(plug, "", cluster("n1", "n2", "n1"))


def test_a_configuration_that_is_not_there_is_told_from_one_without_a_name() -> None:
    with pytest.raises(NodeUnknown, match=r"there is no /etc/none\.conf; set the option cluster_name"):
        keys.named("n1", "", Cluster(missing="/etc/none.conf"))
    with pytest.raises(NodeUnknown, match=r"no cluster name in corosync\.conf; set the option cluster_name"):
        keys.named("n1", "", Cluster())


def test_two_nodes_with_one_key_are_refused_by_name() -> None:
    first, second = same_16_bits()
    both = cluster("n1", first, second)
    with pytest.raises(NodeUnknown, match=f"node {second}: has the same key 0x[0-9a-f]+ as node {first}"):
        keys.of_cluster(both, HASH)
    with pytest.raises(NodeUnknown, match="use another key_value"):
        keys.named("n1", "", both, HASH)
    assert len(keys.of_cluster(both, HASH64)) == 3
    assert len(keys.of_cluster(both, ID)) == 3


@pytest.mark.parametrize("method", keys.METHODS)
def test_all_keys_of_a_cluster_by_node(method: str) -> None:
    found = keys.of_cluster(LAB, method)
    assert sorted(found.values()) == sorted(LAB.names())
    assert all(keys.of_node(name, LAB, method) == key for key, name in found.items())


def test_a_registrant_speaks_of_its_node_where_it_is_known() -> None:
    assert str(Registrant("n1", 0x2A)) == "n1 (key 0x2a)"
    assert str(Registrant("", 0x2A)) == "key 0x2a"


CONF = """\
totem {{
    version: 2
    cluster_name: {cluster}
}}
nodelist {{
{nodes}}}
"""
NODE = "    node {{\n        ring0_addr: {address}\n{name}        nodeid: {nodeid}\n    }}\n"


def conf(cluster_name: str, names: list[str], *, with_names: bool = True) -> str:
    """A corosync.conf. Node ids are not positions."""
    nodes = [
        NODE.format(
            address=name if not with_names else f"192.0.2.{number}",
            name=f"        name: {name}\n" if with_names else "",
            nodeid=50 - number,
        )
        for number, name in enumerate(names)
    ]
    return CONF.format(cluster=cluster_name, nodes="".join(nodes))


def cmapctl(text: str) -> Callable[[object, str], dict[str, Any]]:
    """What corosync-cmapctl prints for a configuration, as fence_scsi's run_cmd hands it over."""
    lines, number, section = [], -1, ""
    for line in map(str.strip, text.splitlines()):
        name, _, value = line.partition(": ")
        if line.startswith("node {"):
            number, section = number + 1, f"nodelist.node.{number + 1}."
        elif line.startswith("totem"):
            section = "totem."
        elif value:
            kind = "u32" if name in ("nodeid", "version") else "str"
            lines.append(f"{section}{name} ({kind}) = {value}\n")

    def run(_options: object, command: str) -> dict[str, Any]:
        prefix = command.rsplit(maxsplit=1)[-1]
        return {"status": 0, "out": "".join(line for line in lines if line.startswith(prefix)), "err": ""}

    return run


@pytest.fixture(scope="module")
def fence_scsi(packages: Path) -> Iterator[Any]:
    """Debian's fence_scsi as a module; of what it imports only pycurl, which it does not use, is replaced."""
    loader = SourceFileLoader("fence_scsi", str(packages / "usr/sbin/fence_scsi"))
    spec = spec_from_loader("fence_scsi", loader)
    assert spec is not None
    module = module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # escape sequences that newer interpreters do not like
        patch.setitem(sys.modules, "pycurl", types.ModuleType("pycurl"))
        patch.setattr(sys, "path", [str(packages / "usr/share/fence"), *sys.path])
        patch.setattr(sys, "dont_write_bytecode", True)
        loader.exec_module(module)
        yield module
    sys.modules.pop("fencing", None)


@pytest.mark.parametrize("method", [ID, HASH])
@pytest.mark.parametrize(
    "cluster_name", ["lab", "hacluster", "prod-cluster-01", "x" * 40, *(f"c{n}" for n in range(20))]
)
def test_keys_are_those_of_fence_scsi_bit_for_bit(fence_scsi: Any, cluster_name: str, method: str) -> None:
    names = [f"node{number}" for number in range(40)] + ["a", "host-b.example.org"]
    text = conf(cluster_name, names)
    fence_scsi.run_cmd = cmapctl(text)
    for name in names:
        theirs = fence_scsi.generate_key({"--key-value": method, "--plug": name, "--corosync-cmap-path": "cmapctl"})
        ours = keys.named(name, "", parse(text), method)
        assert ours == Registrant(name, int(theirs, 16)), theirs


def test_keys_are_those_of_fence_scsi_where_nodes_have_only_addresses(fence_scsi: Any) -> None:
    names = ["192.0.2.11", "192.0.2.12", "192.0.2.13"]
    text = conf("lab", names, with_names=False)
    fence_scsi.run_cmd = cmapctl(text)
    for name in names:
        theirs = fence_scsi.generate_key({"--key-value": ID, "--plug": name, "--corosync-cmap-path": "cmapctl"})
        assert keys.named(name, "", parse(text), ID).key == int(theirs, 16)
