"""For the tests of packages: what was built, and machines to install it on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.plugin import or_not_covered
from tests.packaging import builds, trees
from tests.packaging.container import Container
from tests.packaging.selinux import make_policies

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.packaging.builds import Binaries, Packages


@pytest.fixture(scope="session")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all containers share."""
    return tmp_path_factory.mktemp("exchange")


@pytest.fixture(scope="session")
def workshop(exchange: Path) -> Iterator[Container]:
    """A machine of a packager, for all tests."""
    with or_not_covered(lambda: Container(trees.tools(), exchange)) as container:
        yield container


@pytest.fixture(scope="session")
def packages(workshop: Container) -> Packages:
    """The packages of this version."""
    return builds.build(workshop)


@pytest.fixture(scope="session")
def older(workshop: Container) -> Binaries:
    """The packages of an older version, with more modules."""
    return builds.build_older(workshop)


@pytest.fixture
def clean(exchange: Path) -> Iterator[Container]:
    """A new machine without the agent."""
    with or_not_covered(lambda: Container(trees.clean(), exchange)) as container:
        yield container


@pytest.fixture
def rpm_machine(exchange: Path) -> Iterator[Container]:
    """A new machine with rpm and without the agent."""
    with or_not_covered(lambda: Container(trees.tools(), exchange)) as container:
        yield container


@pytest.fixture(scope="session")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A machine with Debian's policy for SELinux, without the project's module and with it."""
    with or_not_covered(lambda: Container(trees.selinux(), tmp_path_factory.mktemp("policies"))) as machine:
        make_policies(machine)
        yield machine
