"""What the guard does about verdicts, and how often."""

from __future__ import annotations

import pytest

from fence_pr import log
from fence_pr.guard_plan import FENCED, LOG, REBOOT, REGISTERED, STOP, UNPROTECTED, UNREADABLE, Policy
from fence_pr.guard_reaction import Reactor, sentence
from fence_pr.plan import Snapshot


class Recorder:
    """In place of the machine and its log. problem: what every action ends with."""

    def __init__(self) -> None:
        self.problem = ""
        self.done: list[str] = []
        self.said: list[tuple[int, str]] = []

    def reboot(self, why: str) -> str:
        self.done.append(f"reboot: {why}")
        return self.problem

    def stop_pacemaker(self) -> str:
        self.done.append("stop")
        return self.problem

    def say(self, level: int, text: str) -> None:
        self.said.append((level, text))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def reactor(recorder: Recorder, **policy: str) -> Reactor:
    return Reactor(Policy(**policy), recorder, recorder.say)  # type: ignore[arg-type]


def test_a_healthy_disk_is_quiet(recorder: Recorder) -> None:
    for _ in range(3):
        reactor(recorder).found("naa.1", "naa.1 (/dev/sda)", REGISTERED, "registered")
    assert (recorder.done, recorder.said) == ([], [])


def test_a_fenced_node_reboots_before_it_logs(recorder: Recorder) -> None:
    recorder.problem = "cannot reboot"
    reactor(recorder).found("naa.1", "naa.1 (/dev/sda)", FENCED, "fenced")
    assert recorder.done == ["reboot: pr_fence_guard: naa.1 (/dev/sda): fenced; rebooting at once"]
    assert recorder.said == [(log.FAILURE, "naa.1 (/dev/sda): fenced; cannot reboot")]


def test_a_reboot_that_fails_is_tried_again_and_said_once(recorder: Recorder) -> None:
    recorder.problem = "cannot reboot"
    it = reactor(recorder)
    for _ in range(3):
        it.found("naa.1", "naa.1", FENCED, "fenced")
    assert (len(recorder.done), len(recorder.said)) == (3, 1)


@pytest.mark.parametrize("verdict", [FENCED, UNPROTECTED, UNREADABLE])
def test_what_is_only_logged_is_logged_once_until_it_changes(recorder: Recorder, verdict: str) -> None:
    it = reactor(recorder, fenced=LOG)
    for _ in range(3):
        it.found("naa.1", "naa.1", verdict, "bad")
    it.found("naa.1", "naa.1", REGISTERED, "good")
    it.found("naa.1", "naa.1", verdict, "bad again")
    assert [text for _, text in recorder.said] == ["naa.1: bad", "naa.1: good", "naa.1: bad again"]
    assert recorder.done == []


def test_pacemaker_is_stopped_once_for_all_disks(recorder: Recorder) -> None:
    it = reactor(recorder, fenced=STOP)
    for identity in ("naa.1", "naa.2", "naa.1"):
        it.found(identity, identity, FENCED, "fenced")
    assert recorder.done == ["stop"]
    assert [text for _, text in recorder.said] == [
        f"{it}: fenced; Pacemaker is being stopped" for it in ("naa.1", "naa.2")
    ]
    for identity in ("naa.1", "naa.2"):
        it.found(identity, identity, REGISTERED, "registered")
    it.found("naa.2", "naa.2", FENCED, "fenced")
    assert recorder.done == ["stop", "stop"]


def test_a_stop_that_fails_is_tried_again_and_said_once(recorder: Recorder) -> None:
    recorder.problem = "cannot stop"
    it = reactor(recorder, fenced=STOP)
    for _ in range(3):
        it.found("naa.1", "naa.1", FENCED, "fenced")
    recorder.problem = ""
    for _ in range(3):
        it.found("naa.1", "naa.1", FENCED, "fenced")
    assert recorder.done == ["stop"] * 4
    assert len(recorder.said) == 2


@pytest.mark.parametrize(("verdict", "option"), [(UNPROTECTED, "unprotected"), (UNREADABLE, "unreadable")])
def test_the_other_verdicts_react_only_if_told_to(recorder: Recorder, verdict: str, option: str) -> None:
    reactor(recorder).found("naa.1", "naa.1", verdict, "bad")
    assert recorder.done == []
    reactor(recorder, **{option: REBOOT}).found("naa.1", "naa.1", verdict, "bad")
    assert len(recorder.done) == 1


def test_a_disk_that_was_forgotten_is_new(recorder: Recorder) -> None:
    it = reactor(recorder, fenced=LOG)
    it.found("naa.1", "naa.1", FENCED, "fenced")
    it.forget("naa.1")
    assert it.verdict("naa.1") == REGISTERED


@pytest.mark.parametrize(
    ("verdict", "snapshot", "words"),
    [
        (REGISTERED, Snapshot(1, (0x2A,), 3, 0x2A), ["this node is registered (key 0x2a)"]),
        (FENCED, Snapshot(1, (0x2B,), 3, 0x2B), ["was fenced", "0x2a is gone", "registered keys: 0x2b"]),
        (UNPROTECTED, Snapshot(1, (), 0, 0), ["nothing shuts anybody out", "stop the guards", "on every node"]),
        (UNPROTECTED, Snapshot(1, (0,), 5, 0), ["key 0", "may be this one", "run the action on"]),
    ],
)
def test_a_verdict_names_key_cause_and_remedy(verdict: str, snapshot: Snapshot, words: list[str]) -> None:
    text = sentence(verdict, 0x2A, snapshot)
    assert all(word in text for word in words), text
