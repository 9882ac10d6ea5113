"""This node's key is gone and the node was not fenced: another key stands in its place, or one path leads astray."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.fencing import maps
from tests.fencing.agent import WERO, key, succeed
from tests.fencing.maps import PATH_1, PATH_2
from tests.guard.node import allowed_seconds, check, end, said, seconds_until_its_end, start, wait_until

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster
    from tests.lab.fabric import Fabric, Host

LVM, ANOTHER = 0x1000000000000001, 0x77
N1, N2, N3 = map(key, ("n1", "n2", "n3"))
IGNORE_KEY = 1
RESET = 254
REGISTERED_OTHERWISE = "this node is registered with another key, "
SEVERAL_CHECKS_SECONDS = 3.0


def test_over_a_map_the_path_that_has_the_other_key_is_found(mortal: Cluster) -> None:
    with maps.mapped(mortal, "a") as name:
        mortal.n1.run(["ln", "-sf", mortal.n1.run(["readlink", name]).stdout.strip(), mortal.n1.by_id("a")], check=True)
        succeed(mortal.n1, "on", "n1", devices=name)
        succeed(mortal.n3, "on", "n3", luns="a")
        running = start(mortal.n1, watching=1)
        second = mortal.nodes[PATH_2]
        assert second.pr("a", "register", 0, LVM, IGNORE_KEY) == 0
        assert mortal.nodes[PATH_1].pr("a", "register", N1, 0) == 0
        assert mortal.reservation("a").keys == {PATH_2: LVM, "n3": N3}
        wait_until(lambda: said(mortal.n1, REGISTERED_OTHERWISE))
        done = check(mortal.n1)
        assert (done.returncode, f"{REGISTERED_OTHERWISE}0x{LVM:x}" in done.stderr) == (0, True), done
        assert end(running).returncode == 0


def test_a_path_that_leads_to_another_lun_of_the_same_name_resets_nobody(mortal: Cluster) -> None:
    """Two heads that have one disk, but not its reservations in common."""
    n1, n3 = mortal.n1, mortal.n3
    with mortal.twin("a") as twin, maps.mapped(mortal, "a") as name:
        n1.run(["ln", "-sf", n1.run(["readlink", name]).stdout.strip(), n1.by_id("a")], check=True)
        succeed(n1, "on", "n1", devices=name)
        running = start(n1, "--path-interval=0.5", watching=1)
        with n3.leads_to("a", twin):
            assert n3.pr("a", "register", 0, N3, IGNORE_KEY) == 0
            assert n3.pr("a", "reserve", N3, WERO) == 0
            with mortal.nodes[PATH_2].leads_to("a", twin):
                wait_until(lambda: said(n1, "two paths lead to two disks"))
                time.sleep(SEVERAL_CHECKS_SECONDS)
                (line,) = said(n1, "two paths lead to two disks")
                assert f"{mortal.nodes[PATH_2].disk('a')}: this node's key 0x{N1:x} is not listed" in line
                assert f"{mortal.nodes[PATH_1].disk('a')}: this node is registered" in line
        assert said(n1, "fenced") == []
        assert end(running).returncode == 0


# The last of those with one guest, which it ends.
def test_a_node_whose_key_lvm_has_replaced_lives_until_it_is_fenced_with_that(mortal: Cluster) -> None:
    n1, n2 = mortal.n1, mortal.n2
    for node in (n1, n2):
        succeed(node, "on", node.name)
    start(n1)
    assert n1.pr("a", "register", 0, LVM, IGNORE_KEY) == 0
    wait_until(lambda: said(n1, f"{REGISTERED_OTHERWISE}0x{LVM:x} (LVM's form), and its own 0x{N1:x} is gone"))
    assert n1.write("a") == "ok"
    before = mortal.reservation("a")
    time.sleep(SEVERAL_CHECKS_SECONDS)
    assert mortal.reservation("a") == before, "not even the generation has changed"
    assert before.keys == {"n1": LVM, "n2": N2}
    assert len(said(n1, REGISTERED_OTHERWISE)) == 1
    assert (check(n1).returncode, mortal.guest.alive()) == (0, True)
    n2.drain("a")
    since = time.monotonic()
    assert n2.pr("a", "preempt", N2, LVM, WERO) == 0
    assert seconds_until_its_end(mortal.guest, since=since) < allowed_seconds()


def test_a_host_that_is_registered_with_another_key_or_with_zero_was_not_fenced(fabric: Fabric) -> None:
    n1, n2, _ = fabric.hosts.values()

    def unfence(*hosts: Host) -> None:
        for host in hosts:
            succeed(host, "on", host.name, devices=host.all_by_id())

    def found(code: int, words: str) -> None:
        done = check(n1)
        assert (done.returncode, words in done.stderr) == (code, True), done

    unfence(n1, n2)
    assert n1.ioctl("register", N1, ANOTHER) == 0
    found(0, f"{REGISTERED_OTHERWISE}0x{ANOTHER:x}, and its own 0x{N1:x} is gone: it was not fenced")
    assert n1.write_to() == "ok"
    assert n1.ioctl("register", ANOTHER, 0) == 0
    assert fabric.reservation().keys == {"n1": 0, "n2": N2}
    found(0, f"this node's key 0x{N1:x} is gone, and it is registered with key 0: it was not fenced")
    assert n1.write_to() == "ok"
    unfence(n1)
    assert n2.ioctl("preempt", N2, N1, fabric.reservation().type) == 0
    found(RESET, "this node was fenced")
    assert n2.ioctl("register", N2, 0) == 0
    assert fabric.reservation().keys == {"n2": 0}
    found(RESET, "this node was fenced")
    assert n1.write_to() == "EBADE"
