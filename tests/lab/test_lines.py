"""The host's end of a guest's lines when the guest ends at a bad moment."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from tests.lab.inside import service
from tests.lab.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def keeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


@pytest.fixture
def thread_errors(monkeypatch: pytest.MonkeyPatch) -> list[threading.ExceptHookArgs]:
    errors: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", errors.append)
    return errors


def test_a_guest_that_ends_with_a_request_unread_resets_its_line_and_the_keeper_ends_the_request(
    keeper: subprocess.Popen[bytes], thread_errors: list[threading.ExceptHookArgs], tmp_path: Path
) -> None:
    lines = Lines(1)
    asked = lines.request(0, "run", {}, spill=tmp_path)
    lines.close_guest_ends()
    lines.start(keeper.pid)
    keeper.kill()
    with pytest.raises(ConnectionError):
        asked.result(5)
    assert thread_errors == []


def test_a_request_to_a_guest_that_is_gone_is_lost_and_not_an_error_of_the_call(
    keeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    lines = Lines(1)
    lines.close_guest_ends()
    lines.start(keeper.pid)
    asked = lines.request(0, "run", {}, spill=tmp_path)
    with pytest.raises(ConnectionError):
        asked.result(5)


def test_a_service_that_has_not_noticed_a_request_is_nudged_and_an_empty_line_is_no_request() -> None:
    lines = Lines(2)
    lines.nudge()
    for end in lines.guest_ends:
        assert end.recv(10) == b"\n"
    reading, writing = os.pipe()
    os.write(writing, b'\n\n{"id": 1}\n\n')
    os.close(writing)
    assert list(service._lines(reading)) == [b'{"id": 1}']
    os.close(reading)


def test_a_nudge_that_a_terminal_echoes_while_a_guest_boots_is_no_answer(
    keeper: subprocess.Popen[bytes], thread_errors: list[threading.ExceptHookArgs]
) -> None:
    """A terminal echoes until its service has set it: whoever fell over that heard nothing of the guest any more."""
    lines = Lines(1)
    lines.start(keeper.pid)
    lines.guest_ends[0].sendall(b'\r\n\n{"id": "ready"}\n')
    assert lines.ready[0].result(5) == {"id": "ready"}
    assert thread_errors == []
