"""Where this machine has no memory, process, thread or file left: it fences nevertheless, or says what is missing."""

from __future__ import annotations

import _thread
import errno
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr import agent, child, log, options
from fence_pr.actions import perform
from fence_pr.errors import FenceError, OutOfMemory
from fence_pr.parallel import Patience, Unanswered, on_each
from fence_pr.scribe import Scribe
from fence_pr.storage import kernel_status, pr_ioctl
from tests.model.world import World, problems
from tests.unit.fake_ioctl import Unwatched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.model.target import Command

DISKS = 16
TWO = ("n1", "n2")
NO_MEMORY, NO_FILE = (kernel_status.failure("/dev/sdx", "open", -it) for it in (errno.ENOMEM, errno.ENFILE))
WITHOUT_DISK = b"action=off\nkey=0x2\ndevices=/dev/fence_pr_ioctl_none\n"

pytestmark = pytest.mark.promise(6)


def failing(number: int, times: int, then: Callable[[], int] = os.fork) -> Callable[[], int]:
    """In place of `os.fork`."""
    left = iter(range(times))

    def fork() -> int:
        if next(left, None) is None:
            return then()
        raise OSError(number, os.strerror(number))

    return fork


def registered(folder: Path) -> World:
    """n1 and n2, on 16 disks."""
    world = World(folder, DISKS, TWO)
    world.register(*TWO)
    return world


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM])
def test_a_process_is_asked_for_again(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(os, "fork", failing(number, 3))
    assert child.run(lambda _: "done", 5.0, lambda *_: None).result == "done"


@pytest.mark.parametrize(
    ("call", "number", "words"),
    [
        ("fork", errno.EAGAIN, "no more processes may be started"),
        ("fork", errno.ENOMEM, "this machine has no memory left for it"),
        ("pipe", errno.EMFILE, "this process may not have more files open"),
        ("pipe", errno.ENFILE, "the system cannot have more files open"),
        ("fork", errno.ENOSYS, os.strerror(errno.ENOSYS)),
    ],
)
def test_without_a_process_it_is_said_in_time_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], call: str, number: int, words: str
) -> None:
    before, began = set(os.listdir("/proc/self/fd")), time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(number, 1000))
        with pytest.raises(FenceError, match=f"cannot start the process that works on the disks: {words}"):
            child.run(lambda _: None, 5.0, lambda *_: None)
        assert set(os.listdir("/proc/self/fd")) == before
        patch.setattr(os, "close", lambda _fd: None)
        assert agent._act(options.from_stdin(WITHOUT_DISK), log.Log(0, False, False)) == 1
    assert time.monotonic() - began < 4
    said = capfd.readouterr().err
    assert words in said
    assert "TasksMax" in said


@pytest.mark.parametrize("most", [1, 2])
def test_a_file_for_messages_does_not_cost_the_process_that_fences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], most: int
) -> None:
    """There may be so many processes beside this one."""
    real = os.fork
    children: list[int] = []

    def fork() -> int:
        children[:] = [it for it in children if os.path.exists(f"/proc/{it}")]
        if len(children) >= most:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        children.append(real())
        return children[-1]

    monkeypatch.setattr(os, "fork", fork)
    files = [Scribe(name, str(tmp_path / name), anew=False) for name in ("debug_file", "logfile")]
    assert agent._act(options.from_stdin(WITHOUT_DISK), log.Log(1, False, False, *files)) == 1
    said = capfd.readouterr().err
    assert "fence_pr_ioctl_none: no such device" in said
    assert said.count("no messages are written there: no more processes may be started") == 2


def no_thread(*_: object) -> int:
    """In place of `_thread.start_new_thread`."""
    raise RuntimeError("can't start new thread")


def test_without_a_thread_one_disk_comes_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = registered(tmp_path)
    monkeypatch.setattr(_thread, "start_new_thread", no_thread)
    assert world.run("n1", "off", "n2", threads=True, limit=20.0).verdict == "Powered OFF"
    assert all(world.members(number) == {"n1"} for number in range(DISKS))


