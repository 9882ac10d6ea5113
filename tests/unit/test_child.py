"""The child that does the work, and the parent that answers in time whatever the child does."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr import child
from fence_pr.child import COMMAND, STEP, Channel
from fence_pr.errors import Abandoned, Notice

if TYPE_CHECKING:
    from pathlib import Path


def run(work: Any, limit: float | None = 5.0) -> tuple[child.Ending, list[tuple[int, str]]]:
    """The outcome, and what was heard."""
    heard: list[tuple[int, str]] = []
    return child.run(work, limit, lambda kind, text: heard.append((kind, text))), heard


def wait_until(condition: Any, seconds: float = 3.0) -> bool:
    """Whether it came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return bool(condition())


def is_gone(pid: int) -> bool:
    """Not there any more, or only not waited for yet."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("limit", [5.0, None])
@pytest.mark.parametrize("result", ["text", {"exit_code": 1, "out": ("a", "b"), "notes": ()}, 0, "", ["\udcff"]])
def test_the_result_comes_back(result: object, limit: float | None) -> None:
    outcome, heard = run(lambda _: result, limit)
    assert (outcome.result, outcome.crash, outcome.pending) == (result, "", None)
    assert heard == []


def test_a_large_result_comes_back_whole() -> None:
    data = [str(number) for number in range(200_000)]
    assert len("".join(data)) > 1_000_000
    assert run(lambda _: data)[0].result == data


def test_what_the_child_says_and_announces_is_heard_in_order() -> None:
    def work(channel: Channel) -> str:
        channel.say("first")
        channel.announce("/dev/sda", "read keys")
        channel.finished("/dev/sda")
        channel.say("last")
        return "done"

    outcome, heard = run(work)
    assert heard == [(STEP, "first"), (COMMAND, "/dev/sda: read keys"), (STEP, "last")]
    assert outcome.result == "done"


def test_several_threads_may_speak_at_once() -> None:
    def work(channel: Channel) -> str:
        import threading

        def speak(number: int) -> None:
            for _ in range(50):
                channel.say(f"{number} " + "x" * 5000)

        threads = [threading.Thread(target=speak, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return "done"

    outcome, heard = run(work)
    assert outcome.result == "done"
    assert len(heard) == 400
    assert all(len(text) == 5002 for _, text in heard)


@pytest.mark.promise(6)
def test_at_the_limit_the_answer_names_what_hangs_and_the_child_is_killed() -> None:
    def work(channel: Channel) -> None:
        channel.say(str(os.getpid()))
        channel.announce("/dev/sda", "open")
        channel.finished("/dev/sda")
        channel.announce("/dev/sdb", "read keys")
        channel.announce("/dev/sdc", "reserve")
        time.sleep(60)

    started = time.monotonic()
    outcome, heard = run(work, 0.3)
    assert 0.3 <= time.monotonic() - started < 10
    assert outcome.pending == {"/dev/sdb": "read keys", "/dev/sdc": "reserve"}
    assert outcome.result is None
    assert wait_until(lambda: is_gone(int(heard[0][1])))


@pytest.mark.promise(6)
def test_a_child_that_ignores_the_limit_and_everything_else_is_not_waited_for() -> None:
    def work(channel: Channel) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        channel.say(str(os.getpid()))
        time.sleep(60)

    outcome, heard = run(work, 0.3)
    assert outcome.pending == {}
    assert wait_until(lambda: is_gone(int(heard[0][1])))


@pytest.mark.promise(6)
def test_a_log_that_takes_its_time_for_each_of_many_messages_does_not_hold_up_the_answer() -> None:
    def work(channel: Channel) -> None:
        for number in range(200):
            channel.say(str(number))
        channel.announce("/dev/sda", "preempt")
        time.sleep(30)

    heard: list[object] = []

    def slowly(_: int, said: object) -> None:
        heard.append(said)
        time.sleep(0.05)

    started = time.monotonic()
    outcome = child.run(work, 0.5, slowly)
    assert time.monotonic() - started < 2
    assert outcome.pending == {"/dev/sda": "preempt"}, "what hangs is known all the same"
    assert heard[:2] == ["0", "1"]


@pytest.mark.promise(6)
def test_after_the_limit_no_command_may_be_sent() -> None:
    """Through the channel alone: the parent would have killed the child."""
    reading, writing = os.pipe()
    channel = Channel(writing, time.monotonic() + 0.05)
    channel.announce("/dev/sda", "read keys")
    time.sleep(0.06)
    with pytest.raises(Abandoned, match="preempt-and-abort: not sent, the time limit has passed"):
        channel.announce("/dev/sda", "preempt-and-abort")
    channel.finished("/dev/sda")
    os.close(reading)
    os.close(writing)


@pytest.mark.promise(6)
def test_when_nobody_listens_any_more_no_command_may_be_sent() -> None:
    reading, writing = os.pipe()
    channel = Channel(writing, None)
    channel.announce("/dev/sda", "read keys")
    os.close(reading)
    with pytest.raises(Abandoned, match="nobody waits"):
        channel.announce("/dev/sda", "preempt-and-abort")
    os.close(writing)


def test_a_thread_that_is_late_writes_to_nothing_that_was_opened_since(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    channel = Channel(writing, None)
    channel.result(3, "done")
    opened = os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR, 0o600)
    assert opened == writing
    with pytest.raises(Abandoned, match="nobody waits"):
        channel.finished("/dev/sda")
    assert os.stat(opened).st_size == 0
    os.close(reading)
    os.close(opened)


def test_threads_of_the_child_wait_for_their_turn_without_waking_all_the_time() -> None:
    before = sys.getswitchinterval()
    assert run(lambda _: sys.getswitchinterval())[0].result == pytest.approx(child._TURN_SECONDS)
    assert sys.getswitchinterval() == before


def test_many_messages_wake_the_parent_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would take from the child the processor that the commands need."""
    reads = []
    read = os.read

    def counted(fd: int, most: int) -> bytes:
        reads.append(fd)
        return read(fd, most)

    monkeypatch.setattr(os, "read", counted)

    def work(channel: Channel) -> str:
        for _ in range(200):
            channel.announce("/dev/sda", "read keys")
            time.sleep(0.0002)
            channel.finished("/dev/sda")
        return "done"

    started = time.monotonic()
    outcome, heard = run(work)
    assert (outcome.result, len(heard)) == ("done", 200)
    assert len(reads) <= 5 + (time.monotonic() - started) / child._DOZE_SECONDS


