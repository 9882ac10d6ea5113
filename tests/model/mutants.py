"""Mutants: the real code with one change each, of `mutants.txt`, for the explorer to catch.

A mutant is a sentence, the promise that it breaks, the scenario where that is seen soonest, and its changes: a function
of the package ("module:function" or "module:Class.method"), and what stands in its source once (-) and what takes its
place (+). The changed function is compiled into its own module, so everything around it is the real code. Where the
source has no such text any more, or the module does not know a name in what takes its place, that is an error: then
the mutant must be written anew for the new code.
"""

from __future__ import annotations

import builtins
import dis
import importlib
import inspect
import sys
import textwrap
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

TABLE = Path(__file__).parent / "mutants.txt"


class Change(NamedTuple):
    """In the source of the function `where`, `before`, which stands there once, becomes `after`."""

    where: str
    before: str
    after: str


class Mutant(NamedTuple):
    """sentence: what this agent does wrong. promise: which one that breaks. scenario: where it is seen soonest."""

    sentence: str
    promise: int
    scenario: str
    changes: tuple[Change, ...]

    @contextmanager
    def installed(self) -> Iterator[None]:
        """The package is this mutant. Raises ValueError if the code has no such text."""
        with ExitStack() as stack:
            for change in self.changes:
                owner, name, changed = _changed(change)
                original = getattr(owner, name)
                stack.enter_context(patch.object(owner, name, changed))
                for module, alias in _imported(original):
                    stack.enter_context(patch.object(module, alias, changed))
            yield


def load() -> list[Mutant]:
    """All mutants of the table."""
    lines = [line for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    starts = [number for number, line in enumerate(lines) if line.startswith("== ")]
    return [_mutant(lines[start:end]) for start, end in zip(starts, [*starts[1:], len(lines)])]


def _mutant(lines: list[str]) -> Mutant:
    promise, _, scenario = lines[1].removeprefix("promise ").partition(" in: ")
    changes: list[Change] = []
    for line in lines[2:]:
        if line[0] not in "-+":
            changes.append(Change(line, "", ""))
        else:
            where, before, after = changes.pop()
            if line[0] == "-":
                changes.append(Change(where, _joined(before, line[1:]), after))
            else:
                changes.append(Change(where, before, _joined(after, line[1:])))
    return Mutant(lines[0].removeprefix("== "), int(promise), scenario, tuple(changes))


def _joined(text: str, line: str) -> str:
    return f"{text}\n{line}" if text else line


def _changed(change: Change) -> tuple[Any, str, Any]:
    """Owner, name and the changed function."""
    module_name, _, path = change.where.partition(":")
    module = importlib.import_module(f"fence_pr.{module_name}")
    *outer, name = path.split(".")
    owner: Any = module
    for part in outer:
        owner = getattr(owner, part)
    source = textwrap.dedent(inspect.getsource(getattr(owner, name)))
    if source.count(change.before) != 1:
        raise ValueError(f"{change.where} has {source.count(change.before)} times, not once: {change.before}")
    code = f"from __future__ import annotations\n{source.replace(change.before, change.after)}"
    made: dict[str, Any] = {}
    exec(compile(code, f"<mutant of {change.where}>", "exec"), vars(module), made)
    if unknown := _globals(made[name].__code__) - vars(module).keys() - vars(builtins).keys():
        raise ValueError(f"{change.where} knows nothing of {unknown}")
    return owner, name, made[name]


def _globals(code: CodeType) -> set[str]:
    """What the code, and code inside of it, looks up in its module."""
    named = {it.argval for it in dis.get_instructions(code) if it.opname == "LOAD_GLOBAL"}
    return named.union(*(_globals(inner) for inner in code.co_consts if isinstance(inner, type(code))))


def _imported(function: object) -> list[tuple[Any, str]]:
    """Where else in the package a function goes by a name."""
    modules = [module for name, module in sys.modules.items() if name.startswith("fence_pr.")]
    return [(module, name) for module in modules for name, value in list(vars(module).items()) if value is function]


MUTANTS = tuple(load())
