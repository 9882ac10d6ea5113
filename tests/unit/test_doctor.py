"""'doctor' as a person calls it: on disks of a model, with what Pacemaker's tools say made up."""

from __future__ import annotations

import json
import os
import shlex
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr.errors import FenceError, NotPermitted
from fence_pr.storage import in_use, kernel_status, own_hosts
from fence_pr.storage.device import Device
from fence_pr.tool import cluster, sources, terminal
from fence_pr.tool.doctor import disks as doctor_disks
from fence_pr.tool.doctor import here as doctor_here
from fence_pr.tool.doctor import machine as doctor_machine
from fence_pr.tool.doctor import status as doctor_status
from fence_pr.tool.doctor.disks import Examiner
from fence_pr.tool.doctor.machine import Machine
from tests.model.world import World
from tests.unit import doctored, tool_world, tooling
from tests.unit.doctored import cib, event, mon, primitive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BUSY = 0x08  # SAM-5
OF_KERNEL = "name-of-this-boot"  # the model's disks have no other names


class WorldExaminer(tool_world.OfWorld, Examiner):
    """A node of the world, as the doctor has it."""

    def __init__(self, world: World, node: str, seconds: float) -> None:
        kept = world.nodes[node]
        super().__init__(seconds, state_folder=str(kept.state), lasting_folder=str(kept.lasting))
        self._world, self._node = world, node


