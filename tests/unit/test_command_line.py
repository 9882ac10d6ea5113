"""A command line is read as GNU programs read theirs."""

from __future__ import annotations

import getopt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fence_pr import command_line
from fence_pr.errors import UsageError
from fence_pr.option_table import FLAG, OPTIONS

SPELLINGS = {
    spelling: option
    for option in OPTIONS
    for name in option.names()
    for spelling in (name, name.replace("_", "-"))
}  # fmt: skip
SHORTS = "".join(option.short + ("" if option.kind == FLAG else ":") for option in OPTIONS if option.short)
LONGS = [name + ("" if option.kind == FLAG else "=") for name, option in SPELLINGS.items()]
WORDS = st.one_of(
    st.sampled_from([f"--{name}" for name in SPELLINGS]),
    st.sampled_from([f"--{name}=value" for name in SPELLINGS]),
    st.sampled_from([f"--{name[:-1]}" for name in SPELLINGS]),
    st.sampled_from([f"-{option.short}" for option in OPTIONS if option.short]),
    st.sampled_from(["-vv", "-qvon", "-n", "-nn1", "-n=n1", "n1", "", "-", "--", "-x", "--x", "--v", "--verbose=1"]),
    st.text(max_size=6),
)


def plain(arguments: list[str]) -> tuple[list[tuple[str, str]], list[str]] | None:
    """What is read, by names; None if it is refused."""
    try:
        pairs, words = command_line.read(arguments, OPTIONS)
    except UsageError:
        return None
    return [(option.name, value) for option, value in pairs], words


def by_getopt(arguments: list[str]) -> tuple[list[tuple[str, str]], list[str]] | None:
    """The same by the standard library."""
    shorts = {option.short: option for option in OPTIONS if option.short}
    try:
        pairs, words = getopt.gnu_getopt(arguments, SHORTS, LONGS)
    except getopt.GetoptError:
        return None
    found = [SPELLINGS[name[2:]] if name.startswith("--") else shorts[name[1:]] for name, _ in pairs]
    return [(option.name, value) for option, (_, value) in zip(found, pairs)], words


@pytest.mark.promise(8)
@given(st.lists(WORDS, max_size=6))
def test_it_reads_what_the_standard_library_reads(arguments: list[str]) -> None:
    """And no more, but for forms that begin several spellings of one option."""
    theirs = by_getopt(arguments)
    assert theirs is None or plain(arguments) == theirs


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--devcies=/dev/sda"], "option --devcies is not recognised (did you mean '--devices'?)"),
        (["--key_vlaue", "hash"], "option --key_vlaue is not recognised (did you mean '--key-value'?)"),
        (["-N", "n1"], "option -N is not recognised (did you mean '-n'?)"),
        (["-qNn1"], "option -N is not recognised (did you mean '-n'?)"),
        (["-o", "off", "-plug=n1"], "option -p is not recognised (did you mean '--plug'?)"),
        (["-action=off"], "option -c is not recognised (did you mean '--action'?)"),
        (["-x"], "option -x is not recognised"),
        (["--frobnicate"], "option --frobnicate is not recognised"),
        (["-o"], "option -o requires an argument"),
        (["--action"], "option --action requires an argument"),
        (["--p"], "option --p is not a unique prefix"),
        (["--pl", "n1"], "option --pl is not a unique prefix"),
        (["--=x"], "option -- is not a unique prefix"),
        (["--quiet=1"], "option --quiet does not take an argument"),
    ],
)
def test_what_is_wrong_is_told(arguments: list[str], problem: str) -> None:
    with pytest.raises(UsageError) as error:
        command_line.read(arguments, OPTIONS)
    assert str(error.value) == problem


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (["--act", "off", "--plug", "n1"], [("action", "off"), ("plug", "n1")], []),
        (["-vvn", "n1"], [("verbose", ""), ("verbose", ""), ("plug", "n1")], []),
        (["-ooff", "--", "-n", "n1"], [("action", "off")], ["-n", "n1"]),
        (["on", "--key=", "-"], [("key", "")], ["on", "-"]),
        (["--power_timeout=3", "--power-wait", "1"], [("power_timeout", "3"), ("power_wait", "1")], []),
    ],
)
def test_forms(arguments: list[str], options: list[tuple[str, str]], words: list[str]) -> None:
    assert plain(arguments) == (options, words)
