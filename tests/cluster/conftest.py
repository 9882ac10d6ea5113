"""Running clusters for tests: one at a time, mended between tests."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.cluster import latency, root, table
from tests.cluster.cluster import PacemakerCluster
from tests.cluster.setup import Setup
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
        # That a write takes the disks of whatever cluster runs.
        self.milliseconds = 0

    def new(self, stack: Stack, setup: Setup) -> PacemakerCluster:
        """A cluster whose daemons have not been started; the one before is gone."""
        self.stop()
        self.current = or_not_covered(lambda: PacemakerCluster(stack, setup))
        self.current.spoilt = True
        self.current.hold(self.milliseconds)
        return self.current

    def whole(self, stack: Stack, setup: Setup) -> PacemakerCluster:
        """A cluster that runs in full, with this setup."""
        found = self.current
        if found and not found.spoilt and (found.stack, found.setup) == (stack, setup):
            found.spoilt = True  # unless it can be mended
            found.hold(self.milliseconds)
            found.mend()
            found.spoilt = False
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
    """One process has the clusters of a stack, one after the other."""
    return pytest.param(stack, id=stack.suite, marks=(*marks, pytest.mark.xdist_group(f"cluster-{stack.suite}")))


# Each scenario is marked slow or long itself; with the newer stack all are long.
STACKS = [_parameter(root.BOOKWORM), _parameter(root.FORKY, pytest.mark.long)]


@pytest.fixture(scope="session", params=STACKS)
def stack(request: pytest.FixtureRequest) -> Stack:
    """The cluster stacks in turn."""
    found = request.param
    assert isinstance(found, root.Stack)
    return found


@pytest.fixture(scope="package")
def clusters(request: pytest.FixtureRequest) -> Iterator[Clusters]:
    """All that tests need to have clusters of their own."""
    request.config.stash[CLUSTERS] = Clusters()
    yield request.config.stash[CLUSTERS]
    request.config.stash[CLUSTERS].stop()


@pytest.fixture(autouse=True)
def _latency(request: pytest.FixtureRequest, clusters: Clusters) -> None:
    """That of the scenario, before its cluster is asked for."""
    clusters.milliseconds = latency.of(request.function.__name__)


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
    """Put the scenario's row of the table into the report and, if it failed, what happened in the cluster."""
    report = yield
    clusters = item.config.stash.get(CLUSTERS, None)
    cluster = clusters.current if clusters else None
    if not {"two", "three", "clusters"} & set(getattr(item, "fixturenames", ())):
        return report
    assert isinstance(item, pytest.Function)
    others = [value for parameter, value in item.callspec.params.items() if parameter != "stack"]
    pacemaker = cluster.pacemaker if cluster else ""
    transport = table.transport(cluster.setup.disks) if cluster else ""
    store = f"{latency.of(item.originalname)} ms"
    said = (table.name(item.originalname, others), pacemaker, transport, store)
    report.user_properties.append((table.SCENARIO, said))
    if report.failed and cluster:
        cluster.spoilt = True  # it may be beyond repair
        with contextlib.suppress(LabError):
            report.sections.append(("the cluster", cluster.story()))
    return report
