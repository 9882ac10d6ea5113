"""One machine for all tests of the ecosystem's programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster import root
from tests.cluster.root import Stack
from tests.lab.plugin import or_not_covered
from tests.programs.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator


def _parameter(stack: Stack, mark: pytest.MarkDecorator) -> object:
    return pytest.param(stack, id=stack.suite, marks=(mark, pytest.mark.xdist_group(f"programs-{stack.suite}")))


STACKS = [_parameter(root.BOOKWORM, pytest.mark.slow), _parameter(root.FORKY, pytest.mark.long)]


@pytest.fixture(scope="session", params=STACKS)
def booted(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A machine for each suite."""
    stack = request.param
    assert isinstance(stack, Stack)
    found = or_not_covered(lambda: Machine(stack))
    yield found
    found.stop()


@pytest.fixture
def machine(booted: Machine) -> Machine:
    """The machine with a cluster that has no fence device, and disks without registrations."""
    booted.forget()
    return booted
