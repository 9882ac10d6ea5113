"""What the guard does about verdicts, and how often."""

from __future__ import annotations

import pytest

from fence_pr import log
from fence_pr.errors import Notice
from fence_pr.guard.reaction import Reactor
from fence_pr.guard.verdict import (
    FENCED,
    LOG,
    OTHERWISE,
    REBOOT,
    REGISTERED,
    STOP,
    UNPROTECTED,
    UNREADABLE,
    Policy,
    why,
)
from fence_pr.storage.snapshot import Snapshot


class Recorder:
    """In place of the machine and its log. problem: what every action ends with."""

    def __init__(self) -> None:
        self.problem: Notice | None = None
        self.done: list[str] = []
        self.said: list[tuple[int, str]] = []

    def reboot(self, why: str) -> Notice | None:
        self.done.append(f"reboot: {why}")
        return self.problem

    def stop_pacemaker(self) -> Notice | None:
        self.done.append("stop")
        return self.problem

    def say(self, level: int, notice: Notice) -> None:
        self.said.append((level, str(notice)))


FENCED_ALREADY = Notice("this-node-fenced", {"own_key": 0x2A})
FENCED_WORDS = str(FENCED_ALREADY)
WELL = Notice("this-node-registered", {"own_key": 0x2A})
UNTOLD = Notice(
    "disk-unreadable", {"seconds": 61.4, "answer": [Notice("path-being-asked", {"disk": "/dev/sda"}).pack()]}
)
NO_REBOOT = Notice("reboot-left-to-process-1", {"path": "/sysrq"})
NO_STOP = Notice("pacemaker-not-stopped", {"command": "stop", "exit_status": 1})


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def reactor(recorder: Recorder, **policy: str) -> Reactor:
    return Reactor(Policy(**policy), recorder, recorder.say)  # type: ignore[arg-type]


def test_a_healthy_disk_is_quiet(recorder: Recorder) -> None:
    for _ in range(3):
        reactor(recorder).found("naa.1", "naa.1 (/dev/sda)", REGISTERED, WELL)
    assert (recorder.done, recorder.said) == ([], [])


def test_a_fenced_node_reboots_before_it_logs(recorder: Recorder) -> None:
    recorder.problem = NO_REBOOT
    reactor(recorder).found("naa.1", "naa.1 (/dev/sda)", FENCED, FENCED_ALREADY)
    assert recorder.done == [f"reboot: pr_fence_guard: naa.1 (/dev/sda): {FENCED_WORDS}; rebooting at once"]
    problem = "cannot reboot: neither /sysrq nor reboot(2) worked; process 1 was told to"
    assert recorder.said == [(log.FAILURE, f"naa.1 (/dev/sda): {FENCED_WORDS}; {problem}")]


def test_a_reboot_that_fails_is_tried_again_and_said_once(recorder: Recorder) -> None:
    recorder.problem = NO_REBOOT
    it = reactor(recorder)
    for _ in range(3):
        it.found("naa.1", "naa.1", FENCED, FENCED_ALREADY)
    assert (len(recorder.done), len(recorder.said)) == (3, 1)


@pytest.mark.parametrize("verdict", [FENCED, UNPROTECTED, UNREADABLE])
def test_what_is_only_logged_is_logged_once_until_it_changes(recorder: Recorder, verdict: str) -> None:
    it = reactor(recorder, fenced=LOG)
    for _ in range(3):
        it.found("naa.1", "naa.1", verdict, UNTOLD)
    it.found("naa.1", "naa.1", REGISTERED, WELL)
    it.found("naa.1", "naa.1", verdict, FENCED_ALREADY)
    assert [text for _, text in recorder.said] == [f"naa.1: {it}" for it in (UNTOLD, WELL, FENCED_ALREADY)]
    assert recorder.done == []


def test_pacemaker_is_stopped_once_for_all_disks(recorder: Recorder) -> None:
    it = reactor(recorder, fenced=STOP)
    for identity in ("naa.1", "naa.2", "naa.1"):
        it.found(identity, identity, FENCED, FENCED_ALREADY)
    assert recorder.done == ["stop"]
    assert [text for _, text in recorder.said] == [
        f"{it}: {FENCED_WORDS}; Pacemaker is being stopped" for it in ("naa.1", "naa.2")
    ]
    for identity in ("naa.1", "naa.2"):
        it.found(identity, identity, REGISTERED, WELL)
    it.found("naa.2", "naa.2", FENCED, FENCED_ALREADY)
    assert recorder.done == ["stop", "stop"]


def test_a_stop_that_fails_is_tried_again_and_said_once(recorder: Recorder) -> None:
    recorder.problem = NO_STOP
    it = reactor(recorder, fenced=STOP)
    for _ in range(3):
        it.found("naa.1", "naa.1", FENCED, FENCED_ALREADY)
    recorder.problem = None
    for _ in range(3):
        it.found("naa.1", "naa.1", FENCED, FENCED_ALREADY)
    assert recorder.done == ["stop"] * 4
    assert len(recorder.said) == 2


@pytest.mark.parametrize(("verdict", "option"), [(UNPROTECTED, "unprotected"), (UNREADABLE, "unreadable")])
def test_the_other_verdicts_react_only_if_told_to(recorder: Recorder, verdict: str, option: str) -> None:
    reactor(recorder).found("naa.1", "naa.1", verdict, UNTOLD)
    assert recorder.done == []
    reactor(recorder, **{option: REBOOT}).found("naa.1", "naa.1", verdict, UNTOLD)
    assert len(recorder.done) == 1


def test_a_disk_that_was_forgotten_is_new(recorder: Recorder) -> None:
    it = reactor(recorder, fenced=LOG)
    it.found("naa.1", "naa.1", FENCED, FENCED_ALREADY)
    it.forget("naa.1")
    assert it.verdict("naa.1") == REGISTERED


@pytest.mark.parametrize(
    ("verdict", "snapshot", "words"),
    [
        (REGISTERED, Snapshot(1, (0x2A,), 3, 0x2A), ["this node is registered (key 0x2a)"]),
        (FENCED, Snapshot(1, (0x2B,), 3, 0x2B), ["was fenced", "0x2a is gone", "registered keys: 0x2b"]),
        (UNPROTECTED, Snapshot(1, (), 0, 0), ["nothing keeps anybody out", "stop the guards", "on every node"]),
        (UNPROTECTED, Snapshot(1, (0,), 5, 0), ["key 0", "may be this one", "run 'on' here"]),
    ],
)
def test_a_verdict_names_key_cause_and_remedy(verdict: str, snapshot: Snapshot, words: list[str]) -> None:
    text = str(why(verdict, 0x2A, snapshot))
    assert all(word in text for word in words), text


def test_another_key_that_changes_is_told_again(recorder: Recorder) -> None:
    it = reactor(recorder)
    snapshot = Snapshot(1, (0x77, 0x2B), 3, 0)
    for key in (0x77, 0x77, 0x78, 0x78, 0):
        it.found("naa.1", "naa.1", OTHERWISE, why(OTHERWISE, 0x2A, snapshot, (key,)))
    assert [text.partition(" and its own")[0] for _, text in recorder.said] == [
        "naa.1: this node is registered with another key, 0x77,",
        "naa.1: this node is registered with another key, 0x78,",
        "naa.1: this node's key 0x2a is gone, and it is registered with key 0: it was not fenced; run 'on' here",
    ]
    assert {level for level, _ in recorder.said} == {log.FAILURE}
    assert recorder.done == []
    it.found("naa.1", "naa.1", FENCED, FENCED_ALREADY)
    assert len(recorder.done) == 1
