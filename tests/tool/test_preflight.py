"""'preflight' on real disks: good ones pass, and of targets that are broken on purpose the step says what is wrong."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.fencing import maps, sessions
from tests.lab.inside import slow, target
from tests.lab.plugin import NEWEST, parameter
from tests.tool.pr_fence import CIB, TOOL, configure, reported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.cluster import Cluster, Node
    from tests.lab.guest import Running
    from tests.lab.nvme import Namespaces

# As ssh is called: a node, and a line for its shell. In the guest a node's name is a command that runs there.
REMOTE = '#!/bin/sh\nnode=$1; shift; exec "$node" sh -c "PATH=/project:\\$PATH $*"\n'
RSH = "/run/rsh"
IGNORE_KEY = 1
SCRATCH = 0x7072666C74
# Waits for the test to say that the operator has done his part.
OPERATOR = "touch /run/asked; until [ -e /run/done ]; do sleep 0.1; done"
newest = pytest.mark.parametrize("kernel", [parameter(NEWEST)], indirect=True)


def empty(node: Node, disk: str) -> None:
    """Nothing stands on the disk."""
    node.run(["dd", "if=/dev/zero", f"of={disk}", "bs=1M", "oflag=direct"])  # it ends with the disk


def arguments(disk: str, *more: str) -> list[str]:
    return ["preflight", disk, "--settle=0.5", *more]


def with_node(name: str, disk: str = "") -> list[str]:
    return [f"--with={name}", f"--rsh={RSH}", *([f"--other-disk={disk}"] if disk else [])]


def prepared(node: Node) -> Node:
    """A node on which no cluster runs, and from which others can be reached."""
    configure(node)
    node.run(["sh", "-c", f"cat > {RSH} && chmod +x {RSH}"], stdin=REMOTE, check=True)
    return node


def flown(node: Node, disk: str, *more: str) -> dict[str, Any]:
    """The report of a call."""
    return reported(prepared(node), *arguments(disk, *more), CIB_file=CIB)


def states(report: dict[str, Any], *wanted: str) -> dict[str, list[str]]:
    """Step → the codes of what was seen, for the steps that ended so."""
    assert report["found"], report
    steps = [it for it in report["found"]["steps"] if it["state"] in wanted]
    return {it["name"]: [seen["code"] for seen in it["seen"]] for it in steps}


def assert_passes(report: dict[str, Any], *warned: str) -> None:
    """Nothing failed, and these steps alone have something to warn of."""
    assert states(report, "FAIL") == {}
    assert report["exit_status"] == 0
    assert [*states(report, "WARN")] == [*warned]
    assert states(report, "PASS")["left-clean"] == ["left-clean"]
    assert [it["landed_later"] for it in report["found"]["streams"]] in ([[], []], [[]])


def test_lio_passes_and_nothing_is_left(lab: Cluster) -> None:
    empty(lab.n1, lab.n1.disk("e"))
    report = flown(lab.n1, lab.n1.by_id("e"), *with_node("n2"))
    assert_passes(report)
    assert [*states(report, "SKIP")] == ["each-path", "other-path"]
    assert all(it["refused"] and it["acknowledged"] for it in report["found"]["streams"])
    said = lab.reservation("e")
    assert (said.keys, said.type) == ({}, 0)
    # Not even a block in the middle.
    size = 16 << 20
    assert not any(lab.n1.content("e", offset=size // 2 + 4096 * at).strip(b"\0") for at in range(8))


def test_a_map_passes_over_each_path(lab: Cluster) -> None:
    empty(lab.n1, lab.n1.disk("a"))
    with maps.mapped(lab, "a") as mapped:
        report = flown(lab.n1, mapped, *with_node("n3", lab.n3.by_id("a")))
    assert_passes(report, "abort")  # LIO says who it is
    assert states(report, "SKIP") == {}
    assert states(report, "PASS")["other-path"] == ["preempt-over-another-path"]
    assert lab.reservation("a").keys == {}


def test_an_nvme_namespace_passes(namespaces: Namespaces) -> None:
    n1, n2 = (namespaces.disk(name) for name in ("n1", "n2"))
    empty(namespaces.cluster.n1, n1)
    report = flown(namespaces.cluster.n1, n1, *with_node("n2", n2))
    assert_passes(report, "persistence")  # nvmet keeps nothing, and says so
    assert (namespaces.reservation().keys, namespaces.reservation().type) == ({}, 0)


def test_a_clone_with_the_same_host_identifier_is_found(namespaces: Namespaces, request: pytest.FixtureRequest) -> None:
    empty(namespaces.cluster.n1, namespaces.disk("n1"))
    namespaces.connect("n2", request.node.callspec.params["namespaces"], like="n1")
    report = flown(namespaces.cluster.n1, namespaces.disk("n1"), *with_node("n2", namespaces.disk("n2")))
    assert states(report, "FAIL") == {"two-hosts": ["one-registration-for-two"]}
    assert states(report, "SKIP")["abort-holder"] == ["step-needs"]
    assert namespaces.reservation().keys == {}


def acted(node: Node, disk: str, deed: Callable[[], None], step: str) -> dict[str, Any]:
    """The report of a call with one step, in which the operator does something."""
    prepared(node).run(["rm", "-f", "/run/asked", "/run/done"])
    call = [TOOL, *arguments(disk, "--write", f"--{step}={OPERATOR}", f"--only={step}", "--json")]
    running = node.start(call, env={"CIB_file": CIB}, timeout=60)
    node.run(["sh", "-c", "until [ -e /run/asked ]; do sleep 0.1; done"], check=True)
    deed()
    node.run(["touch", "/run/done"], check=True)
    report: dict[str, Any] = json.loads(running.wait().stdout)
    return report


@newest
@pytest.mark.parametrize("keeps", [True, False])
def test_a_target_that_forgets_at_its_restart_is_found(lab: Cluster, keeps: bool) -> None:
    """LIO keeps them in a file, which may be lost."""
    empty(lab.n1, lab.n1.disk("e"))

    def restart() -> None:
        if not keeps:
            lab.guest.run(["rm", f"{target.KEPT}/aptpl_{lab.lun('e').serial}"], check=True)
        lab.restart_target("e")

    report = acted(lab.n1, lab.n1.by_id("e"), restart, "restart")
    assert states(report, "FAIL") == ({} if keeps else {"restart": ["registrations-forgotten"]})
    assert lab.reservation("e").keys == {}


@newest
def test_a_session_that_is_made_anew_is_another_to_the_target(lab: Cluster) -> None:
    empty(lab.n1, lab.n1.disk("e"))
    report = acted(lab.n1, lab.n1.by_id("e"), lambda: sessions.log_in_anew(lab, "n1", "e"), "relogin")
    found = states(report, "PASS", "WARN", "FAIL", "SKIP")
    assert found["relogin"] == ["session-is-another"], (found, report["problems"])
    assert lab.reservation("e").keys == {}


@newest
def test_writes_that_go_past_the_target_are_found(lab: Cluster) -> None:
    """The victim's reservations go to the target, and its writes to the disk below, as past a cache or a hypervisor."""
    empty(lab.n1, lab.n1.disk("e"))
    with maps.mapped(lab, "e") as mapped, around_the_target(lab.n1, mapped, slow.DISKS["lun-e"]) as disk:
        report = flown(lab.n3, lab.n3.by_id("e"), *with_node("n1", disk))
    assert report["found"]["refused"] is None, report["found"]["refused"]
    failed = states(report, "FAIL")
    assert failed.get("enforce-wero") == ["write-let-through"], failed
    assert failed["abort-registrant"] == ["stream-goes-on"], failed
    assert lab.reservation("e").keys == {}


