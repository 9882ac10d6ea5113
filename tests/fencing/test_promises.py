"""One test for each promise, by its name, on real disks. What each rests on besides is in docs/proof.md."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

import pytest

from tests.fencing.agent import AGENT, LUNS, disks, fail, key, run, start, succeed
from tests.lab import plugin

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster

N1, N2 = key("n1"), key("n2")
# Of the LUNs in turn.
SIGNS = {
    "vendor LIO-ORG",
    "company identifier 001405",
    "an identifier made from the serial number as LIO makes it",
}
WERO = 3
IGNORE_KEY = 1
LIMIT_SECONDS = 3
RACES = 4
BUSY_SECONDS = 3  # what a busy machine may take to start processes
MALFORMED = (
    "action=of\nplug=n2\n",
    "acton=status\nplug=n2\n",
    "action=off\nplug=0xzz\n",
    "action=off\nplug=n1,n2\n",
    "action=off\nplug=n2\ntype=WE\n",
    "action=off\nplug=n2\nabort=perhaps\n",
    "action=off\nplug=n2\nquiet=perhaps\n",
    "action=off\nplug=n2\npower_timeout=soon\n",
    "action=off\nplug=n2\nno equals sign\n",
    "action=off\n",
)


def unfence(lab: Cluster, *names: str) -> None:
    for name in names:
        succeed(lab.nodes[name], "on", name)


def members(lab: Cluster) -> list[dict[str, int]]:
    return [lab.reservation(lun).keys for lun in LUNS]


def traced(lab: Cluster, call: str, trace: str) -> str:
    """What strace writes of the agent and its child on n1."""
    command = ["strace", "-f", "-e", f"trace={trace}", "-o", "/run/trace", AGENT]
    lab.n1.run(command, stdin=call, check=True, timeout=60)
    return str(lab.n1.run(["cat", "/run/trace"], check=True).stdout)


@pytest.mark.promise(1)
@plugin.each
def test_promise_01_off_succeeds_only_if_every_disk_read_afterwards_proves_it(lab: Cluster) -> None:
    unfence(lab, "n1", "n2")
    lab.n1.drop("c")
    lines = fail(lab.n1, "off", "n2")
    assert (lines[0].startswith(f"Failed: {lab.n1.by_id('c')}"), members(lab)) == (True, [{"n1": N1, "n2": N2}] * 3)
    lab.n1.restore("c")
    assert lab.n1.pr("b", "release", N1, WERO) == 0
    lab.n2.drain("b")
    assert lab.n2.pr("b", "register", N2, 0, IGNORE_KEY) == 0
    assert lab.n2.write("b") == "ok"  # no key of n2, and no reservation either: not shut out
    assert succeed(lab.n1, "off", "n2").stdout.startswith("Success: Powered OFF\n")
    assert members(lab) == [{"n1": N1}] * 3
    assert [lab.reservation(lun).type for lun in LUNS] == [WERO] * 3
    assert [lab.n2.write(lun) for lun in LUNS] == ["EBADE"] * 3


@pytest.mark.promise(2)
@plugin.each
def test_promise_02_off_never_registers_clears_releases_or_names_this_node(lab: Cluster) -> None:
    unfence(lab, "n1", "n2")
    seen = traced(lab, f"action=off\nplug=n2\ndevices={disks(lab.n1, LUNS)}\n", "ioctl")
    sent = re.findall(r"IOC_PR_(\w+)", seen)
    assert sent.count("PREEMPT") == len(LUNS)
    assert {"CLEAR", "RELEASE"}.isdisjoint(sent)
    # From its own key to itself, which registers nobody (tests/unit/test_written.py, the explorer), after a preempt.
    assert sent.count("REGISTER") <= len(LUNS)
    assert sent.index("PREEMPT") < sent.index("REGISTER")
    assert fail(lab.n1, "off", "n1")[0].split("; ")[0].endswith("is this node itself, and a node cannot fence itself")
    assert members(lab) == [{"n1": N1}] * 3
    fail(lab.n2, "off", "n1")
    assert members(lab) == [{"n1": N1}] * 3


@pytest.mark.promise(3)
@plugin.each
def test_promise_03_of_two_nodes_that_fence_each_other_exactly_one_survives_everywhere(lab: Cluster) -> None:
    for _ in range(RACES):
        unfence(lab, "n1", "n2")
        ends = {name: start(lab.nodes[name], "off", other) for name, other in (("n1", "n2"), ("n2", "n1"))}
        done = {name: call.wait().returncode for name, call in ends.items()}
        (survivor,) = (name for name, code in done.items() if code == 0)
        assert members(lab) == [{survivor: key(survivor)}] * 3


@pytest.mark.promise(4)
@plugin.each
def test_promise_04_fencing_harms_nobody_but_the_victim(lab: Cluster) -> None:
    """LIO is never sent preempt-and-abort, whatever name a vendor gave it.

    What that would do to nodes that write is shown in test_under_load.py, that other targets abort in test_abort.py.
    """
    unfence(lab, "n1", "n2")
    seen = traced(lab, f"action=off\nplug=n2\ndevices={disks(lab.n1, LUNS)}\n", "ioctl")
    assert re.findall(r"IOC_PR_(PREEMPT\w*)", seen) == ["PREEMPT"] * len(LUNS)
    signs = [re.search(r"the target is LIO \((.*?)\)", line) for line in lab.n1.syslog() if "without abort" in line]
    assert {sign[1] for sign in signs if sign} == SIGNS


@pytest.mark.promise(5)
@plugin.each
def test_promise_05_a_failure_names_disk_operation_answer_and_remedy_and_success_is_silent(lab: Cluster) -> None:
    unfence(lab, "n1", "n2")  # which must be silent
    lab.n1.set_state("b", "offline")
    first, *_ = fail(lab.n1, "off", "n2")
    assert first.startswith(f"Failed: {lab.n1.by_id('b')} ({lab.n1.disk('b')}): open: ")
    assert "the device is gone (No such device or address); check the connection to the storage" in first
    lines = fail(lab.n3, "off", "n2")
    assert "this node's key" in lines[0]
    assert "is not registered" in lines[0]


@pytest.mark.promise(6)
@plugin.each
def test_promise_06_the_answer_comes_within_the_time_limit_whatever_hangs(lab: Cluster) -> None:
    unfence(lab, "n1", "n2")
    lab.n1.hang("c")
    done = run(lab.n1, "off", "n2", power_timeout=str(LIMIT_SECONDS))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.seconds < LIMIT_SECONDS + 1 + BUSY_SECONDS
    assert lab.n1.by_id("c") in done.stderr
    assert members(lab) == [{"n1": N1, "n2": N2}] * 3
    lab.n1.resume("c")
    succeed(lab.n1, "off", "n2")
    assert members(lab) == [{"n1": N1}] * 3


@pytest.mark.promise(7)
@plugin.killing
def test_promise_07_killed_at_any_point_and_run_again_or_run_twice_at_once_is_right(lab: Cluster) -> None:
    """Chosen system calls of both processes are tried in tests/faults; here some moments in time."""
    unfence(lab, "n1", "n2")
    for _ in range(3):
        fencing = start(lab.n1, "off", "n2")
        fencing.signal(signal.SIGKILL, group=True)
        fencing.wait()
    twice = [start(lab.n1, "off", "n2") for _ in range(2)]
    assert [call.wait().returncode for call in twice] == [0, 0]
    assert members(lab) == [{"n1": N1}] * 3
    twice = [start(lab.n2, "on", "n2") for _ in range(2)]
    assert [call.wait().returncode for call in twice] == [0, 0]
    assert members(lab) == [{"n1": N1, "n2": N2}] * 3


@pytest.mark.promise(8)
@plugin.each
def test_promise_08_a_malformed_call_never_fences(lab: Cluster) -> None:
    unfence(lab, "n1", "n2")
    before = [lab.reservation(lun) for lun in LUNS]
    for call in MALFORMED:
        done = lab.n1.run([AGENT], stdin=f"{call}devices={disks(lab.n1, LUNS)}\n", timeout=60)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), (call, done)
    assert [lab.reservation(lun) for lun in LUNS] == before


@pytest.mark.promise(9)
@plugin.each
def test_promise_09_status_is_off_only_if_shut_out_everywhere_and_on_only_if_registered_everywhere(
    lab: Cluster,
) -> None:
    def status() -> int:
        return run(lab.n1, "status", "n2").returncode

    assert status() == 1
    unfence(lab, "n1", "n2")
    assert status() == 0
    succeed(lab.n1, "off", "n2", luns="b")
    assert status() == 1
    succeed(lab.n1, "off", "n2")
    assert status() == 2
    assert lab.n1.pr("a", "release", N1, WERO) == 0
    assert status() == 1


@pytest.mark.promise(10)
@plugin.each
def test_promise_10_metadata_works_for_any_user_with_no_file_device_or_network_touched(lab: Cluster) -> None:
    as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    trace = ["strace", "-f", "-e", "trace=%file,%network,ioctl", "-o", "/tmp/promise-10", AGENT, "-o", "metadata"]
    lab.n1.run(["rm", "-f", "/tmp/promise-10"], check=True)
    done = lab.n1.run([*as_nobody, *trace], check=True)
    assert "<resource-agent" in done.stdout
    # Where a module has changed since it was last compiled, Python tries to keep its byte code.
    seen = lab.n1.run(["grep", "-v", "/lib/fence_pr/__pycache__/", "/tmp/promise-10"], check=True).stdout
    assert "execve" in seen
    places = ("/sys/", "/run/", "/etc/corosync", "/dev/sd", "/dev/disk")
    for forbidden in (*places, "socket(", "O_WRONLY", "O_CREAT", "SG_IO"):
        assert forbidden not in seen, forbidden
    assert "IOC_PR" not in seen
