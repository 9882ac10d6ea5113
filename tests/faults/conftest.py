"""Counts the faults that the tests inject; `summary` says the numbers at the end."""

from __future__ import annotations

import pytest

from tests.tried import Faults


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> Faults:
    """Where a test says which fault it injects."""
    parameters = request.node.callspec.params
    return Faults(request.node, str(parameters.get("kernel") or parameters["nvme_kernel"]))
