"""Every case of the table, asked of every target on every kernel: as recorded, and no deviation but the known ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance import record, targets
from tests.lab import plugin

if TYPE_CHECKING:
    from tests.conformance.targets import Bench, Target
    from tests.lab.cluster import Cluster
    from tests.lab.nvme import Namespaces

NVME = pytest.param(plugin.NVME, marks=pytest.mark.xdist_group(plugin.NVME))


def check(target: Target, bench: Bench) -> None:
    release = bench.cluster.release
    results = targets.run(target, bench)
    wrong = record.problems(target, release, results)
    wrong += record.changes(target, release, record.text(target, release, results))
    assert not wrong, "\n".join([*wrong, "If that is right: make conformance ARGS=--write"])


@plugin.each
@pytest.mark.parametrize("target", [targets.LIO, targets.MULTIPATH], ids=lambda target: str(target.name))
def test_scsi(lab: Cluster, target: Target) -> None:
    with targets.scsi(target, lab) as bench:
        check(target, bench)


@pytest.mark.parametrize("kernel", [NVME], indirect=True)
@pytest.mark.parametrize("target", [targets.LIO, targets.MULTIPATH], ids=lambda target: str(target.name))
def test_scsi_on_the_kernel_with_nvme(lab: Cluster, target: Target) -> None:
    with targets.scsi(target, lab) as bench:
        check(target, bench)


@pytest.mark.parametrize(
    ("namespaces", "target"),
    [("loop", targets.NVMET_LOOP), ("tcp", targets.NVMET_TCP)],
    indirect=["namespaces"],
    ids=["loop", "tcp"],
)
def test_nvme(namespaces: Namespaces, target: Target) -> None:
    check(target, targets.nvme(target, namespaces))
