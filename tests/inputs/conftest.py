"""Counts the inputs that properties try."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import tried
from tests.inputs.properties import TRIED

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Of each test."""
    before = TRIED.total()
    result = yield
    if TRIED.total() > before:
        tried.count(pyfuncitem, tried.INPUTS, TRIED.total() - before)
    return result
