"""Serves calls of the host over a serial line of the guest: one JSON text a line, in both directions.

A request is {"id", "call", "with": {...}}, or {"file"}: the name, under /host, of a file that holds one (UML's serial
lines lose input when much arrives at once). The answer is {"id", "result"} or {"id", "error": {...}}. Empty lines say
nothing. Every request has a thread of its own, so a call that hangs holds up no other.
"""

from __future__ import annotations

import json
import os
import threading
import traceback
import tty
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Calls = Mapping[str, Callable[..., Any]]

READY = "ready"


def serve(line: str, calls: Calls) -> None:
    """Serve `calls` on the terminal device `line`, for ever."""
    fd = os.open(line, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    tty.setraw(fd)
    lock = threading.Lock()
    _write(fd, lock, {"id": READY})
    for text in _lines(fd):
        threading.Thread(target=_answer, args=(fd, lock, calls, text), daemon=True).start()


def _answer(fd: int, lock: threading.Lock, calls: Calls, text: bytes) -> None:
    request = json.loads(text)
    if "file" in request:
        request = json.loads(Path("/host", request["file"]).read_bytes())
    answer: dict[str, Any] = {"id": request["id"]}
    try:
        answer["result"] = calls[request["call"]](**request["with"])
    except Exception as error:  # the caller is on the other side of the line: it goes there, whole
        trace = traceback.format_exc()
        answer["error"] = {"kind": type(error).__name__, "message": str(error), "trace": trace}
    _write(fd, lock, answer)


def _lines(fd: int) -> Iterator[bytes]:
    rest = b""
    while data := os.read(fd, 65536):
        *lines, rest = (rest + data).split(b"\n")
        yield from filter(None, lines)


def _write(fd: int, lock: threading.Lock, answer: dict[str, Any]) -> None:
    data = memoryview(json.dumps(answer).encode() + b"\n")
    with lock:
        while data:
            data = data[os.write(fd, data) :]
