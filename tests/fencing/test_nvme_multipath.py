"""NVMe over TCP with the kernel's own multipath: separate hosts, each with two paths to every namespace.

A registrant is the host, whatever its paths. What can go wrong here is a command on a path that has just died.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.fencing.agent import fail, key, run, start, succeed
from tests.lab.fabric import PATHS
from tests.lab.inside.nvme import PLAIN_NUMBER

if TYPE_CHECKING:
    from tests.lab.fabric import Fabric, Host

WEAR = 5
NUMBERS = (1, 2)
BOTH = {"n1": key("n1"), "n2": key("n2")}
LIMIT_SECONDS = 20  # the default of power_timeout
HEALED_SECONDS = 30


def unfence(fabric: Fabric, *names: str) -> None:
    for name in names:
        host = fabric.hosts[name]
        assert succeed(host, "on", name, devices=host.all_by_id()).stdout == "Success: Powered ON\n"


def off(host: Host, victim: str, **options: str) -> str:
    return succeed(host, "off", victim, devices=host.all_by_id(), **options).stdout


def writes(fabric: Fabric, name: str) -> list[str]:
    return [fabric.hosts[name].write_to(number) for number in NUMBERS]


def wait_for_paths(host: Host, live: int) -> None:
    deadline = time.monotonic() + HEALED_SECONDS
    while list(host.controllers().values()).count("live") != live:
        assert time.monotonic() < deadline, host.controllers()
        time.sleep(0.05)


@pytest.mark.promise(1, 2, 5, 9)
def test_the_whole_life_of_a_node(fabric: Fabric) -> None:
    n1, n2, n3 = fabric.hosts.values()
    assert all(len(host.controllers()) == len(PATHS) for host in (n1, n2, n3))
    lines = fail(n1, "status", "n2", devices=n1.all_by_id())
    assert all("is not registered, but nothing is reserved: it can write" in line for line in lines)
    unfence(fabric, "n1", "n2")
    for number in NUMBERS:
        state = fabric.reservation(number)
        assert (state.type, state.keys) == (WEAR, BOTH)
    assert (writes(fabric, "n1"), writes(fabric, "n2"), writes(fabric, "n3")) == (["ok"] * 2, ["ok"] * 2, ["EBADE"] * 2)
    assert run(n1, "status", "n2", devices=n1.all_by_id()).stdout == "Status: ON\n"
    assert off(n1, "n2") == "Success: Powered OFF\n"
    assert [fabric.reservation(number).keys for number in NUMBERS] == [{"n1": key("n1")}] * 2
    assert (writes(fabric, "n1"), writes(fabric, "n2"), n2.read_from()) == (["ok"] * 2, ["EBADE"] * 2, "ok")
    lines = fail(n2, "off", "n1", devices=n2.all_by_id())
    assert sum(f"this node's key 0x{key('n2'):x} is not registered" in line for line in lines) == 2
    assert off(n1, "n2") == "Success: Already OFF\n"
    assert run(n1, "status", "n2", devices=n1.all_by_id()).returncode == 2
    assert succeed(n1, "monitor", devices=n1.all_by_id()).stdout == ""
    assert succeed(n1, "list-status", devices=n1.all_by_id()).stdout == "n1,,ON\nn2,,OFF\nn3,,OFF\n"
    unfence(fabric, "n2")
    assert writes(fabric, "n2") == ["ok"] * 2


@pytest.mark.promise(1)
def test_every_name_of_a_namespace_leads_to_it(fabric: Fabric) -> None:
    host = fabric.hosts["n1"]
    unfence(fabric, "n1")
    for number in NUMBERS:
        wwid, node = host.by_id_of(number).rpartition("nvme-")[2], host.namespace(number)
        for name in (node, wwid, f"nvme-{wwid}", f"/dev/disk/by-id/nvme-{wwid}"):
            assert run(host, "status", "n1", devices=name).stdout == "Status: ON\n", name


@pytest.mark.promise(5)
def test_what_is_no_namespace_is_refused_in_words(fabric: Fabric) -> None:
    host = fabric.hosts["n1"]
    controller, disk = sorted(host.controllers())[0], host.namespace()
    (line,) = fail(host, "status", "n1", devices=f"/dev/{controller}")
    assert "is a character device, not a disk" in line
    hidden = re.sub(r"/dev/(nvme\d+)n", r"\1c0n", disk)
    assert host.run(["test", "-d", f"/sys/block/{hidden}"]).returncode == 0
    (line,) = fail(host, "status", "n1", devices=f"/dev/{hidden}")
    assert "no such device" in line
    lines = fail(host, "status", "n1", devices=f"{disk},{host.by_id_of(1)}")
    assert "is the same disk as" in lines[0]


@pytest.mark.promise(1, 5, 9)
@pytest.mark.parametrize("action", ["on", "off", "status", "monitor", "validate-all"])
def test_a_namespace_without_reservations_is_said_in_words(fabric: Fabric, action: str) -> None:
    host = fabric.hosts["n1"]
    lines = fail(host, action, "n1" if action == "on" else "n2", devices=host.by_id_of(PLAIN_NUMBER))
    assert "the target has no reservation commands (invalid opcode)" in lines[0]


@pytest.mark.promise(1, 6)
@pytest.mark.parametrize("path", [1, 2])
def test_a_path_that_is_dead_before_on_and_returns_afterwards_needs_no_registration_of_its_own(
    fabric: Fabric, path: int
) -> None:
    n1 = fabric.hosts["n1"]
    fabric.cut("n1", path)
    unfence(fabric, "n1", "n2")
    fabric.heal("n1", path)
    wait_for_paths(n1, 2)
    fabric.cut("n1", 3 - path)
    wait_for_paths(n1, 1)
    assert writes(fabric, "n1") == ["ok"] * 2
    assert off(n1, "n2") == "Success: Powered OFF\n"
    assert writes(fabric, "n2") == ["EBADE"] * 2


@pytest.mark.promise(1, 6)
@pytest.mark.parametrize("path", [1, 2])
def test_a_path_that_dies_between_on_and_off_does_not_keep_the_victim_alive(fabric: Fabric, path: int) -> None:
    unfence(fabric, "n1", "n2")
    fabric.cut("n1", path)
    started = time.monotonic()
    assert off(fabric.hosts["n1"], "n2") == "Success: Powered OFF\n"
    assert time.monotonic() - started < LIMIT_SECONDS
    assert [fabric.reservation(number).keys for number in NUMBERS] == [{"n1": key("n1")}] * 2
    assert writes(fabric, "n2") == ["EBADE"] * 2


@pytest.mark.promise(1, 5, 6)
def test_without_a_path_nothing_is_changed_and_every_disk_is_named(fabric: Fabric) -> None:
    n1 = fabric.hosts["n1"]
    unfence(fabric, "n1", "n2")
    fabric.cut("n1")
    wait_for_paths(n1, 0)
    lines = fail(n1, "off", "n2", devices=n1.all_by_id())
    assert lines[-1].startswith("Failed: nothing was changed on any disk; ")
    assert all("no usable path" in line for line in lines[:-1])
    assert len(lines) == 3
    assert fabric.reservation().keys == BOTH
    assert run(n1, "status", "n2", devices=n1.all_by_id()).returncode == 1
    assert run(n1, "monitor", devices=n1.all_by_id()).returncode == 1
    fabric.heal("n1")
    wait_for_paths(n1, 2)
    assert off(n1, "n2") == "Success: Powered OFF\n"


@pytest.mark.promise(1, 6)
def test_the_last_path_dies_during_off_after_the_victim_is_gone_and_that_is_no_proof(fabric: Fabric) -> None:
    n1 = fabric.hosts["n1"]
    unfence(fabric, "n1", "n2")
    fencing = start(n1, "off", "n2", devices=n1.all_by_id(), power_wait="3")
    deadline = time.monotonic() + LIMIT_SECONDS
    while any("n2" in fabric.reservation(number).keys for number in NUMBERS):
        assert time.monotonic() < deadline
    fabric.cut("n1")
    done = fencing.wait()
    assert (done.returncode, done.stdout) == (1, ""), done
    assert done.seconds < LIMIT_SECONDS + 6
    assert all(name in done.stderr for name in n1.all_by_id().split(",")), done
    fabric.heal("n1")
    wait_for_paths(n1, 2)
    assert off(n1, "n2") == "Success: Already OFF\n"


@pytest.mark.promise(1, 5)
def test_a_cloned_host_identifier_is_refused_and_the_file_is_named(fabric: Fabric) -> None:
    unfence(fabric, "n1")
    n2 = fabric.hosts["n2"]
    n2.detach()
    n2.attach(like="n1")
    lines = fail(n2, "on", "n2", devices=n2.all_by_id())
    assert all("of node n1, which is not this node's: two nodes have one identifier" in line for line in lines)
    assert all("/etc/nvme/hostid" in line for line in lines)
    assert [fabric.reservation(number).keys for number in NUMBERS] == [{"n1": key("n1")}] * 2


@pytest.mark.promise(3)
def test_two_hosts_that_fence_each_other_at_once_leave_exactly_one(fabric: Fabric) -> None:
    unfence(fabric, "n1", "n2")
    racing = {
        name: start(fabric.hosts[name], "off", other, devices=fabric.hosts[name].all_by_id())
        for name, other in (("n1", "n2"), ("n2", "n1"))
    }
    ends = {name: call.wait() for name, call in racing.items()}
    (winner,) = (name for name, end in ends.items() if end.returncode == 0)
    assert [fabric.reservation(number).keys for number in NUMBERS] == [{winner: key(winner)}] * 2
