"""Disks and targets that are broken, but answer: the failure is named, and nobody is called fenced who is not."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.faults import traced
from tests.faults.disks import MixedDisks, NvmeDisks, ScsiDisks, State, option, register
from tests.faults.forms import both, loop, newest
from tests.fencing.agent import fail, key, run, succeed
from tests.lab.inside import layout
from tests.lab.inside.target import KEPT, TARGET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.disks import LabDisks
    from tests.lab.cluster import Cluster
    from tests.lab.nvme import Namespaces
    from tests.tried import Faults

NODES = ("n1", "n2", "n3")
FIRST, LAST = "b", "c"  # of a, b, c by identity
SO_FAR = f"Failed: n2 (key 0x{key('n2'):x}) is fenced on only 2 of 3 disks; it may still write to the others"

pytestmark = pytest.mark.promise(1, 5)


@pytest.fixture
def disks(lab: Cluster) -> ScsiDisks:
    """LUNs b, a, c, with all nodes registered; n1 holds the reservations."""
    found = ScsiDisks(lab, "abc")
    register(found, NODES)
    return found


@newest
@pytest.mark.parametrize("broken", [FIRST, LAST])
def test_a_dead_path(disks: ScsiDisks, broken: str, faults: Faults) -> None:
    lab = disks.cluster
    label = f"{lab.n1.by_id(broken)} ({lab.n1.disk(broken)})"
    with faults.injected("dead path"):
        lab.n1.set_state(broken, "offline")
        lines = fail(lab.n1, "off", "n2")
        assert [line for line in lines if line.startswith(f"Failed: {label}: open: the device is gone")]
        assert lines[-1].startswith("Failed: nothing was changed on any disk; ")
        assert registered(disks) == [{*NODES}] * 3
        (line,) = fail(lab.n1, "on", "n1")
        assert label in line
        assert run(lab.n1, "status", "n2").returncode == 1
        lab.n1.set_state(broken, "running")
        succeed(lab.n1, "off", "n2")
        assert registered(disks) == [{"n1", "n3"}] * 3


@newest
@pytest.mark.parametrize("how", ["dropped", "unmapped"])
@pytest.mark.parametrize("broken", [FIRST, LAST])
def test_a_lun_that_is_removed_between_read_and_preempt(
    disks: ScsiDisks, broken: str, how: str, faults: Faults
) -> None:
    """The node loses the disk, or its target no longer gives it: LIO then forgets the node's registration, too."""
    lab = disks.cluster
    label = disks.path("n1", broken)
    with faults.injected(f"LUN {how} between read and preempt"):
        agent = traced.start(disks, "n1", "off", "n2", site=f"{disks.fencing(broken)} {broken} 1")
        agent.wait_until_held()
        with _dropped(lab, broken) if how == "dropped" else _unmapped(lab, broken):
            agent.go_on()
            done = agent.wait()
            lines = done.stderr.splitlines()
            assert (done.returncode, done.stdout) == (1, ""), done
            assert lines[0].startswith(f"Failed: {label}: "), done
            if broken == FIRST:
                assert len(lines) == 3, done
                assert all(f"not touched: {label} is fenced first and decides" in line for line in lines[1:]), done
            else:
                assert [line.split("; fix")[0] for line in lines[1:]] == [SO_FAR], done
            left = ["n2" in keys for keys in registered(disks)]
            assert left == [True] * 3 if broken == FIRST else [False, False, True]
        # Another node, whose disks are all there, can do it.
        succeed(lab.n3, "off", "n2")
        assert all("n2" not in keys and "n3" in keys for keys in registered(disks))


@both
def test_a_write_protected_lun(disks: ScsiDisks, faults: Faults) -> None:
    """LIO takes no reservation command that changes something then; only old kernels hand out a hint why."""
    lab = disks.cluster
    label = f"{lab.n1.by_id(LAST)} ({lab.n1.disk(LAST)})"
    with faults.injected("write-protected LUN"):
        with _write_protected(lab, "n1", LAST):
            line, so_far = fail(lab.n1, "off", "n2")
            assert so_far.startswith(SO_FAR)
            assert line.startswith(f"Failed: {label}: preempt"), line
            assert ("write-protected" in line) == (lab.release < (6, 19)), line
            assert registered(disks) == [{"n1", "n3"}, {"n1", "n3"}, {*NODES}]
            (line,) = fail(lab.n1, "on", "n1")
            assert line.startswith(f"Failed: {label}: register: "), line
            assert fail(lab.n1, "status", "n2")
        assert succeed(lab.n1, "off", "n2").stdout.startswith("Success: Powered OFF\n")
        assert registered(disks) == [{"n1", "n3"}] * 3


