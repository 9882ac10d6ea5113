"""pytest's side of the lab: the kernels, a cluster for each, the logs of failures, and what was not covered."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from typing import TYPE_CHECKING, NoReturn, TypeVar

import pytest

from tests.lab import guest, kernels, root
from tests.lab.cluster import Cluster
from tests.lab.errors import GuestLost, LabError, LabUnavailable
from tests.lab.fabric import Fabric
from tests.lab.guest import Guest
from tests.lab.inside.layout import NODES
from tests.lab.nvme import KERNEL_ARGUMENTS, Namespaces

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.lab.kernels import Kernel

T = TypeVar("T")
NOT_COVERED = "not covered: "
MUST_COVER = "FENCE_PR_MUST_COVER"
MOST_BOOTS = 3
LEFT_BEHIND = "what this test has left behind cannot be used again"


class StoodStill(UserWarning):
    """A guest did not boot. Told at the end of the run, with what each of its processes waited for."""


def booted(boot: Callable[[], T]) -> T:
    """What `boot` gives, which is tried again where a guest was lost.

    Some stand still for ever as they begin, before any test can have used them: seen on Linux 6.1, with four at once.
    """
    for _ in range(MOST_BOOTS - 1):
        try:
            return boot()
        except GuestLost as lost:
            warnings.warn(StoodStill(f"booted again: {lost}"), stacklevel=2)
    return boot()


class Clusters:
    """A running cluster for each kernel that has been asked for, booted on first use."""

    def __init__(self) -> None:
        self._running: dict[str, Cluster] = {}
        self._namespaces: dict[str, Namespaces] = {}
        self._fabrics: dict[str, Fabric] = {}
        self._failed: dict[str, LabError] = {}
        # What the test that runs has been given.
        self._used: set[str] = set()
        self._used_fabrics: set[str] = set()

    def fresh(self, name: str) -> Cluster:
        """The kernel's cluster, all clean.

        Raises LabUnavailable, or what else kept a guest from booting: then the next call does not try again.
        """
        if name in self._used:
            self._reset(name)
        if name in self._failed:
            raise self._failed[name]
        try:
            cluster = self._running.get(name) or booted(lambda: self._boot(name))
        except LabError as error:
            self._failed[name] = error
            raise
        self._running[name] = cluster
        self._used.add(name)
        return cluster

    def namespaces(self, name: str) -> Namespaces:
        """The NVMe namespaces of the kernel's cluster, which is clean; transport and state are the caller's."""
        cluster = self.fresh(name)
        if name not in self._namespaces or self._namespaces[name].cluster is not cluster:
            self._namespaces[name] = Namespaces(cluster)
        return self._namespaces[name]

    def fabric(self, name: str) -> Fabric:
        """Hosts with this kernel on a network with the storage, all connected, all clean."""
        if name in self._used_fabrics:
            self._reset_fabric(name)
        if name not in self._fabrics:
            hosts = dict.fromkeys(NODES, kernels.source(name).kernel())
            self._fabrics[name] = booted(lambda: Fabric(kernels.NVME.kernel(), hosts, root.folder()))
            self._fabrics[name].reset()
        self._used_fabrics.add(name)
        return self._fabrics[name]

    def end_of_test(self) -> list[LabError]:
        """Make clean what the test has used. What has died, or cannot be reset, is given up and told of."""
        found = []
        for names, reset in ((self._used, self._reset), (self._used_fabrics, self._reset_fabric)):
            for name in sorted(names):
                try:
                    reset(name)
                except LabError as error:
                    found.append(error)
        return found

    def _reset(self, name: str) -> None:
        self._used.discard(name)
        try:
            self._running[name].reset()
        except BaseException:
            self._running.pop(name).guest.stop()
            raise

    def _reset_fabric(self, name: str) -> None:
        """What was cut off is not used again: the kernel can take a minute to end a connection that broke just now."""
        self._used_fabrics.discard(name)
        fabric = self._fabrics[name]
        try:
            fabric.assert_nothing_died()
            if not fabric.was_cut:
                fabric.reset()
                return
        except BaseException:
            self._fabrics.pop(name).stop()
            raise
        self._fabrics.pop(name).stop()

    def running(self, name: str) -> Cluster | None:
        """The kernel's cluster if there is one."""
        return self._running.get(name)

    def stop(self) -> None:
        """End all guests."""
        for cluster in self._running.values():
            cluster.guest.stop()
        for fabric in self._fabrics.values():
            fabric.stop()

    @staticmethod
    def _boot(name: str) -> Cluster:
        guest = Guest(kernels.source(name).kernel(), root.folder(), arguments=KERNEL_ARGUMENTS)
        try:
            guest.boot()
            return Cluster(guest)
        except BaseException:
            guest.stop()
            raise