def test_without_a_thread_nothing_is_begun_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_thread, "start_new_thread", no_thread)
    began: list[int] = []

    def work(item: int) -> int:
        began.append(item)
        time.sleep(0.2)
        return item

    found: list[Any] = on_each(work, [0, 1, 2], Patience(time.monotonic() + 0.1))
    assert began == [0]
    assert found[0] == 0
    assert all(isinstance(it, Unanswered) for it in found[1:])


@pytest.mark.parametrize("failure", [NO_MEMORY, NO_FILE], ids=["ENOMEM", "ENFILE"])
@pytest.mark.parametrize("name", ["open", "snapshot", "preempt"])
@pytest.mark.parametrize("at", [0, 9])
def test_what_is_short_for_a_second_costs_no_fencing(tmp_path: Path, failure: FenceError, name: str, at: int) -> None:
    world = registered(tmp_path)

    def fault(command: Command) -> None:
        if command.name == name and sum(world.nodes["n1"].slept) < 1.0:
            raise failure

    world.faults[at] = fault
    assert world.run("n1", "off", "n2", limit=20.0).verdict == "Powered OFF"
    assert sum(world.nodes["n1"].slept) >= 1.0, "the fault was met"


@pytest.mark.parametrize("name", ["open", "snapshot"])
def test_what_stays_short_is_told_and_nothing_was_changed(tmp_path: Path, name: str) -> None:
    world = registered(tmp_path)

    def fault(command: Command) -> None:
        if command.name == name:
            raise NO_MEMORY

    world.faults[9] = fault
    report = world.run("n1", "off", "n2", limit=20.0)
    assert not report.ok
    assert world.changes() == []
    assert "this machine has no memory left for it (Cannot allocate memory); free memory" in problems(report)
    assert sum(world.nodes["n1"].slept) <= 10


def test_python_without_memory_costs_one_disk_only() -> None:
    def work(item: int) -> int:
        if item == 1:
            raise MemoryError
        return item

    found: list[Any] = on_each(work, [0, 1, 2])
    assert (found[0], found[2]) == (0, 2)
    assert str(found[1]).startswith("cannot go on: this machine has no memory left for it; free")


@pytest.mark.parametrize("count", [1, 3])
def test_another_error_of_the_system_is_a_crash_as_before(count: int) -> None:
    def work(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(OSError, match="Input/output"):
        on_each(work, list(range(count)))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "this machine has no memory left for it"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "this machine has no memory left for it"),
        (OSError(errno.EMFILE, "Too many open files"), "this process may not have more files open"),
    ],
)
def test_an_action_that_cannot_go_on_says_why(monkeypatch: pytest.MonkeyPatch, error: Exception, words: str) -> None:
    def cannot(_: object) -> None:
        raise error

    monkeypatch.setattr(perform, "action", lambda _name: cannot)
    report = perform.carry_out(options.from_stdin(WITHOUT_DISK), _unheard())
    assert not report.ok
    assert problems(report).startswith(f"cannot go on: {words}; free memory, processes or files, or raise")
    assert "LimitNOFILE" in problems(report)


def test_another_error_of_an_action_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(perform, "action", lambda _name: cannot)
    with pytest.raises(OSError, match="Input/output"):
        perform.carry_out(options.from_stdin(WITHOUT_DISK), _unheard())


def _unheard() -> Any:
    return Unwatched()


@pytest.mark.parametrize("call", ["open", "ioctl"])
def test_the_kernel_without_memory_is_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    (tmp_path / "disk").touch()
    fd = os.open(tmp_path / "disk", os.O_RDONLY)
    if call == "ioctl":
        monkeypatch.setattr("fcntl.ioctl", none)
        with pytest.raises(OutOfMemory, match=r"register: this machine has no memory left for it .*; free memory"):
            pr_ioctl.register(fd, 0, 1)
    else:
        found = kernel_status.failure("/dev/sda", "open", -errno.ENOMEM)
        assert isinstance(found, OutOfMemory)
        assert "open: this machine has no memory left for it" in str(found)
    os.close(fd)
