"""Which known word an unknown one may have been meant for."""

from __future__ import annotations

import sys
import time
from subprocess import run

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fence_pr.nearest import nearest, slips
from fence_pr.option_table import OPTIONS
from tests.unit.process import PROJECT

LETTERS = st.text("abc-", max_size=7)


@pytest.mark.parametrize(
    ("word", "other", "count"),
    [
        ("", "", 0),
        ("", "abc", 3),
        ("off", "off", 0),
        ("of", "off", 1),
        ("offf", "off", 1),
        ("opf", "off", 1),
        ("devcies", "devices", 1),
        ("ca", "abc", 3),
        ("kitten", "sitting", 3),
    ],
)
def test_slips_are_counted(word: str, other: str, count: int) -> None:
    assert (slips(word, other), slips(other, word)) == (count, count)


@given(LETTERS, LETTERS)
def test_slips_are_none_for_the_same_word_and_at_least_the_difference_in_length(word: str, other: str) -> None:
    assert (slips(word, other) == 0) == (word == other)
    assert abs(len(word) - len(other)) <= slips(word, other) <= max(len(word), len(other))


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("of", "off"),
        ("onn", "on"),
        ("ON", "on"),
        ("fo", ""),
        ("o", ""),
        ("stat", "status"),
        ("st", ""),
        ("monitro", "monitor"),
        ("mnitro", "monitor"),
        ("mntro", ""),
        ("", ""),
        ("reboot", ""),
    ],
)
def test_the_nearest_word_begins_like_it_or_is_a_slip_away_for_each_three_letters(word: str, found: str) -> None:
    assert nearest(word, ("on", "off", "status", "monitor")) == found
    assert nearest(word, ("on", "off", "status", "monitor")) == found


def test_a_beginning_that_is_not_the_only_one_tells_nothing() -> None:
    assert nearest("power", ("power_timeout", "power_wait")) == ""


@given(st.text(max_size=60), st.lists(st.text(max_size=12), max_size=8))
def test_what_is_meant_is_always_a_known_word(word: str, known: list[str]) -> None:
    assert nearest(word, known) in {"", *known}


def test_no_word_is_so_long_that_comparing_takes_time() -> None:
    started = time.process_time()
    for _ in range(20):
        assert nearest("power_timeot" + "x" * 1_000_000, [option.name for option in OPTIONS]) == ""
    assert time.process_time() - started < 1


def test_a_call_that_is_right_does_not_load_it() -> None:
    """Start-up is part of fencing time."""
    program = (
        f"import sys; sys.path.insert(0, {str(PROJECT / 'lib')!r})\n"
        "from fence_pr import agent, options\n"
        "options.from_stdin(b'action=off\\nplug=n1\\ndevices=/dev/sda\\n')\n"
        "options.from_argv(['-o', 'off', '-n', 'n1', '-d', '/dev/sda'])\n"
        "assert 'fence_pr.nearest' not in sys.modules and 'difflib' not in sys.modules\n"
        "options.from_stdin(b'action=off\\nplug=n1\\ndevices=/dev/sda\\ncolour=blue\\n')\n"
        "assert 'fence_pr.nearest' in sys.modules and 'difflib' not in sys.modules\n"
    )
    run([sys.executable, "-I", "-c", program], check=True)