class Bench:
    """A node of a world, what Pacemaker says there, and calls of the tool."""

    def __init__(self, world: World, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self._capfd = world, capfd
        disks = " ".join(tool_world.names(world))
        self.device: Callable[..., str] = partial(primitive, devices=disks)
        self.cib: str | FenceError | None = cib(self.device())
        self.mon: str | FenceError | None = mon()
        self.machine = Machine()
        monkeypatch.setattr(doctor_here, "ask", self._ask)
        monkeypatch.setattr(doctor_machine, "look", lambda: self.machine)
        monkeypatch.setattr(
            doctor_here, "look", partial(doctor_here.look, examiner=partial(WorldExaminer, world, "n1"))
        )
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(doctor_disks, "is_used", lambda _: True)
        tool_world.put_in_place(monkeypatch, world)
        monkeypatch.setattr(sources, "fence_devices", lambda _: self._devices())

    def _ask(self, name: str, *_: object) -> bytes | None:
        said = self.cib if name == "cibadmin" else self.mon
        if isinstance(said, FenceError):
            raise said
        return said.encode() if said is not None else None

    def _devices(self) -> Any:
        return tuple(cluster.parse(self.cib.encode())) if isinstance(self.cib, str) else None

    def report(self, *arguments: str) -> dict[str, Any]:
        """Of a call; its text fits, says each finding, and nothing was changed."""
        report = tooling.reported(self._capfd, "doctor", *arguments, f"--corosync-conf={self.world.conf}")
        assert self.world.changes() == []
        if report["found"]:
            text = tooling_text(report)
            assert all(len(line) <= 100 or " " not in line.strip() for line in text)
            told = " ".join(" ".join(text).split())
            for finding in report["found"]["findings"]:
                assert " ".join(finding["text"].split()) in told
        return report

    def codes(self, *arguments: str) -> list[str]:
        """Of all findings but one that is the model's."""
        return [it["code"] for it in self.report(*arguments)["found"]["findings"] if it["code"] != OF_KERNEL]


def tooling_text(report: dict[str, Any]) -> list[str]:
    from fence_pr.tool.doctor import subcommand as doctor

    return doctor.text(report["found"], tooling.PLAIN)


@pytest.fixture
def bench(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """All three nodes are registered on two disks."""
    world = World(tmp_path, 2)
    for name in ("n1", "n2", "n3"):
        assert world.run(name, "on", name).ok
    world.sent.clear()
    return Bench(world, capfd, monkeypatch)


def test_of_a_healthy_cluster_nothing_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_disks, "_OWN", doctor_disks._OWN | {OF_KERNEL})
    report = bench.report()
    assert (report["exit_status"], report["problems"], report["warnings"], report["unseen"]) == (0, [], [], [])
    found = report["found"]
    assert (found["cluster"], found["local_node"], found["fence_devices"]) == ("lab", "n1", ["disks"])
    (facts,) = found["nodes"]
    assert (facts["node"], facts["nodelist"]) == ("n1", ["n1", "n2", "n3"])
    assert {it["own_key"] for it in facts["disks"]} == {f"0x{bench.world.keys['n1']:x}"}
    assert all(len(it["keys"]) == 3 and it["read"] and it["used"] for it in facts["disks"])
    assert tooling_text(report) == ["Nothing is wrong. Looked at: n1; fence devices: disks; 2 disks."]
    assert {command.name for _, command in bench.world.sent} <= set(tool_world_reads())


def tool_world_reads() -> tuple[str, ...]:
    from tests.model.world import READS

    return READS


def test_each_finding_has_what_shows_it_and_what_to_do(bench: Bench) -> None:
    bench.world.targets[0].register("n9", 0xBAD)
    report = bench.report()
    assert report["exit_status"] == 1
    first = report["found"]["findings"][0]
    assert (first["severity"], first["code"], first["nodes"]) == ("failure", "keys-unexplained", ["n1"])
    assert first["evidence"] == ["the agent's 'monitor'", "the agent's 'validate-all'"]
    assert first["remedy"]
    assert [it["code"] for it in report["problems"]] == ["keys-unexplained"]
    text = tooling_text(report)
    assert text[0].startswith("wrong:    n1: /dev/sd")
    assert "  seen    the agent's 'monitor'" in text
    assert any(line.startswith("  do      ") for line in text)
    colours = tooling.text_of(report, terminal.Style(colours=True))
    assert colours[0].startswith("\x1b[1;31mwrong:")


def test_the_configuration_and_what_the_cluster_did_are_judged(bench: Bench) -> None:
    bench.cib = cib(bench.device(meta={}), options={"stonith-enabled": "false"})
    bench.mon = mon(events=event("n2"))
    assert bench.codes() == ["fencing-disabled", "unfencing-missing", "fencing-failed"]


def test_options_of_the_fence_device_are_checked_as_the_agent_does(bench: Bench) -> None:
    bench.cib = cib(bench.device(abort="require", foreign_keys="0xg", powertimeout="3"))
    assert bench.codes() == ["key-malformed"]
    bench.cib = cib(bench.device(powertimeout="3"))
    assert bench.codes() == ["option-unknown"]


def test_a_member_that_is_not_registered(bench: Bench) -> None:
    bench.world.targets[1].preempt("n2", bench.world.keys["n2"], bench.world.keys["n3"], 3)
    assert bench.codes() == ["member-not-registered"]


def test_a_disk_that_this_node_has_registered_on_and_that_nobody_fences(bench: Bench) -> None:
    bench.cib = cib(primitive(devices=bench.world.devices[0].name))
    assert bench.codes() == ["disks-not-named"]


def test_a_disk_that_serves_only_fencing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_disks, "is_used", lambda _: False)
    named = bench.world.devices[0].name
    bench.cib = cib(bench.device(), primitive("fs", "ocf:heartbeat:Filesystem", device=named))
    report = bench.report()
    unused = [it["disk"] for it in report["found"]["findings"] if it["code"] == "disk-unused"]
    assert unused == [bench.world.devices[1].name]


def test_a_removal_that_could_not_be_written_down(bench: Bench) -> None:
    from fence_pr import state_file

    folder = str(bench.world.nodes["n1"].state)
    state_file.mark(state_file.UNWRITTEN, bench.world.devices[0].stable_name(), folder, holds=True)
    assert bench.codes() == ["removal-noted"]


