"""A name is not a node (promise 11): nodes, hosts and keys that are not one to one, in every order, and at random."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests import seed
from tests.model import names, random_names
from tests.model.proof import CLUSTERS, CLUSTERS_LONG, WALKS_OF_CLUSTER, seeds
from tests.model.search import Search
from tests.model.test_every_order import look, named

if TYPE_CHECKING:
    from tests.model.scenario import Scenario

pytestmark = pytest.mark.promise(11)

NUMBERS = [*range(CLUSTERS), *(pytest.param(it, marks=pytest.mark.long) for it in range(CLUSTERS, CLUSTERS_LONG))]


@pytest.mark.parametrize("scenario", names.broken(), ids=named)
def test_nobody_is_called_off_where_a_premise_is_broken(scenario: Scenario, request: pytest.FixtureRequest) -> None:
    look(scenario, Search(scenario).explore(), request)


@pytest.mark.long
@pytest.mark.parametrize("scenario", names.deeper(), ids=named)
def test_nobody_is_called_off_with_two_faults(scenario: Scenario, request: pytest.FixtureRequest) -> None:
    look(scenario, Search(scenario).explore(), request)


@pytest.mark.parametrize("scenario", names.untold(), ids=named)
def test_what_nobody_can_know_is_warned_of(scenario: Scenario, request: pytest.FixtureRequest) -> None:
    look(scenario, Search(scenario).explore(), request)


@pytest.mark.parametrize("scenario", names.untold(), ids=named)
def test_what_nobody_can_know_is_a_lie(scenario: Scenario) -> None:
    """Where this fails, the target does tell enough, and the scenario is one more that must hold."""
    assert Search(replace(scenario, excused=())).explore().violation


@pytest.mark.parametrize("scenario", names.legitimate(), ids=named)
def test_legitimate_fencing_succeeds(scenario: Scenario, request: pytest.FixtureRequest) -> None:
    result = Search(scenario).explore()
    look(scenario, result, request)
    assert not result.unmet


@pytest.mark.parametrize("number", NUMBERS)
def test_clusters_at_random(number: int, request: pytest.FixtureRequest) -> None:
    scenario = random_names.draw(seeds(number + 1)[number])
    look(scenario, Search(scenario).sample(seed.number("walks"), WALKS_OF_CLUSTER), request)
