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


OWN_IMPLEMENTATIONS = ("_md5", "_sha2", "_sha256")
METHOD_KEYS = {HASH64: 0x08C7D4C63A6A9C62, HASH: 0xF966C825, ID: 0xF9660000}


def refuses(*_: object, **__: object) -> None:
    """As the interpreter's own implementations in RHEL's Python, in FIPS mode, whatever the digest is used for."""
    raise ValueError("_md5.md5 is not available in FIPS mode")


def without(patch: pytest.MonkeyPatch, how: str) -> None:
    """An interpreter without digests of its own, or one where they refuse."""
    for name in OWN_IMPLEMENTATIONS:
        refusing = types.SimpleNamespace(md5=refuses, sha256=refuses)
        patch.setitem(sys.modules, name, None if how == "missing" else refusing)


@pytest.mark.parametrize("how", ["there", "missing", "refusing"])
@pytest.mark.parametrize("method", METHOD_KEYS)
def test_keys_are_the_same_whoever_makes_the_digest(monkeypatch: pytest.MonkeyPatch, method: str, how: str) -> None:
    asked: list[bool] = []

    def of_openssl(name: str) -> Callable[..., object]:
        made = getattr(hashlib, name)

        def digest(data: bytes, *, usedforsecurity: bool = True) -> object:
            asked.append(usedforsecurity)
            if usedforsecurity and name == "md5":
                raise ValueError("[digital envelope routines] unsupported")
            return made(data, usedforsecurity=usedforsecurity)

        return digest

    for name in ("md5", "sha256"):
        monkeypatch.setattr(hashlib, name, of_openssl(name))
    if how != "there":
        without(monkeypatch, how)
    assert keys.of_node("n1", LAB, method) == METHOD_KEYS[method]
    assert not any(asked)
    assert bool(asked) == (how != "there")


@pytest.mark.parametrize("method", METHOD_KEYS)
def test_where_nobody_makes_the_digest_there_is_no_key(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    without(monkeypatch, "missing")
    for name in ("md5", "sha256"):
        monkeypatch.setattr(hashlib, name, refuses)
    with pytest.raises(NodeUnknown) as failure:
        keys.of_node("n1", LAB, method)
    assert failure.value.notice().code == "digest-missing"


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
        ("cafe", "", "cafe", keys.of_node("cafe", LAB)),
        ("0815", "", "0815", keys.of_node("0815", LAB)),
        ("n2", "", "n2", keys.of_node("n2", LAB)),
    ],
)
def test_which_node_a_call_names(plug: str, key: str, node: str, number: int) -> None:
    assert keys.named(plug, key, LAB) == Registrant(node, number)


def test_without_a_nodelist_a_name_is_taken_as_it_is() -> None:
    alone = Cluster("lab")
    for name in ("n1", "db1", "2"):
        assert keys.named(name, "", alone) == Registrant(name, keys.of_node(name, LAB))
    assert keys.named("n1", "7", Cluster()) == Registrant("n1", 7)
    assert keys.named("0x7", "", Cluster()) == Registrant("", 7)


