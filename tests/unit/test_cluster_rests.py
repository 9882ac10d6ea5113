"""A cluster of the lab is whole only when nothing more is coming into its fence history."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, TypeVar, cast

import pytest

from tests.cluster import state
from tests.cluster.cluster import NotReached, PacemakerCluster
from tests.cluster.state import Fencing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.setup import Setup
    from tests.cluster.state import State
    from tests.lab.fabric import Host

T = TypeVar("T")
UNFENCED = Fencing("on", "n2", "n2", succeeded=True, running=False)
TRIES = 10


class Waiting(PacemakerCluster):
    """Two nodes that run in full. What is still to come into their history comes when it has been cleaned up."""

    def __init__(self, to_come: list[Fencing], busy: int = 0) -> None:
        self.history: tuple[Fencing, ...] = (UNFENCED,)
        self.to_come, self.busy, self.cleaned = to_come, busy, 0
        self._harmed = {"n2"}
        self.setup = cast("Setup", SimpleNamespace(nodes=("n1", "n2")))

    def __getitem__(self, name: str) -> Host:
        return cast("Host", SimpleNamespace(run=self.run, syslog=list))

    def any_host(self) -> Host:
        return self["n1"]

    def whole(self) -> bool:
        return True

    def view(self, name: str = "") -> State:  # noqa: ARG002
        return replace(state.NOTHING, dc="n1", fencing=self.history)

    def until(self, condition: Callable[[], T], what: str, seconds: float = 0) -> T:  # noqa: ARG002
        for _ in range(TRIES):
            if found := condition():
                return found
        raise NotReached(what)

    def run(self, words: list[str], **_: object) -> SimpleNamespace:
        if words[0] == "crmadmin":
            self.busy -= 1
            return SimpleNamespace(stdout=f"Controller on n1 in state {'S_IDLE' if self.busy < 0 else 'S_POLICY'}: ok")
        assert words[0] == "stonith_admin"
        self.cleaned += 1
        self.history = (self.to_come.pop(),) if self.to_come else ()
        return SimpleNamespace(stdout="")


def test_what_comes_into_the_history_after_it_was_cleaned_up_is_cleaned_up_too() -> None:
    it = Waiting([UNFENCED, UNFENCED])
    it.wait_until_whole()
    assert (it.cleaned, it.history) == (3, ())


def test_nothing_is_cleaned_up_before_all_that_is_planned_has_been_done() -> None:
    it = Waiting([], busy=3)
    it.wait_until_whole()
    assert (it.cleaned, it.busy) == (1, -2)


def test_a_cluster_that_goes_on_fencing_is_not_whole() -> None:
    with pytest.raises(NotReached, match="history"):
        Waiting([UNFENCED] * TRIES).wait_until_whole()
