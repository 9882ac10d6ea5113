"""Immutable records."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from fence_pr.record import Record


class Point(Record):
    """Two fields, one with a default."""

    x: int
    y: int = 7


class Named(Point):
    """Inherits fields."""

    name: str = ""


class Other(Record):
    """The same fields as Point."""

    x: int
    y: int = 7


def test_fields_by_position_by_name_and_by_default() -> None:
    for point in (Point(1, 2), Point(1, y=2), Point(y=2, x=1)):
        assert (point.x, point.y) == (1, 2)
    assert Point(1).y == 7
    named = Named(1, 2, "n")
    assert (named.x, named.y, named.name) == (1, 2, "n")


@pytest.mark.parametrize(
    ("values", "names"), [((), {}), ((1, 2, 3), {}), ((1,), {"x": 1}), ((1,), {"z": 1}), ((), {"y": 1})]
)
def test_missing_repeated_and_unknown_fields_are_errors(values: tuple[int, ...], names: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="Point"):
        Point(*values, **names)


def test_a_record_does_not_change() -> None:
    point = Point(1)
    for name in ("x", "z"):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(point, name, 2)
    assert point == Point(1)


def test_equal_are_records_of_one_class_with_equal_fields() -> None:
    assert Point(1, 2) == Point(1, 2)
    assert Point(1, 2) != Point(1, 3)
    assert Point(1, 2) != Other(1, 2)
    assert Point(1, 2) != Named(1, 2)
    assert Point(1, 2) != (1, 2)
    assert len({Point(1, 2), Point(1, 2), Point(2, 1), Other(1, 2)}) == 3


def test_a_record_shows_its_fields() -> None:
    assert repr(Named(1, 2, "n")) == "Named(x=1, y=2, name='n')"


def test_a_copy_is_equal() -> None:
    assert copy.copy(Point(1, 2)) == Point(1, 2)


def test_a_class_without_fields_of_its_own_has_those_of_its_base() -> None:
    class Base(Record):
        name: str
        size: int = 7

    class Same(Base):
        """No annotations."""

    class More(Base):
        colour: str = "red"

    assert (Same("x").size, More("x").size, More("x", colour="blue").colour) == (7, 7, "blue")