def test_a_guard_that_does_not_run(bench: Bench) -> None:
    bench.machine = Machine(guard=False)
    assert bench.codes() == ["guard-missing"]


def test_where_the_cluster_does_not_run_that_is_told(bench: Bench) -> None:
    bench.cib = FenceError("cib-unread", program="cibadmin", answer="no")
    bench.mon = FenceError("status-unread", program="crm_mon", answer="no")
    report = bench.report()
    assert (report["exit_status"], [it["code"] for it in report["unseen"]]) == (3, ["cib-unread", "status-unread"])
    assert report["problems"] == []


def test_a_machine_without_a_cluster(bench: Bench) -> None:
    bench.cib = bench.mon = None
    bench.world.conf.unlink()
    report = bench.report()
    assert (report["exit_status"], [it["code"] for it in report["unseen"]]) == (3, ["cluster-missing"])
    (facts,) = report["found"]["nodes"]
    assert (report["problems"], facts["node"], facts["disks"]) == ([], "n1", [])
    assert bench.world.sent == []


def test_disks_that_are_named_are_looked_at_without_a_cluster(bench: Bench) -> None:
    bench.cib = bench.mon = None
    report = bench.report(*tool_world.names(bench.world))
    assert len(report["found"]["nodes"][0]["disks"]) == 2
    assert report["exit_status"] == 0


def test_where_pacemaker_is_not_installed_nothing_is_known_of_the_cluster(bench: Bench) -> None:
    """There is a corosync.conf: 'nothing is wrong' would be said of no disk and no fence device."""
    bench.cib = bench.mon = None
    report = bench.report()
    assert (report["exit_status"], [it["code"] for it in report["unseen"]]) == (3, ["cib-unread"])
    bench.mon = FenceError("status-unread", program="crm_mon", answer="no")
    assert bench.codes() == ["cib-unread", "status-unread"]


def test_without_crm_mon_who_is_a_member_is_not_known(bench: Bench) -> None:
    bench.mon = None
    report = bench.report()
    assert (report["exit_status"], [it["code"] for it in report["unseen"]]) == (3, ["status-unread"])


@pytest.mark.parametrize("answer", ["<cib/>", "<pacemaker-result/>"])
def test_an_answer_that_holds_no_configuration_is_none(bench: Bench, answer: str) -> None:
    bench.cib = answer
    assert bench.codes() == ["cib-unread"]


@pytest.mark.parametrize("answer", ["<pacemaker-result/>", '<pacemaker-result><status code="102"/></pacemaker-result>'])
def test_an_answer_that_holds_no_members_is_none(bench: Bench, answer: str) -> None:
    bench.mon = answer
    assert bench.codes() == ["status-unread"]


def test_a_history_that_cannot_be_read_is_told(bench: Bench) -> None:
    """As crm_mon has it where the fencer does not answer."""
    bench.mon = mon().replace('<fence_history status="0">', '<fence_history status="124">')
    report = bench.report()
    assert (report["exit_status"], [it["code"] for it in report["unseen"]]) == (3, ["history-unread"])


@pytest.mark.parametrize("conf", [True, False])
def test_fence_devices_that_were_read_only_once_are_no_reason_to_look_at_no_disk(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, conf: bool
) -> None:
    def fail(_: float) -> None:
        raise FenceError("cib-unread", program="cibadmin", answer="no answer")

    monkeypatch.setattr(sources, "fence_devices", fail)
    if not conf:  # as on a remote node
        bench.world.conf.unlink()
    report = bench.report()
    assert [it["code"] for it in report["unseen"]] == ["cib-unread"]
    assert report["exit_status"] == 3


def test_a_fence_device_that_could_not_be_looked_at_for_lack_of_memory_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(doctor_here, "look_at_disks", fail)
    first, second = tool_world.names(bench.world)
    bench.cib = cib(primitive("one", devices=first), primitive("two", devices=second))
    report = bench.report()
    assert "machine-lacks" in [it["code"] for it in report["unseen"]]


