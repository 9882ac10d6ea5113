"""crmsh. `crm configure primitive`: the documents' own command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.programs.machine import AGENT, BY_ID, DEVICE

if TYPE_CHECKING:
    from tests.programs.machine import Machine

DISK = BY_ID["a"]


def test_what_crm_tells_of_the_agent(machine: Machine) -> None:
    shown = machine.do(f"crm ra info stonith:{AGENT}").stdout
    assert "Fence agent for shared disks" in shown or "shuts a failed node out of shared disks" in shown
    assert "\ndevices* (string): Shared disks" in shown
    assert "\nkey_value (select, [hash64]): " in shown


def test_a_device_without_disks_is_refused(machine: Machine) -> None:
    refused = machine.n1.run(["crm", "-F", "configure", "primitive", DEVICE, f"stonith:{AGENT}"])
    assert "devices" in refused.stdout + refused.stderr


def test_verify_is_content_with_the_device(machine: Machine) -> None:
    machine.create_device(DISK)
    assert "ERROR" not in machine.do("crm configure verify").stderr
    assert f"primitive {DEVICE} stonith:{AGENT}" in machine.do("crm configure show").stdout
