"""The policy module: what agent and guard may do in domains that may not open disks, as the policy says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.packaging.selinux import REMEMBERED, STATE, WITH, WITHOUT, not_allowed

if TYPE_CHECKING:
    from tests.packaging.container import Container

pytestmark = [pytest.mark.xdist_group("selinux"), pytest.mark.long]
DOMAINS = ("pacemaker_t", "dlm_controld_t", "watchdog_t")
DISK = "fixed_disk_device_t"
# What the agent does that these domains may not do otherwise: type of the object, its class, permission.
NEEDED = [
    *((DISK, "blk_file", it) for it in ("open", "read", "ioctl")),
    *(("self", "capability", it) for it in ("sys_admin", "sys_rawio")),
    ("sysfs_t", "file", "open"),
    ("lvm_t", "unix_stream_socket", "connectto"),
]
NEVER = [(DISK, "blk_file", it) for it in ("write", "append", "create")]


def test_the_module_allows_what_is_needed_and_no_write_to_a_disk(policies: Container) -> None:
    needed = [(it, it if target == "self" else target, *how) for it in DOMAINS for target, *how in NEEDED]
    assert not_allowed(policies, WITH, needed) == []
    on_disks = [it for it in needed if it[1] == DISK]
    assert not_allowed(policies, WITHOUT, on_disks) == on_disks
    never = [(it, *what) for it in DOMAINS for what in NEVER]
    assert not_allowed(policies, WITH, never) == never


def test_the_folders_have_a_type_of_their_own(policies: Container) -> None:
    contexts = policies.run(["cat", "/etc/selinux/default/contexts/files/file_contexts"]).stdout.splitlines()
    found = {line.split()[0]: line.split()[-1] for line in contexts if STATE in line}
    assert found == {f"{folder}(/.*)?": f"system_u:object_r:{STATE}:s0" for folder in REMEMBERED}
