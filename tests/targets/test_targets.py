"""The agent's actions on other targets than LIO, and what it says of their limits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests import seed
from tests.faults.disks import WERO, State
from tests.fencing.agent import fail, key
from tests.model.kernel_answers import unclear
from tests.targets.disks import COUNT, FOREIGN_KEY, PROGRAMS, ROOM

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.targets.disks import UserlandDisks

DUELS = 4
SETTLE_SECONDS = 9


def assert_in(disks: UserlandDisks, nodes: Iterable[str]) -> None:
    """On every disk these and no other nodes are registered, and the reservation does what it must."""
    assert disks.states() == [State(WERO, {node: key(node) for node in nodes})] * disks.count
    for node in disks.cluster.nodes:
        assert disks.write(node) == [("ok" if node in nodes else "EBADE")] * disks.count


@pytest.mark.promise(1, 2, 9)
def test_on_off_and_status(disks: UserlandDisks) -> None:
    for node in ("n1", "n2"):
        said = disks.succeed(node, "on", node).stdout
        assert said.startswith("Success: Powered ON\n")
        assert ("no worldwide unique name" in said) == (disks.kind == "istgt")
    assert_in(disks, {"n1", "n2"})
    assert disks.run("n3", "status", "n2").returncode == 0
    assert disks.succeed("n3", "list-status", "").stdout == "n1,,ON\nn2,,ON\nn3,,OFF\n"
    assert disks.run("n1", "off", "n2").returncode == 0
    assert_in(disks, {"n1"})
    assert disks.run("n3", "status", "n2").returncode == 2
    assert all("is not registered" in line for line in disks.fail("n2", "off", "n1")[: disks.count])
    assert_in(disks, {"n1"})
    assert disks.succeed("n1", "off", "n2").stdout == "Success: Already OFF\n"
    disks.succeed("n2", "on", "n2")
    assert_in(disks, {"n1", "n2"})


@pytest.mark.promise(4)
def test_tgt_cannot_abort_and_that_is_told_or_a_failure(tgt: UserlandDisks) -> None:
    for node in ("n1", "n2"):
        tgt.succeed(node, "on", node)
    first, second = tgt.fail("n1", "off", "n2", abort="require")
    assert first.startswith(f"Failed: {tgt.path('n1', 0)}: preempt-and-abort: ")
    assert second.startswith(f"Failed: {tgt.path('n1', 1)}: not touched")
    assert_in(tgt, {"n1", "n2"})
    done = tgt.run("n1", "off", "n2")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "Success: Powered OFF")
    said = "\n".join(tgt.node("n1").syslog())
    for disk in range(COUNT):
        path = tgt.path("n1", disk)
        assert re.search(f"{path}: preempt 0x.*, without abort: preempt-and-abort: ", said), said
    assert_in(tgt, {"n1"})


@pytest.mark.promise(4)
def test_tgt_is_reset_and_nobody_waits_for_what_it_had_accepted(tgt: UserlandDisks) -> None:
    """Each of its disks once; registrations and reservation stay."""
    for node in ("n1", "n2"):
        tgt.succeed(node, "on", node)
    done = tgt.run("n1", "off", "n2", drain="reset", settle_time=str(SETTLE_SECONDS), verbose="1")
    assert (done.returncode, done.stdout) == (0, "Success: Powered OFF\n"), done
    assert done.stderr.count("logical unit reset over") == COUNT
    assert done.seconds < SETTLE_SECONDS
    assert_in(tgt, {"n1"})


@pytest.mark.promise(4)
@pytest.mark.parametrize(("versions", "sense"), [*zip(unclear(), ("denied", "told"))])
def test_a_refused_abort_that_an_old_kernel_tells_without_its_reason(
    tgt: UserlandDisks, versions: str, sense: str
) -> None:
    """The answers of those kernels are substituted."""
    number = hex(unclear()[versions])
    for node in ("n1", "n2"):
        tgt.succeed(node, "on", node)
    program = (f"{PROGRAMS}/old_kernel.py", number, sense)
    done = tgt.run("n1", "off", "n2", program=program, abort="require", power_timeout="6")
    assert done.returncode == 1
    assert "preempt-and-abort: " in done.stderr
    assert_in(tgt, {"n1", "n2"})
    done = tgt.run("n1", "off", "n2", program=program)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "Success: Powered OFF")
    assert "no abort confirmed" in done.stdout
    reason = "sense key 5, additional sense" if sense == "told" else "answered with an error|check condition"
    assert re.search(f", without abort: preempt-and-abort: .*({reason})", "\n".join(tgt.node("n1").syslog()))
    assert_in(tgt, {"n1"})


@pytest.mark.promise(3)
def test_of_two_nodes_that_fence_each_other_one_survives(tgt: UserlandDisks) -> None:
    chance = seed.chance("duels on other targets")
    for _ in range(DUELS):
        tgt.clear()
        for node in ("n1", "n2"):
            tgt.succeed(node, "on", node)
        pairs = chance.sample([("n1", "n2"), ("n2", "n1")], 2)
        calls = {node: tgt.start(node, "off", victim) for node, victim in pairs}
        ends = {node: call.wait() for node, call in calls.items()}
        assert sorted(end.returncode for end in ends.values()) == [0, 1], ends
        winner = min(ends, key=lambda node: ends[node].returncode)
        assert_in(tgt, {winner})


@pytest.mark.promise(5)
def test_a_target_that_cannot_persist_refuses_the_kernels_registrations(disks: UserlandDisks) -> None:
    reason = "the target cannot keep registrations over a power loss, which the kernel always asks for (APTPL)"
    disks.succeed("n1", "on", "n1")
    lines = disks.fail("n3", "on", "n3")
    for disk, line in zip(range(disks.count), lines, strict=True):
        assert line.startswith(f"Failed: {disks.path('n3', disk)}: register: "), line
        assert reason in line
    assert_in(disks, {"n1"})
    assert disks.run("n3", "validate-all", "n3").returncode == 0
    assert sum(reason in line for line in disks.node("n3").syslog()) == 2 * disks.count


@pytest.mark.promise(3, 5)
def test_disks_that_tell_no_more_than_a_serial_number_are_refused_beside_each_other(istgt: UserlandDisks) -> None:
    both = [istgt.path("n1", disk) for disk in range(COUNT)]
    istgt.succeed("n1", "on", "n1")
    lines = fail(istgt.node("n1"), "off", "n2", devices=",".join(both))
    for path, line in zip(both, lines, strict=True):
        assert line.startswith(f"Failed: {path}: has no worldwide unique name (only model and serial number: t10."), (
            line
        )
    assert istgt.run("n1", "validate-all", "n1").returncode == 0
    assert any("the disk has no worldwide unique name" in line for line in istgt.node("n1").syslog())


@pytest.mark.promise(1, 5)
def test_a_target_without_room_for_another_registration(istgt: UserlandDisks) -> None:
    """SCSI INSUFFICIENT REGISTRATION RESOURCES: `on` fails and changes nothing there, `off` by a member still works."""
    istgt.succeed("n1", "on", "n1")
    assert istgt.fill(0) == (ROOM - 1, "055504")
    before = istgt.listed(0)
    assert len(before[1]) == ROOM
    (line,) = istgt.fail("n2", "on", "n2")
    assert line.startswith(f"Failed: {istgt.path('n2', 0)}: register: the target answered with an error"), line
    assert "the kernel's log (dmesg) may have the target's reason" in line
    assert "ASC=0x55 ASCQ=0x4" in istgt.cluster.guest.run(["dmesg"], check=True).stdout
    assert istgt.listed(0) == before
    assert istgt.write("n2") == ["EBADE"]
    # n2 is proved shut out by the member as ever, once the person has said that the foreign keys are not its own.
    lines = istgt.fail("n1", "off", "n2")
    assert all(f"nobody can tell that none of these is its key: {hex(FOREIGN_KEY)}" in line for line in lines), lines
    done = istgt.run("n1", "off", "n2", foreign_keys=hex(FOREIGN_KEY))
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "Success: Already OFF")
    assert istgt.write("n2") == ["EBADE"]
    # istgt takes only some of many registrations with one key away at a time: the second try finishes what is left.
    for _ in range(2):
        ended = istgt.run("n1", "off", hex(FOREIGN_KEY)).returncode
        assert ended != 0 or FOREIGN_KEY not in istgt.listed(0)[1]
    assert ended == 0
    istgt.succeed("n2", "on", "n2")
    assert_in(istgt, {"n1", "n2"})
