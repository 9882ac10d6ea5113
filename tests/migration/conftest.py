"""Hosts with the fence agents of several Debian suites, one set each for all tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster import root
from tests.lab.plugin import or_not_covered
from tests.migration.hosts import Hosts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.root import Stack


def _parameter(stack: Stack, mark: pytest.MarkDecorator) -> object:
    return pytest.param(stack, id=stack.suite, marks=(mark, pytest.mark.xdist_group(f"migration-{stack.suite}")))


# fence-agents 4.12.1 and 4.17.0
SUITES = [_parameter(root.BOOKWORM, pytest.mark.slow), _parameter(root.FORKY, pytest.mark.long)]


@pytest.fixture(scope="package", params=SUITES)
def booted(request: pytest.FixtureRequest) -> Iterator[Hosts]:
    """The hosts of each suite in turn."""
    stack: Stack = request.param
    found = or_not_covered(lambda: Hosts(stack.folder()))
    yield found
    found.fabric.stop()


@pytest.fixture
def hosts(booted: Hosts) -> Hosts:
    """The hosts, nothing registered."""
    booted.reset()
    return booted
