"""'plan': it says what the action then does and says, and sends nothing that changes a disk."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr.errors import NotPermitted, PathFailure
from fence_pr.storage.device import MULTIPATH, NVME, SCSI
from fence_pr.tool import dry_run
from fence_pr.tool.cluster import FenceDevice
from fence_pr.tool.reading import READS, ReadingOnly
from tests.model.world import World
from tests.unit import tool_world, tooling

if TYPE_CHECKING:
    from pathlib import Path

    from tests.model.target import Command

WE, WERO, WEAR = 1, 3, 5
# In the model each of these is one command; on a SCSI disk the last two are REGISTER.
HARMLESS = {"open", "snapshot", "identify", "inquiry", "capabilities", "hosts", "own hosts", "tells registered"}
# There is no multipathd on this machine; a plan does not ask for one.
NOBODY_THERE = "multipathd-missing"
MEMBERS = [names for count in range(4) for names in itertools.combinations(("n1", "n2", "n3"), count)]


def forbid(command: Command) -> None:
    """A watch on a target."""
    assert command.name in HARMLESS, command


def planned(world: World, capfd: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The report of a plan; nothing that changes anything is sent, and no file is written."""
    before, files = world.state(), kept(world)
    world.faults = dict.fromkeys(range(len(world.targets)), forbid) | world.faults
    try:
        report = tooling.reported(capfd, "plan", *words, f"--corosync-conf={world.conf}")
    finally:
        world.faults = {}
    assert (world.state(), kept(world), world.changes()) == (before, files, [])
    assert max(map(len, tooling.text_of(report))) <= 100
    return report


def kept(world: World) -> dict[str, bytes]:
    """What the nodes have written."""
    folders = [folder for node in world.nodes.values() for folder in (node.state, node.lasting)]
    return {str(file): file.read_bytes() for folder in folders for file in folder.glob("*")}


def steps(report: dict[str, Any]) -> list[list[str]]:
    """The codes of the steps on each disk."""
    return [[it["code"] for it in disk["steps"]] for disk in report["found"]["calls"][0]["disks"]]


@pytest.mark.parametrize(("kind", "tells"), [(SCSI, True), (NVME, False), (MULTIPATH, True)])
@pytest.mark.parametrize("reserved", [0, WE, WERO, WEAR])
@pytest.mark.parametrize(("action", "node"), [("off", "n2"), ("on", "n1"), ("off", "n1"), ("on", "n2")])
def test_what_is_planned_is_what_the_action_then_does_and_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    action: str, node: str, reserved: int, kind: str, tells: bool,
) -> None:  # fmt: skip
    """From every start: who is registered on either disk, with and without a foreign key."""
    for number, (first, second, foreign) in enumerate(itertools.product(MEMBERS, MEMBERS[4:5], (0, 0xBAD))):
        folder = tmp_path / str(number)
        folder.mkdir()
        world = World(folder, 2, kind=kind)
        for target, names in zip(world.targets, (first, second)):
            target.tells = tells
            for name in names:
                target.register(name, world.keys[name])
            if names and reserved:
                target.reserve(names[0], world.keys[names[0]], reserved)
        if foreign:
            world.targets[0].register("n9", foreign)
        tool_world.put_in_place(monkeypatch, world)
        report = planned(world, capfd, action, node, *tool_world.names(world))
        (call,) = report["found"]["calls"]
        world.sent.clear()
        real = world.run("n1", action, node)
        start = (first, second, foreign)
        assert (call["ok"], call["verdict"]) == (real.ok, real.verdict), start
        assert report["exit_status"] == (0 if real.ok else 1)
        assert [it["code"] for it in report["problems"]] == [it.code for it in real.failures()], start
        assert [it["code"] for it in call["warnings"]] == [
            it.code for it in real.warnings if it.code != NOBODY_THERE
        ], start
        sent = [sum(at == disk and name not in ("replace",) for at, name in world.changes()) for disk in range(2)]
        asked = [
            sum(it not in ("nexus-asked-by-register", "multipathd-told") for it in codes)
            for codes in steps(report) or [[], []]
        ]
        assert asked == sent, start


def test_the_steps_are_told_disk_by_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    world.targets[1].tells_nexus = None  # type: ignore[assignment]
    tool_world.put_in_place(monkeypatch, world)
    report = planned(world, capfd, "off", "n2", *tool_world.names(world))
    assert steps(report) == [["preempting-with-abort"], ["nexus-asked-by-register", "preempting-with-abort"]]
    text = tooling.text_of(report)
    assert text[0] == "'off' of n2: what it would do. Nothing was changed."
    assert next(line for line in text if line.startswith("  step 1 ")).startswith(
        f"  step 1        preempt 0x{world.keys['n2']:x} with 0x{world.keys['n1']:x}, write exclusive"
    )
    assert "It would end with: Success: Powered OFF" in text


def test_a_failure_is_told_with_the_disk_that_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path, 2)
    world.register("n2", "n3")
    tool_world.put_in_place(monkeypatch, world)
    report = planned(world, capfd, "off", "n2", *tool_world.names(world))
    assert [it["code"] for it in report["problems"]] == ["own-key-missing", "own-key-missing", "nothing-changed"]
    text = tooling.text_of(report)
    assert "'off' would fail" in text
    assert sum(line.startswith("  refused ") for line in text) == 2


