"""Each row comes out as it is on record: wrong or blocked on 0.1.0, right on this version."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.lab import plugin
from tests.lab.guest import Completed
from tests.load import agents
from tests.premises import __main__ as command
from tests.premises import old
from tests.premises.bench import FAILED, LIE, SAID, SILENT, Bench, Seen, together
from tests.premises.rows import ROWS
from tests.premises.table import BLOCKED, HOSTS, NVME

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.load.agents import Agent
    from tests.premises.table import Row

IN_ONE_GUEST = [pytest.param(row, id=row.name) for row in ROWS if row.needs != HOSTS]
ON_HOSTS = [pytest.param(row, id=row.name) for row in ROWS if row.needs == HOSTS]


def judge(row: Row, bench: Callable[[Agent], Bench]) -> None:
    if old.is_missing():
        warnings.warn(f"{row.name}: not tried on 0.1.0, which a shallow clone does not have", stacklevel=1)
    else:
        before = row.story(bench(old.agent()))
        assert before.kind() == row.old, before
    now = row.story(bench(agents.THIS))
    assert now.kind() == row.new, now


@pytest.mark.slow
@pytest.mark.promise(1)
@pytest.mark.parametrize("row", IN_ONE_GUEST)
def test_a_premise_in_one_guest(row: Row, nvme_kernel: str, request: pytest.FixtureRequest) -> None:
    clusters = request.config.stash[plugin.CLUSTERS]

    def bench(agent: Agent) -> Bench:
        if row.needs != NVME:
            return Bench(agent, clusters.fresh(nvme_kernel))
        namespaces = clusters.namespaces(nvme_kernel)
        namespaces.reset("tcp")
        return Bench(agent, namespaces.cluster, namespaces)

    plugin.or_not_covered(lambda: judge(row, bench))


@pytest.mark.slow
@pytest.mark.promise(1)
@pytest.mark.parametrize("row", ON_HOSTS)
@pytest.mark.parametrize("host_kernel", [plugin.parameter(plugin.NVME, group="hosts-")])
def test_a_premise_with_a_kernel_for_each_node(row: Row, host_kernel: str, request: pytest.FixtureRequest) -> None:
    clusters = request.config.stash[plugin.CLUSTERS]
    plugin.or_not_covered(lambda: judge(row, lambda agent: Bench(agent, fabric=clusters.fabric(host_kernel))))


def test_names_are_unique_and_every_row_comes_out_right() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert not [row.name for row in ROWS if row.new in (LIE, SILENT, SAID, BLOCKED)]


def test_what_must_not_be_said_counts_whatever_the_answer() -> None:
    done = Completed([], 1, b"", b"Failed: /dev/sda: preempt: timed out\n/dev/sda: read keys\n", 0.1)
    assert Seen(done).kind() == FAILED
    assert Seen(done, never="reservation report").kind() == FAILED
    assert Seen(together([done, replace(done, stderr_bytes=b"")]), never="imed out").kind() == SAID


def test_an_unknown_row_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["A1", "Z9"])
    assert "there is no row Z9" in capsys.readouterr().err
