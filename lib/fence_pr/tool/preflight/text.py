"""What 'preflight' prints. Pure."""

from __future__ import annotations

from ...log import one_line
from .. import terminal
from ..report import sentence
from .bench import FAIL, PASS, SKIP, WARN
from .steps import STATIC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..report import Json
    from ..terminal import Style

_COLOURS = {PASS: terminal.GOOD, WARN: terminal.ODD, FAIL: terminal.BAD, SKIP: terminal.FAINT}


def lines(found: Json, style: Style) -> list[str]:
    """For a person."""
    count = ", ".join(f"{number} {state}" for state, number in found["count"].items())
    said = [style.paint(_COLOURS[found["verdict"]], f"{found['verdict']}: {count}"), ""]
    said += style.entry("disk", one_line(f"{found['disk']}, {found['identity'] or 'without identity'}"))
    for it in found["nodes"]:
        about = f"Linux {it['kernel']}, {it['device']} over {', '.join(it['paths'])}"
        said += style.entry(one_line(it["node"])[:12], one_line(about))
    for part in dict.fromkeys(it["part"] for it in found["steps"]):
        said += ["", part]
        for step in (it for it in found["steps"] if it["part"] == part):
            said += _of_step(step, style)
    said += [line for it in found["removed"] for line in ["", *style.entry("removed", one_line(sentence(it)))]]
    if found["latencies"]:
        said += ["", *_of_latencies(found["latencies"])]
    if found["refused"]:
        said += ["", *style.entry("refused", one_line(sentence(found["refused"])))]
    elif {it["part"] for it in found["steps"]} == {STATIC}:
        said += ["", "Nothing was tried: --write, and --with=NODE, try what the target says."]
    if found["page"]:
        problem = found["page"]["problem"]
        said += ["", *style.entry("page", one_line(problem["text"] if problem else found["page"]["file"]))]
    return said


def _of_step(step: Json, style: Style) -> list[str]:
    first, *more = [one_line(it["text"]) for it in step["seen"]]
    lines = style.entry(f"{step['state']}  {step['name']}", first, 2, 26)
    for it in more:
        lines += style.entry("", it, 2, 26)
    lines[0] = lines[0].replace(step["state"], style.paint(_COLOURS[step["state"]], step["state"]), 1)
    return lines


def _of_latencies(latencies: list[Json]) -> list[str]:
    lines = [f"{'milliseconds':<31}{'count':>8}{'min':>10}{'median':>10}{'max':>10}"]
    for it in latencies:
        name = one_line(f"{it['command']} of {it['node']}")[:29]
        numbers = "".join(f"{it[field] * 1000:>10.3f}" for field in ("min", "median", "max"))
        lines.append(f"  {name:<29}{it['count']:>8}{numbers}")
    return lines
