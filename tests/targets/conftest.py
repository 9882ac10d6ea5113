"""A guest that has the other targets, for all tests of a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import kernels, plugin
from tests.lab.guest import Guest
from tests.lab.plugin import or_not_covered
from tests.targets import root
from tests.targets.disks import KINDS, UserlandDisks

if TYPE_CHECKING:
    from collections.abc import Iterator

PARAMETERS = [
    plugin.parameter(plugin.OLDEST, pytest.mark.long, group="targets-"),
    plugin.parameter(plugin.NEWEST, pytest.mark.slow, group="targets-"),
]


@pytest.fixture(scope="session", params=PARAMETERS)
def target_kernel(request: pytest.FixtureRequest) -> str:
    """The kernels in turn, by name."""
    return str(request.param)


@pytest.fixture(scope="session")
def targets(target_kernel: str) -> Iterator[dict[str, UserlandDisks]]:
    """The disks of both targets, by kind, in one guest."""
    with or_not_covered(lambda: Guest(kernels.source(target_kernel).kernel(), root.folder())) as guest:
        yield UserlandDisks.of_all(guest)


@pytest.fixture(params=KINDS)
def disks(targets: dict[str, UserlandDisks], request: pytest.FixtureRequest) -> UserlandDisks:
    """The disks of each target in turn, without registrations."""
    found = targets[str(request.param)]
    found.clear()
    return found


@pytest.fixture
def tgt(targets: dict[str, UserlandDisks]) -> UserlandDisks:
    """Those of tgt, without registrations."""
    found = targets["tgt"]
    found.clear()
    return found


@pytest.fixture
def istgt(targets: dict[str, UserlandDisks]) -> UserlandDisks:
    """Those of istgt, without registrations."""
    found = targets["istgt"]
    found.clear()
    return found
