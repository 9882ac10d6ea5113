"""The numbers at the end of a test run are those that the tests counted, and a fault that was not survived is told."""

from __future__ import annotations

from typing import cast

import pytest

from tests import tried


class Item:
    """Of a test, what counting needs."""

    def __init__(self) -> None:
        self.user_properties: list[tuple[str, object]] = []


def test_counts_of_all_tests_add_up_and_what_was_not_survived_is_told() -> None:
    items = [cast("pytest.Item", Item()) for _ in range(2)]
    for item in items:
        tried.count(item, tried.STATES, 600)
        faults = tried.Faults(item, "linux-7.2")
        for _ in range(3):
            with faults.injected("dead path", loaded=item is items[0]):
                pass
    with pytest.raises(OSError, match="lost"), tried.Faults(items[0], "linux-6.1").injected("dead path"):
        raise OSError("lost")
    told = tried.lines([it for item in items for it in item.user_properties])
    assert told[0].split() == ["1,200", *tried.WORDS[tried.STATES].split()]
    assert [line.strip() for line in told[1:]] == [
        "7  faults on real kernels, 3 of them while all nodes wrote, 1 NOT SURVIVED:",
        "dead path: 1 on linux-6.1, 6 on linux-7.2",
        "NOT SURVIVED: 1 on linux-6.1",
    ]
    assert tried.lines([]) == []
