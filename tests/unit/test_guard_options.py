"""The guard's command line."""

from __future__ import annotations

import pytest

from fence_pr.errors import UsageError
from fence_pr.guard.options import (
    CHECK,
    EXAMPLES,
    FORGET,
    GUARD,
    HELP,
    OPTIONS,
    REPAIR,
    RUN,
    TEST,
    VERSION,
    help_text,
    parse,
)
from fence_pr.guard.verdict import LOG, REBOOT, STOP, Policy


def test_without_arguments_it_guards_and_reboots_a_fenced_node() -> None:
    settings = parse([])
    assert settings.mode == RUN
    assert settings.policy == Policy() == Policy(REBOOT, LOG, LOG, 30.0)
    assert (settings.interval, settings.register, settings.verbose) == (1.0, False, False)


def test_a_fenced_node_is_gone_within_three_seconds_of_the_defaults() -> None:
    settings = parse([])
    first_path_hangs = settings.interval
    assert settings.interval + first_path_hangs + settings.confirm_after < 2.5


def test_every_option_is_understood() -> None:
    actions = ["--fenced=stop", "--unprotected=REBOOT", "--unreadable", "stop", "--returned-paths=report", "-v"]
    times = ["--unreadable-after=5", "--interval=0.5", "--confirm-after=0", "--path-interval=7"]
    settings = parse([*actions, *times])
    assert settings.policy == Policy(STOP, REBOOT, STOP, 5.0)
    assert (settings.interval, settings.confirm_after, settings.path_interval) == (0.5, 0.0, 7.0)
    assert settings.verbose


@pytest.mark.parametrize(
    ("arguments", "mode", "code"),
    [
        (["--check"], CHECK, 0),
        (["test"], TEST, 0),
        (["--fenced=log", "test"], TEST, 0),
        (["--check", "test"], TEST, 0),
        (["repair", "254"], REPAIR, 254),
        (["repair", "5", "/etc/watchdog.d/pr_fence_guard"], REPAIR, 5),
        (["repair"], REPAIR, 1),
        (["repair", "0"], REPAIR, 1),
        (["repair", "256"], REPAIR, 1),
        (["repair", "nonsense"], REPAIR, 1),
        (["--forget=naa.1"], FORGET, 0),
        (["--forget", "naa.1", "--check"], FORGET, 0),
        (["-h"], HELP, 0),
        (["--version", "--fenced=log"], VERSION, 0),
    ],
)
def test_what_it_is_called_for(arguments: list[str], mode: str, code: int) -> None:
    settings = parse(arguments)
    assert (settings.mode, settings.code) == (mode, code)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--forget="], "--forget requires an argument"),
        (["--fenced=explode"], "log, stop, reboot"),
        (["--fenced=rebot"], "log, stop, reboot (did you mean 'reboot'?)"),
        (["--retruned-paths=report"], "option --retruned-paths is not recognised (did you mean '--returned-paths'?)"),
        (["-check"], "did you mean '--check'?"),
        (["-H"], "did you mean '-h'?"),
        (["--fenced="], "fenced"),
        (["--fences=log"], "fences"),
        (["--interval=0"], "interval"),
        (["--interval=-1"], "interval"),
        (["--interval=61"], "0.01 to 60"),
        (["--interval=1e-3"], "interval"),
        (["--confirm-after=61"], "confirm_after"),
        (["--path-interval=0"], "path_interval"),
        (["--unreadable-after=1"], "longer than the interval"),
        (["--unreadable-after=soon"], "unreadable_after"),
        (["--returned-paths=register", "--fenced=log"], "needs fenced=reboot"),
        (["--returned-paths=register", "--fenced=stop"], "needs fenced=reboot"),
        (["test", "it"], "unexpected argument"),
        (["start"], "unexpected argument"),
        (["-o", "off"], "option -o is not recognised"),
    ],
)
def test_a_malformed_call_guards_nothing_and_says_why(arguments: list[str], named: str) -> None:
    with pytest.raises(UsageError) as wrong:
        parse(arguments)
    assert named in str(wrong.value)


def test_help_tells_every_option_and_its_default() -> None:
    words = " ".join(help_text().split())
    for option in OPTIONS:
        assert f"--{option.long()}" in words
        assert not option.default or f"(default {option.default})" in words


def test_help_begins_with_calls_that_are_understood() -> None:
    shown = help_text().split("\n\n")[0].splitlines()
    assert shown == ["Examples:", *(f"   {line}" for example in EXAMPLES for line in (example[0], f"   {example[1]}"))]
    calls = [command.split() for command, _ in EXAMPLES if command.startswith(f"{GUARD} ")]
    assert len(calls) >= 2
    for words in calls:
        parse(words[1:])
