"""The tables of docs/messages.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fence_pr import errors
from fence_pr.messages import answers as tables
from fence_pr.messages import (
    call,
    devices,
    disks,
    doctor,
    doctor_nodes,
    draining,
    fencing,
    guard,
    nodes,
    preflight,
    registrants,
    sentences,
    tool,
    tool_disks,
    trial,
)
from fence_pr.storage import kernel_status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

# The most dangerous first.
ORDER = (
    fencing,
    draining,
    registrants,
    disks,
    devices,
    call,
    nodes,
    guard,
    tool,
    tool_disks,
    doctor,
    doctor_nodes,
    preflight,
    trial,
)

_MOST_QUOTED = 160

_OPTIONAL = re.compile(r"\[[^]]*\]")
_FIELD = re.compile(r"\{[^}]*\}")


def parts() -> dict[str, list[str]]:
    """The one part: a table for each group."""
    return {"messages": [line for table in ORDER for line in _group(table)]}


def _group(table: ModuleType) -> Iterator[str]:
    yield from (
        f"## {table.TITLE}",
        "",
        table.INTRO,
        "",
        "| message | what it means, and why | what to do |",
        "|---|---|---|",
    )
    for severity, entries in ((sentences.FAILURE, table.FAILURES), (sentences.WARNING, table.WARNINGS)):
        for code, (sentence, hint, meaning, cause, remedy) in entries.items():
            first, *others = _rows(said(code, sentence))
            kind = f"{code}, a warning" if severity == sentences.WARNING else code
            yield f"| {first} <br>({kind}) | {meaning} {cause} | {remedy or _as_document(hint)} |"
            yield from (f"| {quoted} <br>({kind}) | as above | as above |" for quoted in others)
    yield ""


def _rows(texts: list[str]) -> Iterator[str]:
    """What is quoted, in pieces: a row is one line, which must not become too long."""
    piece: list[str] = []
    for quoted in (f"`{_pipe(text)}`" for text in texts):
        if piece and len(", ".join([*piece, quoted])) > _MOST_QUOTED:
            yield ", ".join(piece)
            piece = []
        piece.append(quoted)
    yield ", ".join(piece)


def said(code: str, sentence: str) -> list[str]:
    """What is seen of a message, … for what differs from case to case: its own words, or else the answers in it."""
    own = _FIELD.sub("…", _OPTIONAL.sub("", sentence))
    return [own] if own.strip("…: ") else sorted(answers(code))


def answers(code: str) -> set[str]:
    """What the kernel may answer where this code is told, in words."""
    verdicts = [*kernel_status._ERRNOS.values(), *kernel_status._PR_STATUSES.values()]
    verdicts += [*kernel_status._NVME_STATUSES.values(), (errors.Invalid, kernel_status._REFUSED)]
    verdicts += [(errors.PathFailure, said) for said in kernel_status._HOST_BYTES.values()]
    found = {said for kind, said in verdicts if kind.usual == code}
    found = found or {kind.kind for kind in errors.ReservationError.__subclasses__() if kind.usual == code}
    return {tables.STEPS[said] for said in found}


def _as_document(hint: str) -> str:
    """A hint as a sentence of a document: options and actions as there."""
    text = re.sub(r"'([a-z-]+)'", r"`\1`", _FIELD.sub("…", _OPTIONAL.sub("", hint)))
    return f"{text[:1].upper()}{text[1:]}."


def _pipe(text: str) -> str:
    return text.replace("|", r"\|")
