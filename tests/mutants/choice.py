"""Which unit tests may notice a change: those that run its lines, or else those whose file imports its module."""

from __future__ import annotations

import ast
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .changes import Change

PROJECT = Path(__file__).resolve().parent.parent.parent
LIB, UNIT = PROJECT / "lib" / "fence_pr", PROJECT / "tests" / "unit"
# They judge texts, not what the code does.
NOT_OF_CODE = ("test_project", "test_documents", "test_run", "test_pictures", "test_times", "test_tried", "test_seed")


def digest(test_file: Path) -> str:
    """What the lines that a file of tests runs depend on."""
    helpers = [path for path in UNIT.glob("*.py") if not path.name.startswith("test_")]
    parts = [path.read_bytes() for path in (*sorted(LIB.rglob("*.py")), *sorted(helpers), test_file)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def of_lines(change: Change, run: Mapping[str, Mapping[str, Iterable[int]]]) -> list[str]:
    """The tests that run what is changed. run: test → file of lib → lines."""
    wanted = {change.path: set(range(change.lines[0], change.lines[1] + 1))}
    if not change.entry[0]:
        wanted = _users(change)
    return [
        test
        for test, files in run.items()
        if any(not lines.isdisjoint(files.get(path, ())) for path, lines in wanted.items())
    ]


def _users(change: Change) -> dict[str, set[int]]:
    """Where lib names what stands outside of functions; and all of its own file, unless it is a constant."""
    name = change.named
    found: dict[str, set[int]] = {}
    for path in LIB.rglob("*.py") if name else ():
        if lines := {number for number, line in _lines(path) if re.search(rf"\b{name}\b", line)}:
            found[str(path.relative_to(LIB))] = lines
    if not name.isupper():
        found[change.path] = {number for number, _ in _lines(LIB / change.path)}
    return found


@cache
def _lines(path: Path) -> list[tuple[int, str]]:
    return list(enumerate(path.read_text().splitlines(), 1))


def files(change: Change) -> list[Path]:
    """The files of unit tests that import the changed module, however indirectly: the nearest first."""
    module = "fence_pr." + change.path.removesuffix(".py").replace("/", ".")
    distances = _distances(module.removesuffix(".__init__"))
    stem, room = Path(change.path).stem, Path(change.path).parent.name
    own = (f"test_{stem}", f"test_{room}_{stem}")
    return sorted(
        (path for path in UNIT.glob("test_*.py") if path in distances and path.stem not in NOT_OF_CODE),
        key=lambda path: (path.stem not in own, stem not in path.stem, distances[path], path.stat().st_size),
    )


def nearness(change: Change) -> dict[str, int]:
    """The turn of each file of unit tests, by name."""
    return {path.name: turn for turn, path in enumerate(files(change))}


@cache
def _imports() -> dict[Path, set[str]]:
    """What each file of tests/unit and lib names in its imports."""
    found = {}
    for path in (*UNIT.glob("*.py"), *LIB.rglob("*.py")):
        package = path.relative_to(PROJECT).with_suffix("").parts[:-1]
        if package[0] == "lib":
            package = package[1:]
        names = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = [*package[: len(package) - node.level + 1]] if node.level else []
                start = ".".join([*base, *([node.module] if node.module else [])])
                names |= {start, *(f"{start}.{alias.name}" for alias in node.names)}
        found[path] = names
    return found


@cache
def _distances(module: str) -> dict[Path, int]:
    """How many imports lie between a file and a module."""
    imports, distances, edge, distance = _imports(), {}, {module}, 0
    while edge:
        distance += 1
        reached = {path for path, names in imports.items() if path not in distances and not edge.isdisjoint(names)}
        distances.update(dict.fromkeys(reached, distance))
        edge = {_module(path) for path in reached}
    return distances


def _module(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    name = ".".join(parts[1:] if parts[0] == "lib" else parts)
    return name.removesuffix(".__init__")
