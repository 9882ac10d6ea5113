"""A command line of the tool → what it asks for; and what --help prints."""

from __future__ import annotations

from .. import command_line, options
from ..errors import UsageError
from ..nearest import nearest
from ..option_table import FLAG, SECONDS, STRING
from ..record import Record
from .subcommands import COMMON, EXITS, SUBCOMMANDS, TOOL, Subcommand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..option_table import Option


def subcommand(name: str) -> Subcommand:
    """The subcommand of this name. Raises UsageError."""
    names = [it.name for it in SUBCOMMANDS]
    if name not in names:
        raise UsageError("subcommand-unrecognised", value=name, near=nearest(name, names), choices=tuple(names))
    return SUBCOMMANDS[names.index(name)]


def all_options() -> tuple[Option, ...]:
    """The options of all subcommands, each once."""
    return tuple(dict.fromkeys((*(option for it in SUBCOMMANDS for option in it.options), *COMMON)))


class Call(Record):
    """A call that can be meant.

    subcommand  None if only --help or --version is asked for
    words       what follows it
    values      every option of the subcommand by name, defaults filled in, flags as "1" or ""
    given       the names of the options that were given
    """

    subcommand: Subcommand | None
    words: tuple[str, ...]
    values: dict[str, str]
    given: frozenset[str] = frozenset()

    def name(self) -> str:
        """The subcommand's name, "" if there is none."""
        return self.subcommand.name if self.subcommand else ""

    def with_value(self, name: str, value: str) -> Call:
        """The same call with another value."""
        return Call(self.subcommand, self.words, {**self.values, name: value}, self.given | {name})

    def flag(self, name: str) -> bool:
        """Whether the flag is given."""
        return self.values[name] == "1"

    def seconds(self, name: str) -> float:
        """The value of an option that is a time, in seconds."""
        return float(self.values[name])


def parse(arguments: list[str]) -> Call:
    """What a command line (without the program's name) asks for. Raises UsageError."""
    pairs, words = command_line.read(arguments, all_options())
    asked = subcommand(words[0]) if words else None
    offered = (*(asked.options if asked else ()), *COMMON)
    values = {option.name: option.default for option in offered}
    for option, value in pairs:
        if option not in offered:
            where = asked.name if asked else TOOL
            raise UsageError("option-of-another-subcommand", option=option.long(), subcommand=where)
        if option.kind == STRING and not value:
            raise UsageError("option-needs-value", option=f"--{option.long()}")
        values[option.name] = "1" if option.kind == FLAG else options.checked(option, value)
    call = Call(asked, tuple(words[1:]), values, frozenset(option.name for option, _ in pairs))
    if not call.flag("help") and not call.flag("version"):
        _check(call)
    return call


def _check(call: Call) -> None:
    if call.subcommand is None:
        raise UsageError("subcommand-missing", choices=tuple(it.name for it in SUBCOMMANDS))
    asked, words = call.subcommand, call.words
    if len(words) < asked.least:
        raise UsageError("word-missing", subcommand=asked.name, words=asked.words)
    if asked.deeds and words[0] not in asked.deeds:
        near = nearest(words[0], asked.deeds)
        raise UsageError("deed-unrecognised", subcommand=asked.name, value=words[0], near=near, choices=asked.deeds)
    if asked.most is not None and len(words) > asked.most:
        raise UsageError("argument-unexpected", value=words[asked.most])
    for option in asked.options:
        if option.kind == SECONDS and float(call.values[option.name]) <= 0:
            raise UsageError("limit-zero", option=option.name, value=call.values[option.name])


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether a call that may be wrong asks for JSON."""
    return "--json" in arguments[: arguments.index("--") if "--" in arguments else len(arguments)]


def help_text(asked: Subcommand | None) -> str:
    """What --help prints."""
    from ..metadata import usage, wrapped

    examples = asked.examples if asked else [example for it in SUBCOMMANDS for example in it.examples[:1]]
    lines = ["Examples:"]
    for command, meaning in examples:
        lines += [f"   {command}", f"      {meaning}"]
    lines += ["", "Usage:", f"   {TOOL} {asked.name} {asked.words} [options]" if asked else f"   {TOOL} SUBCOMMAND …"]
    if asked:
        lines += ["", *wrapped("", _capital(f"{asked.help}.\n{asked.more}"), column=4)]
    else:
        lines += ["", "Subcommands:"]
        for it in SUBCOMMANDS:
            lines += wrapped(it.name, it.help)
    lines += ["", "Options:"]
    for option in (*(asked.options if asked else ()), *COMMON):
        default = f" (default {option.default})" if option.default else ""
        choices = f": {', '.join(option.choices)}" if option.choices else ""
        lines += wrapped(usage(option), option.help + choices + default)
    lines += ["", "Exit status:"]
    for code, meaning in EXITS:
        lines += wrapped(str(code), meaning, column=9)
    return "\n".join(lines)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