# Each form of what is known of the nodes, and of what a call can name.
NAMELESS = (Node(0, "", ("192.0.2.1",), 1), Node(1, "", ("192.0.2.2",), 2))
HALF_NAMED = (Node(0, "n1", ("192.0.2.1",), 1), Node(1, "", ("192.0.2.2",), 2))
KNOWN = {
    "nothing": Cluster("lab"),
    "names": cluster("n1", "n2"),
    "names and others": Cluster("lab", cluster("n1", "n2").nodes, other_nodes=("r1", "db3")),
    "others": Cluster("lab", other_nodes=("n1", "r1")),
    "addresses": Cluster("lab", NAMELESS),
    "addresses and own name": Cluster("lab", NAMELESS, own_name="n1"),
    "addresses and others": Cluster("lab", NAMELESS, other_nodes=("n1", "r1")),
    "half": Cluster("lab", HALF_NAMED),
    "half and own name": Cluster("lab", HALF_NAMED, own_name="n2"),
    "keys": Cluster(node_keys=(("n1", 1), ("r1", 2))),
    "names and keys": Cluster("lab", cluster("n1", "n2").nodes, node_keys=(("n1", 1), ("r1", 2))),
    "addresses and keys": Cluster("lab", NAMELESS, node_keys=(("n1", 1), ("r1", 2))),
}
NAME, GIVEN, NUMBER = "by name", "given", "number"
NOT_LISTED, OTHERWISE, ADDRESS, NO_KEY = (
    "node-not-listed",
    "node-spelt-otherwise",
    "node-by-address",
    "node-without-key",
)
PLUGS = ("n1", "N1", "n2", "r1", "db3", "2", "n1.example.org", "192.0.2.2", "fd00::1", "0x2")
MEANT = {
    "nothing": (NAME, NAME, NAME, NAME, NAME, NAME, NAME, ADDRESS, ADDRESS, NUMBER),
    "names": (NAME, OTHERWISE, NAME, *[NOT_LISTED] * 4, ADDRESS, ADDRESS, NUMBER),
    "names and others": (NAME, OTHERWISE, NAME, NAME, NAME, NOT_LISTED, NOT_LISTED, ADDRESS, ADDRESS, NUMBER),
    "others": (NAME, OTHERWISE, *[NAME] * 5, ADDRESS, ADDRESS, NUMBER),
    "addresses": (*[NAME] * 7, ADDRESS, ADDRESS, NUMBER),
    "addresses and own name": (NAME, OTHERWISE, *[NAME] * 5, ADDRESS, ADDRESS, NUMBER),
    "addresses and others": (NAME, OTHERWISE, NOT_LISTED, NAME, *[NOT_LISTED] * 3, ADDRESS, ADDRESS, NUMBER),
    "half": (NAME, OTHERWISE, *[NAME] * 5, ADDRESS, ADDRESS, NUMBER),
    "half and own name": (NAME, OTHERWISE, NAME, *[NOT_LISTED] * 4, ADDRESS, ADDRESS, NUMBER),
    "keys": (GIVEN, OTHERWISE, NOT_LISTED, GIVEN, *[NOT_LISTED] * 3, ADDRESS, ADDRESS, NUMBER),
    "names and keys": (GIVEN, OTHERWISE, NO_KEY, GIVEN, *[NOT_LISTED] * 3, ADDRESS, ADDRESS, NUMBER),
    "addresses and keys": (GIVEN, OTHERWISE, NOT_LISTED, GIVEN, *[NOT_LISTED] * 3, ADDRESS, ADDRESS, NUMBER),
}


@pytest.mark.promise(1, 8)
@pytest.mark.parametrize("method", [HASH64, HASH])
@pytest.mark.parametrize(
    ("known", "plug", "meant"),
    [(known, plug, meant) for known in KNOWN for plug, meant in zip(PLUGS, MEANT[known])],
)
def test_what_each_plug_means_with_what_is_known_of_the_nodes(known: str, plug: str, meant: str, method: str) -> None:
    assert len(MEANT[known]) == len(PLUGS)
    described = KNOWN[known]
    if meant == NUMBER:
        assert keys.named(plug, "", described, method) == Registrant("", 2)
    elif meant in (NAME, GIVEN):
        made = keys.of_node(plug, Cluster("lab"), method) if meant == NAME else {"n1": 1, "r1": 2}[plug]
        assert keys.named(plug, "", described, method) == Registrant(plug, made)
        assert keys.of_cluster(described, method).get(made, plug) == plug
    else:
        with pytest.raises(NodeUnknown) as refused:
            keys.named(plug, "", described, method)
        assert refused.value.code == meant


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("plug", PLUGS)
def test_by_position_only_a_node_of_the_list_has_a_key(known: str, plug: str) -> None:
    described = KNOWN[known]
    if described.node_keys or plug == "0x2":
        assert keys_or_refusal(plug, described, ID) == keys_or_refusal(plug, described, HASH64)
    elif described.node(plug) and len(described.names()) == sum(bool(node.name) for node in described.nodes):
        assert keys.named(plug, "", described, ID).key == keys.of_node(plug, described, ID)
    else:
        assert isinstance(keys_or_refusal(plug, described, ID), str)


def keys_or_refusal(plug: str, known: Cluster, method: str) -> Registrant | str:
    """The node that is named, or the code of why none is."""
    try:
        return keys.named(plug, "", known, method)
    except NodeUnknown as error:
        return error.code


