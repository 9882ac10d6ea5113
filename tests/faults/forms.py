"""The forms of these tests: a short one in every test run, CI's, and with FENCE_PR_LONG=1 everything."""

from __future__ import annotations

import os
from typing import Callable, TypeVar

import pytest

from tests.conftest import wanted
from tests.lab import plugin

Test = TypeVar("Test", bound=Callable[..., object])
CI_FORM, LONG_FORM = wanted("slow"), wanted("long")
# Of `make proof`: more faults than in other short runs, and half of them while all nodes write.
PROOF = "FENCE_PR_PROOF"
PROOF_FORM = os.environ.get(PROOF) == "1" and not CI_FORM


# Their guests are their own: with all other tests of a kernel in one process they would take longest of all.
_NEWEST = plugin.parameter(plugin.NEWEST, group="faults-")


_COMMON, _SEVERAL = (
    plugin.parameter(name, pytest.mark.long, group="faults-") for name in (plugin.COMMON, plugin.SEVERAL_PROCESSORS)
)


def _oldest(*marks: pytest.MarkDecorator) -> object:
    return plugin.parameter(plugin.OLDEST, *marks, group="faults-")


# The newest kernel with SCSI, which is also the quickest; in the long form the older ones, too.
newest = pytest.mark.parametrize("kernel", [_oldest(pytest.mark.long), _COMMON, _NEWEST], indirect=True)
# The same, in CI the oldest now and then.
both = pytest.mark.parametrize(
    "kernel",
    [
        _oldest(pytest.mark.slow, plugin.ONE_KERNEL),
        _COMMON,
        plugin.parameter(plugin.NEWEST, pytest.mark.by_chance("kernel", weight=8), group="faults-"),
    ],
    indirect=True,
)
# For what nodes do at the same moment: in the long form also with several processors.
at_once = pytest.mark.parametrize("kernel", [_oldest(pytest.mark.long), _COMMON, _NEWEST, _SEVERAL], indirect=True)
_ON_NVME = plugin.parameter(plugin.NVME, group="faults-")
_NVME = pytest.mark.parametrize("nvme_kernel", [_ON_NVME], indirect=True)
_NVME_AT_ONCE = pytest.mark.parametrize("nvme_kernel", [_ON_NVME, _SEVERAL], indirect=True)


def loop(test: Test) -> Test:
    """Over NVMe namespaces that are connected without a network."""
    marked: Test = _NVME(pytest.mark.parametrize("namespaces", ["loop"], indirect=True)(test))
    return marked


def loop_at_once(test: Test) -> Test:
    """The same, in the long form also with several processors."""
    marked: Test = _NVME_AT_ONCE(pytest.mark.parametrize("namespaces", ["loop"], indirect=True)(test))
    return marked


def tcp(test: Test) -> Test:
    """Over NVMe namespaces that are connected by TCP."""
    marked: Test = _NVME(pytest.mark.parametrize("namespaces", ["tcp"], indirect=True)(test))
    return marked
