"""sd_notify, against a real socket; and the real process as systemd starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from fence_pr.guard.systemd import ALIVE, READY, STOPPING, Notifier
from tests.unit.process import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 30.0
# The guard of a machine that may well be a node of a real cluster must not be meddled with.
GUARD = f"""
import sys
sys.path.insert(0, {str(PROJECT / "lib")!r})
from fence_pr import state_file
state_file.FOLDER = "/nonexistent"
from fence_pr.guard.main import main
sys.exit(main(["--interval=0.05"]))
"""


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """systemd's end of the socket, and what NOTIFY_SOCKET says."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@pr_fence_guard-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name.replace("@", "\0"))
        listening.settimeout(SECONDS)
        yield listening, name


def test_what_is_told_arrives_as_one_message(systemd: tuple[socket.socket, str]) -> None:
    listening, name = systemd
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.tell(READY, ALIVE)
    notifier.status("watching 3 disks")
    assert listening.recv(1000) == b"READY=1\nWATCHDOG=1"
    assert listening.recv(1000) == b"STATUS=watching 3 disks"


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_watchdog_is_for_the_process_that_it_names(environment: dict[str, str], seconds: float) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/run/x", **environment}).watchdog == seconds
    assert Notifier(environment).watchdog == 0.0


def test_where_nobody_listens_nothing_happens(tmp_path: Path) -> None:
    Notifier({}).tell(READY)
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).tell(READY)


def test_a_systemd_that_takes_no_messages_holds_nothing_up(systemd: tuple[socket.socket, str]) -> None:
    """If this call could wait, the test would never end: nobody reads."""
    listening, name = systemd
    notifier = Notifier({"NOTIFY_SOCKET": name})
    for _ in range(10_000):
        notifier.tell(ALIVE)
    assert listening.recv(100) == b"WATCHDOG=1"


def test_the_process_says_ready_alive_and_stopping(systemd: tuple[socket.socket, str]) -> None:
    """On a machine where the action on has never run: there is nothing to watch, and nothing to say but that."""
    listening, name = systemd
    environment = {**os.environ, "NOTIFY_SOCKET": name, "WATCHDOG_USEC": "10000000"}
    command = [sys.executable, "-ISc", GUARD]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert listening.recv(1000) == b"STATUS=nothing to watch before 'on' has run here"
        assert listening.recv(1000) == READY.encode()
        assert [listening.recv(1000) for _ in range(5)] == [ALIVE.encode()] * 5
        process.send_signal(signal.SIGTERM)
        said = [listening.recv(1000)]
        while said[-1] != STOPPING.encode():
            said.append(listening.recv(1000))
        assert process.communicate(timeout=SECONDS) == (b"", b"")
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()
