"""Every small change of a file of lib that may matter: pure, from the text of a file to a list of changes.

What is left alone: words for people (texts), annotations, `assert` (it narrows types), what only type checkers read.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMPARED = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
COMPUTED = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "//",
    ast.FloorDiv: "*",
    ast.Div: "*",
    ast.Mod: "//",
    ast.LShift: ">>",
    ast.RShift: "<<",
    ast.BitAnd: "|",
    ast.BitOr: "&",
    ast.BitXor: "&",
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
STATEMENTS_IN = ("body", "orelse", "finalbody", "handlers")


@dataclass(frozen=True)
class Change:
    """In `path` (seen from lib/fence_pr), in the function `where` ("" outside of all), one text takes another's place.

    begin, end   what is replaced, in bytes of the file
    lines        first and last line of what must run so that the change matters
    before, after  the lines around it, without indentation, before and after: what the record of survivors has
    entry        name and first line of the outermost function that it is in, with decorators; ("", 0) outside of all
    named        a name that the rest of lib knows what is changed by, "" if it is in a function
    """

    path: str
    where: str
    begin: int
    end: int
    text: str
    lines: tuple[int, int]
    before: str
    after: str
    entry: tuple[str, int]
    named: str

    @classmethod
    def of_json(cls, fields: dict[str, Any]) -> Change:
        """From what JSON makes of its `vars`."""
        return cls(**{**fields, "lines": tuple(fields["lines"]), "entry": tuple(fields["entry"])})

    def applied(self, source: bytes) -> bytes:
        """The file's text with the change."""
        return source[: self.begin] + self.text.encode() + source[self.end :]

    def __str__(self) -> str:
        where = f" {self.where}" if self.where else ""
        return f"== {self.path}{where}\n-{self.before}\n+{self.after}"


def of(path: str, source: bytes) -> list[Change]:
    """All changes of one file, in the order of its text."""
    finder = _Finder(path, source)
    finder.statements(ast.parse(source).body, _Place())
    return sorted(dict.fromkeys(finder.found), key=lambda it: (it.begin, it.end, it.text))


@dataclass(frozen=True)
class _Place:
    """Where a statement is: names around it; the outermost function, and a name for what is in none."""

    names: tuple[str, ...] = ()
    entry: tuple[str, int] = ("", 0)
    named: str = ""

    def inside(self, name: str, first_line: int, function: bool) -> _Place:
        entry = (name, first_line) if function and not self.entry[0] else self.entry
        return _Place((*self.names, name), entry, self.named or name)


