"""A node has logged in anew, and its key is the former session's, or LIO does not go by the present one's. The guard
says so, and resets nobody until the key is gone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.fencing.agent import WERO, key, run, succeed
from tests.fencing.sessions import log_in_anew
from tests.guard.node import allowed_seconds, end, said, seconds_until_its_end, start, wait_until
from tests.lab import plugin

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster

WORDS = f"key 0x{key('n1'):x} is registered, but not for this node as it is connected now"
ANOTHER = 0x77
UNHEEDED = f"key 0x{ANOTHER:x} is registered, and the target refuses this node as if it were not"
SEVERAL_CHECKS_SECONDS = 3.0


@plugin.newest
def test_a_node_that_lio_lists_and_does_not_go_by_is_told_and_lives(mortal: Cluster) -> None:
    """It is shut out by mistake: a reset would help nobody, and 'on' does."""
    n1, n3 = mortal.n1, mortal.n3
    for node in (n3, n1):
        succeed(node, "on", node.name)
    log_in_anew(mortal, "n1", "c")
    succeed(n1, "on", "n1")
    user = n1.start(["sh", "-c", f"exec sleep 60 3<>{n1.disk('c')}"])
    done = run(n1, "on", "n1", key=hex(ANOTHER))
    assert (done.returncode, "is left" in done.stdout) == (0, True), done
    guard = start(n1, "--path-interval=0.5")
    n3.drain("c")
    assert (n3.pr("c", "preempt", key("n3"), key("n1"), WERO), n1.write("c")) == (0, "EBADE")
    wait_until(lambda: said(n1, UNHEEDED))
    before = mortal.reservation("c")
    time.sleep(SEVERAL_CHECKS_SECONDS)
    assert (len(said(n1, UNHEEDED)), mortal.guest.alive(), guard.done()) == (1, True, False)
    assert before.keys == {"n3": key("n3"), "n1": ANOTHER}
    assert mortal.reservation("c") == before, "not even the generation has changed"
    user.signal(9)
    user.wait()
    succeed(n1, "on", "n1", key=hex(ANOTHER))
    assert n1.write("c") == "ok"
    wait_until(lambda: said(n1, f": this node is registered (key 0x{ANOTHER:x})"))
    assert end(guard).returncode == 0


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
