"""The fence agent's process: reads the options, waits for the child that does the work, prints, and ends."""

from __future__ import annotations

import os
import time

from . import __version__, child, files, log, options
from .actions.report import EXIT_FAILED, EXIT_OK, Report, answer
from .errors import ABORTING, FenceError, Notice, UsageError
from .log import Log, one_line, write_line
from .option_table import AGENT, LISTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .options import Options
    from .scribe import Scribe

_READ_BYTES = 65536


def main(arguments: list[str]) -> int:
    """Run the agent with the command line `arguments` (without the program's name); returns the exit code."""
    try:
        files.occupy_standard_streams()
        # What is made is root's alone, and root can read it, whatever the caller's mask.
        os.umask(0o077)
        chosen = options.from_argv(arguments) if arguments else options.from_stdin(_read_stdin())
        document = _document(chosen.action())
        if document:
            return _print_document(document)
        scribes = _scribe(chosen, "debug_file", anew=False), _scribe(chosen, "logfile", anew=True)
        messages = Log(chosen.verbosity(), chosen.flag("quiet"), chosen.flag("suppress_errors"), *scribes)
    except UsageError as error:
        # As with the agents of fence-agents the delay comes first, also where what would be 'off' is then refused.
        time.sleep(float(error.fields.get("delay", 0)))
        return _wrong_call(error)
    for warning in chosen.warnings:
        messages.write(log.STEP, str(warning))
    code = _act(chosen, messages)
    messages.end()
    return code


def _scribe(chosen: Options, option: str, *, anew: bool) -> Scribe | None:
    if not (path := chosen.text(option)):
        return None
    from .scribe import Scribe  # few calls have such a file

    return Scribe(option, path, anew=anew)


def _act(chosen: Options, messages: Log) -> int:
    if chosen.action() == "off":
        time.sleep(chosen.seconds("delay"))
    started = time.monotonic()
    try:
        ending = _work(chosen, messages, started)
    except FenceError as error:
        os.close(0)  # where no file more may be open: the sentence is in one
        messages.write(log.FAILURE, f"Failed: {error}")
        return EXIT_FAILED
    seconds = time.monotonic() - started
    report = _report(chosen, ending, seconds)
    given = answer(chosen.action(), report, chosen.text("separator"))
    printed = all(messages.answer(line) for line in given.out)
    for line in given.failures:
        messages.write(log.FAILURE, line)
    for line in given.warnings:
        messages.write(log.WARNING, line)
    if chosen.action() in ("on", "off"):
        _note(chosen, report, seconds)
    if not printed and chosen.action() in LISTS:
        # Of the other actions the exit code is the answer.
        messages.write(log.FAILURE, _unwritable())
        return EXIT_FAILED
    return given.exit_code


def _work(chosen: Options, messages: Log, started: float) -> child.Ending:
    """Raises FenceError if there can be no child, not even in place of the processes that write to files."""
    try:
        return _run(chosen, messages, started)
    except FenceError:
        if not messages.give_up_files():
            raise
    return _run(chosen, messages, started)


def _run(chosen: Options, messages: Log, started: float) -> child.Ending:
    limit = chosen.limit()
    return child.run(
        lambda channel: _carry_out(chosen, channel),
        None if limit is None else limit - (time.monotonic() - started),
        lambda kind, said: _hear(messages, kind, said),
        _get_ready_to_speak,
    )


def _carry_out(chosen: Options, channel: child.Channel) -> Any:
    """In the child. Only there all that is for disks is loaded: what is there when a process forks costs both twice."""
    from .actions import perform

    return perform.carry_out(chosen, channel).pack()


def _note(chosen: Options, report: Report, seconds: float) -> None:
    """For metrics, after everything is said. Where this machine has no file or no memory left, the answer stays."""
    try:
        from . import last_action

        node = chosen.plug() or chosen.text("key") or chosen.text("node")
        last_action.save(last_action.LastAction(chosen.action(), node, report.ok, seconds, time.time()))
    except (OSError, MemoryError):
        return


def _hear(messages: Log, kind: int, said: Any) -> None:
    if kind == child.COMMAND:
        messages.write(log.COMMAND, said)
    else:
        messages.write(log.STEP, str(Notice.unpack(said)))


def _get_ready_to_speak() -> None:
    """The disk that this program lies on may be one of those that hang: then nothing more can be read. Called when the
    child begins with a disk: what a call takes that comes to none is not read, and the child is not held up.
    """
    from . import last_action  # noqa: F401
    from .messages import sentences

    sentences.load(guard=False)
    log.load()


def _print_document(document: str) -> int:
    if write_line(1, document.rstrip("\n"), seconds=None):
        return EXIT_OK
    write_line(2, _unwritable())
    return EXIT_FAILED


def _unwritable() -> str:
    return f"Failed: {Notice('output-unwritable', {})}"


def _report(chosen: Options, ending: child.Ending, seconds: float) -> Report:
    if ending.result is not None:
        return Report.unpack(ending.result)
    if ending.pending is not None:
        return _timed_out(chosen, ending.pending, seconds)
    said = [ending.lost.pack()] if ending.lost else ending.crash.splitlines()
    return Report.failed(*(Notice("internal-error", {"answer": it}) for it in said))


def _timed_out(chosen: Options, pending: dict[str, str], seconds: float) -> Report:
    action = chosen.action()
    power = action in ("on", "off")
    waiting = Notice("waiting-to-power" if power else "waiting", {"action": action.upper() if power else action})
    silent = [
        Notice(
            "abort-unanswered" if operation == ABORTING else "no-answer",
            {"disk": disk, "operation": operation, "answer": "none"},
        )
        for disk, operation in pending.items()
    ]
    return Report.failed(Notice("timed-out", {"waiting": waiting.pack(), "seconds": seconds}), *silent)


def _document(action: str) -> str:
    if action == "help":
        from . import metadata

        return metadata.help_text()
    if action == "version":
        return f"{AGENT} {__version__}"
    if action in ("metadata", "manpage"):
        from . import metadata

        return metadata.xml(manual_page=action == "manpage")
    return ""


def _wrong_call(error: UsageError) -> int:
    message = one_line(f"Failed: {error}. {Notice('usage', {}).what()}")
    write_line(2, message)
    log.SystemLog().send(log.FAILURE, message)
    return EXIT_FAILED


def _read_stdin() -> bytes:
    if os.isatty(0):
        write_line(2, Notice("prompt", {}).what())
    data = b""
    while len(data) <= options.MOST_INPUT_BYTES:
        try:
            chunk = os.read(0, _READ_BYTES)
        except OSError as error:
            raise UsageError("input-unreadable", answer=error.strerror) from error
        if not chunk:
            break
        data += chunk
    return data
