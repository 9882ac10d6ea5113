"""Which lines of lib run, and from which line to which: written to a file when it happens for the first time.

In whatever thread or process: standard library only, and little of that, for it is put into a copy of lib as well. A
test of the agent may close every descriptor, and may have no memory left; so the file is opened for each line of it.
"""

from __future__ import annotations

import _thread
import posix
import sys
from opcode import opmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

# Tests put others into their place in os.
_OPEN, _WRITE, _CLOSE = posix.open, posix.write, posix.close
_APPEND = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT
_RESUME = opmap.get("RESUME")  # since Python 3.11
_YIELD = opmap["YIELD_VALUE"]


class Watched:
    """Writes "path:from:to" for what runs below the folder `lib`, as coverage.py counts: a function's beginning and
    end are its first line, negative.
    """

    def __init__(self, lib: str) -> None:
        self._lib, self._output = lib + "/", ""
        self._seen: set[tuple[str, int, int]] = set()
        self._start_thread = _thread.start_new_thread

    def begin(self, output: str) -> None:
        """From now on this is the file."""
        self._seen.clear()
        self._output = output
        _thread.start_new_thread = self._start
        sys.settrace(self._called)

    def end(self) -> None:
        """Nothing is written any more."""
        sys.settrace(None)
        _thread.start_new_thread = self._start_thread

    def _start(self, function: Callable[..., object], *rest: Any) -> int:
        def begun(*arguments: Any, **named: Any) -> object:
            sys.settrace(self._called)
            return function(*arguments, **named)

        return self._start_thread(begun, *rest)

    def _called(self, frame: FrameType, _event: str, _argument: object) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(self._lib):
            return None
        first = -frame.f_code.co_firstlineno
        last = first if _begins(frame) else frame.f_lineno

        def line(frame: FrameType, event: str, _argument: object) -> Any:
            nonlocal last
            if event == "line":
                self._ran(name, last, frame.f_lineno)
                last = frame.f_lineno
            elif event == "return" and _ends(frame):
                self._ran(name, last, first)
            return line

        return line

    def _ran(self, name: str, begin: int, end: int) -> None:
        found = name, begin, end
        if found in self._seen:
            return
        self._seen.add(found)
        try:
            descriptor = _OPEN(self._output, _APPEND, 0o666)
            _WRITE(descriptor, f"{name[len(self._lib) :]}:{begin}:{end}\n".encode())
            _CLOSE(descriptor)
        except OSError:
            pass  # a test may leave no descriptors


def _begins(frame: FrameType) -> bool:
    """Whether a function is called, and not a generator resumed."""
    if _RESUME is None:
        return frame.f_lasti < 0
    return frame.f_code.co_code[frame.f_lasti + 1] == 0


def _ends(frame: FrameType) -> bool:
    """Whether a function is left for good."""
    code, at = frame.f_code.co_code, frame.f_lasti
    if _RESUME is None:
        return code[at] != _YIELD
    return len(code) == at + 2 or code[at + 2] != _RESUME


# What a copy of the package begins with, so that processes that are started are watched, too.
PRELUDE = """
def _watch():
    import os, sys
    names = {{"__name__": "lines"}}
    here = __file__.rpartition("/")[0]
    try:
        with open({current!r}) as file:
            output = file.read().strip()
    except OSError:
        output = {guest!r}
    if {unique!r}:
        output += "/" + os.urandom(8).hex()
    text = {text!r}
    exec(compile(text, "lines", "exec"), names)
    names["Watched"](here).begin(output)
_watch()
"""


def prelude(current: str, *, guest: str = "/lines", unique: bool = False) -> str:
    """Its text. current: a file with the name of the output, or with unique of the folder for one a process."""
    with open(__file__) as file:
        return PRELUDE.format(current=current, guest=guest, unique=unique, text=file.read())