def test_the_result_is_not_waited_for_when_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_DOZE_SECONDS", 20)

    def work(channel: Channel) -> str:
        channel.announce("/dev/sda", "read keys")
        time.sleep(0.2)  # the parent has read that
        channel.finished("/dev/sda")
        return "done"

    started = time.monotonic()
    assert run(work)[0].result == "done"
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(("speaks", "calls"), [(True, ["ready", "heard"]), (False, [])])
def test_the_parent_gets_ready_before_it_hears_anything(speaks: bool, calls: list[str]) -> None:
    found: list[str] = []

    def work(channel: Channel) -> str:
        if speaks:
            channel.announce("/dev/sda", "open")
        return "done"

    ending = child.run(work, 5.0, lambda *_: found.append("heard"), lambda: found.append("ready"))
    assert ending.result == "done"
    assert found == calls


def test_the_parent_gets_ready_where_the_child_is_silent() -> None:
    found: list[str] = []
    child.run(lambda _: time.sleep(0.2), 5.0, lambda *_: None, lambda: found.append("ready"))
    assert found == ["ready"]


@pytest.mark.promise(6)
def test_a_child_whose_parent_is_killed_takes_no_further_step(tmp_path: Path) -> None:
    report = tmp_path / "report"
    go_on = tmp_path / "go on"

    def work(channel: Channel) -> None:
        channel.announce("/dev/sda", "read keys")
        (tmp_path / "started").touch()
        wait_until(go_on.exists)
        try:
            channel.announce("/dev/sda", "preempt-and-abort")
        except Abandoned as error:
            report.write_text(str(error))

    parent = os.fork()
    if parent == 0:
        try:
            child.run(work, 30, lambda *_: None)
        finally:
            os._exit(0)
    assert wait_until((tmp_path / "started").exists)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    go_on.touch()
    assert wait_until(lambda: report.exists() and "nobody waits" in report.read_text())


def test_a_crash_comes_back_as_a_traceback() -> None:
    def work(channel: Channel) -> None:
        channel.say("before")
        raise ZeroDivisionError("in the child")

    outcome, heard = run(work)
    assert outcome.result is None
    assert outcome.crash.startswith("Traceback")
    assert "ZeroDivisionError: in the child" in outcome.crash
    assert heard == [(STEP, "before")]


def test_a_result_that_cannot_be_carried_over_is_a_crash() -> None:
    assert "ValueError" in run(lambda _: object())[0].crash


@pytest.mark.parametrize("limit", [5.0, None])
def test_a_child_that_is_killed_is_a_crash_and_not_waited_for(limit: float | None) -> None:
    def work(_: Channel) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    started = time.monotonic()
    outcome, _ = run(work, limit)
    assert time.monotonic() - started < 4
    assert outcome.lost == Notice("child-killed", {})
    assert outcome.result is None


def test_a_child_that_is_killed_in_the_middle_of_a_message_is_a_crash() -> None:
    def work(channel: Channel) -> None:
        channel.say("whole")
        os.write(channel._fd, b"\0\0\1\0half")
        os.kill(os.getpid(), signal.SIGKILL)

    outcome, heard = run(work)
    assert outcome.lost == Notice("child-killed", {})
    assert heard == [(STEP, "whole")]


def test_the_child_has_a_session_of_its_own_and_no_standard_streams() -> None:
    """Pacemaker kills the agent's process group and reads its streams to the end."""

    def work(_: Channel) -> tuple[int, int, int, list[str]]:
        return os.getpid(), os.getsid(0), os.getpgid(0), [os.readlink(f"/proc/self/fd/{fd}") for fd in (0, 1, 2)]

    pid, session, group, streams = run(work)[0].result
    assert session == group == pid
    assert streams == ["/dev/null"] * 3


def test_threads_that_still_hang_do_not_keep_the_child_alive() -> None:
    def work(_: Channel) -> int:
        import threading

        threading.Thread(target=time.sleep, args=(60,)).start()
        return os.getpid()

    pid = run(work)[0].result
    assert wait_until(lambda: is_gone(pid))


def test_no_descriptor_is_left_open() -> None:
    before = set(os.listdir("/proc/self/fd"))
    for work in (lambda _: 1, lambda _: 1 / 0, lambda _: time.sleep(9)):
        run(work, 0.1)
    assert set(os.listdir("/proc/self/fd")) == before
