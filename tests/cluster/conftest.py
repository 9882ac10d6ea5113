"""Running clusters for tests: one at a time, mended between tests."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.cluster import root
from tests.cluster.cluster import NotReached, PacemakerCluster, Setup
from tests.lab.errors import LabError
from tests.lab.inside.layout import NODES
from tests.lab.plugin import or_not_covered

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.cluster.root import Stack

CLUSTERS = pytest.StashKey["Clusters"]()


class Clusters:
    """The cluster that runs, if there is one."""

    def __init__(self) -> None:
        self.current: PacemakerCluster | None = None

    def new(self, stack: Stack, setup: Setup) -> PacemakerCluster:
        """A cluster whose daemons have not been started; the one before is gone."""
        self.stop()
        self.current = or_not_covered(lambda: PacemakerCluster(stack, setup))
        self.current.spoilt = True
        return self.current

    def whole(self, stack: Stack, setup: Setup) -> PacemakerCluster:
        """A cluster that runs in full, with this setup."""
        found = self.current
        if found and not found.spoilt and (found.stack, found.setup) == (stack, setup):
            # A test that failed may have left it beyond repair.
            with contextlib.suppress(LabError, NotReached):
                found.mend()
                return found
        found = self.new(stack, setup)
        found.start()
        found.mend()
        found.spoilt = False
        return found

    def stop(self) -> None:
        """End it."""
        if self.current:
            self.current.stop()
        self.current = None


def _parameter(stack: Stack, *marks: pytest.MarkDecorator) -> object:
    name = f"cluster-{stack.suite}"
    return pytest.param(stack, id=stack.suite, marks=(*marks, pytest.mark.xdist_group(name)))


OLDEST = _parameter(root.BOOKWORM, pytest.mark.long)
NEWER = [_parameter(each, pytest.mark.long) for each in (root.TRIXIE, root.FORKY)]


@pytest.fixture(scope="session", params=[OLDEST, *NEWER])
def stack(request: pytest.FixtureRequest) -> Stack:
    """The cluster stacks in turn."""
    found = request.param
    assert isinstance(found, root.Stack)
    return found


@pytest.fixture(scope="session")
def clusters(request: pytest.FixtureRequest) -> Iterator[Clusters]:
    """All that tests need to have clusters of their own."""
    request.config.stash[CLUSTERS] = Clusters()
    yield request.config.stash[CLUSTERS]
    request.config.stash[CLUSTERS].stop()


@pytest.fixture
def two(clusters: Clusters, stack: Stack) -> PacemakerCluster:
    """A cluster of two nodes that runs in full."""
    return clusters.whole(stack, Setup())


@pytest.fixture
def three(clusters: Clusters, stack: Stack) -> PacemakerCluster:
    """A cluster of three nodes that runs in full."""
    return clusters.whole(stack, Setup(NODES))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put what happened in the cluster into the report of a failure."""
    report = yield
    clusters = item.config.stash.get(CLUSTERS, None)
    if (
        report.failed
        and clusters
        and clusters.current
        and {"two", "three", "clusters"} & set(getattr(item, "fixturenames", ()))
    ):
        with contextlib.suppress(LabError):
            report.sections.append(("the cluster", clusters.current.story()))
    return report