@newest
def test_a_target_without_room_for_registrations(disks: ScsiDisks, faults: Faults) -> None:
    """LIO has no limit of its own, but must write every registration to a folder, which is full here.

    It answers REGISTER with an error and nevertheless lets the node in. The agent believes the error.
    """
    lab = disks.cluster
    register(disks, ("n2",))
    with faults.injected("target without room for registrations"):
        with _full_store(lab):
            lines = fail(lab.n1, "on", "n1")
            assert len(lines) == 3
            assert all(": register: the target answered with an error" in line for line in lines)
            assert succeed(lab.n2, "off", "n1").returncode == 0
            assert registered(disks) == [{"n2"}] * 3
            assert {lab.n1.write(lun) for lun in disks.names} == {"EBADE"}
        succeed(lab.n1, "on", "n1")
        assert registered(disks) == [{"n1", "n2"}] * 3


@newest
@pytest.mark.parametrize("kept", [True, False])
def test_lio_is_restarted(lab: Cluster, kept: bool, faults: Faults) -> None:
    """With and without what it has kept over a power loss (APTPL)."""
    disks = ScsiDisks(lab, "bc")
    for node in ("n1", "n2"):
        succeed(lab.nodes[node], "on", node, luns=disks.names)
    with faults.injected(f"target restarted, registrations {'kept' if kept else 'lost'}"):
        _restart(lab, *disks.names, kept=kept)
        if kept:
            assert disks.states() == [State(disks.type, {"n1": key("n1"), "n2": key("n2")})] * 2
            assert succeed(lab.n1, "off", "n2", luns=disks.names).stdout.startswith("Success: Powered OFF\n")
        else:
            _everything_is_forgotten(disks)
        assert disks.states() == [State(disks.type, {"n1": key("n1")})] * 2
        assert {lab.n2.write(lun) for lun in disks.names} == {"EBADE"}


@loop
def test_nvmet_is_restarted(namespaces: Namespaces, faults: Faults) -> None:
    """It keeps nothing."""
    disks = NvmeDisks(namespaces)
    for node in ("n1", "n2"):
        succeed(disks.cluster.nodes[node], "on", node, devices=option(disks, node))
    with faults.injected("target restarted, registrations lost"):
        namespaces.restart_target("loop")
        _everything_is_forgotten(disks)
        assert disks.states() == [State(disks.type, {"n1": key("n1")})] * 2
        assert {disks.write("n2", disk) for disk in disks.names} == {"EBADE"}


def _everything_is_forgotten(disks: LabDisks) -> None:
    """Now every node can write, and nobody may be called fenced; n1 registers again, and shuts n2 out by that."""
    assert disks.states() == [State(0, {})] * len(disks.names)
    assert {disks.write("n2", disk) for disk in disks.names} == {"ok"}
    machine, devices = disks.cluster.n1, option(disks, "n1")
    lines = fail(machine, "off", "n2", devices=devices)
    assert sum(f"this node's key 0x{key('n1'):x} is not registered" in line for line in lines) == len(disks.names)
    assert lines[-1].startswith("Failed: nothing was changed on any disk; ")
    lines = fail(machine, "status", "n2", devices=devices)
    assert all("is not registered, but nothing is reserved: it can write" in line for line in lines)
    assert all("not registered any more" in line for line in fail(machine, "monitor", devices=devices))
    succeed(machine, "on", "n1", devices=devices)
    assert succeed(machine, "off", "n2", devices=devices).stdout == "Success: Already OFF\n"


