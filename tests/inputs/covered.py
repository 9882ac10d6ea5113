"""What cannot be tried on this machine is said loudly, and is a failure in CI."""

from __future__ import annotations

import os

import pytest

from tests.lab.plugin import NOT_COVERED


def or_not_covered(reason: str) -> None:
    """Go on if there is no reason not to."""
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"{NOT_COVERED}{reason}", pytrace=False)
    if reason:
        pytest.skip(f"{NOT_COVERED}{reason}")
