"""The words of a command line → options and their values, in the manner of GNU's getopt_long. Pure.

The standard `getopt` does the same, but imports gettext, re and locale, which takes as much processor time as the
interpreter's own start.
"""

from __future__ import annotations

from .errors import UsageError
from .option_table import FLAG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .option_table import Option


def read(arguments: Sequence[str], options: Sequence[Option]) -> tuple[list[tuple[Option, str]], list[str]]:
    """The options in their order, each with its value ("" for a flag), and the words that are none.

    A long form may be shortened as long as it is clear, a value stands behind = or is the next word; short forms may
    share a word, the last one with its value. Behind -- nothing is an option. Raises UsageError.
    """
    given: list[tuple[Option, str]] = []
    words: list[str] = []
    left = iter(arguments)
    for word in left:
        if word == "--":
            words += left
        elif word.startswith("--"):
            given.append(_long(word[2:], left, options))
        elif word.startswith("-") and word != "-":
            given += _short(word[1:], left, options)
        else:
            words.append(word)
    return given, words


def _long(word: str, left: Iterator[str], options: Sequence[Option]) -> tuple[Option, str]:
    name, equals, value = word.partition("=")
    option = _named(name, options)
    if option.kind != FLAG:
        return option, value if equals else _next(f"--{name}", left)
    if equals:
        raise UsageError("option-takes-no-value", option=name, value=value)
    return option, ""


def _named(name: str, options: Sequence[Option]) -> Option:
    dashed = name.replace("_", "-")
    longs = {long.replace("_", "-"): option for option in options for long in option.names()}
    if dashed in longs:
        return longs[dashed]
    begun = {option.name: option for long, option in longs.items() if long.startswith(dashed)}
    if len(begun) == 1:
        return begun.popitem()[1]
    if begun:
        raise UsageError("option-ambiguous", option=name)
    raise UsageError("option-unrecognised", option=f"--{name}", near=_meant(dashed, longs))


def _short(letters: str, left: Iterator[str], options: Sequence[Option]) -> list[tuple[Option, str]]:
    shorts = {option.short: option for option in options if option.short}
    given: list[tuple[Option, str]] = []
    for at, letter in enumerate(letters, 1):
        if letter not in shorts:
            near = _meant_by(letter, letters, options)
            raise UsageError("option-unrecognised", option=f"-{letter}", near=near)
        if shorts[letter].kind != FLAG:
            return [*given, (shorts[letter], letters[at:] or _next(f"-{letter}", left))]
        given.append((shorts[letter], ""))
    return given


def _next(option: str, left: Iterator[str]) -> str:
    value = next(left, None)
    if value is None:
        raise UsageError("option-needs-value", option=option)
    return value


def _meant_by(letter: str, letters: str, options: Sequence[Option]) -> str:
    """Behind a single dash each letter is an option: a long form with a dash too few, or the wrong case."""
    longs = {long.replace("_", "-"): option for option in options for long in option.names()}
    near = _meant(letters.partition("=")[0].replace("_", "-"), longs)
    other = letter.swapcase()
    return near or (f"-{other}" if any(option.short == other for option in options) else "")


def _meant(word: str, longs: dict[str, Option]) -> str:
    from .nearest import nearest

    near = nearest(word, longs)
    return f"--{near}" if near else ""