@newest
def test_the_target_forgets_between_read_and_preempt(disks: ScsiDisks, faults: Faults) -> None:
    lab = disks.cluster
    with faults.injected("target restarted between read and preempt"):
        agent = traced.start(disks, "n1", "off", "n2", site=f"{disks.fencing(LAST)} {LAST} 1")
        agent.wait_until_held()
        _restart(lab, LAST, kept=False)
        agent.go_on()
        done = agent.wait()
        assert (done.returncode, done.stdout) == (1, ""), done
        line, so_far = done.stderr.splitlines()
        assert so_far.startswith(SO_FAR)
        assert line.startswith(f"Failed: {disks.path('n1', LAST)}: this node's key "), done
        assert "is not registered" in line
        assert registered(disks) == [{"n1", "n3"}, {"n1", "n3"}, set()]


@loop
def test_backing_stores_with_io_errors(namespaces: Namespaces, faults: Faults) -> None:
    """Reservations are the target's business, not the store's: the node is shut out, and stays so when it is mended."""
    disks = MixedDisks(ScsiDisks(namespaces.cluster, "d"), NvmeDisks(namespaces))
    register(disks, ("n1", "n2"))
    with faults.injected("backing store with I/O errors"):
        with _io_errors(namespaces.cluster, "lun-d", "namespace-2"):
            assert [disks.write("n1", disk) for disk in ("d", "ns2")] == ["EIO"] * 2
            done = succeed(namespaces.cluster.n1, "off", "n2", devices=option(disks, "n1"))
            assert done.stdout.startswith("Success: Powered OFF\n")
        for disk in disks.names:
            assert disks.state(disk).keys == {"n1": key("n1")}
            assert (disks.write("n1", disk), disks.write("n2", disk)) == ("ok", "EBADE")


def registered(disks: LabDisks) -> list[set[str]]:
    """The nodes on each disk, in the order of identities."""
    return [set(state.keys) for state in disks.states()]


@contextmanager
def _dropped(lab: Cluster, lun: str) -> Iterator[None]:
    lab.n1.drop(lun)
    try:
        yield
    finally:
        lab.n1.restore(lun)


@contextmanager
def _unmapped(lab: Cluster, lun: str) -> Iterator[None]:
    """n1's target does not give it the LUN."""
    group = TARGET / "iscsi" / layout.target("n1", lun) / "tpgt_1"
    given = group / "acls" / layout.initiator("n1") / "lun_0/disk"
    _shell(lab, f"rm {given}")
    try:
        yield
    finally:
        _shell(lab, f"ln -s {group}/lun/lun_0 {given}")


@contextmanager
def _write_protected(lab: Cluster, node: str, lun: str) -> Iterator[None]:
    group = TARGET / "iscsi" / layout.target(node, lun) / "tpgt_1"
    switch = group / "acls" / layout.initiator(node) / "lun_0/write_protect"
    _shell(lab, f"echo 1 > {switch}")
    try:
        yield
    finally:
        _shell(lab, f"echo 0 > {switch}")


@contextmanager
def _full_store(lab: Cluster) -> Iterator[None]:
    """The folder in which LIO keeps registrations has no room."""
    _shell(lab, f"mount -t tmpfs -o size=4k none {KEPT} && head -c 4096 /dev/zero > {KEPT}/full")
    try:
        yield
    finally:
        _shell(lab, f"umount {KEPT}")


@contextmanager
def _io_errors(lab: Cluster, *names: str) -> Iterator[None]:
    """Device-mapper disks below targets fail every read and write."""
    for name in names:
        size = f"$(dmsetup table {name} | cut -d ' ' -f 2)"
        _shell(lab, f'dmsetup --noudevsync reload {name} --table "0 {size} error"; dmsetup --noudevsync resume {name}')
    try:
        yield
    finally:
        for name in names:
            lab.guest.call("hold_writes", name=name, milliseconds=0)


def _restart(lab: Cluster, *luns: str, kept: bool) -> None:
    """The target loses its power; not `kept`: and what it has kept in its folder."""
    if not kept:
        _shell(lab, "rm " + " ".join(f"{KEPT}/aptpl_{lab.lun(lun).serial}" for lun in luns))
    lab.restart_target(*luns)


def _shell(lab: Cluster, line: str) -> None:
    lab.guest.run(["sh", "-ec", line], check=True)
