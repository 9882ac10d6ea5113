"""Guests come and go, whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect.fdpexpect
import pytest

from tests.lab import plugin, root
from tests.lab.cluster import Cluster
from tests.lab.errors import GuestLost, RequestFailed
from tests.lab.guest import PROJECT, PROMPT, Guest
from tests.lab.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a person would put up with; on an idle machine it is 3 s (Linux 7) and 6 s (Linux 6.1).
READY_SECONDS = 40
END_SECONDS = 10

pytestmark = plugin.newest

BOOT_AND_WAIT = """
import sys, time
from pathlib import Path
from tests.lab import kernels, root
from tests.lab.guest import Guest
guest = Guest(kernels.source(sys.argv[1]).kernel(), root.folder(), logs=Path(sys.argv[2]))
guest.boot()
print("booted", flush=True)
time.sleep(1000)
"""


@pytest.fixture
def guest(uml: Kernel, tmp_path: Path) -> Iterator[Guest]:
    with Guest(uml, root.folder(), logs=tmp_path) as booted:
        yield booted


def descendants(pid: int) -> set[int]:
    """The processes that a process made, and those these made, and so on."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def wait_until_gone(pids: set[int]) -> None:
    deadline = time.monotonic() + END_SECONDS
    while left := {pid for pid in pids if Path(f"/proc/{pid}").exists()}:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.05)


def command_line(pid: int) -> str:
    """Nothing for a process that has just ended, as those of other guests do all the time."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def folders() -> set[str]:
    """The scratch folders of all guests that run now."""
    return {
        argument
        for pid in descendants(os.getpid())
        for argument in command_line(pid).split("\0")
        if "fence_pr_lab-" in argument and "=" not in argument
    }


def test_ready_within_seconds(uml: Kernel, tmp_path: Path) -> None:
    started = time.monotonic()
    with Guest(uml, root.folder(), logs=tmp_path) as guest:
        cluster = Cluster(guest)
        assert cluster.n1.write("a") == "ok"
        assert time.monotonic() - started < READY_SECONDS
        assert guest.run(["uname", "-r"]).stdout.strip() == uml.release


def test_two_at_once_and_nothing_left(uml: Kernel, tmp_path: Path) -> None:
    before, folders_before = descendants(os.getpid()), folders()
    with Guest(uml, root.folder(), logs=tmp_path) as one, Guest(uml, root.folder(), logs=tmp_path) as two:
        for guest in (one, two):
            guest.run(["sh", "-c", f"echo {guest.name} >/etc/mark"], check=True)
        assert [guest.run(["cat", "/etc/mark"]).stdout.strip() for guest in (one, two)] == [one.name, two.name]
        processes = descendants(os.getpid()) - before
        scratch = folders() - folders_before
        assert len(processes) > 4
        assert len(scratch) == 2
    assert [one.alive(), two.alive()] == [False, False]
    wait_until_gone(processes)
    assert not any(Path(folder).exists() for folder in scratch)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["console.log"] * 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_left_when_the_test_run_is_killed(uml: Kernel, tmp_path: Path, number: int) -> None:
    # The shell that started this run may have told it to ignore SIGINT, and children inherit that.
    python = ["/usr/bin/env", "--default-signal=INT", sys.executable]
    command = [*python, "-c", BOOT_AND_WAIT, uml.label, str(tmp_path)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        assert run.stdout
        assert run.stdout.readline() == b"booted\n"
        processes = descendants(run.pid)
        scratch = folders()
        assert len(processes) > 2
        run.send_signal(number)
        run.wait(END_SECONDS)
    wait_until_gone(processes)
    assert scratch
    assert not any(Path(folder).exists() for folder in scratch - folders())


def test_it_ends_although_another_process_has_what_its_keeper_reads(guest: Guest) -> None:
    """As whatever was forked here since has it, until it ends or becomes another program."""
    child = os.fork()
    if child == 0:
        time.sleep(3 * END_SECONDS)
        os._exit(0)
    try:
        started = time.monotonic()
        guest.stop()
        assert time.monotonic() - started < END_SECONDS
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_dead_guest_is_told(guest: Guest) -> None:
    waiting = guest.start(["sleep", "1000"], timeout=1000)
    guest.run(["sh", "-c", "echo 'farewell' >/dev/console"], check=True)
    started = time.monotonic()
    # Process 1 cannot be killed; the service of a node can, and the guest ends with it.
    with pytest.raises(GuestLost, match="farewell"):
        guest.run(["sh", "-c", "kill -9 $PPID; sleep 1000"], "n1")
    with pytest.raises(GuestLost, match="the service of n1 ended with -9"):
        waiting.wait()
    with pytest.raises(GuestLost):
        guest.run(["true"])
    assert time.monotonic() - started < END_SECONDS
    assert not guest.alive()


def test_a_silent_guest_is_told(guest: Guest) -> None:
    guest.start(["sh", "-c", "kill -STOP $PPID"])

    def ask() -> None:
        while True:
            with suppress(RequestFailed):  # it may have read this before it was stopped
                guest.call("clear", seconds=0.5)

    with pytest.raises(GuestLost, match=r"no answer within 0\.5 s to: .*: clear\nthread \d+: [A-Z] \w+"):
        ask()


def test_folders_with_long_and_odd_names(uml: Kernel, tmp_path: Path) -> None:
    odd = tmp_path / "a, b=c" / ("long " * 40)
    odd.mkdir(parents=True)
    (odd / "kernel").symlink_to(uml.folder)
    (odd / "root").symlink_to(root.folder())
    with Guest(Kernel(uml.release, odd / "kernel"), odd / "root", logs=odd) as guest:
        assert guest.run(["true"]).returncode == 0


def test_console(guest: Guest) -> None:
    terminal, end = guest.console()
    console = pexpect.fdpexpect.fdspawn(terminal, encoding="utf-8", timeout=20)
    console.expect(PROMPT)
    console.sendline("n2")
    console.expect("n2# ")
    console.sendline("echo I am $(hostname)")
    console.expect("I am n2")
    console.sendline("exit")
    console.expect("guest# ")
    console.sendline("exit 3")
    assert end.result(20)["result"] == 3
