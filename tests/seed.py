"""What tests leave to chance: each run has another seed, which it prints; FENCE_PR_SEED gives the same once more.

All processes of a run have one seed: it stands in the environment. Whatever draws from it does so under a name of its
own, so that one test by itself draws what it drew among all others.
"""

from __future__ import annotations

import hashlib
import os
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

VARIABLE = "FENCE_PR_SEED"
# What else decides what a run tries.
WITH_IT = ("CI", "FENCE_PR_LONG")


def of_run() -> int:
    """This run's."""
    return int(os.environ.setdefault(VARIABLE, str(random.SystemRandom().getrandbits(32))))


def number(name: str) -> int:
    """32 bits of this run's chance for what has this name."""
    return int.from_bytes(hashlib.sha256(f"{of_run()} {name}".encode()).digest()[:4], "big")


def chance(name: str) -> random.Random:
    """This run's chance for what has this name."""
    return random.Random(number(name))


def again(command: str) -> str:
    """The command that does the same once more."""
    others = [f"{name}={os.environ[name]} " for name in WITH_IT if os.environ.get(name)]
    return f"{VARIABLE}={of_run()} {''.join(others)}{command}"


def pytest_configure(config: pytest.Config) -> None:
    """Before other processes are started; hypothesis has the same seed."""
    from hypothesis import core

    if config.getoption("hypothesisseed", None) is None:
        core.global_force_seed = of_run()  # type: ignore[assignment]


def pytest_report_header() -> str:
    """At the beginning of a run."""
    return f"seed: {of_run()} ({VARIABLE})"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """After a failure, how to see it again: quiet runs have no header."""
    failed = [it.nodeid for outcome in ("failed", "error") for it in terminalreporter.stats.get(outcome, [])]
    if failed:
        command = f"make test ARGS='{failed[0].partition('@')[0]}'"
        terminalreporter.write_line(f"what was left to chance, again: {again(command)}")
