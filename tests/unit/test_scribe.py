"""Messages to a file, by a process that may hang as long as it likes."""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr import scribe
from fence_pr.errors import UsageError
from fence_pr.scribe import Scribe

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_written_is_there_when_it_has_ended(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("before\n")
    for anew, expected in ((False, "before\none\ntwo\n"), (True, "one\ntwo\n")):
        it = Scribe("logfile", str(file), anew=anew)
        assert it.problem is None
        it.write("one")
        it.write("two")
        it.end()
        it.end()
        assert file.read_text() == expected


@pytest.mark.promise(8)
def test_a_disk_is_not_written_over_by_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stat, "S_ISBLK", lambda _mode: True)
    with pytest.raises(UsageError, match="is a disk, not a file"):
        Scribe("logfile", str(tmp_path / "disk"), anew=True)


@pytest.mark.promise(6)
@pytest.mark.parametrize("what", ["open", "write"])
def test_a_file_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    caller, real = os.getpid(), getattr(os, what)

    def hang(*arguments: object, **named: object) -> object:
        file = str(arguments[0]).startswith(str(tmp_path)) or (what == "write" and arguments[1] == b"one\n")
        if os.getpid() != caller and file:
            time.sleep(20)
        return real(*arguments, **named)

    monkeypatch.setattr(os, what, hang)
    began = time.monotonic()
    it = Scribe("debug_file", str(tmp_path / "file"), anew=False)
    assert bool(it.problem) == (what == "open")
    for _ in range(100):
        it.write("one")
        it.write("x" * 8000)
    it.end()
    assert time.monotonic() - began < 4


@pytest.mark.promise(6)
def test_without_a_process_for_it_there_is_no_file_and_nothing_else_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> int:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", none)
    it = Scribe("debug_file", str(tmp_path / "file"), anew=False)
    it.write("one")
    it.end()
    said = str(it.problem).partition(": no messages are written there: ")[2]
    assert said == "no more processes may be started; raise the limit that is named, or free what it counts"


def test_it_does_not_outlive_whose_messages_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although the child that hangs on a disk has its pipe open as well."""
    monkeypatch.setattr(scribe, "_PATIENCE_SECONDS", 0.1)
    reading, writing = os.pipe()
    caller = os.fork()
    if caller == 0:
        Scribe("debug_file", str(tmp_path / "file"), anew=False).write("one")
        if os.fork() == 0:  # as that child does
            os.close(writing)
            time.sleep(3)
        os._exit(0)
    os.close(writing)
    os.waitpid(caller, 0)
    began = time.monotonic()
    assert os.read(reading, 1) == b"", "the scribe had it open, too"
    assert time.monotonic() - began < 2
    assert (tmp_path / "file").read_text() == "one\n"


@pytest.mark.parametrize("how", ["ended", "no folder", "hangs", "no process", "no files", "given up", "a disk"])
def test_nothing_is_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Whoever keeps such a pipe keeps its process, too."""
    monkeypatch.setattr(scribe, "_PATIENCE_SECONDS", 0.3)
    before, caller, real_open, real_pipe = os.listdir("/proc/self/fd"), os.getpid(), os.open, os.pipe
    pipes = 0

    def hang(*arguments: Any, **named: Any) -> int:
        if os.getpid() != caller:
            time.sleep(20)
        return real_open(*arguments, **named)

    def no_more() -> tuple[int, int]:
        nonlocal pipes
        pipes += 1
        if pipes > 1:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real_pipe()

    def none() -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    broken: dict[str, tuple[Any, str, Any]] = {
        "hangs": (os, "open", hang),
        "no process": (os, "fork", none),
        "no files": (os, "pipe", no_more),
        "a disk": (stat, "S_ISBLK", lambda _: True),
    }
    if how in broken:
        monkeypatch.setattr(*broken[how])
    try:
        it = Scribe("debug_file", str(tmp_path / ("none/file" if how == "no folder" else "file")), anew=False)
    except UsageError:
        assert how == "a disk"
    else:
        assert bool(it.problem) == (how not in ("ended", "given up"))
        if how == "given up":
            it.give_up()
        it.end()
    monkeypatch.undo()
    assert os.listdir("/proc/self/fd") == before
