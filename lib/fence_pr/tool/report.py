"""What a subcommand found, as one JSON object, and its exit code. The text is made from the same object. Pure.

Its form is schema/pr_fence-1.schema.json, which is installed with the tool and described in docs/pr_fence.md. Fields
may be added to it; where one changes its meaning or goes, the number of the schema rises.
"""

from __future__ import annotations

from .. import __version__
from ..messages import sentences
from .subcommands import EXIT_CALL, EXIT_FINE, EXIT_UNEXAMINED, EXIT_WRONG, TOOL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..errors import Notice, UsageError

    # Values of JSON alone, which can pass from the child to its parent, too.
    Json = dict[str, Any]

SCHEMA = 1


def told(notice: Notice) -> Json:
    """A notice as a person reads it, with its code and the disk that it is about ("" if none)."""
    return {
        "code": notice.code,
        "severity": sentences.severity(notice.code),
        "disk": str(notice.fields.get("disk", "")),
        "text": notice.what(),
    }


def examined(
    found: Json | None,
    problems: Iterable[Notice] = (),
    warnings: Iterable[Notice] = (),
    unseen: Iterable[Notice] = (),
) -> Json:
    """What a subcommand found, and what is wrong, what a person should know, and what could not be examined."""
    return {
        "found": found,
        "problems": [told(it) for it in problems],
        "warnings": [told(it) for it in warnings],
        "unseen": [told(it) for it in unseen],
    }


def complete(name: str, what: Json, time: str, host: str) -> Json:
    """The whole report. name: the subcommand's, "" if there is none; time: in ISO 8601; host: where it was made."""
    code = EXIT_WRONG if what["problems"] else EXIT_UNEXAMINED if what["unseen"] else EXIT_FINE
    return {"schema": SCHEMA, "program": _program(), "time": time, "host": host, "subcommand": name,
            "exit_status": code, **what}  # fmt: skip


def of_wrong_call(name: str, error: UsageError, time: str, host: str) -> Json:
    """The report of a call that was refused."""
    return {**complete(name, examined(None, [error.notice()]), time, host), "exit_status": EXIT_CALL}


def _program() -> str:
    return f"{TOOL} {__version__}"


def sentence(said: Json) -> str:
    """A notice of a report as a line of text."""
    return f"{said['disk']}: {said['text']}" if said["disk"] else str(said["text"])


def key_text(key: int) -> str:
    """A key as it stands in a report."""
    return f"0x{key:x}"
