"""'preflight' where the target's table of registrations is full: the step says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tool.pr_fence import CIB, reported
from tests.tool.test_preflight import arguments, prepared, states, with_node

if TYPE_CHECKING:
    from typing import Any

    from tests.targets.disks import UserlandDisks


def flown(disks: UserlandDisks, *more: str) -> dict[str, Any]:
    """The report of a call on n1."""
    return reported(prepared(disks.node("n1")), *arguments(disks.path("n1", 0), *more), CIB_file=CIB)


def test_room_for_one_node_only(tgt: UserlandDisks) -> None:
    with tgt.without_room_for("n2"):
        report = flown(tgt, *with_node("n2", tgt.path("n2", 0)), "--only=room")
    assert states(report, "FAIL") == {"two-hosts": ["registrations-full"]}, report
    assert "ASC=0x55 ASCQ=0x4" in tgt.cluster.guest.run(["dmesg"], check=True).stdout
    assert tgt.listed(0) == (0, [])
    assert states(flown(tgt, *with_node("n2", tgt.path("n2", 0)), "--only=room"), "PASS")["room"]


def test_room_for_nobody(tgt: UserlandDisks) -> None:
    with tgt.without_room_for("n1"):
        report = flown(tgt, "--write", "--only=register")
    assert states(report, "FAIL") == {"register": ["step-refused"]}, report
    assert tgt.listed(0) == (0, [])
