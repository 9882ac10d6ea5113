"""Ask other nodes: the same program runs there, over ssh or what else is named, and prints one line of JSON."""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import signal
import subprocess
import time

from ...errors import Notice, UsageError
from ..subcommands import DOCTOR, EXIT_FINE, EXIT_UNEXAMINED, EXIT_WRONG, TOOL
from .findings import Finding
from .nodes import is_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..options import Call

# A name that no shell and no ssh takes for anything else.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]*")
_MOST_BYTES = 1 << 23
_READ_BYTES = 1 << 16
_SHOWN_CHARACTERS = 200
# Options that say what is examined hold there, too.
_NOT_SENT = frozenset({"with", "rsh", "json", "timeout", "help", "version"})


def names(call: Call) -> list[str]:
    """The nodes to ask. Raises UsageError."""
    found = call.values["with"].replace(",", " ").split()
    for name in found:
        if not _NAME.fullmatch(name):
            raise UsageError("node-name-malformed", option="with", value=name)
    return list(dict.fromkeys(found))


def command(call: Call, seconds: float) -> str:
    """What runs at the other end: a line for its shell. It has so many seconds."""
    words = [f"--{name.replace('_', '-')}={call.values[name]}" for name in sorted(call.given - _NOT_SENT)]
    line = [TOOL, DOCTOR, "--json", f"--timeout={seconds:.1f}", *words]
    return " ".join(map(shlex.quote, [*line, *(["--", *call.words] if call.words else [])]))


def ask(node: str, call: Call, seconds: float) -> Any | Finding:
    """What `doctor` found on the node; a Finding if nothing came that can be used. Waits for at most so long."""
    try:
        words = shlex.split(call.values["rsh"])
    except ValueError as error:
        raise UsageError("command-malformed", option="rsh", value=call.values["rsh"], answer=str(error)) from error
    if not words or not words[0]:
        raise UsageError("command-malformed", option="rsh", value=call.values["rsh"], answer="no program")
    started = [*words, node, command(call, seconds * 0.8)]
    fields = {"node": node, "command": shlex.join(started)}
    code, out, err = run(started, seconds)
    said = _last_line(err) or _last_line(out)
    found = _found(out)
    if found is not None:
        return found
    if code is None:
        return Finding(Notice("node-unasked", {**fields, "answer": err.decode("utf-8", "replace") or "no answer"}),
                       unseen=True)  # fmt: skip
    if code == EXIT_FINE or (out.strip() and code in (EXIT_WRONG, EXIT_UNEXAMINED)):
        return Finding(Notice("node-unintelligible", {**fields, "answer": said or "nothing"}), unseen=True)
    return Finding(Notice("node-unasked", {**fields, "answer": said or f"it ended with {code}"}), unseen=True)


def _found(out: bytes) -> Any | None:
    """The report's line may stand between others: shells greet."""
    for line in reversed(out.split(b"\n")):
        if line.startswith(b"{"):
            try:
                report = json.loads(line)
                json.dumps(report, ensure_ascii=False).encode("utf-8", "surrogateescape")  # so it can be printed
            except (ValueError, RecursionError):
                continue
            found = report.get("found")
            if isinstance(found, dict) and isinstance(report.get("program"), str) and is_whole(found):
                return found
    return None


def _last_line(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:_SHOWN_CHARACTERS] if lines else ""


def run(words: list[str], seconds: float) -> tuple[int | None, bytes, bytes]:
    """Exit code, standard output, standard error of a program that is killed, with all that it has started, when the
    time is over or it says too much; the code is None then, or where it could not be started.
    """
    until = time.monotonic() + seconds
    try:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True)  # fmt: skip
    except (OSError, ValueError) as error:
        return None, b"", str(error).encode("utf-8", "replace")
    assert process.stdout
    assert process.stderr
    said: dict[int, bytes] = {process.stdout.fileno(): b"", process.stderr.fileno(): b""}
    out, err = said
    ended = _listen(said, until) and _ends(process, until)
    if not ended:
        _kill(process)
    process.stdout.close()
    process.stderr.close()
    return (process.returncode if ended else None), said[out], b"" if not ended else said[err]


def _listen(said: dict[int, bytes], until: float) -> bool:
    """Whether all streams have ended in time, with a bearable length."""
    waiting = select.poll()
    for stream in said:
        waiting.register(stream, select.POLLIN)
    left = set(said)
    while left:
        ready = waiting.poll(max(0.0, until - time.monotonic()) * 1000)
        if not ready:
            return False
        for stream, _ in ready:
            data = os.read(stream, _READ_BYTES)
            said[stream] += data
            if not data:
                waiting.unregister(stream)
                left.discard(stream)
        if sum(map(len, said.values())) > _MOST_BYTES:
            return False
    return True


def _ends(process: subprocess.Popen[bytes], until: float) -> bool:
    try:
        process.wait(max(0.01, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # another user's, as sudo's, hears that nobody listens
