"""The picture of a victim's writes around the moment in which it was fenced, as SVG in the page's colours. Pure."""

from __future__ import annotations

import math
from html import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..report import Json

_WIDTH, _HEIGHT = 900, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 14, 44, 46
_OK = "ok"
_BEFORE, _AFTER = 0.6, 1.0
_SHORTEST = 1e-4
_TICKS = 8


def picture(stream: Json) -> str:
    """Each write a line from its beginning to its end, as high as it took long; abort and late blocks across."""
    plot = _Plot(stream)
    marks = [plot.write(it) for it in stream["writes"] if plot.shows(it)]
    body = [*plot.grid(), *marks, *plot.abort(), *plot.later(), *plot.legend()]
    return "".join([_head(stream, plot), *body, "</svg>"])


def _head(stream: Json, plot: _Plot) -> str:
    said = escape(f"Writes of the victim around the {plot.deed}: {stream['name']}")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" class="plot">'
            f"<title>{said}</title>")  # fmt: skip


class _Plot:
    """Seconds since the abort was answered to the right, and how long a write took upwards, by powers of ten."""

    def __init__(self, stream: Json) -> None:
        self.deed = "preempt and abort" if stream["aborting"] else "preempt"
        self._sent, self._late, self._unsure = stream["sent"], stream["landed_later"], stream["unsure"]
        last = max([_AFTER, *(seconds + 0.2 for _, seconds in self._late)])
        self._from, self._to = float(min(-_BEFORE, self._sent * 1.2)), float(last)
        longest = max([10 * _SHORTEST, *(ended - begun for _, begun, ended, _ in filter(self.shows, stream["writes"]))])
        self._low = math.floor(math.log10(_SHORTEST))
        self._high: int = max(math.ceil(math.log10(longest)), self._low + 1)

    def shows(self, write: list[Any]) -> bool:
        """Whether it is in the picture."""
        return bool(write[2] >= self._from and write[1] <= self._to)

    def _x(self, seconds: float) -> float:
        share = (min(max(seconds, self._from), self._to) - self._from) / (self._to - self._from)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def _y(self, seconds: float) -> float:
        share = (math.log10(max(seconds, _SHORTEST)) - self._low) / (self._high - self._low)
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)

    def write(self, write: list[Any]) -> str:
        """One write."""
        number, begun, ended, said = write
        kind = "landed" if said == _OK else "refused"
        y, left, right = self._y(ended - begun), self._x(begun), max(self._x(ended), self._x(begun) + 1.5)
        return f'<path class="{kind}" d="M{left} {y}H{right}"><title>{number}: {escape(str(said))}</title></path>'

    def grid(self) -> list[str]:
        """Axes with numbers."""
        bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
        lines = []
        for power in range(self._low, self._high + 1):
            y = self._y(10.0**power)
            lines += [f'<path class="grid" d="M{_LEFT} {y}H{right}"/>',
                      f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{_length(power)}</text>']  # fmt: skip
        step = _step((self._to - self._from) / _TICKS)
        for number in range(math.ceil(self._from / step), math.floor(self._to / step) + 1):
            x = self._x(number * step)
            lines += [f'<path class="grid" d="M{x} {_TOP}V{bottom}"/>',
                      f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{number * step:g}</text>']  # fmt: skip
        words = "seconds since the answer; clocks agree within " + f"{self._unsure * 1000:.1f} ms"
        return [*lines, f'<text x="{right}" y="{_HEIGHT - 8}" text-anchor="end">{words}</text>',
                f'<text x="6" y="{_TOP - 12}">took</text>']  # fmt: skip

    def abort(self) -> list[str]:
        """When it was sent and answered."""
        bottom, left, right = _HEIGHT - _BOTTOM, self._x(self._sent), self._x(0)
        return [f'<path class="sent" d="M{left} {_TOP}H{max(right, left + 1)}V{bottom}H{left}z"/>',
                f'<path class="answered" d="M{right} {_TOP}V{bottom}"/>',
                f'<text class="strong" x="{right + 5}" y="{_TOP + 14}">{self.deed} answered</text>']  # fmt: skip

    def later(self) -> list[str]:
        """What landed after the answer."""
        bottom = _HEIGHT - _BOTTOM
        return [f'<path class="late" d="M{self._x(seconds)} {_TOP}V{bottom}"><title>{number}</title></path>'
                for number, seconds in self._late]  # fmt: skip

    def legend(self) -> list[str]:
        """What the lines mean: by words, too, for who sees no colours."""
        entries = [
            ("landed", "written"),
            ("refused", "refused"),
            *([("late", "landed too late")] if self._late else []),
        ]
        lines = []
        for at, (kind, words) in enumerate(entries):
            x = _LEFT + 120 * at
            lines += [f'<path class="{kind}" d="M{x} 22H{x + 24}"/>', f'<text x="{x + 30}" y="26">{words}</text>']
        return lines


def _length(power: int) -> str:
    return f"{10 ** (power + 3):g} ms" if power < 0 else f"{10**power} s"


def _step(least: float) -> float:
    """1, 2 or 5 times a power of ten."""
    power = math.pow(10.0, math.floor(math.log10(least)))
    return next(it * power for it in (1, 2, 5, 10) if it * power >= least)
