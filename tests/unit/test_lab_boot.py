"""A guest that stands still as it boots is booted again, and that is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.errors import GuestLost
from tests.lab.plugin import StoodStill, booted


def test_a_guest_that_stands_still_once_is_booted_again_and_told_of() -> None:
    left = [GuestLost("linux-6.1", "no answer", Path("console.log"), "the end")]

    def boot() -> str:
        if left:
            raise left.pop()
        return "a guest"

    with pytest.warns(StoodStill, match="no answer"):
        assert booted(boot) == "a guest"


def test_a_guest_that_never_boots_is_a_failure() -> None:
    def boot() -> str:
        raise GuestLost("linux-6.1", "no answer", Path("console.log"), "the end")

    with pytest.warns(StoodStill), pytest.raises(GuestLost):
        booted(boot)
