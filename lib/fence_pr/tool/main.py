"""The tool's process: reads the call, waits for the child that touches disks, prints the report, and ends."""

from __future__ import annotations

import json
import os
import time

from .. import __version__, files
from ..errors import Notice, UsageError
from ..log import one_line, write_line
from ..messages import sentences
from . import report, terminal
from .options import EXIT_CALL, EXIT_FINE, EXIT_UNEXAMINED, EXPLAIN, TOOL, help_text, parse, wants_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from .options import Call
    from .report import Json
    from .terminal import Style

OUT, ERROR = 1, 2


def main(arguments: list[str]) -> int:
    """Run the tool with the command line `arguments` (without the program's name); returns the exit code."""
    as_json, name = wants_json(arguments), ""
    try:
        files.occupy_standard_streams()
        os.umask(0o077)
        call = parse(arguments)
        name = call.name()
        if document := _document(call):
            return EXIT_FINE if write_line(OUT, document, seconds=None) else EXIT_UNEXAMINED
        for _ in sentences.tables():
            pass  # in memory before a disk can hang
        return _run(call)
    except UsageError as error:
        return _refuse(name, error, as_json=as_json)
    except KeyboardInterrupt:
        return 130


def _document(call: Call) -> str:
    if call.flag("help"):
        return help_text(call.subcommand)
    return f"{TOOL} {__version__}" if call.flag("version") else ""


def _run(call: Call) -> int:
    """Raises UsageError."""
    module = _module(call.name())
    return show(call, module, examine(call, module))


def _module(name: str) -> ModuleType:
    """Where the subcommand is. Only its own code is loaded."""
    assert name == EXPLAIN
    from . import explain

    return explain


def examine(call: Call, module: ModuleType) -> Json:
    """The whole report. Raises UsageError."""
    return report.complete(call.name(), module.examine(call), _now(), os.uname().nodename)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def show(call: Call, module: ModuleType, made: Json) -> int:
    """Print a report; the exit code."""
    if call.flag("json"):
        lines = [json.dumps(made)]
    else:
        style = terminal.style(OUT)
        lines = [*(module.text(made["found"], style) if made["found"] is not None else []), *remarks(made, style)]
    for line in lines:
        write_line(OUT, line, seconds=None)
    code: int = made["exit_status"]
    return code


def remarks(made: Json, style: Style) -> list[str]:
    """What is wrong, what else a person should know, and what could not be seen, each a line or more."""
    return [
        style.paint(colour, line)
        for name, field, colour in _REMARKS
        for said in made[field]
        for line in style.entry(name, one_line(report.sentence(said)), indent=0, column=10)
    ]


_REMARKS = (
    ("wrong:", "problems", terminal.BAD),
    ("warning:", "warnings", terminal.ODD),
    ("unseen:", "unseen", terminal.ODD),
)


def _refuse(name: str, error: UsageError, *, as_json: bool) -> int:
    made = report.of_wrong_call(name, error, _now(), os.uname().nodename)
    if as_json:
        write_line(OUT, json.dumps(made))
    else:
        more = Notice("usage-of-tool", {"program": f"{TOOL} {name}".strip()}).what()
        write_line(ERROR, one_line(f"{TOOL}: {error}. {more}"))
    return EXIT_CALL