def test_a_registration_that_the_target_tells_to_be_anothers_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")
    monkeypatch.setattr("tests.model.target.ModelDisk.tells_registered", lambda _self, _key: False)
    tool_world.put_in_place(monkeypatch, world)
    report = planned(world, capfd, "off", "n2", *tool_world.names(world))
    assert [it["code"] for it in report["warnings"]] == ["nexus-told-otherwise"]


def test_each_fence_device_is_a_call_and_without_any_disks_must_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path, 2)
    world.register("n1", "n2")
    configured = tuple(FenceDevice(it.name[-1], {"devices": it.name}) for it in world.devices)
    tool_world.put_in_place(monkeypatch, world, configured=configured)
    report = planned(world, capfd, "off", "n2")
    assert [(it["fence_device"], it["verdict"]) for it in report["found"]["calls"]] == [
        (it.name, "Powered OFF") for it in configured
    ]
    assert sum(line.startswith("Fence device ") for line in tooling.text_of(report)) == 2
    tool_world.put_in_place(monkeypatch, world, configured=())
    report = planned(world, capfd, "off", "n2")
    assert (report["exit_status"], report["problems"][0]["code"]) == (2, "disks-unknown")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["of", "n2"], "deed-unrecognised"),
        (["off"], "word-missing"),
        (["off", "0xzz"], "key-malformed"),
        (["off", "n2", "--type=x"], "not-a-choice"),
        (["off", "n2", "--watch"], "option-of-another-subcommand"),
    ],
)
def test_a_wrong_call_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], words: list[str], code: str
) -> None:
    world = World(tmp_path)
    tool_world.put_in_place(monkeypatch, world, configured=(FenceDevice("x", {"devices": world.devices[0].name}),))
    report = tooling.reported(capfd, "plan", *words, f"--corosync-conf={world.conf}")
    assert (report["exit_status"], report["problems"][0]["code"]) == (2, code)


def test_the_options_of_the_agent_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path)
    world.register("n1", "n2")
    tool_world.put_in_place(monkeypatch, world)
    disk = tool_world.names(world)[0]
    never = planned(world, capfd, "off", "n2", disk, "--abort=never")
    assert steps(never) == [["preempting-without-abort"]]
    assert [it["code"] for it in never["found"]["calls"][0]["warnings"]] == ["abort-missing"]
    assert any(line.startswith("  would warn ") for line in tooling.text_of(never))
    given = planned(world, capfd, "off", "n2", disk, "--key=0x77")
    assert given["found"]["calls"][0]["verdict"] == "Already OFF" or given["exit_status"] == 1


def test_who_may_not_ask_a_disk_is_not_told_that_the_action_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path)

    def refuse(command: Command) -> None:
        raise NotPermitted(world.devices[0].node, command.name, 0)

    world.faults[0] = refuse
    tool_world.put_in_place(monkeypatch, world)
    report = planned(world, capfd, "off", "n2", *tool_world.names(world))
    assert (report["exit_status"], report["unseen"][0]["code"]) == (3, "not-permitted")


def test_a_disk_that_fails_is_a_failure_of_the_action(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path)

    def fail(command: Command) -> None:
        raise PathFailure(world.devices[0].node, command.name, 0)

    world.faults[0] = fail
    tool_world.put_in_place(monkeypatch, world)
    report = planned(world, capfd, "off", "n2", *tool_world.names(world), "--timeout=1")
    assert [it["code"] for it in report["problems"]] == ["path-failure", "nothing-changed"]


class Recorded:
    """A disk that writes down what it is asked for; everything that changes is a mistake."""

    def __init__(self, kind: str) -> None:
        self.device = type("Device", (), {"kind": kind, "label": lambda _: "/dev/sda"})()

    def __getattr__(self, name: str) -> Any:
        assert name not in {"register", "reserve", "preempt", "ask_registered", "unwritten", "change"}, name
        assert name != "nexus_keys" or self.device.kind == NVME
        return lambda *_: None


@pytest.mark.parametrize("kind", [SCSI, NVME, MULTIPATH])
def test_nothing_that_could_change_reaches_the_disk_below(kind: str) -> None:
    below: Any = Recorded(kind)
    disk = dry_run.DryDisk(below, lambda _: None)
    disk.ask_registered(1)
    assert disk.unwritten(1) is None
    assert disk.nexus_keys(1) is None
    disk.close()


def test_the_watch_knows_every_operation_that_the_disks_announce() -> None:
    """A new one that only reads has to be put there; whatever is not there is forbidden."""
    import ast

    room = tooling.PROJECT / "lib/fence_pr/storage"
    announced = set()
    for path in (room / f"{name}.py" for name in ("single_path", "scsi_disk", "nvme_disk")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0]
                if node.func.attr in ("_ask", "_send", "_read", "_add") and isinstance(first, ast.Constant):
                    announced.add(first.value)
    assert announced - {0} - READS == {"register", "reserve", "unregister"}  # 0: no key, of a REGISTER
    assert "read keys" in announced
    assert ReadingOnly(tool_world.Unwatched()).announce("/dev/sda", "read keys") is None  # type: ignore[func-returns-value]
