"""'show': what is told of disks and nodes, in JSON and in text that is made from it; nothing is changed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

from fence_pr.errors import Abandoned, NotPermitted, NotSupported, PathFailure
from fence_pr.storage.device import MULTIPATH, Device
from fence_pr.tool import disks, rights, show_text, subcommands, terminal
from fence_pr.tool.cluster import FenceDevice
from fence_pr.tool.reading import READS, ReadingOnly
from fence_pr.tool.show import View
from fence_pr.tool.sources import Source
from tests.model.world import World
from tests.unit import tool_world, tooling

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.model.target import Command


def shown(
    world: World, capfd: pytest.CaptureFixture[str], arguments: Sequence[str] = (), *, disks: bool = True
) -> dict[str, Any]:
    """The report of a call about all disks of the world; its text fits, and nothing was changed."""
    words = tool_world.names(world) if disks else []
    report = tooling.reported(capfd, "show", *words, f"--corosync-conf={world.conf}", *arguments)
    assert world.changes() == []
    assert max(map(len, tooling.text_of(report))) <= 100
    return report


def states(report: dict[str, Any]) -> dict[str, str]:
    return {it["node"]: it["state"] for it in report["found"]["nodes"]}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """n1 and n2 are registered, n3 is shut out."""
    made = World(tmp_path, 2)
    made.register("n1", "n2")
    tool_world.put_in_place(monkeypatch, made)
    return made


def test_who_is_registered_and_who_is_shut_out(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    report = shown(world, capfd)
    assert (report["exit_status"], report["problems"], report["warnings"], report["unseen"]) == (0, [], [], [])
    assert states(report) == {"n1": "ON", "n2": "ON", "n3": "OFF"}
    assert (report["found"]["cluster"], report["found"]["local_node"]) == ("lab", "n1")
    first = report["found"]["disks"][0]
    assert [(it["node"], it["own"], it["owner"], it["count"]) for it in first["registrations"]] == sorted(
        [("n1", True, "node", 1), ("n2", False, "node", 1)], key=lambda it: world.keys[it[0]]
    )
    assert first["reservation"] == {
        "type": 3,
        "name": "write exclusive, registrants only",
        "holder_key": f"0x{world.keys['n1']:x}",
        "holder": "n1",
    }
    assert (first["paths"], first["persistent"]) == ({"live": 1, "dead": [], "unregistered": 0}, True)


def test_the_text_is_a_table_and_each_disk(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    report = shown(world, capfd)
    text = tooling.text_of(report)
    assert text[0] == "Cluster lab, this is n1; 2 disks"
    assert text[2].split() == ["DISK", "PATHS", "RESERVED", "n1", "n2", "n3", "FOREIGN"]
    assert text[3].split() == ["sdz", "1/1", "WERO", "ON*", "ON", "OFF", "-"]
    assert text[5].split() == ["status", "ON", "ON", "OFF"]
    assert "* holds the reservation" in text
    assert f"  registered    {', '.join(text_of_keys(world))}"[:100] in "\n".join(text)
    assert "  reserved      write exclusive, registrants only, held by n1; kept over power loss" in text
    printed = tooling.call(capfd, "show", *tool_world.names(world), f"--corosync-conf={world.conf}").out.splitlines()
    generation = "  generation    "
    assert [it for it in printed if generation not in it] == [it for it in text if generation not in it]


def text_of_keys(world: World) -> list[str]:
    keys = sorted((key, node) for node, key in world.keys.items() if node != "n3")
    return [f"{node} 0x{key:x}{' (this node)' if node == 'n1' else ''}" for key, node in keys]


def test_a_foreign_key_is_marked_and_is_a_problem(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    world.targets[1].register("n9", 0xBAD)
    report = shown(world, capfd)
    assert report["exit_status"] == 1
    assert [(it["code"], it["disk"]) for it in report["problems"]] == [("keys-unexplained", world.devices[1].name)]
    owners = {it["key"]: it["owner"] for it in report["found"]["disks"][1]["registrations"]}
    assert owners["0xbad"] == "foreign"
    assert states(report) == {"n1": "ON", "n2": "ON", "n3": "UNKNOWN"}
    text = tooling.text_of(report)
    assert text[4].split()[-2:] == ["UNKNOWN", "1"]
    assert any("foreign 0xbad" in line for line in text)
    assert any(line.startswith("  n3            UNKNOWN: ") for line in text)
    declared = shown(world, capfd, ["--foreign-keys=0xbad"])
    assert (declared["exit_status"], states(declared)["n3"]) == (0, "OFF")
    assert any("declared 0xbad" in line for line in tooling.text_of(declared))


def test_nothing_reserved_is_a_problem(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    for target in world.targets:
        target.type = 0
    report = shown(world, capfd)
    assert [it["code"] for it in report["problems"]] == ["nothing-reserved"] * 2
    assert report["found"]["disks"][0]["reservation"] is None
    assert "  reserved      no; registrations kept over power loss" in tooling.text_of(report)


@pytest.mark.parametrize(
    ("failure", "code", "said"),
    [(PathFailure, 3, "path-failure"), (NotPermitted, 3, "not-permitted"), (NotSupported, 1, "not-supported")],
)
def test_a_disk_that_cannot_be_read_leaves_the_others(
    world: World, capfd: pytest.CaptureFixture[str], failure: Any, code: int, said: str
) -> None:
    def fault(command: Command) -> None:
        raise failure(world.devices[0].node, command.name, 0)

    world.faults[0] = fault
    report = shown(world, capfd)
    assert report["exit_status"] == code
    assert [it["code"] for it in (*report["problems"], *report["unseen"])] == [said]
    assert [it["registrations"] is None for it in report["found"]["disks"]] == [True, False]
    assert states(report) == {"n1": "UNKNOWN", "n2": "UNKNOWN", "n3": "UNKNOWN"}
    assert tooling.text_of(report)[3].split() == ["sdz", "?", "?", "?", "?", "?", "?"]


def test_a_name_that_leads_to_no_disk_is_named(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    report = shown(world, capfd, ["/dev/no-such-disk", "/dev/null"])
    assert [it["code"] for it in report["problems"]] == ["device-missing", "not-a-block-device"]
    assert [it["kind"] for it in report["found"]["disks"]] == ["", "", "scsi", "scsi"]


def test_a_disk_named_twice_is_told_of(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    twin = Device("/dev/twin", world.devices[0].node, world.devices[0].identity)
    world.devices.append(twin)
    world.targets.append(world.targets[0])
    report = shown(world, capfd)
    assert "same-disk" in [it["code"] for it in report["problems"]]
    assert len(report["found"]["disks"]) == 3


def test_without_names_it_is_the_clusters_disks_by_its_options(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    given = {"devices": world.devices[1].name, "node_keys": "n1:0x1;n2:0x2;n3:0x3"}
    one, other = FenceDevice("one", given), FenceDevice("other", {"devices": world.devices[0].name})
    tool_world.put_in_place(monkeypatch, world, configured=(one, other))
    report = shown(world, capfd, disks=False)
    assert [it["fence_device"] for it in report["found"]["disks"]] == ["one", "other"]
    assert [it["problem"] and it["problem"]["code"] for it in report["found"]["disks"]] == ["keys-unexplained", None]
    only = shown(world, capfd, ["--fence-device=other"], disks=False)
    assert [it["name"] for it in only["found"]["disks"]] == [world.devices[0].name]
    assert any(line == "  fence device  other" for line in tooling.text_of(only))
    wrong = tooling.reported(capfd, "show", "--fence-device=third")
    assert (wrong["exit_status"], wrong["problems"][0]["code"]) == (2, "fence-device-unknown")
    assert "it has one, other" in wrong["problems"][0]["text"]
    own = shown(world, capfd, ["--fence-device=one", "--node-keys=n1:0x7"], disks=False)
    assert [it["node"] for it in own["found"]["nodes"]] == ["n1"]


def test_without_a_cluster_it_is_every_disk_and_those_without_reservations_are_no_failures(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(command: Command) -> None:
        raise NotSupported(world.devices[1].node, command.name, 0)

    world.faults[1] = refuse
    report = shown(world, capfd, disks=False)
    assert report["exit_status"] == 0
    assert report["found"]["without_reservations"] == [world.devices[1].name]
    assert f"without reservations  {world.devices[1].name}" in tooling.text_of(report)


def test_where_no_cluster_is_keys_are_told_and_accuse_nobody(
    world: World, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = [*tool_world.names(world), f"--corosync-conf={tmp_path}/none"]
    report = tooling.reported(capfd, "show", *words)
    assert (report["exit_status"], report["found"]["nodes"]) == (0, [])
    assert tooling.text_of(report)[0] == "No cluster is configured here; 2 disks"
    assert {it["owner"] for it in report["found"]["disks"][0]["registrations"]} == {"foreign"}


def test_an_option_that_the_agent_would_refuse_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    report = tooling.reported(capfd, "show", "/dev/null", "--foreign-keys=xyz")
    assert (report["exit_status"], report["problems"][0]["code"]) == (2, "key-malformed")
    assert tooling.reported(capfd, "show", "--timeout=0")["problems"][0]["code"] == "limit-zero"


class Hangs(tool_world.WorldReader):
    """The first disk never answers."""

    def open(self, found: Device, watch: Any, patience: object) -> Any:
        if found == self._world.devices[0]:
            watch.announce(found.label(), "open")
            time.sleep(60)
        return super().open(found, watch, patience)


@pytest.mark.parametrize("alone", [True, False])
def test_a_disk_that_hangs_is_named_in_time_and_the_others_are_told(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], alone: bool
) -> None:
    tool_world.put_in_place(monkeypatch, world, reader=Hangs, forks=True)
    named = tool_world.names(world)[: 1 if alone else 2]
    started = time.monotonic()
    report = tooling.reported(capfd, "show", *named, f"--corosync-conf={world.conf}", "--timeout=1")
    assert time.monotonic() - started < 3
    assert report["exit_status"] == 3
    assert [(it["code"], it["disk"]) for it in report["unseen"]] == [("no-answer-in-time", named[0])]
    assert [it["registrations"] is None for it in report["found"]["disks"]] == [True, False][: len(named)]


class Crashes(tool_world.WorldReader):
    """A mistake in this program."""

    def find(self, name: str) -> Device:
        raise ZeroDivisionError(name)


class Dies(tool_world.WorldReader):
    """Whatever happens to it, it comes to no end."""

    def find(self, _name: str) -> Device:
        time.sleep(60)
        raise AssertionError


@pytest.mark.parametrize(
    ("reader", "code", "field", "said"),
    [(Crashes, 1, "problems", "internal-error"), (Dies, 3, "unseen", "nothing-in-time")],
)
def test_whatever_becomes_of_the_process_that_works_on_disks_there_is_a_report(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    reader: Any, code: int, field: str, said: str,
) -> None:  # fmt: skip
    tool_world.put_in_place(monkeypatch, world, reader=reader, forks=True)
    report = tooling.reported(capfd, "show", "/dev/x", "--timeout=0.5")
    assert (report["exit_status"], report["found"], report[field][0]["code"]) == (code, None, said)


def test_without_a_process_nothing_is_said_to_be_fine(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import os

    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    report = tooling.reported(capfd, "show", "/dev/null")
    assert (report["exit_status"], report["problems"][0]["code"]) == (1, "not-started")


def test_only_reads_pass() -> None:
    passed: list[str] = []

    class Heard:
        def announce(self, _disk: str, operation: str) -> None:
            passed.append(operation)

        def finished(self, disk: str) -> None:
            passed.append(f"{disk} done")

    watch = ReadingOnly(Heard())
    for operation in ("register", "replace key", "reserve", "preempt", "preempt-and-abort", "release", "clear", "x"):
        with pytest.raises(Abandoned, match="was not sent: this call only reads") as forbidden:
            watch.announce("/dev/sda", operation)
        assert forbidden.value.code == "command-forbidden"
    assert passed == []
    for operation in READS:
        watch.announce("/dev/sda", operation)
    watch.finished("/dev/sda")
    assert passed == [*READS, "/dev/sda done"]


def view_of(world: World, kind: str, live: int, dead: dict[str, Any]) -> dict[str, Any]:
    """What is told of a disk with paths."""
    device = Device("/dev/mapper/mpatha", "/dev/dm-0", "naa.6", kind)
    world.devices[:] = [device]

    class Paths(tool_world.WorldReader):
        def open(self, found: Device, watch: Any, patience: object) -> Any:
            disk = super().open(found, watch, patience)
            disk.live_paths, disk.dead_paths = lambda: live, lambda: dead
            return disk

    source = Source("", (device.name,), {"corosync_conf": str(world.conf)})
    view = View(source, ReadingOnly(tool_world.Unwatched()), 5.0, Paths(world, "n1", 5.0))
    view.read()
    assert [it.code for it in view.warnings] == ["path-dead", "paths-unregistered"][: len(dead) + (live > 1)]
    return view.facts[0].said


def test_paths_that_are_dead_or_without_registration_are_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")
    why = PathFailure("/dev/sdc", "read keys", 0).notice()
    said = view_of(world, MULTIPATH, 2, {"/dev/sdc": why})
    assert (said["paths"]["live"], said["paths"]["unregistered"]) == (2, 1)
    assert said["paths"]["dead"][0]["why"]["code"] == "path-failure"
    nodes = [{"node": it["node"], "state": it["state"]} for it in said["states"]]
    found = {"cluster": "", "local_node": "", "nodes": nodes, "disks": [said], "without_reservations": []}
    text = show_text.lines(found, tooling.PLAIN)
    assert text[3].split()[:2] == ["mpatha", "2/3"]
    assert any(line.startswith("  paths         2 live, /dev/sdc is dead (") for line in text)
    assert "1 without this node's registration" in " ".join(" ".join(text).split())


def test_an_ordinary_user_is_told_once_what_it_does_not_see() -> None:
    from fence_pr.errors import Notice

    warnings = [Notice("bindings-unreadable", {"disk": disk, "answer": "x"}) for disk in "ab"]
    warnings.append(Notice("path-dead", {"disk": "a", "path": "p", "answer": "x"}))
    assert rights.without_rights(warnings, [], root=True) == (warnings, [])
    left, unseen = rights.without_rights(warnings, [], root=False)
    assert ([it.code for it in left], [it.code for it in unseen]) == (["path-dead"], ["not-root"])


def many_nodes(count: int) -> dict[str, Any]:
    states = [{"node": f"database-{number}.example.org", "state": "ON", "why": {"text": ""}} for number in range(count)]
    disk = {**disks._UNREAD, "registrations": [], "paths": {"live": 1, "dead": [], "unregistered": 0}, "states": states,
            "name": "/dev/disk/by-id/wwn-0x60014051234567890123456789012345", "device": "/dev/sda", "kind": "scsi",
            "identity": "naa.60014051234567890123456789012345", "fence_device": "", "generation": 1,
            "persistent": None}  # fmt: skip
    nodes = [{"node": it["node"], "state": it["state"]} for it in states]
    return {"cluster": "c", "local_node": "", "nodes": nodes, "disks": [disk], "without_reservations": []}


@pytest.mark.parametrize("count", [0, 1, 5, 64])
def test_however_many_nodes_there_are_it_fits(count: int) -> None:
    text = show_text.lines(many_nodes(count), tooling.PLAIN)
    assert max(map(len, text)) <= 100
    found = [word for line in text if line.startswith("DISK") for word in line.split()]
    assert [it for it in found if it.startswith("database")] == [f"database-{it}.example.org" for it in range(count)]


def test_colour_is_added_and_nothing_else() -> None:
    import re

    plain = show_text.lines(many_nodes(3), tooling.PLAIN)
    coloured = show_text.lines(many_nodes(3), terminal.Style(100, True))
    assert coloured != plain
    assert [re.sub(r"\x1b\[[\d;]*m", "", line) for line in coloured] == plain


def test_watch_draws_again_and_ends_with_the_last_exit_code(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        world.targets[0].register("n9", 0xBAD)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    arguments = [*tool_world.names(world), f"--corosync-conf={world.conf}", "--watch", "--interval=7", "--json"]
    done = tooling.call(capfd, "show", *arguments)
    assert (done.code, slept, len(done.out.splitlines())) == (subcommands.EXIT_WRONG, [7.0] * 3, 3)


def test_on_a_terminal_watch_draws_over_what_was_there_and_ctrl_c_ends_it() -> None:
    environment = {"TERM": "xterm", "PATH": "/usr/bin:/bin"}
    words = ["show", "/dev/null", "--watch", "--interval=0.1", "--corosync-conf=/no/such/file"]
    # Open to SIGINT even where this run itself ignores it.
    words = ["--default-signal=INT", str(tooling.PROJECT / subcommands.TOOL), *words]
    with pexpect.spawn(
        "/usr/bin/env", words, env=environment, timeout=30, encoding="utf-8", dimensions=(24, 60)
    ) as shell:
        for _ in range(3):
            shell.expect_exact("\x1b[H\x1b[2J")
            shell.expect_exact("No cluster is configured here; 1 disks")
            shell.expect_exact("\x1b[1;31mwrong:")
        shell.sendintr()
        rest = shell.read()
        assert "Traceback" not in rest
        shell.wait()
        assert shell.exitstatus == subcommands.EXIT_WRONG
