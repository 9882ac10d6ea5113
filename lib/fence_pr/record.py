"""Immutable records.

The standard `dataclasses` module does the same and more, but importing it takes longer than the bare interpreter
takes to start, and start-up is part of fencing time.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, NoReturn

    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: object):
        return lambda cls: cls


_MISSING = object()


@dataclass_transform(frozen_default=True)
class Record:
    """Base of a class whose annotations are its fields, in order, with defaults as class attributes."""

    _fields: ClassVar[dict[str, Any]] = {}  # name → default

    def __init_subclass__(cls) -> None:
        fields, own = cls._fields, vars(cls)
        # Up to Python 3.9 a class without annotations shows its base's.
        new = [it for it in getattr(cls, "__annotations__", ()) if it in own or it not in fields]
        cls._fields = {**fields, **{name: own.get(name, _MISSING) for name in new}}

    def __init__(self, *values: Any, **named: Any) -> None:
        fields, mine = self._fields, self.__dict__
        mine.update(fields)
        mine.update(zip(fields, values))
        mine.update(named)
        if len(values) > len(fields) or (named and not named.keys() <= set(list(fields)[len(values) :])):
            raise TypeError(f"{type(self).__name__}: too many, unexpected or repeated fields: {values}, {named}")
        if _MISSING in mine.values():
            raise TypeError(f"{type(self).__name__}: fields are missing: {values}, {named}")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), tuple(vars(self).values())))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"
