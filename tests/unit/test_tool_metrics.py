"""'metrics': what is told, in a form that both parsers of Prometheus take; the file; the alert rules; the units."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import time
from configparser import ConfigParser
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as new_parser

from fence_pr import agent, files, last_action
from fence_pr import options as agent_options
from fence_pr.actions.report import Report
from fence_pr.errors import PathFailure
from fence_pr.last_action import LastAction
from fence_pr.tool import metrics, options, subcommands
from tests.model.world import World
from tests.unit import tool_world, tooling

if TYPE_CHECKING:
    from pathlib import Path

    from tests.model.target import Command

RULES = tooling.PROJECT / "monitoring/pr_fence.rules.yml"
UNITS = [tooling.PROJECT / f"systemd/pr_fence_metrics.{kind}" for kind in ("service", "timer")]
openmetrics: Any = new_parser.text_string_to_metric_families
older_form: Any = parser.text_string_to_metric_families


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """n1 and n2 are registered."""
    made = World(tmp_path, 2)
    made.register("n1", "n2")
    tool_world.put_in_place(monkeypatch, made)
    return made


def collected(world: World, capfd: pytest.CaptureFixture[str], code: int = 0, *arguments: str) -> dict[str, Any]:
    """Name and labels → value, as both parsers understand what is printed."""
    done = tooling.call(capfd, "metrics", *tool_world.names(world), f"--corosync-conf={world.conf}", *arguments)
    assert done.code == code, done
    assert world.changes() == []
    return parsed(done.out)


def parsed(text: str) -> dict[str, Any]:
    read = [[it for family in parse(text) for it in family.samples] for parse in (openmetrics, older_form)]
    new, old = ({key(it): it.value for it in samples} for samples in read)
    assert new == old
    assert {family.name for family in openmetrics(text)} <= set(metrics.HELP)
    return new


def key(sample: Any) -> str:
    return str(sample.name).removeprefix("fence_pr_") + "".join(
        f" {name}={value}" for name, value in sorted(sample.labels.items()) if name not in ("identity", "version")
    )


def test_a_healthy_disk_in_numbers(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    found = collected(world, capfd)
    disk = world.devices[0].name
    assert {name: value for name, value in found.items() if disk in name} == {
        f"disk_readable disk={disk}": 1,
        f"disk_problem disk={disk}": 0,
        f"disk_registered disk={disk}": 1,
        f"disk_writable disk={disk}": 1,
        f"disk_reserved disk={disk}": 1,
        f"disk_reservation_type disk={disk}": 3,
        f"disk_registrations disk={disk}": 2,
        f"disk_foreign_keys disk={disk}": 0,
        f"disk_paths disk={disk} state=live": 1,
        f"disk_paths disk={disk} state=dead": 0,
        f"disk_paths disk={disk} state=unregistered": 0,
        f"disk_generation disk={disk}": world.targets[0].generation,
    }
    assert (found["build_info"], found["guard_running"]) == (1, 0)
    assert abs(found["collected_timestamp_seconds"] - time.time()) < 60


def test_who_is_shut_out_and_what_is_foreign(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    first, second = tool_world.names(world)
    world.targets[0].register("n9", 0xBAD)
    world.targets[0].register("n1", 0)
    world.targets[0].reserve("n2", world.keys["n2"], 3)
    world.targets[1].type = 0
    found = collected(world, capfd, subcommands.EXIT_WRONG)
    for name, values in {
        "registered": (0, 1), "writable": (0, 1), "reserved": (1, 0), "reservation_type": (3, 0),
        "foreign_keys": (1, 0), "problem": (1, 1),
    }.items():  # fmt: skip
        assert tuple(found[f"disk_{name} disk={disk}"] for disk in (first, second)) == values, name


@pytest.mark.parametrize("holder", ["n1", "n2"])
def test_who_holds_alone_writes_alone(world: World, capfd: pytest.CaptureFixture[str], holder: str) -> None:
    disk = tool_world.names(world)[0]
    world.targets[0].type = 0
    world.targets[0].reserve(holder, world.keys[holder], 1)
    found = collected(world, capfd, subcommands.EXIT_WRONG)
    assert found[f"disk_writable disk={disk}"] == (holder == "n1")


def test_a_disk_that_cannot_be_read_is_told_and_nothing_is_guessed(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    def fault(command: Command) -> None:
        raise PathFailure(world.devices[0].node, command.name, 0)

    world.faults[0] = fault
    found = collected(world, capfd, subcommands.EXIT_UNEXAMINED, "--timeout=1")
    disk = tool_world.names(world)[0]
    assert {name: value for name, value in found.items() if disk in name} == {
        f"disk_readable disk={disk}": 0,
        f"disk_problem disk={disk}": 1,
    }


def test_a_hostile_name_stays_in_its_label(capfd: pytest.CaptureFixture[str]) -> None:
    hostile = 'a"b\\c\nd\udcff{}'
    report = tooling.reported(capfd, "metrics", hostile)
    text = "\n".join(metrics.text(report["found"], tooling.PLAIN)) + "\n"
    parsed(text)
    labels = [it.labels["disk"] for family in openmetrics(text) for it in family.samples if "disk" in it.labels]
    assert set(labels) == {'a"b\\c\nd?{}'}


def test_what_is_wrong_goes_beside_the_metrics_and_into_json(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    world.targets[0].register("n9", 0xBAD)
    done = tooling.call(capfd, "metrics", *tool_world.names(world), f"--corosync-conf={world.conf}")
    assert "wrong:" not in done.out
    assert done.err.startswith("wrong:")
    report = tooling.reported(capfd, "metrics", *tool_world.names(world), f"--corosync-conf={world.conf}")
    assert (report["exit_status"], report["found"]["file"]) == (1, "")
    assert metrics.text(report["found"], tooling.PLAIN)[3:5] == done.out.splitlines()[3:5]


def test_the_file_is_replaced_as_a_whole_and_can_be_read(
    world: World, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "exporter"
    folder.mkdir()
    file = folder / "pr_fence.prom"
    file.write_text("old")
    before = file.stat().st_ino
    words = ["metrics", *tool_world.names(world), f"--corosync-conf={world.conf}", f"--output={file}"]
    done = tooling.call(capfd, *words)
    assert done == (0, "", "")
    assert file.stat().st_ino != before
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [it.name for it in folder.iterdir()] == [file.name]
    assert parsed(file.read_text())["build_info"] == 1
    assert tooling.reported(capfd, *words)["found"]["file"] == str(file)


def test_a_file_that_cannot_be_written_is_a_problem_and_stays(
    world: World, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "taken").mkdir()
    for place in (f"{tmp_path}/none/x.prom", f"{tmp_path}/taken"):
        words = ["metrics", *tool_world.names(world), f"--corosync-conf={world.conf}", f"--output={place}"]
        report = tooling.reported(capfd, *words)
        assert (report["exit_status"], [it["code"] for it in report["problems"]]) == (1, ["metrics-unwritable"])
    assert not [it for it in tmp_path.iterdir() if it.name.startswith("taken.")]


def test_how_the_last_actions_ended(tmp_path: Path) -> None:
    folder = str(tmp_path)
    last_action.save(LastAction("off", "n2", False, 20.5, 1e9), folder)
    found = dict(collected_of(folder))
    assert found == {
        "last_action_success action=off node=n2": 0,
        "last_action_duration_seconds action=off node=n2": 20.5,
        "last_action_timestamp_seconds action=off node=n2": 1e9,
    }


def collected_of(folder: str) -> list[tuple[str, float]]:
    found = [it for it in metrics._of_node(folder) if it["name"].startswith("fence_pr_last")]
    return [
        (it["name"].removeprefix("fence_pr_") + "".join(f" {k}={v}" for k, v in it["labels"].items()), it["value"])
        for it in found
    ]


def test_what_was_noted_comes_back_and_what_is_damaged_is_nothing(tmp_path: Path) -> None:
    last = LastAction("on", "n\udcff1", True, 0.25, 1790000000.5)
    last_action.save(last, str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
    last_action.save(last, str(tmp_path))
    assert last_action.load("on", str(tmp_path)) == last
    assert last_action.load("off", str(tmp_path)) is None
    from fence_pr import state_file

    assert state_file.identities(str(tmp_path)) == []
    for damage in ("", "ok=1\n", "ok=1\nseconds=x\nat=1\nnode=n"):
        (tmp_path / "+last+on").write_text(damage)
        assert last_action.load("on", str(tmp_path)) is None
    shutil.rmtree(tmp_path)
    tmp_path.write_text("a file")
    last_action.save(last, str(tmp_path))


def test_what_cannot_be_noted_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write", refuse)
    last_action.save(LastAction("on", "n1", True, 0.25, 1.0), str(tmp_path))


@pytest.mark.parametrize(("action", "noted"), [("off", True), ("on", True), ("status", False)])
def test_the_agent_notes_how_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], action: str, noted: bool
) -> None:
    saved: list[LastAction] = []
    monkeypatch.setattr(last_action, "save", saved.append)
    mask = os.umask(0o077)
    assert (
        agent.main([f"--action={action}", "--plug=n1", "--devices=/dev/null", f"--corosync-conf={tmp_path}/none"]) == 1
    )
    os.umask(mask)
    assert capfd.readouterr().err.startswith("Failed: ")
    assert [(it.action, it.node, it.ok) for it in saved] == ([(action, "n1", False)] if noted else [])
    assert not noted or (0 <= saved[0].seconds < 10 and abs(saved[0].at - time.time()) < 60)


@pytest.mark.promise(6)
@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), MemoryError()])
def test_the_answer_stays_where_nothing_can_be_noted(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(_: LastAction) -> None:
        raise error

    monkeypatch.setattr(last_action, "save", refuse)
    report = Report(ok=True)
    agent._note(agent_options.from_argv(["--action=off", "--plug=n1", "--devices=/dev/null"]), report, 1.0)


def test_the_guard_is_found_among_the_processes_and_its_calls_are_none(tmp_path: Path) -> None:
    def process(number: int, comm: str, *words: str) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "comm").write_text(f"{comm}\n")
        (folder / "cmdline").write_text("\0".join(words) + "\0")

    python = ("/usr/bin/python3", "-ISXutf8", "/usr/sbin/pr_fence_guard")
    process(1, "systemd", "/sbin/init")
    (tmp_path / "self").mkdir()
    for number, word in enumerate(("--check", "test", "--forget=naa.1", "repair"), 2):
        process(number, "pr_fence_guard", *python, word)
    assert not metrics.guard_runs(str(tmp_path))
    process(9, "pr_fence_guard", *python, "--fenced=stop")
    assert metrics.guard_runs(str(tmp_path))


def test_every_metric_is_described_and_alerts_are_on_metrics_that_are_there() -> None:
    told = set(re.findall(r"\bfence_pr_\w+", RULES.read_text())) - {"fence_pr_fence"}
    assert told <= set(metrics.HELP)
    assert len(told) >= 8
    assert all(name in (tooling.PROJECT / "docs/pr_fence.md").read_text() for name in metrics.HELP)


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text().replace("/usr/sbin/pr_fence", str(tooling.PROJECT / "pr_fence"))
        (tmp_path / unit.name).write_text(text)
    tool = shutil.which("systemd-analyze")
    assert tool, "Debian's package systemd is missing"
    command = [tool, "verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    ours = [line for line in done.stderr.splitlines() if "pr_fence_metrics" in line]
    assert (done.returncode, ours) == (0, [])


def test_the_service_calls_what_the_tool_understands_and_fails_only_where_it_could_not_tell() -> None:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.read(UNITS[0])
    program, *words = parser["Service"]["ExecStart"].split()
    assert (program, words.pop()) == ("/usr/sbin/pr_fence", "$OPTIONS")
    called = options.parse([*words, "--output=/elsewhere"])
    assert (called.name(), called.values["output"]) == (subcommands.METRICS, "/elsewhere")
    assert parser["Service"]["SuccessExitStatus"] == "1 3"
    assert "ProtectProc" not in parser["Service"]