def test_a_corosync_conf_that_cannot_be_read(bench: Bench) -> None:
    bench.world.conf.unlink()
    bench.world.conf.mkdir()
    assert bench.codes()[0] == "corosync-conf-unreadable"


def test_an_ordinary_user_is_told_once_what_needs_root(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    def refuse(_: object) -> None:
        raise NotPermitted("/dev/sda", "read keys", -1)

    bench.world.faults = {0: refuse, 1: refuse}
    report = bench.report()
    assert (report["exit_status"], [it["code"] for it in report["unseen"]]) == (3, ["not-root"])
    assert report["problems"] == []


def test_a_disk_that_hangs_takes_no_time_of_the_others(bench: Bench) -> None:
    bench.world.faults[0] = lambda _: time.sleep(30)
    began = time.monotonic()
    report = bench.report("--timeout=3")
    assert time.monotonic() - began < 3.5
    assert report["exit_status"] == 3
    assert [(it["code"], it["disk"]) for it in report["unseen"]] == [("no-answer-in-time", bench.world.devices[0].name)]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [({}, {"power_timeout": "2.0"}), ({"power_timeout": "1.5"}, {}), ({"power_timeout": "long"}, {}),
     ({"power_timeout": "600"}, {"power_timeout": "2.0"})],
)  # fmt: skip
def test_the_agent_repeats_what_may_pass_for_no_longer_than_the_doctor_waits(
    given: dict[str, str], wanted: dict[str, str]
) -> None:
    assert doctor_disks._shorter(given, 2.0) == wanted


def test_a_disk_that_is_busy_all_the_time_is_named_in_time(bench: Bench) -> None:
    def busy(_: object) -> None:
        raise kernel_status.failure("/dev/sda", "read keys", BUSY)

    bench.world.faults[0] = busy
    began = time.monotonic()
    report = bench.report("--timeout=4")
    assert time.monotonic() - began < 5
    assert bench.world.devices[0].name in {it["disk"] for it in report["problems"] + report["unseen"]}


# ---- what a disk is used for, and who this machine is to it


