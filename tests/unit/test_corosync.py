"""corosync.conf, and which of its nodes this machine is."""

from __future__ import annotations

import builtins
import io
import os
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fence_pr import corosync
from fence_pr.corosync import Cluster, Node, parse

if TYPE_CHECKING:
    from pathlib import Path

CONF = """\
# Please read the corosync.conf.5 manual page
totem {
    version: 2
    cluster_name: my cluster
    # cluster_name: commented
    interface {
        ringnumber: 0
        cluster_name: nested
    }
    transport: knet
}

logging {
    cluster_name: elsewhere
    logger_subsys {
        subsys: QUORUM
        name: not a node
    }
}
quorum {
    provider: corosync_votequorum
    device {
        node {
            name: no node either
        }
    }
}
nodelist {
    node {
        ring1_addr: 10.1.0.1
        ring0_addr: 10.0.0.1
        name: n1
        nodeid: 7
    }

    node{
        name : n2
        ring0_addr: fd00::2
    }
    # node {
    node {
        nodeid: 9
        ring0_addr: 10.0.0.3
        ring1_addr: 10.1.0.3
    }
}
"""
PARSED = Cluster(
    "my cluster",
    (
        Node(0, "n1", ("10.0.0.1", "10.1.0.1"), 7),
        Node(1, "n2", ("fd00::2",)),
        Node(2, "", ("10.0.0.3", "10.1.0.3"), 9),
    ),
)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_cluster_name_and_nodes_in_their_order(ending: str) -> None:
    assert parse(CONF.replace("\n", ending)) == PARSED


def test_positions_count_from_the_top_of_the_list_whatever_the_node_ids() -> None:
    assert [(node.position, node.name) for node in PARSED.nodes] == [(0, "n1"), (1, "n2"), (2, "")]


def test_a_node_by_its_nodeid_if_one_alone_has_it() -> None:
    assert PARSED.with_nodeid(7) == PARSED.nodes[0]
    assert PARSED.with_nodeid(9) == PARSED.nodes[2]
    assert PARSED.with_nodeid(2) is PARSED.with_nodeid(0) is None
    assert Cluster("x", (Node(0, "a", (), 1), Node(1, "b", (), 1))).with_nodeid(1) is None


@pytest.mark.parametrize("text", ["", "0", "x", "-1", "1.0", "\u0661", "12345678901"])
def test_what_is_no_nodeid_is_none(text: str) -> None:
    assert parse(f"nodelist {{\n node {{\n name: a\n nodeid: {text}\n }}\n}}").nodes == (Node(0, "a", ()),)


def test_a_node_goes_by_its_name_and_never_by_an_address() -> None:
    """One node must have one name, or it would have several keys."""
    assert PARSED.names() == ["n1", "n2"]
    assert PARSED.node("n1") is PARSED.nodes[0]
    for name in ("10.0.0.3", "10.0.0.1", "10.1.0.3", "", "n", "n."):
        assert PARSED.node(name) is None


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ("name: a", "a"),
        ("name: a\n ring0_addr: b", "a"),
        ("ring0_addr: b\n name: a", "a"),
        ("ring0_addr: b", "b"),
        ("ring0_addr: b.example.org", "b.example.org"),
        ("name:\n ring0_addr: b", "b"),
        ("ring0_addr: 10.0.0.3", ""),
        ("ring0_addr: 10.0.0.3\n ring1_addr: b", ""),
        ("ring1_addr: b", ""),
        ("ring0_addr: fd00::3", ""),
        ("ring0_addr: ::ffff:10.0.0.3", ""),
        ("ring0_addr: 10.0.0", "10.0.0"),
        ("ring0_addr: 10.0.0.x", "10.0.0.x"),
        ("ring0_addr: x.10.0.0.1", "x.10.0.0.1"),
        ("ring0_addr: 10.0.0.1.example.org", ""),  # begins like an address, as Pacemaker's sscanf has it
        ("ring0_addr: 10.0.0.1x", ""),
        ("name: 10.0.0.3", "10.0.0.3"),  # what is called so is called so
        ("nodeid: 3", ""),
    ],
)
def test_a_node_is_called_as_pacemaker_calls_it(lines: str, name: str) -> None:
    (node,) = parse(f"nodelist {{\n node {{\n {lines}\n }}\n}}").nodes
    assert node.name == name


NAMELESS = Cluster("x", (Node(0, "", ("192.0.2.1",)), Node(1, "", ("192.0.2.2",))))


def test_the_names_of_the_options_are_known_names_too_each_once() -> None:
    cluster = Cluster(
        "x", PARSED.nodes, other_nodes=("r1", "n2"), node_keys=(("n1", 1), ("r2", 2), ("r1", 3)), own_name="me"
    )
    assert cluster.names() == ["n1", "n2", "me", "r1", "r2"]
    assert cluster.node("r1") is None


