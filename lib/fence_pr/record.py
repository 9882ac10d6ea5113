"""Immutable records.

The standard `dataclasses` module does the same and more, but importing it takes longer than the bare interpreter
takes to start, and start-up is part of fencing time.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: object):
        return lambda cls: cls


@dataclass_transform(frozen_default=True)
class Record:
    """Base of a class whose annotations are its fields, in order, with defaults as class attributes."""

    def __init__(self, *values: Any, **named: Any) -> None:
        fields = self._fields()
        if len(values) > len(fields):
            raise TypeError(f"{type(self).__name__} takes {len(fields)} fields, not {len(values)}")
        given = dict(zip(fields, values))
        for name, value in named.items():
            if name not in fields or name in given:
                raise TypeError(f"{type(self).__name__}: unexpected or repeated field {name}")
            given[name] = value
        for name in fields:
            if name not in given and not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__}: field {name} is missing")
            object.__setattr__(self, name, given[name] if name in given else getattr(type(self), name))

    @classmethod
    def _fields(cls) -> list[str]:
        names: list[str] = []
        for base in reversed(cls.__mro__):
            names += [name for name in getattr(base, "__annotations__", {}) if name not in names]
        return names

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), tuple(vars(self).values())))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"