@pytest.mark.parametrize(
    ("known", "users", "wanted"),
    [("", [], False), ("E:ID_FS_TYPE=ext4\n", [], True), ("E:ID_PART_TABLE_TYPE=gpt\n", [], True),
     ("E:ID_BUS=scsi\n", [], False), ("", ["a process"], True)],
)  # fmt: skip
def test_a_disk_is_used_if_something_lies_on_it_or_has_it_open(
    known: str, users: list[str], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def read(path: str) -> str:
        asked.append(path)
        return known

    monkeypatch.setattr(doctor_disks, "read_attribute", read)
    monkeypatch.setattr(in_use, "users", lambda _: users)
    assert doctor_disks.is_used(Device("/dev/null", "/dev/null", "naa.01")) is wanted
    assert asked == ["/run/udev/data/b1:3"]
    assert not doctor_disks.is_used(Device("x", "/dev/no such", "naa.01"))


def test_a_disk_of_which_nobody_tells_counts_as_used(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    names = tool_world.names(bench.world)
    slow = bench.world.devices[0].node

    def ask(device: Device) -> bool:
        if device.node == slow:
            time.sleep(30)
        return False

    monkeypatch.setattr(doctor_disks, "is_used", ask)
    report = bench.report("--timeout=2")
    assert [it["disk"] for it in report["found"]["findings"] if it["code"] == "disk-unused"] == [
        name for name in names if name != slow
    ]
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "disk-unused" not in bench.codes()


def test_what_the_storage_calls_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_hosts, "of_scsi", lambda number: frozenset({f"host {number}"}))
    null, zero = (f"host {os.stat(path).st_rdev}" for path in ("/dev/null", "/dev/zero"))
    assert doctor_disks.hosts_of(Device("a", "/dev/null", "")) == {null}
    assert doctor_disks.hosts_of(Device("a", "/dev/full", "", "multipath", ("/dev/null", "/dev/zero"))) == {null, zero}
    assert doctor_disks.hosts_of(Device("a", "/dev/no such", "")) == frozenset()
    assert doctor_disks.hosts_of(Device("a", "/dev/null", "", "nvme")) == frozenset()
    assert doctor_disks.hosts_of(Device("a", "/dev/null", "", "nvme", host_id=bytes(15) + b"\1")) >= {f"nvme.{1:032x}"}


# ---- other nodes


def other(bench: Bench, folder: Path, **changes: Any) -> str:
    """A remote shell behind which another node finds what this one does, but for these facts."""
    report = bench.report()
    (facts,) = report["found"]["nodes"]
    theirs = {**facts, "node": "n2", "boot": "another", "machine": "another", "hosts": [], **changes}
    theirs["disks"] = changes.get("disks", [{**it, "own_key": "0x2"} for it in facts["disks"]])
    answer = {**report, "found": {**report["found"], "nodes": [theirs]}}
    (folder / "answer").write_text(json.dumps(answer))
    bench.world.sent.clear()
    return f"cat {shlex.quote(str(folder / 'answer'))} #"


def with_other(bench: Bench, folder: Path, **changes: Any) -> list[str]:
    rsh = other(bench, folder, **changes)
    (folder / "rsh").write_text(f"#!/bin/sh\n{rsh}\n")
    (folder / "rsh").chmod(0o755)
    return bench.codes("--with=n2", f"--rsh={folder / 'rsh'}")


def test_another_node_is_compared_and_its_findings_are_told(bench: Bench, tmp_path: Path) -> None:
    assert with_other(bench, tmp_path) == []
    assert with_other(bench, tmp_path, cluster="old") == ["cluster-names-differ"]
    bench.machine = Machine(guard=False)
    assert with_other(bench, tmp_path) == ["guard-missing"]


def test_what_only_another_node_finds_of_the_cluster_is_told_of_that_node(bench: Bench, tmp_path: Path) -> None:
    bench.cib = cib(bench.device(meta={}))
    (tmp_path / "rsh").write_text(f"#!/bin/sh\n{other(bench, tmp_path)}\n")
    (tmp_path / "rsh").chmod(0o755)
    call = ("--with=n2", f"--rsh={tmp_path / 'rsh'}")
    assert [it["nodes"] for it in bench.report(*call)["found"]["findings"] if it["code"] != OF_KERNEL] == [[]]
    bench.cib = cib(bench.device())
    assert [it["nodes"] for it in bench.report(*call)["found"]["findings"] if it["code"] != OF_KERNEL] == [["n2"]]


def test_this_node_under_another_name_is_not_compared_with_itself(bench: Bench, tmp_path: Path) -> None:
    boot = bench.report()["found"]["nodes"][0]["boot"]
    assert with_other(bench, tmp_path, boot=boot, cluster="old") == []


def test_another_node_that_does_not_answer_is_told(bench: Bench) -> None:
    report = bench.report("--with=n2,n3", "--rsh=false")
    assert [it["code"] for it in report["unseen"]] == ["node-unasked", "node-unasked"]
    assert report["exit_status"] == 3


def test_a_name_that_is_none_is_a_wrong_call(bench: Bench) -> None:
    report = tooling.reported(bench._capfd, "doctor", "--with=n2;x")
    assert (report["exit_status"], [it["code"] for it in report["problems"]]) == (2, ["node-name-malformed"])
    report = tooling.reported(bench._capfd, "doctor", "--with=n2", "--rsh='")
    assert (report["exit_status"], [it["code"] for it in report["problems"]]) == (2, ["command-malformed"])


def test_the_tools_are_asked_as_they_understand_it() -> None:
    assert doctor_status.QUERY == ("--one-shot", "--output-as=xml", "--inactive", "--fence-history=3")
    assert doctored.parsed().devices == ()