OLDEST, COMMON, NEWEST = (f"linux-{source.label()}" for source in kernels.SOURCES)
NVME, OLDER_NVME_HOST, COMMON_NVME_HOST, SEVERAL_PROCESSORS = (
    f"linux-{source.name}"
    for source in (kernels.NVME, kernels.OLDER_NVME_HOST, kernels.COMMON_NVME_HOST, kernels.SEVERAL_PROCESSORS)
)
# What nothing hangs on is tried with one kernel, or transport, in each run of CI. The older kernels take three times as
# long.
ONE_KERNEL, ONE_TRANSPORT = pytest.mark.by_chance("kernel", "host_kernel"), pytest.mark.by_chance("namespaces")
CLUSTERS = pytest.StashKey[Clusters]()


def parameter(name: str, *marks: pytest.MarkDecorator, group: str = "") -> object:
    """A kernel as a parameter of tests, which all run in one process, as one guest serves them.

    group: a word for tests that have a guest of their own
    """
    return pytest.param(name, id=name, marks=(*marks, pytest.mark.xdist_group(f"{group}{name}")))


def _host_parameter(name: str, *marks: pytest.MarkDecorator) -> object:
    return pytest.param(name, id=f"hosts-{name}", marks=(*marks, pytest.mark.xdist_group(f"hosts-{name}")))


@pytest.fixture(
    scope="session",
    params=[
        parameter(OLDEST, pytest.mark.slow, ONE_KERNEL),
        parameter(COMMON, pytest.mark.long),
        parameter(NEWEST, pytest.mark.by_chance("kernel", weight=8)),
    ],
)
def kernel(request: pytest.FixtureRequest) -> str:
    """The kernels of the lab by name, such as "linux-6.1": all for tests that tell them apart (`each`), else one."""
    return str(request.param)


# For tests that tell the kernels apart: all of them in CI.
each = pytest.mark.parametrize(
    "kernel",
    [parameter(OLDEST, pytest.mark.slow), parameter(COMMON, pytest.mark.slow), parameter(NEWEST)],
    indirect=True,
)
# The same for those that kill processes at any moment: user-mode Linux 6.12 panics where one is killed as it forks
# (`flush_tlb_mm` in arch/um goes through mappings that `dup_mmap` has left half copied).
killing = pytest.mark.parametrize("kernel", [parameter(OLDEST, pytest.mark.slow), parameter(NEWEST)], indirect=True)
# For tests in which nothing hangs on the kernel: others ask the older ones, which take three times as long, what they
# answer otherwise.
newest = pytest.mark.parametrize(
    "kernel",
    [parameter(OLDEST, pytest.mark.long), parameter(COMMON, pytest.mark.long), parameter(NEWEST)],
    indirect=True,
)


@pytest.fixture
def uml(kernel: str) -> Kernel:
    """The kernel to boot guests with; the test is not covered if the lab cannot be set up."""

    def fetch() -> Kernel:
        root.folder()
        return kernels.source(kernel).kernel()

    return or_not_covered(fetch)