@given(
    st.text("abcdefABCDEF0123456789", min_size=1, max_size=18),
    st.lists(st.sampled_from(["n1", "db1", "cafe", "2", "r1"]), unique=True),
    st.booleans(),
)
def test_digits_alone_are_never_a_key(plug: str, names: list[str], listed: bool) -> None:
    known = cluster(*names) if listed else Cluster("lab", other_nodes=tuple(names))
    try:
        found = keys.named(plug, "", known)
    except NodeUnknown:
        assert plug not in names
    else:
        assert found == Registrant(plug, keys.of_node(plug, known))
    assert keys.named(f"0x{plug[:15]}1", "", known).node == ""


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    ("plug", "key", "known", "words"),
    [
        ("0x2b", "2a", LAB, "contradicts the option key, which is 0x2a"),
        ("0x2", "", cluster("n1", "0x2"), "is a key and the name of a node; give the node's key with the option key"),
        ("0x0", "", LAB, "cannot be 0"),
        ("0xzz", "", LAB, "is not a reservation key"),
        ("n1", "zz", LAB, "is not a reservation key"),
        ("n1", "0", LAB, "cannot be 0"),
        ("n1", "3", KNOWN["keys"], r"option 'node_keys', value 'n1:0x1': contradicts the option key, which is 0x3"),
        ("n1", "2", KNOWN["keys"], "contradicts the option key, which is 0x2"),
        ("n2", "2", KNOWN["names and keys"], "option 'key', value '0x2': is the key of node r1, not of n2"),
        ("n1", f"{keys.of_node('n2', LAB):x}", LAB, "is the key of node n2, not of n1"),
    ],
)
def test_a_call_that_contradicts_itself_is_refused(plug: str, key: str, known: Cluster, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        keys.named(plug, key, known)


def test_an_explicit_key_that_agrees_is_none_that_contradicts() -> None:
    assert keys.named("n1", "1", KNOWN["keys"]) == Registrant("n1", 1)
    assert keys.named("n1", f"{keys.of_node('n1', LAB):x}", LAB) == Registrant("n1", keys.of_node("n1", LAB))
    assert keys.named("other-name-of-n2", f"{keys.of_node('n2', LAB):x}", LAB).node == "other-name-of-n2"


@pytest.mark.promise(8)
@pytest.mark.parametrize(("plug", "key"), [("n1", ""), ("0x7", ""), ("n2", "7"), ("", "7"), ("0x7", "7")])
def test_a_victim_by_a_declared_foreign_key_is_refused(plug: str, key: str) -> None:
    known = Cluster("lab", LAB.nodes, foreign_keys=(keys.of_node("n1", LAB), 7))
    with pytest.raises(
        UsageError, match=r"option 'foreign_keys', value '0x8c7d4c63a6a9c62 0x7': key 0x\w+ is a node's"
    ):
        keys.named(plug, key, known)
    assert keys.named("n2", "", known).node == "n2"
    assert keys.named("0x8", "", known).key == 8


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    ("plug", "known", "method", "words"),
    [
        (
            "n9",
            LAB,
            HASH64,
            r"node n9: not known \(n1, n2, cafe, 0815\) \(did you mean 'n1'\?\);"
            " check the spelling, or name it in other_nodes",
        ),
        ("N1", LAB, HASH64, "node N1: known as 'n1'; write it so"),
        ("CAFE", LAB, HASH64, "node CAFE: known as 'cafe'"),
        ("n1.example.org", LAB, HASH64, r"did you mean 'n1'"),
        ("db", cluster("db.a", "x1"), HASH64, r"did you mean 'db\.a'"),
        ("db3", LAB, HASH64, r"0815\) \(a key is written 0xdb3\); check"),
        ("7", LAB, HASH64, r"a key is written 0x7"),
        ("n1", cluster("n1", name=""), HASH64, "set the option cluster_name, or give a key"),
        ("n1", Cluster(), HASH, "set the option cluster_name, or give a key"),
        ("n1", Cluster("lab"), ID, "not in the nodelist of corosync.conf, which key_value=id counts on"),
        (
            "10.0.0.1",
            Cluster("lab", (Node(0, "n1", ("10.0.0.1",)),)),
            HASH64,
            r"node 10\.0\.0\.1: an address names no node \(did you mean 'n1'\?\); name it as crm_node -l does",
        ),
        ("fd00:0::1", Cluster("lab", (Node(0, "n1", ("fd00::1",)),)), HASH64, r"did you mean 'n1'"),
        ("10.0.0.9", LAB, HASH64, r"an address names no node; name it"),
        ("n3", KNOWN["keys"], HASH64, r"node n3: not known \(n1, r1\) \(did you mean 'n1'"),
        (
            "n2",
            KNOWN["names and keys"],
            HASH64,
            r"node n2: not in the option node_keys \(n1, r1\); give every node its",
        ),
    ],
)
def test_a_key_that_cannot_be_known_is_said(plug: str, known: Cluster, method: str, words: str) -> None:
    with pytest.raises(NodeUnknown, match=words):
        keys.named(plug, "", known, method)


