"""The host's end of a guest's serial lines: calls out, answers in, by request number."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import selectors
import socket
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Answer = dict[str, Any]

# UML's serial input loses data when the guest falls tens of kilobytes behind.
LARGEST_INLINE = 1024
READY = "ready"


class Lines:
    """Some serial lines, numbered from 0, of one guest that process `keeper` keeps."""

    def __init__(self, count: int) -> None:
        """Make the socket pairs; `guest_ends` are for the guest, `close_guest_ends` once it has them."""
        pairs = [socket.socketpair() for _ in range(count)]
        self._sockets = [ours for ours, _ in pairs]
        self.guest_ends = [theirs for _, theirs in pairs]
        self.ready: list[Future[Answer]] = [Future() for _ in pairs]
        self._pending: dict[int, Future[Answer]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._lost = False

    def close_guest_ends(self) -> None:
        """To be called when the guest has inherited its ends."""
        for each in self.guest_ends:
            each.close()

    def start(self, keeper: int) -> None:
        """Read answers, in a thread, until process `keeper` ends."""
        threading.Thread(target=self._read, args=(os.pidfd_open(keeper),), daemon=True).start()

    def request(self, line: int, call: str, arguments: dict[str, Any], spill: Path) -> Future[Answer]:
        """Send a call; large ones go through a file in folder `spill`. The future ends in ConnectionError if the
        guest does.
        """
        future: Future[Answer] = Future()
        number = next(self._numbers)
        text = json.dumps({"id": number, "call": call, "with": arguments})
        if len(text) > LARGEST_INLINE:
            file = spill / str(number)
            file.write_text(text)
            future.add_done_callback(lambda _: file.unlink(missing_ok=True))
            text = json.dumps({"file": file.name})
        with self._lock:
            if self._lost:
                future.set_exception(ConnectionError())
                return future
            try:
                self._sockets[line].sendall(text.encode() + b"\n")
            except ConnectionError as gone:
                future.set_exception(gone)
            else:
                self._pending[number] = future
        return future

    def nudge(self) -> None:
        """Send every service an empty line, which says nothing: user-mode Linux can miss that something has come, until
        more comes.
        """
        with self._lock, contextlib.suppress(BlockingIOError, ConnectionError):
            for each in () if self._lost else self._sockets:
                each.send(b"\n", socket.MSG_DONTWAIT)

    def _read(self, keeper: int) -> None:
        partial = dict.fromkeys(self._sockets, b"")
        with selectors.DefaultSelector() as selector:
            for line, each in enumerate(self._sockets):
                selector.register(each, selectors.EVENT_READ, line)
            selector.register(keeper, selectors.EVENT_READ, None)
            while True:
                for key, _ in selector.select():
                    if key.data is None:
                        os.close(keeper)
                        self._fail_all()
                        return
                    each = self._sockets[key.data]
                    data = _received(each)
                    if not data:  # the kernel is gone, its keeper still clears up
                        selector.unregister(each)
                    *lines, partial[each] = (partial[each] + data).split(b"\n")
                    # While a service has not set its terminal yet, that echoes what it is nudged by: \r\n.
                    for text in filter(bytes.strip, lines):
                        self._take(key.data, json.loads(text))

    def _take(self, line: int, answer: Answer) -> None:
        if answer["id"] == READY:
            self.ready[line].set_result(answer)
            return
        with self._lock:
            future = self._pending.pop(answer["id"])
        future.set_result(answer)

    def _fail_all(self) -> None:
        with self._lock:
            self._lost = True
            waiting = [*self._pending.values(), *(each for each in self.ready if not each.done())]
            self._pending.clear()
        for future in waiting:
            future.set_exception(ConnectionError())
        for each in self._sockets:
            each.close()


def _received(line: socket.socket) -> bytes:
    """What has come, nothing at the end. A guest that ends with a request unread resets its line."""
    try:
        return line.recv(1 << 20)
    except ConnectionResetError:
        return b""
