"""The fence agent's process: reads the options, waits for the child that does the work, prints, and ends."""

from __future__ import annotations

import os
import stat
import time

from . import __version__, actions, deadline, log, metadata, options
from .errors import UsageError
from .log import Log, one_line, write_line
from .option_table import AGENT, LISTS
from .report import EXIT_FAILED, EXIT_OK, Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .options import Options

_STANDARD_STREAMS = (0, 1, 2)
_READ_BYTES = 65536
_UNWRITABLE = "Failed: what was asked for cannot be written to standard output"


def main(arguments: list[str]) -> int:
    """Run the agent with the command line `arguments` (without the program's name); returns the exit code."""
    try:
        _occupy_standard_streams()
        # What is made is root's alone, and root can read it, whatever the caller's mask.
        os.umask(0o077)
        chosen = options.from_argv(arguments) if arguments else options.from_stdin(_read_stdin())
        document = _document(chosen.action())
        if document:
            return _print_document(document)
        _redirect(chosen.text("logfile"))
        messages = Log(
            chosen.verbosity(), chosen.flag("quiet"), chosen.flag("suppress_errors"), chosen.text("debug_file")
        )
    except UsageError as error:
        return _wrong_call(error)
    for warning in chosen.warnings:
        messages.write(log.STEP, warning)
    return _act(chosen, messages)


def _act(chosen: Options, messages: Log) -> int:
    if chosen.action() == "off":
        time.sleep(chosen.seconds("delay"))
    started = time.monotonic()
    try:
        outcome = deadline.run(
            lambda channel: vars(actions.carry_out(chosen, channel)),
            actions.limit(chosen),
            lambda kind, text: messages.write(log.COMMAND if kind == deadline.COMMAND else log.STEP, text),
        )
    except OSError as error:
        messages.write(log.FAILURE, f"Failed: cannot start the process that works on the disks: {error}")
        return EXIT_FAILED
    answer = _answer(chosen, outcome, time.monotonic() - started)
    printed = all(write_line(1, line) for line in answer.out)
    for line in answer.failures:
        messages.write(log.FAILURE, line)
    for line in answer.notes:
        messages.write(log.NOTE, line)
    if not printed and chosen.action() in LISTS:
        # Of the other actions the exit code is the answer.
        messages.write(log.FAILURE, _UNWRITABLE)
        return EXIT_FAILED
    return answer.exit_code


def _print_document(document: str) -> int:
    if write_line(1, document.rstrip("\n")):
        return EXIT_OK
    write_line(2, _UNWRITABLE)
    return EXIT_FAILED


def _answer(chosen: Options, outcome: deadline.Outcome, seconds: float) -> Answer:
    if outcome.result is not None:
        return Answer(**outcome.result)
    if outcome.pending is not None:
        return _timed_out(chosen, outcome.pending, seconds)
    return Answer(EXIT_FAILED, failures=tuple(f"Failed: internal error: {it}" for it in outcome.crash.splitlines()))


def _timed_out(chosen: Options, pending: dict[str, str], seconds: float) -> Answer:
    action = chosen.action()
    what = f"waiting to power {action.upper()}" if action in ("on", "off") else f"waiting for {action}"
    lines = [f"Failed: Timed out {what} after {seconds:.1f} s"]
    lines += [f"Failed: {disk}: no answer to {operation}" for disk, operation in pending.items()]
    return Answer(EXIT_FAILED, failures=tuple(lines))


def _document(action: str) -> str:
    if action == "help":
        return metadata.help_text()
    if action == "version":
        return f"{AGENT} {__version__}"
    if action in ("metadata", "manpage"):
        return metadata.xml(manual_page=action == "manpage")
    return ""


def _wrong_call(error: UsageError) -> int:
    message = one_line(f"Failed: {error}. Please use '-h' for usage")
    write_line(2, message)
    log.SystemLog().send(log.FAILURE, message)
    return EXIT_FAILED


def _occupy_standard_streams() -> None:
    """A closed standard stream would be taken by the first file opened: a disk, and then be written to."""
    for stream in _STANDARD_STREAMS:
        try:
            os.fstat(stream)
        except OSError:
            try:
                # The lowest free number is this stream's: those below are taken by now.
                os.open("/dev/null", os.O_RDWR)
            except OSError as error:
                problem = f"is closed, and /dev/null cannot take its place: {error.strerror}"
                raise UsageError("standard stream", str(stream), problem) from error


def _read_stdin() -> bytes:
    if os.isatty(0):
        write_line(2, "Reading options from standard input: one name=value a line, Ctrl-D ends (-h for usage)")
    data = b""
    while len(data) <= options.MOST_INPUT_BYTES:
        try:
            chunk = os.read(0, _READ_BYTES)
        except OSError as error:
            raise UsageError("standard input", "", f"cannot be read: {error.strerror}") from error
        if not chunk:
            break
        data += chunk
    return data


def _redirect(path: str) -> None:
    """Standard output and error to the file of the option logfile, as fence_scsi does."""
    if not path:
        return
    file = log.open_file("logfile", path, 0)
    if stat.S_ISREG(os.fstat(file).st_mode):
        os.ftruncate(file, 0)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