@pytest.fixture
def lab(kernel: str, request: pytest.FixtureRequest) -> Cluster:
    """The kernel's cluster, all clean: no registrations, all paths, nothing running."""
    return or_not_covered(lambda: request.config.stash[CLUSTERS].fresh(kernel))


@pytest.fixture(scope="session", params=[parameter(NVME)])
def nvme_kernel(request: pytest.FixtureRequest) -> str:
    """The kernel that has NVMe, by name."""
    return str(request.param)


@pytest.fixture(
    params=[
        pytest.param("loop", marks=[pytest.mark.slow, ONE_TRANSPORT]),
        pytest.param("tcp", marks=ONE_TRANSPORT),
    ]
)
def namespaces(nvme_kernel: str, request: pytest.FixtureRequest) -> Namespaces:
    """NVMe namespaces 1 and 2, all nodes connected by the transport in turn, all clean."""
    found = or_not_covered(lambda: request.config.stash[CLUSTERS].namespaces(nvme_kernel))
    found.reset(str(request.param))
    return found


@pytest.fixture(
    scope="session",
    params=[
        _host_parameter(NVME, ONE_KERNEL),
        _host_parameter(OLDER_NVME_HOST, pytest.mark.slow, ONE_KERNEL),
        _host_parameter(COMMON_NVME_HOST, pytest.mark.long),
    ],
)
def host_kernel(request: pytest.FixtureRequest) -> str:
    """The kernels of NVMe hosts in guests of their own, by name."""
    return str(request.param)


@pytest.fixture
def fabric(host_kernel: str, request: pytest.FixtureRequest) -> Fabric:
    """Separate hosts with the kernel, each connected over two paths, all clean."""
    return or_not_covered(lambda: request.config.stash[CLUSTERS].fabric(host_kernel))


def not_covered(reason: str) -> NoReturn:
    """The running test cannot be tried here: it is skipped, and told at the end, or fails in CI and in a proof."""
    if os.environ.get("CI") == "true" or os.environ.get(MUST_COVER) == "1":
        pytest.fail(f"{NOT_COVERED}{reason}", pytrace=False)
    pytest.skip(f"{NOT_COVERED}{reason}")


def or_not_covered(make: Callable[[], T]) -> T:
    """What `make` returns; the test is not covered if there is no lab."""
    try:
        return make()
    except LabUnavailable as error:
        not_covered(str(error))


def pytest_configure(config: pytest.Config) -> None:
    """Start with no guest."""
    config.addinivalue_line("markers", "xdist_group(name): tests that must run in one process")
    config.stash[CLUSTERS] = Clusters()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End all guests."""
    if CLUSTERS in config.stash:
        config.stash[CLUSTERS].stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """A guest that has died, or cannot be made clean, is the failure of the test that used it, not a reason to boot."""
    try:
        return (yield)
    finally:
        lost = [*item.config.stash[CLUSTERS].end_of_test(), *guest.panics()]
        if lost:
            pytest.fail("\n".join([f"{LEFT_BEHIND}:", *map(str, lost)]), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the end of the guest's log into the report of a failure."""
    report = yield
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    name = parameters.get("kernel") or parameters.get("nvme_kernel")
    cluster = item.config.stash[CLUSTERS].running(name) if name else None
    if report.failed and cluster and {"lab", "namespaces"} & set(getattr(item, "fixturenames", ())):
        report.sections.append((f"the end of {cluster.guest.log}", cluster.guest.log_tail()))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was not covered."""
    reasons = Counter(
        reason.split(NOT_COVERED, 1)[1]
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and NOT_COVERED in (reason := report.longrepr[2])
    )
    if reasons:
        terminalreporter.section("NOT COVERED", sep="!", red=True, bold=True)
        for reason, count in reasons.items():
            terminalreporter.write_line(f"{count} tests did not run: {reason}")
        terminalreporter.write_line("With CI=true they would have failed.")