@dataclass
class _Finder:
    """Collects the changes of one file."""

    path: str
    source: bytes
    found: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._starts = [0]
        for line in self.source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def statements(self, body: list[ast.stmt], place: _Place) -> None:
        """All statements of a block, and what is in them."""
        for statement in body:
            if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
                self._definition(statement, place)
            elif not _is_for_type_checkers(statement):
                self._statement(statement, place)

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, place: _Place) -> None:
        first_line = min([node.lineno, *(it.lineno for it in node.decorator_list)])
        if isinstance(node, FUNCTIONS):
            outside = _Place((*place.names, node.name), place.entry, place.named or node.name)
            for value in [*node.args.defaults, *filter(None, node.args.kw_defaults)]:
                self._expressions(value, value, outside)
        self.statements(node.body, place.inside(node.name, first_line, isinstance(node, FUNCTIONS)))

    def _statement(self, node: ast.stmt, place: _Place) -> None:
        around = _head(node)
        if not place.entry[0] and isinstance(node, (ast.Assign, ast.AnnAssign)) and not place.names:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            place = _Place((), place.entry, target.id if isinstance(target, ast.Name) else "")
        self._whole(node, around, place)
        for name, value in ast.iter_fields(node):
            if name in STATEMENTS_IN or name == "annotation":
                continue
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, ast.AST):
                    self._expressions(part, around, place)
        for name in STATEMENTS_IN:
            for part in getattr(node, name, []):
                if isinstance(part, ast.ExceptHandler):
                    if part.type:
                        self._expressions(part.type, part.type, place)
                    self.statements(part.body, place)
                else:
                    self.statements([part], place)

    def _whole(self, node: ast.stmt, around: ast.AST, place: _Place) -> None:
        """The statement is left out, or does something else."""
        if isinstance(node, ast.Return) and node.value and not _is_nothing(node.value):
            self._add(node.value, "None", around, place)
        elif (
            isinstance(node, (ast.Raise, ast.Delete))
            or (isinstance(node, ast.Expr) and not _is_text(node.value))
            or isinstance(node, ast.AugAssign)
        ):
            self._add(node, "pass", around, place)
        elif isinstance(node, ast.Continue):
            self._add(node, "break", around, place)
        elif isinstance(node, ast.Break):
            self._add(node, "continue", around, place)
        if isinstance(node, (ast.If, ast.While)) and not _is_turned_by_itself(node.test):
            self._add(node.test, f"not ({self._text(node.test)})", around, place)

    def _expressions(self, node: ast.AST, around: ast.AST, place: _Place) -> None:
        if isinstance(node, (ast.JoinedStr, ast.arg)):
            return
        for text in self._others(node):
            self._add(node, text, around, place)
        if isinstance(node, ast.Subscript) and not place.entry[0] and place.named[:1].isupper():
            return  # what a type is called
        for part in ast.iter_child_nodes(node):
            self._expressions(part, around, place)

    def _others(self, node: ast.AST) -> Iterator[str]:
        """What may stand in place of an expression."""
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = self._text(node.left), self._text(node.comparators[0])
            yield f"({left}) {COMPARED[type(node.ops[0])]} ({right})"
        elif isinstance(node, ast.BoolOp):
            parts = [f"({self._text(it)})" for it in node.values]
            word, other = (" and ", " or ") if isinstance(node.op, ast.And) else (" or ", " and ")
            yield f"({other.join(parts)})"
            yield from (f"({word.join(parts[:left_out] + parts[left_out + 1 :])})" for left_out in range(len(parts)))
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
            yield f"({self._text(node.operand)})"
        elif isinstance(node, ast.BinOp) and type(node.op) in COMPUTED and not _is_text(node.left):
            yield f"({self._text(node.left)}) {COMPUTED[type(node.op)]} ({self._text(node.right)})"
        elif isinstance(node, ast.IfExp):
            yield f"({self._text(node.body)})"
            yield f"({self._text(node.orelse)})"
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield str(not node.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            yield str(node.value + 1)

    def _text(self, node: ast.AST) -> str:
        begin, end = self._span(node)
        return self.source[begin:end].decode()

    def _span(self, node: ast.AST) -> tuple[int, int]:
        assert isinstance(node, (ast.expr, ast.stmt))
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[node.end_lineno - 1] + node.end_col_offset

    def _add(self, node: ast.AST, text: str, around: ast.AST, place: _Place) -> None:
        begin, end = self._span(node)
        assert isinstance(around, (ast.expr, ast.stmt))
        last = around.end_lineno or around.lineno
        first_byte, last_byte = self._starts[around.lineno - 1], self._starts[last]
        before = self.source[first_byte:last_byte].decode()
        after = (self.source[first_byte:begin] + text.encode() + self.source[end:last_byte]).decode()
        where = ".".join(place.names)
        lines = around.lineno, last
        change = Change(
            self.path, where, begin, end, text, lines, _one_line(before), _one_line(after), place.entry,
            "" if place.entry[0] else place.named,
        )  # fmt: skip
        self.found.append(change)


def _head(node: ast.stmt) -> ast.AST:
    """Of a statement with a block, what stands in front of the block."""
    if isinstance(node, (ast.If, ast.While)):
        return node.test
    if isinstance(node, ast.For):
        return node.iter
    if isinstance(node, ast.With):
        return node.items[0].context_expr
    if isinstance(node, ast.Try):
        return node.body[0] if not getattr(node.body[0], "body", None) else _head(node.body[0])
    return node


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _is_nothing(node: ast.expr) -> bool:
    """What is as false as None."""
    if isinstance(node, ast.Constant):
        return not node.value
    return isinstance(node, (ast.Tuple, ast.List)) and not node.elts


def _is_turned_by_itself(node: ast.expr) -> bool:
    """A condition that another change turns into its contrary."""
    if isinstance(node, ast.Compare):
        return isinstance(node.ops[0], (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn))
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and (isinstance(node.value, (str, bytes)) or node.value is ...)
    )


def _is_for_type_checkers(node: ast.stmt) -> bool:
    if isinstance(node, (ast.Assert, ast.Import, ast.ImportFrom)):
        return True
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return isinstance(node, ast.Assign) and any(
        isinstance(it, ast.Name) and it.id == "TYPE_CHECKING" for it in node.targets
    )


def line_of(file: Path, change: Change) -> int:
    """Where it is, for a person."""
    return file.read_bytes()[: change.begin].count(b"\n") + 1
