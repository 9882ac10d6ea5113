"""multipathd is told the key of a map, by its own protocol, and its absence or silence is only said."""

from __future__ import annotations

import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

import pytest

from fence_pr.storage import multipathd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fence_pr.errors import Notice


class Daemon:
    """Gives each request the next answer; None: hangs up; bytes: sent as they are, and then silence."""

    def __init__(self, path: Path) -> None:
        self.asked: list[str] = []
        self.answers: list[str | bytes | None] = []
        self._closed = threading.Event()
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except OSError:
            return
        with connection, connection.makefile("rb") as stream:
            for answer in self.answers:
                head = stream.read(8)
                if len(head) < 8:
                    return
                text = stream.read(struct.unpack("@N", head)[0])
                assert text.endswith(b"\0")
                self.asked.append(text[:-1].decode())
                if answer is None:
                    return
                if isinstance(answer, bytes):
                    connection.sendall(answer)
                    self._closed.wait(10)
                    return
                data = answer.encode() + b"\0"
                connection.sendall(struct.pack("@N", len(data)) + data)

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """At the second of the places where one is looked for."""
    monkeypatch.setattr(multipathd, "_SOCKETS", (str(tmp_path / "none"), str(tmp_path / "socket")))
    monkeypatch.setattr(multipathd, "_TIMEOUT_SECONDS", 0.3)
    made = Daemon(tmp_path / "socket")
    yield made
    made.close()


def told(key: int = 0x2A) -> list[str]:
    """The warnings while the key of the map mpatha is told."""
    warnings: list[Notice] = []
    multipathd.tell_key("mpatha", key, warnings.append)
    return [str(warning) for warning in warnings]


@pytest.mark.parametrize("key", [1, 0x2A, 2**64 - 1])
def test_key_and_status_of_the_map_are_set(daemon: Daemon, key: int) -> None:
    daemon.answers = ["ok\n", "ok\n"]
    assert told(key) == []
    assert daemon.asked == [f"setprkey map mpatha key 0x{key:x}", "setprstatus map mpatha"]


def test_an_unwilling_daemon_is_quoted(daemon: Daemon) -> None:
    daemon.answers = ["fail\n", "ok\n"]
    (sentence,) = told()
    assert "mpatha: multipathd answered 'setprkey map mpatha key 0x2a' with: fail" in sentence
    assert len(daemon.asked) == 2


@pytest.mark.parametrize("answer", [None, b"\5\0\0", struct.pack("@N", 2**40), struct.pack("@N", 9) + b"ok", b""])
def test_a_daemon_that_hangs_up_or_talks_nonsense_or_not_at_all_is_said(daemon: Daemon, answer: bytes | None) -> None:
    daemon.answers = [answer]
    started = time.monotonic()
    (sentence,) = told()
    assert time.monotonic() - started < 2
    assert "mpatha: multipathd did not answer 'setprkey map mpatha key 0x2a'" in sentence


def test_no_daemon_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipathd, "_SOCKETS", (str(tmp_path / "none"),))
    (sentence,) = told()
    assert "mpatha: multipathd does not run (No such file or directory)" in sentence
