"""A path of a multipath map that returns without a registration, and what remains possible when it is registered."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.fencing import maps
from tests.fencing.agent import key, succeed
from tests.fencing.maps import PATH_1, PATH_2
from tests.guard.node import end, said, start, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.cluster import Cluster

N1, N3 = key("n1"), key("n3")
QUICK = ("--interval=0.1", "--path-interval=0.1")

# The guard's own steps, which stop before they register and before they take that back, until they are told to go on.
STEPS = """
import os, sys, time
sys.path.insert(0, "/project/lib")
from fence_pr.guard.attached import send_register
from fence_pr.guard.returned_paths import register_returned
from fence_pr.guard.threads import Threads, Worker

own, identity, *paths = sys.argv[1:]
own = int(own)

def send(path, old, new):
    step = "register" if not old else "withdraw" if not new else ""
    if step:
        open(f"/run/before-{step}", "x").close()
        while not os.path.exists(f"/run/{step}"):
            time.sleep(0.01)
    send_register(Worker(Threads(), lambda: None), identity, path, old, new)

outcome = register_returned(paths, own, send, lambda: 0.0)
print("registered", *outcome.registered, "withdrawn", *outcome.withdrawn)
"""


@pytest.fixture
def half(mortal: Cluster) -> Iterator[str]:
    """n1's map, registered over its first path only: the second was dead then. n3 is registered, too."""
    with maps.mapped(mortal, "a") as path:
        dm = mortal.n1.run(["readlink", path], check=True).stdout.strip()
        mortal.n1.run(["ln", "-sf", dm, mortal.n1.by_id("a")], check=True)  # as udev has it
        mortal.nodes[PATH_2].set_state("a", "offline")
        succeed(mortal.n1, "on", "n1", devices=path)
        succeed(mortal.n3, "on", "n3", "a")
        assert mortal.reservation("a").keys == {PATH_1: N1, "n3": N3}
        yield path


def is_left_alone(lab: Cluster) -> bool:
    """Whether nobody registers for half a second: paths are asked once for each change, not again and again."""
    before = lab.reservation("a").generation
    time.sleep(0.5)
    return lab.reservation("a").generation == before


def test_a_returned_path_is_reported_and_registered_only_if_that_is_asked_for(mortal: Cluster, half: str) -> None:
    running = start(mortal.n1, *QUICK, watching=1)
    mortal.nodes[PATH_2].set_state("a", "running")
    before = mortal.reservation("a")
    wait_until(lambda: said(mortal.n1, "2 paths answer, but this node is registered 1 times"))
    assert is_left_alone(mortal)
    assert mortal.reservation("a") == before, "not even the generation has changed"
    assert end(running).returncode == 0
    assert len(said(mortal.n1, "2 paths answer")) == 1
    running = start(mortal.n1, *QUICK, "--returned-paths=register", watching=1)
    wait_until(lambda: said(mortal.n1, "has returned without a registration: registered"))
    assert mortal.reservation("a").keys == {PATH_1: N1, PATH_2: N1, "n3": N3}
    assert mortal.nodes[PATH_2].write("a") == "ok"
    wait_until(lambda: is_left_alone(mortal))
    assert end(running).returncode == 0
    assert succeed(mortal.n3, "off", "n1", "a").stdout.startswith("Success: Powered OFF\n")
    assert mortal.reservation("a").keys == {"n3": N3}
    assert half


def test_a_node_fenced_in_between_is_back_until_the_withdrawal_and_no_longer(mortal: Cluster, half: str) -> None:
    """Why reporting is the default. The node stands still between the witness's word and its REGISTER."""
    second = mortal.nodes[PATH_2]
    second.set_state("a", "running")
    mortal.drain()
    paths = [mortal.nodes[path].disk("a") for path in (PATH_1, PATH_2)]
    steps = mortal.n1.start(["python3", "-c", STEPS, str(N1), mortal.lun("a").wwid, *paths], timeout=120)

    def stands_before(step: str) -> bool:
        return mortal.n1.run(["ls", f"/run/before-{step}"]).returncode == 0 or steps.done()

    wait_until(lambda: stands_before("register"))
    assert succeed(mortal.n3, "off", "n1", "a").stdout.startswith("Success: Powered OFF\n")
    mortal.n1.run(["touch", "/run/register"], check=True)
    wait_until(lambda: stands_before("withdraw"))
    assert mortal.reservation("a").keys == {PATH_2: N1, "n3": N3}
    assert second.write("a") == "ok", "what remains possible"
    mortal.n1.run(["touch", "/run/withdraw"], check=True)
    assert steps.wait().stdout.split() == ["registered", "withdrawn", second.disk("a")]
    assert mortal.reservation("a").keys == {"n3": N3}
    assert second.write("a") == "EBADE"
    assert half
