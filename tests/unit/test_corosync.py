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
    assert [(node.position, node.called()) for node in PARSED.nodes] == [(0, "n1"), (1, "n2"), (2, "10.0.0.3")]


def test_a_node_by_its_nodeid_if_one_alone_has_it() -> None:
    assert PARSED.with_nodeid(7) == PARSED.nodes[0]
    assert PARSED.with_nodeid(9) == PARSED.nodes[2]
    assert PARSED.with_nodeid(2) is PARSED.with_nodeid(0) is None
    assert Cluster("x", (Node(0, "a", (), 1), Node(1, "b", (), 1))).with_nodeid(1) is None


@pytest.mark.parametrize("text", ["", "0", "x", "-1", "1.0", "\u0661", "12345678901"])
def test_what_is_no_nodeid_is_none(text: str) -> None:
    assert parse(f"nodelist {{\n node {{\n name: a\n nodeid: {text}\n }}\n}}").nodes == (Node(0, "a", ()),)


def test_a_node_goes_by_its_name_or_else_by_its_first_address() -> None:
    """One node must have one name, or it would have several keys."""
    assert PARSED.names() == ["n1", "n2", "10.0.0.3"]
    assert PARSED.node("n1") is PARSED.nodes[0]
    assert PARSED.node("10.0.0.3") is PARSED.nodes[2]
    assert PARSED.node("10.0.0.1") is None
    assert PARSED.node("10.1.0.3") is None
    assert PARSED.node("") is None
    assert PARSED.node("n") is None
    assert PARSED.node("n.") is None


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
        ("other", ("10.0.0.3",), "10.0.0.3"),
        ("other", ("10.1.0.3",), "10.0.0.3"),
        ("10.0.0.3", (), "10.0.0.3"),
        ("n1", ("fd00::2",), "n1"),
        ("other", ("10.0.0.9",), ""),
        ("n", (), ""),
        ("", (), ""),
    ],
)
def test_which_node_this_machine_is(hostname: str, addresses: tuple[str, ...], name: str) -> None:
    assert corosync.local_node(PARSED, hostname, frozenset(addresses)) == name


def test_a_full_host_name_wins_over_its_short_form() -> None:
    cluster = Cluster("x", (Node(0, "a", ()), Node(1, "a.example.org", ())))
    assert corosync.local_node(cluster, "a.example.org", frozenset()) == "a.example.org"


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

    def fake_open(path: str, *_: Any, **__: Any) -> io.StringIO:
        return io.StringIO(contents[path])

    with patch.object(builtins, "open", fake_open):
        hostname, addresses = corosync.this_machine()
    assert hostname == os.uname().nodename
    assert addresses == {"10.0.0.7", "127.0.0.1", "::1", "fd00::2"}


def test_a_kernel_without_these_lists_gives_no_addresses() -> None:
    def fake_open(path: str, *_: Any, **__: Any) -> io.StringIO:
        raise FileNotFoundError(2, "No such file or directory", path)

    with patch.object(builtins, "open", fake_open):
        assert corosync.this_machine()[1] == frozenset()
