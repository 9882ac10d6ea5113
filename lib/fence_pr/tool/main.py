"""The tool's process: reads the call, waits for the child that touches disks, prints the report, and ends."""

from __future__ import annotations

import json
import os
import time

from .. import __version__, child, files
from ..errors import FenceError, Notice, NotPermitted, UsageError
from ..log import one_line, write_line
from ..messages import sentences
from . import report, terminal
from .options import help_text, parse, wants_json
from .subcommands import (
    DISKS,
    DOCTOR,
    EXIT_CALL,
    EXIT_FINE,
    EXIT_UNEXAMINED,
    EXPLAIN,
    METRICS,
    PLAN,
    PREFLIGHT,
    REPAIR,
    SHOW,
    TOOL,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from ..child import Channel
    from .options import Call
    from .report import Json
    from .terminal import Style

_WRONG_CALL = "wrong_call"
_CLEAR_SCREEN = "\x1b[H\x1b[2J\x1b[3J"
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
        if name == DISKS:
            write_line(ERROR, one_line(f"{TOOL}: {Notice('goes-on-unwatched', {}).what()}"))
        return 130


def _document(call: Call) -> str:
    if call.flag("help"):
        return help_text(call.subcommand)
    return f"{TOOL} {__version__}" if call.flag("version") else ""


def _run(call: Call) -> int:
    """Raises UsageError."""
    module = _module(call.name())
    if call.values.get("other_end"):
        module.be_other_end(call)
        return EXIT_FINE
    if not call.values.get("watch"):
        made = examine(call, module)
        if call.name() == REPAIR and made["exit_status"] == EXIT_FINE and not made["found"]["done"]:
            made = examine(module.confirmed(call, made, terminal.style(ERROR)), module)
        return tell(call, module, made)
    code = EXIT_FINE
    try:
        while True:
            made = examine(call, module)
            if not call.flag("json") and os.isatty(OUT):
                os.write(OUT, _CLEAR_SCREEN.encode())
            code = tell(call, module, made)
            time.sleep(call.seconds("interval"))
    except KeyboardInterrupt:
        return code


def _module(name: str) -> ModuleType:
    """Where the subcommand is. Only its own code is loaded."""
    if name == SHOW:
        from . import show

        return show
    if name == DOCTOR:
        from .doctor import subcommand as doctor

        return doctor
    if name == PLAN:
        from . import plan

        return plan
    if name == PREFLIGHT:
        from .preflight import subcommand as preflight

        return preflight
    if name == REPAIR:
        from . import repair

        return repair
    if name == DISKS:
        from . import device_disks

        return device_disks
    if name == METRICS:
        from . import metrics

        return metrics
    assert name == EXPLAIN
    from . import explain

    return explain


def examine(call: Call, module: ModuleType) -> Json:
    """The whole report. Raises UsageError."""
    # A pre-flight has a process for each node, with a limit for each question.
    here = "timeout" not in call.values or call.name() == PREFLIGHT
    what = module.examine(call) if here else in_child(call, module.examine)
    return report.complete(call.name(), what, _now(), os.uname().nodename)


def in_child(call: Call, work: Callable[[Call, Channel], Json]) -> Json:
    """What the work finds that touches disks, in a process of its own: this one must end in time, whatever hangs.

    Raises UsageError if the work finds that the call is wrong.
    """

    def examine(channel: Channel) -> Json:
        try:
            return work(call, channel)
        except UsageError as error:
            return {_WRONG_CALL: error.notice().pack()}
        except NotPermitted as error:
            return report.examined(None, unseen=error.notices())
        except FenceError as error:
            return report.examined(None, error.notices())

    try:
        ending = child.run(examine, _limit(call), lambda _kind, _said: None)
    except FenceError as error:
        return report.examined(None, error.notices())
    if ending.result is None:
        return _unfinished(ending)
    if _WRONG_CALL in ending.result:
        wrong = Notice.unpack(ending.result[_WRONG_CALL])
        raise UsageError(wrong.code, **wrong.fields)
    result: Json = ending.result
    return result


def _limit(call: Call) -> float:
    """For disks and, where the cluster has to do something, for that."""
    return call.seconds("timeout") + (call.seconds("settle") if "settle" in call.values else 0)


def _unfinished(ending: child.Ending) -> Json:
    if ending.pending is None:
        answer = ending.lost.pack() if ending.lost else ending.crash.strip()
        return report.examined(None, [Notice("internal-error", {"answer": answer})])
    silent = [Notice("no-answer", {"disk": disk, "operation": it}) for disk, it in ending.pending.items()]
    return report.examined(None, unseen=silent or [Notice("nothing-in-time", {})])


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def tell(call: Call, module: ModuleType, made: Json) -> int:
    """Print a report; the exit code."""
    style = terminal.style(OUT)
    if call.values.get("output") and made["found"] is not None:
        made = module.write(made, style)
    if call.values.get("html") and made["found"] is not None:
        made = module.write(call, made)
    if call.flag("json"):
        lines = [json.dumps(made)]
    elif call.name() == METRICS:
        # What stands beside the metrics would make them unreadable.
        for line in remarks(made, terminal.style(ERROR)):
            write_line(ERROR, line)
        lines = [] if call.values["output"] or made["found"] is None else module.text(made["found"], style)
    else:
        told = [] if made["found"] is None else module.text(made["found"], style)
        # Their text is remarks.
        remarked = [] if told and call.name() in (DOCTOR, PREFLIGHT) else remarks(made, style)
        lines = [*told, *([""] if told and remarked else []), *remarked]
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