@pytest.mark.parametrize(
    ("cluster", "all_of_them"),
    [
        (Cluster("x"), False),
        (Cluster("x", other_nodes=("r1",)), False),
        (Cluster("x", node_keys=(("n1", 1),)), True),
        (Cluster("x", (Node(0, "a", ()),)), True),
        (Cluster("x", (Node(0, "a", ()),), other_nodes=("r1",)), True),
        (PARSED, False),
        (NAMELESS, False),
        (Cluster("x", NAMELESS.nodes, own_name="me"), False),
        (Cluster("x", NAMELESS.nodes, other_nodes=("n1", "n2")), True),
        (Cluster("x", NAMELESS.nodes, other_nodes=("me", "n2"), own_name="me"), True),
        (Cluster("x", NAMELESS.nodes, other_nodes=("me",), own_name="me"), False),
        (Cluster("x", (*NAMELESS.nodes, Node(2, "n3", ())), other_nodes=("n3", "n2")), False),
        (Cluster("x", NAMELESS.nodes, node_keys=(("n1", 1),)), True),
        (Cluster("x", (*NAMELESS.nodes[:1], Node(1, "n2", ())), own_name="me"), True),
    ],
)
def test_whether_all_nodes_are_known_by_name(cluster: Cluster, all_of_them: bool) -> None:
    assert cluster.lists_all() is all_of_them


@pytest.mark.parametrize(
    ("cluster", "hostname", "addresses", "own"),
    [
        (NAMELESS, "me.example.org", {"192.0.2.1"}, "me.example.org"),
        (NAMELESS, "me", {"192.0.2.2", "127.0.0.1"}, "me"),
        (NAMELESS, "me", {"192.0.2.3"}, ""),
        (NAMELESS, "", {"192.0.2.1"}, ""),
        (PARSED, "me", {"10.0.0.1"}, ""),  # has a name
        (PARSED, "me", {"10.1.0.3"}, "me"),
        (PARSED, "n1", {"10.1.0.3"}, ""),  # another's name
        (Cluster("x"), "me", {"192.0.2.1"}, ""),
    ],
)
def test_a_machine_whose_entry_has_no_name_is_called_as_its_host(
    cluster: Cluster, hostname: str, addresses: set[str], own: str
) -> None:
    assert corosync.own_name(cluster, hostname, frozenset(addresses)) == own


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("nodelist {\n node {\n name: a\n", []),
        ("nodelist {\n node {\n name: a\n }\n", ["a"]),
        ("}\n}\nnodelist {\n node {\n name: a\n }\n}", ["a"]),
        ("node {\n name: a\n }\n", []),
        ("nodelist {\n node {\n name: a\n }\n}\nnodelist {\n node {\n name: b\n }\n}", ["a", "b"]),
        ("nodelist {\n node {\n name: a\n name: b\n }\n}", ["b"]),
        ("nodelist {\n node {\n nodeid: 1\n }\n node {\n name: b\n }\n}", ["b"]),
        ("nodelist {\n node {\n name: a\n }\n node {\n nodeid: 2\n }\n}", ["a"]),
        ("nodelist {\n node {\n name: a: b\n }\n}", ["a: b"]),
    ],
)
def test_missing_braces_and_odd_lists(text: str, names: list[str]) -> None:
    assert parse(text).names() == names


def test_a_name_does_not_leak_into_the_next_node() -> None:
    text = "nodelist {\n node {\n name: a\n }\n node {\n ring0_addr: 1.2.3.4\n }\n}"
    assert parse(text).nodes[1] == Node(1, "", ("1.2.3.4",))


@given(st.text(st.sampled_from("nodelist {}:\n#a1totem \r\t\x00\x1c\u2028"), max_size=120))
def test_no_text_crashes_the_parser(text: str) -> None:
    cluster = parse(text)
    assert [node.position for node in cluster.nodes] == list(range(len(cluster.nodes)))


def test_no_file_is_an_empty_cluster(tmp_path: Path) -> None:
    path = str(tmp_path / "none")
    assert corosync.load(path) == Cluster(missing=path)


def test_a_file_is_read_whatever_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "conf"
    file.write_bytes(b"totem {\n cluster_name: \xff\xfe\n}\n")
    assert corosync.load(str(file)).name.encode("utf-8", "surrogateescape") == b"\xff\xfe"


def test_a_file_that_cannot_be_read_is_an_error_and_no_empty_cluster(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        corosync.load(str(tmp_path))
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError, match="symbolic links"):
        corosync.load(str(tmp_path / "loop"))


@pytest.mark.parametrize(
    ("hostname", "addresses", "name"),
    [
        ("n1", (), "n1"),
        ("n2.example.org", (), "n2"),
        ("other", ("10.1.0.1",), "n1"),
        ("other", ("fd00::2", "127.0.0.1"), "n2"),
        ("other", ("10.0.0.3",), "other"),
        ("other.example.org", ("10.1.0.3",), "other.example.org"),
        ("n1", ("fd00::2",), "n1"),
        ("n1.example.org", ("fd00::2",), "n2"),  # the host of another site that has a short name of this one
        ("n1.example.org", ("10.0.0.3",), "n1.example.org"),
        ("other", ("10.0.0.9",), ""),
        ("n", (), ""),
        ("", (), ""),
        ("", ("10.0.0.3",), ""),
    ],
)
def test_which_node_this_machine_is(hostname: str, addresses: tuple[str, ...], name: str) -> None:
    assert corosync.local_node(PARSED, hostname, frozenset(addresses)) == name