@contextmanager
def around_the_target(node: Node, mapped: str, below: str) -> Iterator[str]:
    """While it lasts, what the node writes to the map goes to another device: a name of the map."""
    script = f"""
    set -e
    kernel=$(readlink -f {mapped})
    dmsetup --noudevsync --noudevrules create around --table "0 $(blockdev --getsz {below}) linear {below} 0"
    around=/dev/$(dmsetup info -c --noheadings -o blkdevname around)
    numbers=$(cat /sys/class/block/${{kernel##*/}}/dev)
    mknod /run/map b ${{numbers%:*}} ${{numbers#*:}}
    mount --bind $around $kernel
    echo $kernel
    """
    kernel = node.run(["sh", "-c", script], check=True).stdout.strip()
    try:
        yield "/run/map"
    finally:
        node.run(["umount", kernel], check=True)
        node.run(["rm", "/run/map"], check=True)
        node.run(["dmsetup", "--noudevsync", "--noudevrules", "remove", "--retry", "around"], check=True)


@newest
def test_an_abort_that_does_not_abort_is_found(lab: Cluster) -> None:
    """LIO aborts nothing of a victim that does not hold the reservation; its store holds each write for a while."""
    empty(lab.n1, lab.n1.disk("e"))
    lab.guest.call("hold_writes", name="lun-e", milliseconds=400)
    report = flown(lab.n1, lab.n1.by_id("e"), *with_node("n2"), "--only=abort-registrant,abort-holder")
    assert states(report, "FAIL") == {"abort-registrant": ["landed-after-abort"]}
    assert states(report, "PASS")["abort-holder"] == ["stream-ended"]
    registrant, holder = report["found"]["streams"]
    assert registrant["landed_later"]
    assert not holder["landed_later"]


