"""A node's /dev/log: what programs log goes to the file /run/syslog, a line a message."""

from __future__ import annotations

import re
import socket
import threading
from pathlib import Path

SOCKET = Path("/run/log")
FILE = Path("/run/syslog")

# "<priority>Mmm dd hh:mm:ss " as the C library puts it in front.
HEAD = re.compile(rb"^<\d+>(\w{3} [ \d]\d \d\d:\d\d:\d\d )?")


class Logbook:
    """Collects datagrams, in a thread so that senders are never held up."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(SOCKET))
        SOCKET.chmod(0o666)
        self._lock = threading.Lock()
        FILE.touch()
        threading.Thread(target=self._collect, daemon=True).start()

    def lines(self) -> list[str]:
        """All that has been sent by now."""
        with self._lock:
            self._take_all()
            return FILE.read_text(errors="replace").splitlines()

    def clear(self) -> None:
        """Forget it."""
        with self._lock:
            self._take_all()
            FILE.write_text("")

    def _collect(self) -> None:
        while True:
            # Wait without taking: whoever takes a message must hold the lock until it is in the file.
            self._socket.recv(1, socket.MSG_PEEK)
            with self._lock:
                self._take_all()

    def _take_all(self) -> None:
        with FILE.open("ab") as file:
            while True:
                try:
                    message = self._socket.recv(65536, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    return
                file.write(HEAD.sub(b"", message).rstrip(b"\0\n").replace(b"\n", b" ") + b"\n")
