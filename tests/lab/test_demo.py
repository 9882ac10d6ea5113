"""`make demo` as a person runs it: a process of its own, with a guest of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab import cache, plugin
from tests.lab.guest import PROJECT

if TYPE_CHECKING:
    from tests.lab.kernels import Kernel

LIMIT_SECONDS = 60
INTERRUPTED, UNREAD = 130, 141
on_newest_kernel = pytest.mark.parametrize("kernel", [plugin.parameter(plugin.NEWEST)])

# What a person must see, in this order.
STORY = """\
1. Both nodes are let in
n1 is sent     nodename=n1
action=on
it answers     Success: Powered ON
exit code      0, after
n2 is sent     nodename=n2
it answers     Success: Powered ON
reserved: write exclusive, registrants only
key of n1: 0x
key of n2: 0x
2. Both nodes can write
n1 writes      a: ok   b: ok   c: ok
n2 writes      a: ok   b: ok   c: ok
3. n1 fences n2
action=off
port=n2
it answers     Success: Powered OFF
exit code      0, after
key of n1: 0x
key of n2: not registered
4. n2 is shut out
n2 writes      a: refused (EBADE)   b: refused (EBADE)   c: refused (EBADE)
EBADE is "Invalid exchange": the disk answered RESERVATION CONFLICT
kernel log     [
n2 reads       a: ok   b: ok   c: ok
n1 writes      a: ok   b: ok   c: ok
5. n2 cannot fence back
it answers     Failed: /dev/disk/by-id/
Failed: nothing was changed on any disk
exit code      1, after
disks          unchanged
6. Is n2 shut out? n1 asks
it answers     Status: OFF
exit code      2, after
7. n2 is let in again
it answers     Success: Powered ON
n2 writes      a: ok   b: ok   c: ok
All as it must be, in
"""


def start(**environment: str) -> subprocess.Popen[str]:
    """The demo with the standard library only, and open to SIGINT even where this run itself ignores it."""
    return subprocess.Popen(
        ["/usr/bin/env", "--default-signal=INT", sys.executable, "-S", "-m", "tests.lab.demo"],
        cwd=PROJECT,
        env={**os.environ, **environment},
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def assert_nothing_left(temporary: Path) -> None:
    """No file in the demo's temporary folder, and no process that was given it: all of a guest's were."""
    assert list(temporary.iterdir()) == []
    named = os.fsencode(temporary)
    assert [path for path in Path("/proc").glob("[0-9]*/cmdline") if named in command_line(path)] == []


def command_line(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""  # it has just ended


@on_newest_kernel
def test_the_demo_tells_its_story_in_order_and_leaves_nothing(uml: Kernel, tmp_path: Path) -> None:
    started = time.monotonic()
    with start(TMPDIR=str(tmp_path)) as demo:
        out, err = demo.communicate(timeout=LIMIT_SECONDS)
    assert (demo.returncode, err) == (0, ""), out
    assert time.monotonic() - started < LIMIT_SECONDS
    assert uml.release in out
    assert "\033" not in out
    assert [line for line in out.splitlines() if len(line) > 88 and str(cache.folder()) not in line] == []
    rest = out
    for line in STORY.splitlines():
        _, found, rest = rest.partition(line)
        assert found, f"{line!r} is missing, or not in its place:\n{out}"
    assert_nothing_left(tmp_path)


@on_newest_kernel
@pytest.mark.usefixtures("uml")
def test_the_demo_can_be_interrupted(tmp_path: Path) -> None:
    with start(TMPDIR=str(tmp_path)) as demo:
        assert demo.stdout
        assert any(line.startswith("1. ") for line in demo.stdout), "the demo ended before its first step"
        demo.send_signal(signal.SIGINT)
        _, err = demo.communicate(timeout=LIMIT_SECONDS)
    assert (demo.returncode, err) == (INTERRUPTED, "demo: interrupted; nothing is left running\n")
    assert_nothing_left(tmp_path)


@on_newest_kernel
@pytest.mark.usefixtures("uml")
def test_the_demo_ends_quietly_when_nobody_reads_on(tmp_path: Path) -> None:
    with start(TMPDIR=str(tmp_path)) as demo:
        assert demo.stdout
        demo.stdout.readline()
        demo.stdout.close()
        assert demo.stderr
        err = demo.stderr.read()
        assert (demo.wait(LIMIT_SECONDS), err) == (UNREAD, "")
    assert_nothing_left(tmp_path)


def test_a_machine_that_cannot_run_the_demo_hears_why_in_a_sentence(tmp_path: Path) -> None:
    with start(PATH=str(tmp_path), FENCE_PR_LAB=str(tmp_path / "cache")) as demo:
        _, err = demo.communicate(timeout=LIMIT_SECONDS)
    *progress, sentence = err.splitlines()
    assert demo.returncode == 1
    assert sentence.startswith("demo: this machine cannot run it: the lab needs Debian's apt and dpkg, ")
    assert all(line.startswith("lab: ") for line in progress), err