def test_a_full_host_name_wins_over_its_short_form() -> None:
    cluster = Cluster("x", (Node(0, "a", ()), Node(1, "a.example.org", ())))
    assert corosync.local_node(cluster, "a.example.org", frozenset()) == "a.example.org"


@pytest.mark.promise(1)
def test_a_machine_does_not_become_another_sites_node_by_its_short_name() -> None:
    cluster = Cluster("x", (Node(0, "db1", ("192.0.2.1",)), Node(1, "b-db1", ("192.0.2.2",))))
    assert corosync.local_node(cluster, "db1.site2", frozenset({"192.0.2.2"})) == "b-db1"
    assert corosync.local_node(cluster, "db1.site1", frozenset({"192.0.2.1"})) == "db1"
    assert corosync.local_node(cluster, "db1.site1", frozenset()) == "db1"


def test_a_machine_is_found_by_its_host_name_at_a_link() -> None:
    cluster = Cluster("x", (Node(0, "a", ("link-a",)), Node(1, "b", ("link-b", "192.0.2.2"))))
    assert corosync.local_node(cluster, "link-b", frozenset()) == "b"


@pytest.mark.parametrize("listed", ["fd00::2", "FD00:0:0::2", "fd00:0000:0000:0000:0000:0000:0000:0002"])
def test_spellings_of_one_address_are_equal(listed: str) -> None:
    cluster = Cluster("x", (Node(0, "a", ("fd00::1",)), Node(1, "b", (listed,))))
    assert corosync.local_node(cluster, "other", frozenset({"fd00::2"})) == "b"


@pytest.mark.parametrize("listed", ["fd00::2%eth0", "fd00::2::", "x:y", ":", "fd00::\udcd8", "fd00::2\0"])
def test_what_is_no_address_is_nobodys(listed: str) -> None:
    cluster = Cluster("x", (Node(0, "a", (listed,)),))
    assert corosync.local_node(cluster, "other", frozenset({"fd00::2", "::"})) == ""


@pytest.mark.parametrize(
    ("options", "hostname", "name"),
    [
        ({"other_nodes": ("r1", "r2.example.org")}, "r1", "r1"),
        ({"other_nodes": ("r1", "r2.example.org")}, "r1.example.org", "r1"),
        ({"other_nodes": ("r1", "r2.example.org")}, "r2.example.org", "r2.example.org"),
        ({"other_nodes": ("r1", "r2.example.org")}, "r2", ""),
        ({"node_keys": (("n1", 1), ("n2", 2))}, "n2.example.org", "n2"),
        ({"node_keys": (("n1", 1), ("n2", 2))}, "n3", ""),
        ({}, "n1", ""),
    ],
)
@pytest.mark.parametrize("nodes", [(), PARSED.nodes[:1]])
def test_without_an_entry_of_its_own_a_machine_is_known_by_the_options(
    nodes: tuple[Node, ...], options: dict[str, Any], hostname: str, name: str
) -> None:
    cluster = Cluster("x", nodes, **options)
    expected = "n1" if nodes and hostname == "n1" else name
    assert corosync.local_node(cluster, hostname, frozenset({"192.0.2.9"})) == expected


FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.0.0.0/24 2 0 2
        |-- 10.0.0.0
           /24 link UNICAST
        |-- 10.0.0.7
           /32 host LOCAL
        |-- 10.0.0.255
           /32 link BROADCAST
Local:
  +-- 0.0.0.0/0 3 0 5
        |-- 10.0.0.7
           /32 host LOCAL
        +-- 127.0.0.0/31 1 0 0
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
"""
IF_INET6 = """\
00000000000000000000000000000001 01 80 10 80       lo
fd000000000000000000000000000002 02 40 00 80     eth0
"""


def test_addresses_come_from_the_kernels_own_lists() -> None:
    contents = {"/proc/net/fib_trie": FIB_TRIE, "/proc/net/if_inet6": IF_INET6}

    def fake_open(path: str, *_: Any, **__: Any) -> io.BytesIO:
        return io.BytesIO(contents[path].encode())

    with patch.object(builtins, "open", fake_open):
        hostname, addresses = corosync.this_machine()
    assert hostname == os.uname().nodename
    assert addresses == {"10.0.0.7", "127.0.0.1", "::1", "fd00::2"}


def test_a_kernel_without_these_lists_gives_no_addresses() -> None:
    def fake_open(path: str, *_: Any, **__: Any) -> io.StringIO:
        raise FileNotFoundError(2, "No such file or directory", path)

    with patch.object(builtins, "open", fake_open):
        assert corosync.this_machine()[1] == frozenset()
