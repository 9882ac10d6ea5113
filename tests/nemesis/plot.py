"""A round as a picture: a lane for each node and for the disks, with what was called, and what went wrong. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from . import plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .checker import Violation
    from .history import History
    from .plan import Round

_WIDTH, _LEFT, _LANE, _BAR, _TOP, _SECOND = 960, 70, 74, 18, 46, 1.0
_STYLE = """\
  <!-- Colours that can be read on white and on black. -->
  <style>
    text { fill: #767676; font-size: 12px; }
    .call { fill: #1f5fbf; } .failed { fill: #b34700; } .fault { fill: #8a6d00; } .line { stroke: #767676; }
    .name { font-weight: bold; } .bad { fill: #c00000; }
  </style>
"""


def picture(it: Round, history: History, found: Iterable[Violation]) -> str:
    """An SVG document. Time runs from the first call to the last thing that was seen."""
    begin = min(call.begun for call in history.calls)
    end = max(history.whole or 0.0, history.healed, *(call.ended for call in history.calls))
    scale = (_WIDTH - _LEFT - 10) / max(end - begin, _SECOND)
    lanes = {name: number for number, name in enumerate((*it.nodes, ""))}
    told = [str(violation) for violation in found]
    height = _TOP + _LANE * len(lanes) + 20 * (len(told) + 1)

    def place(at: float) -> float:
        return round(_LEFT + (at - begin) * scale, 1)

    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif">\n']
    lines += [f"  <title>{escape(str(it).splitlines()[0])}</title>\n", _STYLE]
    lines.append(f'  <text class="name" x="10" y="20">{escape(str(it).splitlines()[0])}</text>\n')
    for name, number in lanes.items():
        y = _TOP + _LANE * number
        lines.append(f'  <text class="name" x="10" y="{y + 14}">{name or "disks"}</text>\n')
        lines.append(
            f'  <line class="line" x1="{_LEFT}" x2="{_WIDTH - 10}" y1="{y + _LANE - 6}" y2="{y + _LANE - 6}"/>\n'
        )
    for call in history.calls:
        y, kind = _TOP + _LANE * lanes[call.node], "call" if call.ok else "failed"
        lines += _bar(kind, place(call.begun), place(call.ended), y, f"{call.action} {call.plug}", call.said)
    for fault in it.faults:
        y = _TOP + _LANE * lanes[fault.node] + _BAR + 10
        at = history.begun + fault.at
        lines += _bar("fault", place(at), place(at + fault.seconds), y, f"{fault.kind} {fault.disks}", str(fault))
    x = place(history.begun + plan.OUTAGE_SECONDS)
    y = _TOP + _LANE * lanes[it.victim]
    lines.append(f'  <text class="bad" x="{x}" y="{y + _BAR * 2 + 26}">{escape(it.outage)}</text>\n')
    for number, text in enumerate(told):
        lines.append(
            f'  <text class="bad" x="10" y="{_TOP + _LANE * len(lanes) + 20 * number}">{escape(text)}</text>\n'
        )
    return "".join([*lines, "</svg>\n"])


def _bar(kind: str, begin: float, end: float, y: int, text: str, hint: str) -> Iterator[str]:
    width = max(2.0, round(end - begin, 1))
    yield f'  <rect class="{kind}" x="{begin}" y="{y}" width="{width}" height="{_BAR}" rx="2">'
    yield f"<title>{escape(hint or text)}</title></rect>\n"
    yield f'  <text x="{begin}" y="{y + _BAR + 10}">{escape(text)}</text>\n'
