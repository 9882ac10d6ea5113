"""The doctor's judgements on names, members, resources, what failed, and the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fence_pr import corosync
from fence_pr.errors import FenceError
from fence_pr.tool.doctor import log as doctor_log
from fence_pr.tool.doctor import machine as doctor_machine
from fence_pr.tool.doctor import rules as doctor_rules
from fence_pr.tool.doctor import status as doctor_status
from fence_pr.tool.doctor.machine import Machine
from tests.unit import doctored
from tests.unit.doctored import event, mon, parsed, primitive

if TYPE_CHECKING:
    from pathlib import Path

CONF = "/etc/corosync/corosync.conf"
LISTED = corosync.Cluster(
    "lab", tuple(corosync.Node(place, f"n{place + 1}", (f"192.0.2.{place + 1}",)) for place in range(3))
)
NAMELESS = corosync.Cluster(
    "lab", tuple(corosync.Node(place, "", (f"192.0.2.{place + 1}",)) for place in range(3)), own_name="n1"
)


def status(**more: Any) -> doctor_status.Status:
    return doctor_status.parse(mon(**more).encode())


# ---- names


def names(cluster: corosync.Cluster, *resources: str, online: tuple[str, ...] = ("n1", "n2")) -> list[str]:
    return doctored.codes(doctor_rules.of_names(cluster, CONF, parsed(*resources), status(online=online)))


def test_names_that_agree_are_well() -> None:
    assert names(LISTED, primitive()) == []
    assert names(corosync.Cluster(), primitive()) == []


def test_a_member_that_corosync_conf_does_not_list() -> None:
    assert names(LISTED, primitive(), online=("n1", "n4")) == ["node-not-in-nodelist"]
    assert names(LISTED, primitive(other_nodes="n4"), online=("n1", "n4")) == []
    assert names(LISTED, primitive(node_keys="n4:0x4"), online=("n1", "n4")) == []


def test_a_nodelist_without_names() -> None:
    assert names(NAMELESS, primitive()) == ["nodes-without-names"]
    some = corosync.Cluster("lab", (LISTED.nodes[0], NAMELESS.nodes[1], corosync.Node(2, "", ())))
    (found,) = doctor_rules.of_names(some, CONF, parsed(primitive()), status(online=()))
    assert found.notice.fields["addresses"] == ["192.0.2.2"]
    named = corosync.Cluster("lab", NAMELESS.nodes, other_nodes=("n2", "n3"), own_name="n1")
    assert names(named, primitive(other_nodes="n1 n2 n3")) == []


def test_a_remote_node_that_a_fence_device_does_not_know() -> None:
    nodes = "n1 n2 n3 far"
    for remote in (
        primitive("far", "ocf:pacemaker:remote", meta={}),
        primitive("guest", "ocf:heartbeat:VirtualDomain", meta={"remote-node": "far"}),
    ):
        assert names(LISTED, primitive(pcmk_host_list=nodes), remote) == ["remote-node-unknown"]
        assert names(LISTED, primitive(pcmk_host_list=nodes, other_nodes="near"), remote) == ["remote-node-unknown"]
        assert names(LISTED, primitive(pcmk_host_list=nodes, other_nodes="near,far"), remote) == []
        assert names(LISTED, primitive(), remote) == []


def test_everybody_who_writes_is_to_be_fenced() -> None:
    found = parsed(primitive("far", "ocf:pacemaker:remote", meta={}), nodes=("n1", "n4"))
    assert doctor_rules.nodes_to_fence(LISTED, found) == ["n1", "n2", "n3", "n4", "far"]


# ---- members


def disk(kind: str = "scsi", **states: str) -> dict[str, Any]:
    return {
        "name": "/dev/a",
        "kind": kind,
        "registrations": [{"key": "0x1"}],
        "states": [{"node": node, "state": state} for node, state in states.items()],
    }


@pytest.mark.parametrize(
    ("states", "wanted"),
    [
        ({"n1": "ON", "n2": "ON", "n3": "ON"}, []),
        ({"n1": "ON", "n2": "OFF", "n3": "ON"}, ["member-not-registered"]),
        ({"n1": "ON", "n2": "UNKNOWN", "n3": "ON"}, ["member-not-registered"]),
        ({"n1": "OFF", "n2": "ON", "n3": "ON"}, []),  # of this node monitor tells
        ({"n1": "ON", "n2": "ON", "n3": "OFF"}, []),  # it is no member
    ],
)
def test_a_member_must_be_registered(states: dict[str, str], wanted: list[str]) -> None:
    found = doctor_rules.of_members(status(online=("n1", "n2"), offline=("n3",)), [disk(**states)], "n1")
    assert doctored.codes(found) == wanted


# ---- what failed


def test_a_fencing_that_failed_last_is_told_with_what_the_agent_said() -> None:
    seen = status(events=event("n2", reason="no data"))
    (found,) = doctor_rules.of_history(seen, ["disks"], ["/dev/a: no answer"])
    assert doctored.codes([found]) == ["fencing-failed"]
    assert str(found.notice).startswith("'off' of node n2 failed at 2026-11-30 12:00:00Z: no data")
    assert found.evidence == (
        "crm_mon: fence history: off of n2, by n1", "the agent's last failure here: /dev/a: no answer",
    )  # fmt: skip
    assert doctor_rules.has_failed(seen)


@pytest.mark.parametrize(
    "events",
    [
        "",
        event("n2", "success"),
        event("n2", "pending"),
        event("n2", "success") + event("n2", "failed"),
        event("n2", "success", "on") + event("n2", "failed"),
    ],
)
def test_what_came_well_afterwards_is_over(events: str) -> None:
    seen = status(events=events)
    assert doctored.codes(doctor_rules.of_history(seen, ["disks"])) == []
    assert not doctor_rules.has_failed(seen)


def test_a_node_that_is_lost_and_not_fenced_is_told_of() -> None:
    """Its fencing may never have begun, and then no history tells of it."""
    lost = mon().replace('name="n2" online="true" unclean="false"', 'name="n2" online="false" unclean="true"')
    (found,) = doctor_rules.of_history(doctor_status.parse(lost.encode()), ["disks"])
    assert doctored.codes([found]) == ["node-unclean"]
    assert found.evidence == ("crm_mon: n2 is unclean",)


def test_an_action_of_the_fence_device_that_failed() -> None:
    failures = (
        '<failure op_key="disks_start_0" node="n1" exitstatus="error" exitreason="none" task="start"/>'
        '<failure op_key="web_monitor_10000" id="web" node="n2" exitstatus="error" exitreason="x" task="monitor"/>'
        '<failure op_key="disks_stop_0" id="disks" node="n1" exitstatus="error" exitreason="x" task="stop"/>'
    )
    (found,) = doctor_rules.of_history(status(failures=failures), ["disks"])
    assert doctored.codes([found]) == ["fence-device-failed"]
    assert str(found.notice).startswith("'start' of fence device disks failed on node n1: error")


def test_an_answer_that_is_none_is_told() -> None:
    with pytest.raises(FenceError, match="crm_mon") as failure:
        doctor_status.parse(b"<crm_mon>")
    assert failure.value.code == "status-unread"


def test_the_last_complaints_in_pacemakers_log(tmp_path: Path) -> None:
    log = tmp_path / "pacemaker.log"
    old = "n1 pacemaker-fenced [2] (log_action) warning: fence_pr_ioctl[11] stderr: [ Failed: old ]\n"
    new = "n1 pacemaker-fenced [2] (log_action) warning: fence_pr_ioctl[12] stderr: [ Failed: /dev/a: no answer ]\n"
    log.write_text(old + new + "n1 other[13]: Failed: nothing\n" + new)
    assert doctor_log.last_complaints(1.0, str(log)) == ["/dev/a: no answer"]
    assert doctor_log.complaints("Nov 30 n1 fence_pr_ioctl[9]: Failed: as the journal has it\n") == [
        "as the journal has it"
    ]
    assert doctor_log.complaints("") == []


def test_without_a_log_the_journal_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    missing = str(tmp_path / "none")
    monkeypatch.setattr(doctor_log, "ask", lambda *_: b"fence_pr_ioctl[9]: Failed: no\n")
    assert doctor_log.last_complaints(1.0, missing) == ["no"]

    def refuse(*_: object) -> bytes:
        raise FenceError("status-unread", program="journalctl", answer="no")

    monkeypatch.setattr(doctor_log, "ask", refuse)
    assert doctor_log.last_complaints(1.0, str(tmp_path)) == []


# ---- resources

IDENTITIES = {"/dev/a": "naa.0a", "/dev/b": "naa.0b", "/dev/c": "naa.0c"}
OWN = frozenset({"naa.0a", "naa.0b"})
SCSI = primitive("old", "stonith:fence_scsi", devices="/dev/c")


@pytest.mark.parametrize(
    ("resources", "wanted"),
    [
        ((primitive("fs", "ocf:heartbeat:Filesystem", device="/dev/a"),), []),
        ((primitive("fs", "ocf:heartbeat:Filesystem", device="/dev/unknown"),), []),
        ((primitive("fs", "ocf:heartbeat:Filesystem", device="/dev/c"),), ["resource-disk-unfenced"]),
        ((primitive("fs", "ocf:heartbeat:Filesystem", device="/dev/c"), SCSI), ["resource-guarded-by-another"]),
        ((primitive("fs", "ocf:heartbeat:Filesystem", device="/dev/a"), SCSI), []),
        ((primitive("old", "stonith:fence_scsi", devices="/dev/a,/dev/b"),), ["disk-of-two-agents"] * 2),
        ((primitive("pr", "ocf:heartbeat:sg_persist", devs="/dev/a"),), ["resource-reserves"]),
        ((primitive("pr", "ocf:heartbeat:mpathpersist", devs="/dev/a /dev/b"),), ["resource-reserves"] * 2),
        ((primitive("pr", "ocf:heartbeat:sg_persist", devs="/dev/c"),), ["resource-disk-unfenced"]),
    ],
)
def test_what_resources_do_with_disks(resources: tuple[str, ...], wanted: list[str]) -> None:
    found = parsed(primitive(), *resources)
    assert doctored.codes(doctor_rules.of_resources(found, OWN, IDENTITIES)) == wanted
    if wanted != ["disk-of-two-agents"] * 2 and "resource-reserves" not in wanted:
        assert doctored.codes(doctor_rules.of_resources(found, frozenset(), IDENTITIES)) in (
            [], ["resource-guarded-by-another"],
        )  # fmt: skip


# ---- this machine


@pytest.mark.parametrize(
    ("machine", "kind", "wanted"),
    [
        (Machine(), "scsi", []),
        (Machine(guard=False), "scsi", ["guard-missing"]),
        (Machine(watchdog_links=("/etc/watchdog.d/pr_fence_guard",), dlm="/etc/dlm/dlm.conf"), "scsi", []),
        (Machine(enforcing=True), "scsi", []),
        (Machine(enforcing=True, watchdog_links=("/etc/watchdog.d/guard",)), "scsi", ["guard-confined"]),
        (Machine(enforcing=True, dlm="/etc/dlm/dlm.conf"), "scsi", ["dlm-confined"]),
        (Machine(), "multipath", ["multipath-key-missing"]),
        (Machine(multipath_keys=(("/etc/multipath.conf", "file"),)), "multipath", []),
        (Machine(multipath_keys=(("/etc/multipath.conf", "0x77"),)), "multipath", ["multipath-key-fixed"]),
        (Machine(multipath_keys=(("/etc/multipath.conf", "0x77"),)), "scsi", []),
        (Machine(lvm_key="/etc/lvm/lvmlocal.conf"), "scsi", ["lvm-key-set"]),
    ],
)
def test_the_guard_and_the_neighbours(machine: Machine, kind: str, wanted: list[str]) -> None:
    assert doctored.codes(doctor_rules.of_machine(machine, [disk(kind)], "n1")) == wanted


def test_where_no_disk_could_be_read_nobody_misses_the_guard() -> None:
    unread = {**disk(), "registrations": None}
    assert doctored.codes(doctor_rules.of_machine(Machine(guard=False), [unread], "n1")) == []


def test_a_machine_is_looked_at(tmp_path: Path) -> None:
    assert doctor_machine.look(str(tmp_path)) == Machine(guard=False)
    files = {
        "sys/fs/selinux/enforce": "1",
        "usr/sbin/pr_fence_guard": "",
        "etc/dlm/dlm.conf": "# fence_all fence_scsi\nfence_all fence_pr_ioctl devices=/dev/a\n",
        "etc/multipath.conf": 'defaults {\n\treservation_key "file"  # as it should\n}\n',
        "etc/multipath/conf.d/mine.conf": "multipaths {\n reservation_key 0x77\n}\n! reservation_key 0x1",
        "etc/multipath/conf.d/other": "reservation_key 0x1",
        "etc/lvm/lvm.conf": '\tpr_key = "0x77"\n',
        "etc/lvm/lvmlocal.conf": '\t# pr_key = "0x77"\n',
        "proc/12/comm": "pr_fence_guard\n",
        "proc/12/cmdline": "/usr/bin/python3\0-I\0/usr/sbin/pr_fence_guard\0",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    folder = tmp_path / "etc/watchdog.d"
    folder.mkdir()
    (folder / "guard").symlink_to(tmp_path / "usr/sbin/pr_fence_guard")
    (folder / "script").write_text("#!/bin/sh\n")
    assert doctor_machine.look(str(tmp_path)).guard
    (tmp_path / "proc/12/comm").unlink()
    assert doctor_machine.look(str(tmp_path)).guard
    (folder / "guard").unlink()
    assert not doctor_machine.look(str(tmp_path)).guard
    (folder / "script").write_text("#!/bin/sh\nexec /usr/sbin/pr_fence_guard --check\n")
    assert doctor_machine.look(str(tmp_path)).guard
    (folder / "guard").symlink_to(tmp_path / "usr/sbin/pr_fence_guard")
    assert doctor_machine.look(str(tmp_path)) == Machine(
        True, True, (f"{folder}/guard",), "/etc/dlm/dlm.conf",
        (("/etc/multipath.conf", "file"), ("/etc/multipath/conf.d/mine.conf", "0x77")), "/etc/lvm/lvm.conf",
    )  # fmt: skip
    modules = tmp_path / "var/lib/selinux/targeted/active/modules"
    (modules / "100/base").mkdir(parents=True)
    assert doctor_machine.look(str(tmp_path)).enforcing
    (modules / "200/fence_pr_ioctl").mkdir(parents=True)
    assert not doctor_machine.look(str(tmp_path)).enforcing, "with the policy module nothing is kept from the disks"
