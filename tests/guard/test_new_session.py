"""A node has logged in anew: its key is the former session's. The guard says so, and resets nobody until it is gone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.fencing.agent import WERO, key, succeed
from tests.fencing.sessions import log_in_anew
from tests.guard.node import allowed_seconds, said, seconds_until_its_end, start, wait_until

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster

WORDS = f"key 0x{key('n1'):x} is registered, but not for this node as it is connected now"


def test_a_node_with_a_new_session_is_told_and_lives_until_it_is_fenced(mortal: Cluster) -> None:
    n1, n2 = mortal.n1, mortal.n2
    for node in (n1, n2):
        succeed(node, "on", node.name)
    start(n1, "--path-interval=0.5")
    before = mortal.reservation("a").generation
    log_in_anew(mortal, "n1", "a")
    wait_until(lambda: said(n1, WORDS))
    assert mortal.reservation("a").generation == before
    succeed(n1, "on", "n1")
    wait_until(lambda: said(n1, ": this node is registered (key"))
    assert len(said(n1, WORDS)) == 1
    holder = next(name for name, node in mortal.nodes.items() if node.pr("b", "release", key(name), WERO) == 0)
    assert not mortal.reservation("b").type, holder
    wait_until(lambda: said(n1, "nodes are registered but nothing is reserved: every node can write"))
    succeed(n2, "on", "n2")
    since = time.monotonic()
    succeed(n2, "off", "n1")
    assert seconds_until_its_end(mortal.guest, since=since) < allowed_seconds()
