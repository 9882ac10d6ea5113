"""stonith_admin on a running cluster. What needs no cluster: tests/fencing/test_install.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fencing.agent import key
from tests.programs.machine import AGENT, BY_ID, DEVICE

if TYPE_CHECKING:
    from tests.programs.machine import Machine

DISK = BY_ID["a"]


def test_of_all_that_is_installed_only_the_agent_is_listed(machine: Machine) -> None:
    """Pacemaker takes every program whose name begins with fence_ for an agent."""
    assert {line for line in machine.installed if "devices found" not in line} == {AGENT}


def test_fence_unfence_and_history(machine: Machine) -> None:
    machine.create_device(DISK)
    machine.let_in("n2", DISK)
    assert machine.do("stonith_admin --list n2").stdout.split()[0] == DEVICE
    machine.do(f"stonith_admin --query {DEVICE}")
    machine.do("stonith_admin --fence n2")
    assert machine.registered(DISK) == {"n1"}
    assert "turning off of n2 successful: delegate=n1" in machine.do("stonith_admin --history n2 --verbose").stdout
    assert machine.n1.pr("a", "register", key("n1"), 0) == 0
    machine.do("stonith_admin --unfence n1")
    assert machine.registered(DISK) == {"n1"}
    assert "unfencing of n1 successful: delegate=n1" in machine.do("stonith_admin --history n1 --verbose").stdout


def test_what_the_agent_says_of_a_failure_is_in_the_clusters_log(machine: Machine) -> None:
    machine.create_device(DISK)
    assert machine.n1.pr("a", "register", key("n1"), 0) == 0
    failed = machine.n1.run(["stonith_admin", "--fence", "n2", "--timeout", "20"])
    assert failed.returncode != 0
    said = [line for line in machine.n1.syslog() if line.startswith("pacemaker-fenced") and "is not registered" in line]
    assert any(f"Failed: {DISK}" in line for line in said)
