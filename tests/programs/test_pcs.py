"""pcs: what it shows, checks and calls. `pcs stonith create` for every kind of disk: the documents' own commands."""

from __future__ import annotations

import re

from tests.programs.machine import AGENT, BY_ID, DEVICE, Machine

A, B = BY_ID["a"], BY_ID["b"]
CREATE = f"pcs stonith create {DEVICE} {AGENT} pcmk_host_list='n1 n2' --agent-validation"

# What pcs does on every node when the disks of a fence device change, by its own code.
UPDATE = """\
import logging, sys
from pcs.cli.reports.processor import ReportProcessorToConsole
from pcs.lib.commands import scsi
from pcs.lib.env import LibraryEnvironment
from pcs.lib.errors import LibraryError
environment = LibraryEnvironment(logging.getLogger("pcs"), ReportProcessorToConsole())
node, before, after, agent = sys.argv[1:]
try:
    scsi._unfence_node_devices(environment, node, before.split(","), after.split(","), agent)
except LibraryError as error:
    sys.exit("".join(item.message.message for item in error.args))
"""


def update(machine: Machine, before: str, after: str, code: int = 0) -> str:
    """Let pcs change the disks of n1 from those before to those after; what it says."""
    done = machine.n1.run(["python3", "-c", UPDATE, "n1", before, after, AGENT], timeout=120)
    assert done.returncode == code, done
    return done.stdout + done.stderr


def test_list_and_describe(machine: Machine) -> None:
    assert f"{AGENT} - Fence agent for shared disks" in machine.do("pcs stonith list fence_pr").stdout
    described = machine.do(f"pcs stonith describe {AGENT}").stdout
    offered = set(re.findall(r"^  (\w+)", described, re.MULTILINE))
    assert {"devices", "key_value", "power_timeout", "abort", "pcmk_host_list"} <= offered
    assert "\n  devices (required)" in described
    # What pcs and the cluster give themselves, and what has no effect, is not offered.
    assert not offered & {"action", "port", "nodename", "node", "sg_persist_path"}


def test_create_validates_by_the_agent_and_provides_unfencing_by_itself(machine: Machine) -> None:
    refused = machine.do(f"{CREATE} devices=/dev/nowhere", code=1).stderr
    assert "Validation result from agent" in refused
    assert "/dev/nowhere: no such device" in refused
    machine.do(f"{CREATE} devices={A},{B}")
    machine.wait_until_device_runs(A, B)
    shown = machine.do("pcs stonith config").stdout
    assert f"devices={A},{B}" in shown
    assert "provides=unfencing" in shown


def test_new_disks_of_a_node_are_unfenced_if_it_is_registered_on_the_old_ones(machine: Machine) -> None:
    machine.let_in("n1", A)
    assert update(machine, A, f"{A},{B}") == ""
    assert machine.registered(B) == {"n1"}


def test_new_disks_of_a_fenced_node_are_left_alone(machine: Machine) -> None:
    """`status` must end with 2 for it, and with nothing else for a fenced node."""
    machine.let_in("n1", A)
    machine.let_in("n2", A)
    machine.n2.run([AGENT, "-o", "off", "-n", "n1", "-d", A], check=True)
    assert A in update(machine, A, f"{A},{B}")
    assert machine.registered(B) == set()


def test_new_disks_are_left_alone_where_an_old_one_cannot_be_read(machine: Machine) -> None:
    said = update(machine, "/dev/nowhere", f"/dev/nowhere,{B}", code=1)
    assert "/dev/nowhere: no such device" in said
    assert machine.registered(B) == set()
