"""What a background job of a host keeps: one JSON file, always whole."""

from __future__ import annotations

import errno
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass
class Record:
    """Writes with growing numbers: the first, the last tried, the last acknowledged, and all kinds of answers in order.

    An answer is "ok" or the name of an errno.
    """

    first: int = 1
    tried: int = 0
    acknowledged: int = 0
    answers: list[str] = field(default_factory=list)

    def take(self, write: Callable[[int], None]) -> None:
        """Try the next write and note the answer."""
        self.tried += 1
        answer = "ok"
        try:
            write(self.tried)
        except OSError as error:
            answer = errno.errorcode.get(error.errno or 0, str(error))
        if answer == "ok":
            self.acknowledged = self.tried
        if self.answers[-1:] != [answer]:
            self.answers.append(answer)

    def save(self, path: Path) -> None:
        """Put it where the host finds it."""
        new = path.with_name(f"{path.name}.new")
        new.write_text(json.dumps(asdict(self)))
        new.rename(path)
