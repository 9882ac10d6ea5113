"""The same program on another node, asked over ssh or the like: a question and its answer are a JSON object a line."""

from __future__ import annotations

import json
import os
import select
import shlex
import subprocess
import sys
import time
from contextlib import suppress

from ...errors import FenceError, Notice
from ...shortage import why_not_started
from ..subcommands import TOOL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..report import Json

_READ_BYTES = 65536
_SHOWN_CHARACTERS = 300
_ENDING_SECONDS = 0.2


class OtherNode:
    """One process of this program, there or, with rsh "", beside this one. Whoever asks touches no disk, so it is never
    waited for longer than it is said.
    """

    def __init__(self, node: str, rsh: str, words: Sequence[str]) -> None:
        """rsh: called with the node and a command line, as ssh is; words: behind the program's name.

        Raises FenceError.
        """
        self.node = node
        there = [*shlex.split(rsh), node, shlex.join([TOOL, *words])]
        command = there if rsh else [os.path.abspath(sys.argv[0]), *words]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                             stderr=subprocess.PIPE, start_new_session=True)  # fmt: skip
        except OSError as error:
            fields = {"node": node, "program": command[0], "answer": why_not_started(error)}
            raise FenceError("other-node-unreachable", **fields) from error
        self._heard = b""
        self._silent = False

    def ask(self, question: Json, seconds: float) -> Json:
        """The answer. Raises FenceError if there is none within so many seconds; then nothing more can be asked."""
        self.send(question)
        return self.hear(str(question.get("ask", "")), seconds)

    def send(self, question: Json) -> None:
        """Ask without waiting; one answer must be heard for each question."""
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            return  # why it has ended `hear` tells

    def hear(self, question: str, seconds: float) -> Json:
        """The next answer. Raises FenceError as `ask`."""
        until = time.monotonic() + seconds
        while b"\n" not in self._heard:
            left = until - time.monotonic()
            if self._silent or left <= 0 or not self._speaks(left):
                self._silent = True
                raise FenceError("other-node-silent", node=self.node, operation=question, answer=_in_seconds(seconds))
            self._read()
        line, _, self._heard = self._heard.partition(b"\n")
        try:
            answer: Json = json.loads(line)
        except (ValueError, RecursionError):
            answer = {}
        if not isinstance(answer, dict) or not answer:
            self._silent = True
            said = line.decode("utf-8", "replace")[:_SHOWN_CHARACTERS]
            raise FenceError("other-node-unreachable", node=self.node, program="its answer", answer=said)
        return answer

    def _speaks(self, seconds: float) -> bool:
        waiting = select.poll()
        waiting.register(self._stdout(), select.POLLIN)
        return bool(waiting.poll(max(1, int(seconds * 1000))))

    def _read(self) -> None:
        """Raises FenceError at its end."""
        data = os.read(self._stdout(), _READ_BYTES)
        self._heard += data
        if not data:
            self._silent = True
            raise FenceError("other-node-unreachable", node=self.node, program=_name(self._process), answer=self._why())

    def _stdout(self) -> int:
        assert self._process.stdout
        return self._process.stdout.fileno()

    def _why(self) -> Notice | str:
        """What it said as it ended."""
        assert self._process.stderr
        fd = self._process.stderr.fileno()
        waiting = select.poll()
        waiting.register(fd, select.POLLIN)
        said = os.read(fd, _READ_BYTES) if waiting.poll(int(_ENDING_SECONDS * 1000)) else b""
        return said.decode("utf-8", "replace").strip()[-_SHOWN_CHARACTERS:] or "it ended without a word"

    def close(self, seconds: float) -> None:
        """Let it end, which removes what it has left on the disk, and wait so long for that, also where it has not
        answered in time: it may only be slow. What hangs then is killed.
        """
        assert self._process.stdin
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.poll()


def _in_seconds(seconds: float) -> str:
    return f"none within {seconds:g} s"


def _name(process: subprocess.Popen[bytes]) -> str:
    assert isinstance(process.args, list)
    return str(process.args[0])


def serve(answer: Callable[[Json], Json]) -> None:
    """Be the other end: answer each line of standard input, until it ends."""
    waiting = b""
    while data := os.read(0, _READ_BYTES):
        waiting += data
        while b"\n" in waiting:
            line, _, waiting = waiting.partition(b"\n")
            said = json.dumps(answer(json.loads(line))).encode() + b"\n"
            while said:
                said = said[os.write(1, said) :]
