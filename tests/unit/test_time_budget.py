"""How the time limit is shared out."""

from __future__ import annotations

import pytest

from fence_pr.actions.time_budget import TimeBudget
from fence_pr.parallel import Patience


def test_without_a_limit_everything_is_waited_for() -> None:
    budget = TimeBudget(None, lambda: 100.0)
    assert budget.for_paths() is None
    assert budget.for_readings() is None


def test_shares_count_from_when_they_are_asked_for() -> None:
    now = 100.0
    budget = TimeBudget(20.0, lambda: now)
    assert budget.for_paths() == Patience(102.5)
    assert budget.for_readings() == Patience(110.0)
    now = 200.0
    assert budget.for_paths() == Patience(202.5)


@pytest.mark.parametrize("waiting", [0.0, 1.0, 60.0])
def test_a_path_is_given_up_before_the_disk_and_the_disk_before_the_limit(waiting: float) -> None:
    """Else one dead path would make the whole disk one that hangs, and no time would be left for the others."""
    budget = TimeBudget(1.0 + waiting, lambda: 0.0, waiting)
    paths, readings = budget.for_paths(), budget.for_readings()
    assert paths
    assert readings
    assert paths.until < readings.until < 1.0


def test_a_question_over_several_paths_leaves_time_for_the_second_one() -> None:
    """Else a path that hangs in it would be the disk's silence, although the next one answers."""
    budget = TimeBudget(20.0, lambda: 100.0)
    assert [budget.for_a_question(paths) for paths in (1, 2, 8)] == [Patience(102.5), Patience(105.0), Patience(105.0)]
    assert TimeBudget(None, lambda: 100.0).for_a_question(2) is None


def test_the_last_question_before_the_first_change_leaves_time_to_finish() -> None:
    now = 100.0
    budget = TimeBudget(20.0, lambda: now)
    assert budget.for_the_last_question(2) == Patience(105.0)
    now = 112.0
    assert [budget.for_the_last_question(paths) for paths in (1, 2)] == [Patience(114.5), Patience(115.0)]
    assert TimeBudget(None, lambda: now).for_the_last_question(1) is None