@pytest.mark.parametrize(
    ("known", "method", "words"),
    [
        (LAB, HASH64, ""),
        (LAB, ID, ""),
        (KNOWN["addresses"], HASH64, ""),
        (KNOWN["addresses and own name"], HASH, ""),
        (KNOWN["names and others"], HASH64, ""),
        (KNOWN["keys"], ID, ""),
        (KNOWN["addresses and keys"], HASH64, ""),
        (Cluster("lab"), HASH64, ""),
        (Cluster(), HASH64, "no cluster name"),
        (KNOWN["addresses"], ID, r"the node with the address 192\.0\.2\.1 has no name in corosync\.conf"),
        (KNOWN["half and own name"], ID, r"the node with the address 192\.0\.2\.2 has no name"),
        (KNOWN["names and keys"], HASH64, "node n2: not in the option node_keys"),
        (cluster("n1", "n2", "n1"), HASH64, "node n1: is twice"),
        (cluster("n1", "N1"), HASH64, "node n1: known as 'N1'"),
        (Cluster("lab", LAB.nodes, other_nodes=("N2",)), HASH64, "node n2: known as 'N2'"),
        (Cluster("lab", LAB.nodes, foreign_keys=(keys.of_node("n2", LAB),)), HASH64, r"key 0x\w+ is a node's"),
        (Cluster("lab", LAB.nodes, foreign_keys=(7,)), HASH64, ""),
    ],
)
def test_what_is_checked_whoever_is_meant(known: Cluster, method: str, words: str) -> None:
    if not words:
        keys.check(known, method)
        return
    with pytest.raises((NodeUnknown, UsageError), match=words):
        keys.check(known, method)


def test_a_name_of_the_nodelist_among_the_others_is_one_node() -> None:
    known = Cluster("lab", LAB.nodes, other_nodes=("r1", "n2"))
    assert list(keys.of_cluster(known).values()) == ["n1", "n2", "cafe", "0815", "r1"]
    assert keys.of_cluster(known)[keys.of_node("r1", LAB)] == "r1"


def test_given_keys_are_the_only_ones() -> None:
    for method in keys.METHODS:
        assert keys.of_cluster(KNOWN["names and keys"], method) == {1: "n1", 2: "r1"}
        assert keys.of_node("r1", KNOWN["names and keys"], method) == 2


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
@pytest.mark.parametrize("nodeid", ["3", "4"])
def test_a_nodeid_of_no_node_or_of_one_without_a_name_is_refused(known: Cluster, nodeid: str) -> None:
    with pytest.raises(NodeUnknown, match=rf"node {nodeid}: no node of corosync\.conf has this nodeid and a name"):
        keys.plug_of("", "", nodeid, known)


TWO_AND_A_GUEST = Cluster("lab", cluster("n1", "n2").nodes, other_nodes=("r1",))


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    ("plug", "nodename", "node"),
    [
        ("n1", "n2", "n1"),
        ("r1", "n2", "r1"),
        ("n2", "r1", "n2"),
        (f"0x{keys.of_node('n1', LAB):x}", "n2", "n1"),
        ("n2", "n2", ""),
        ("node1", "node1", ""),  # the dummy of validate-all
        ("0x2", "n2", ""),  # pcmk_host_map
        ("other-name-of-n2", "n2", ""),
        ("n2", "other-name-of-n2", ""),
        (f"0x{keys.of_node('n2', LAB):x}", "n2", ""),
        ("n1", "", ""),
        ("", "", ""),
        ("N1", "n2", ""),  # refused as a name
    ],
)
def test_a_left_over_plug_of_another_node_than_the_cluster_asked_for_is_refused(
    plug: str, nodename: str, node: str
) -> None:
    if not node:
        assert keys.plug_of(plug, "", "", TWO_AND_A_GUEST, nodename) == plug
        return
    with pytest.raises(UsageError, match=f"option 'plug', value '{plug}': is node {node}, and nodename is {nodename}"):
        keys.plug_of(plug, "", "", TWO_AND_A_GUEST, nodename)


@pytest.mark.promise(8)
def test_a_plug_that_is_another_nodes_given_key_is_refused() -> None:
    known = KNOWN["keys"]
    assert keys.plug_of("0x1", "", "", known, "n1") == "0x1"
    assert keys.plug_of("0x3", "", "", known, "n1") == "0x3"
    with pytest.raises(UsageError, match="is node r1, and nodename is n1"):
        keys.plug_of("0x2", "", "", known, "n1")


def test_where_no_keys_can_be_made_a_key_contradicts_nobody() -> None:
    known = cluster("n1", "n2", name="")
    assert keys.plug_of("0x2", "", "", known, "n1") == "0x2"


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
NODE = "    node {{\n        ring0_addr: {address}\n        name: {name}\n        nodeid: {nodeid}\n    }}\n"


def conf(cluster_name: str, names: list[str]) -> str:
    """A corosync.conf. Node ids are not positions."""
    nodes = [
        NODE.format(address=f"192.0.2.{number}", name=name, nodeid=50 - number) for number, name in enumerate(names)
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
