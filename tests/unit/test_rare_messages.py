"""Failures and warnings that take an unusual machine, or a disk that no model is."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr import agent, child, files, options, state_file
from fence_pr.actions.job import Job
from fence_pr.actions.report import answer
from fence_pr.bindings import Bindings
from fence_pr.errors import Notice, PathFailure, UsageError
from fence_pr.keys import Registrant
from fence_pr.storage.snapshot import Snapshot
from tests.model.target import ModelDisk
from tests.model.world import World, problems

if TYPE_CHECKING:
    from pathlib import Path

    from fence_pr.actions.report import Answer

CALL = b"action=%s\nplug=n2\ndevices=/dev/sda\n"


def answered(action: str, ending: child.Ending) -> Answer:
    """What the agent says where the process that works on the disks ended so."""
    chosen = options.from_stdin(CALL % action.encode())
    return answer(action, agent._report(chosen, ending, 12.34), ",")


@pytest.mark.promise(5, 6)
@pytest.mark.parametrize(
    ("action", "waiting"), [("off", "to power OFF"), ("on", "to power ON"), ("status", "for 'status'")]
)
def test_at_the_limit_each_disk_is_named_with_what_it_did_not_answer(action: str, waiting: str) -> None:
    given = answered(action, child.Ending(pending={"/dev/sda": "read keys", "/dev/sdb": "preempt-and-abort"}))
    assert given.exit_code == 1
    assert given.failures[0].startswith(f"Failed: Timed out waiting {waiting} after 12.3 s; ")
    assert given.failures[1].startswith("Failed: /dev/sda: no answer to read keys; look for this disk")
    assert given.failures[2] == (
        "Failed: /dev/sdb: no answer to preempt-and-abort; the node may be fenced by now: run 'off' again, which finds"
        " out; if this repeats, set abort=never"
    )


@pytest.mark.promise(5)
def test_a_crash_is_told_line_by_line() -> None:
    given = answered("off", child.Ending(crash="Traceback\n  KeyError: 1"))
    assert given.failures == ("Failed: internal error: Traceback", "Failed: internal error:   KeyError: 1")


@pytest.mark.promise(8)
def test_a_closed_stream_whose_place_cannot_be_taken_ends_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(6, "No such device or address")

    monkeypatch.setattr(os, "fstat", broken)
    monkeypatch.setattr(os, "open", broken)
    with pytest.raises(UsageError, match="value '0': is closed, and /dev/null cannot take its place: No such device"):
        files.occupy_standard_streams()


@pytest.mark.promise(8)
def test_more_disks_than_anybody_has_and_more_unknown_options_than_anybody_reads() -> None:
    with pytest.raises(UsageError, match="1025 names, at most 1024"):
        options.from_stdin(b"action=off\nplug=n1\ndevices=" + b"/x " * 1025)
    lines = b"".join(b"x%d=\n" % number for number in range(30))
    assert options.from_stdin(b"action=list\n" + lines).warnings[-1] == Notice("options-unknown", {"count": 10})


@pytest.mark.promise(5)
def test_dead_paths_and_paths_without_a_registration_are_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    disk: Any = ModelDisk(world.devices[0], lambda *_: None)
    disk.dead_paths = lambda: {"/dev/sdb": PathFailure("/dev/sdb", "read keys", 0x10000, "path failed").notice()}
    disk.live_paths = lambda: 2
    job: Any = Job.__new__(Job)
    job.warnings, job.nodes = [], SimpleNamespace(bindings=lambda _: Bindings())
    job.warn_of_paths(disk, Snapshot(1, (0xA, 0xB), 3, 0xA), 0xA)
    assert [str(warning) for warning in job.warnings] == [
        "/dev/sdz: path /dev/sdb does not answer: read keys: path failed (status 0x10000); fix it, then run 'on' here",
        "/dev/sdz: 2 paths answer, but this node is registered 1 times; run 'on' here, unless the target shares one"
        " registration between its ports",
    ]


@pytest.mark.promise(2)
def test_the_state_file_of_another_node_is_not_believed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.register("n1", "n2", "n3")
    state_file.save(world.devices[0].identity, Registrant("n3", world.keys["n3"]), str(world.nodes["n1"].state))
    report = world.run("n1", "off", "n2")
    assert not report.ok
    assert problems(report).endswith("is of node n3, and this is n1; run 'on' here again")
    assert world.changes() == []


@pytest.mark.parametrize(
    ("code", "words"), [("child-killed", "was killed"), ("child-unintelligible", "answered nonsense")]
)
def test_a_child_that_is_lost_is_told_of(code: str, words: str) -> None:
    given = answered("off", child.Ending(lost=Notice(code, {})))
    assert given.failures == (f"Failed: internal error: the process that works on the disks {words}",)


def test_a_wrong_call_and_a_terminal_are_told_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert agent._wrong_call(UsageError("plug-missing", option="plug")) == 1
    assert capfd.readouterr().err.endswith(". Please use '-h' for usage\n")
    monkeypatch.setattr(os, "isatty", lambda _: True)
    monkeypatch.setattr(os, "read", lambda *_: b"")
    assert agent._read_stdin() == b""
    assert "one name=value a line, Ctrl-D ends" in capfd.readouterr().err