@newest
def test_another_disk_with_the_same_identity_is_found(lab: Cluster) -> None:
    """Two heads that do not share their reservations."""
    empty(lab.n1, lab.n1.disk("d"))
    with lab.twin("d") as twin, lab.n2.leads_to("d", twin):
        report = flown(lab.n1, lab.n1.by_id("d"), *with_node("n2"))
    assert states(report, "FAIL") == {"same-disk": ["registration-unseen"]}


@newest
def test_a_path_to_another_disk_is_found(lab: Cluster) -> None:
    """And nobody has told the kernel."""
    with maps.mapped(lab, "a") as mapped, lab.n2.leads_to("a", "b"):
        report = flown(lab.n1, mapped)
    assert states(report, "FAIL") == {"identity": ["path-leads-elsewhere"]}


@newest
def test_what_stands_on_a_disk_and_who_is_registered_keeps_it_from_being_written_to(lab: Cluster) -> None:
    disk, by_id = lab.n1.disk("b"), lab.n1.by_id("b")
    empty(lab.n1, disk)
    lab.n1.run(["mkswap", disk], check=True)
    lab.drain()
    assert lab.n3.pr("b", "register", 0, 0x77, IGNORE_KEY) == 0
    before, content = lab.reservation("b"), lab.n1.content("b")
    refused = flown(lab.n1, by_id, "--write", "--only=register")
    said = refused["found"]["refused"]["text"]
    assert (refused["exit_status"], refused["found"]["verdict"]) == (1, "SKIP")
    assert "swap" in said
    assert "keys are registered: 0x77" in said
    assert (lab.reservation("b"), lab.n1.content("b")) == (before, content)
    done = flown(lab.n1, by_id, "--write", "--only=register", f"--yes={lab.lun('b').wwid}")
    assert states(done, "PASS")["register"] == ["registration-works"]
    assert (lab.reservation("b").keys, lab.n1.content("b")) == ({}, content)
    writer = lab.n1.start(["sh", "-c", f"exec 3<>{disk}; touch /run/opened; sleep 30"])
    lab.n1.run(["sh", "-c", "until [ -e /run/opened ]; do sleep 0.1; done"], check=True)
    used = flown(lab.n1, by_id, "--write", "--only=register", f"--yes={lab.lun('b').wwid}")
    assert [it["code"] for it in used["problems"]] == ["disk-used-here"]
    writer.signal(group=True)


def stopped_in_the_middle(lab: Cluster) -> Running:
    """A run that has registered and reserved, and waits."""
    empty(lab.n1, lab.n1.disk("e"))
    prepared(lab.n1).run(["rm", "-f", "/run/there"])
    call = [TOOL, *arguments(lab.n1.by_id("e"), "--write", "--only=restart", "--restart=touch /run/there; sleep 60")]
    running = lab.n1.start(call, env={"CIB_file": CIB}, timeout=60)
    lab.n1.run(["sh", "-c", "until [ -e /run/there ]; do sleep 0.1; done"], check=True)
    assert {key >> 24 for key in lab.reservation("e").keys.values()} == {SCRATCH}
    assert lab.reservation("e").type
    # And nobody formats it meanwhile.
    assert lab.n1.run(["mkswap", lab.n1.disk("e")]).returncode
    return running


@newest
def test_scratch_keys_go_when_the_run_is_killed(lab: Cluster) -> None:
    stopped_in_the_middle(lab).signal(group=True)
    until = time.monotonic() + 10
    while lab.reservation("e").keys and time.monotonic() < until:
        time.sleep(0.1)
    assert (lab.reservation("e").keys, lab.reservation("e").type) == ({}, 0)


@newest
def test_scratch_keys_of_a_run_all_of_which_was_killed_are_removed_by_the_next(lab: Cluster) -> None:
    running = stopped_in_the_middle(lab)
    lab.n1.run(["pkill", "-KILL", "-f", "--", "--other-end"], check=True)
    running.signal(group=True)
    left = lab.reservation("e")
    assert left.keys
    assert left.type
    report = flown(lab.n1, lab.n1.by_id("e"), "--write", "--only=register")
    assert [it["code"] for it in report["warnings"]] == ["scratch-keys-removed"]
    assert states(report, "FAIL") == {}
    assert (lab.reservation("e").keys, lab.reservation("e").type) == ({}, 0)


@newest
def test_a_disk_that_hangs_does_not_hang_the_tool(lab: Cluster) -> None:
    empty(lab.n1, lab.n1.disk("e"))
    lab.n2.hang("e")
    started = time.monotonic()
    report = flown(lab.n1, lab.n1.by_id("e"), *with_node("n2"), "--timeout=3")
    assert time.monotonic() - started < 20
    assert (report["exit_status"], report["found"]) == (3, None)
    assert [it["code"] for it in report["unseen"]] == ["other-node-silent"]
    assert lab.reservation("e").keys == {}
