"""crmsh. `crm configure primitive` and `verify`: the documents' own commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.programs.machine import AGENT, DEVICE

if TYPE_CHECKING:
    from tests.programs.machine import Machine


def test_what_crm_tells_of_the_agent(machine: Machine) -> None:
    shown = machine.do(f"crm ra info stonith:{AGENT}").stdout
    assert "Fence agent for shared disks" in shown or "fences a failed node" in shown
    assert "\ndevices* (string): Shared disks" in shown
    assert "\nkey_value (select, [hash64]): " in shown


def test_a_device_without_disks_is_refused(machine: Machine) -> None:
    refused = machine.n1.run(["crm", "-F", "configure", "primitive", DEVICE, f"stonith:{AGENT}"])
    assert "devices" in refused.stdout + refused.stderr
