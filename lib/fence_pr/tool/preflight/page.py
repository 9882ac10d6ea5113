"""A report of 'preflight' as one page that needs nothing else: to hand on, on screen and on paper."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from html import escape

from ... import files
from ...errors import Notice
from ..report import complete, told
from .plot import picture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..report import Json

_STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --faint: #5c5c5c; --line: #c9c9c9;
  --good: #0a6b2d; --odd: #7a4b00; --bad: #b00020; --blue: #1f5fbf; --veil: #f1f1f1; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #161616; --faint: #a8a8a8; --line: #474747;
  --good: #5fd787; --odd: #ffbf5f; --bad: #ff7b85; --blue: #7fb0ff; --veil: #242424; } }
@media print { :root { color-scheme: light; --ink: #000; --paper: #fff; --faint: #444; --line: #999; --good: #064d20;
  --odd: #5c3800; --bad: #8f001a; --blue: #123f80; --veil: #eee; } section, figure, tr { break-inside: avoid; }
  .plot { min-width: 0 !important; } @page { margin: 15mm; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem; max-width: 62rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.45 system-ui, "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 1.8rem 0 .5rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--faint); font-weight: normal; font-size: .875rem; }
td.number { text-align: right; white-space: nowrap; } th.number { text-align: right; } small { color: var(--faint); }
.PASS { color: var(--good); } .WARN { color: var(--odd); } .FAIL { color: var(--bad); } .SKIP { color: var(--faint); }
.state { font-weight: bold; white-space: nowrap; } .verdict { font-size: 1.25rem; font-weight: bold; }
figure { margin: 1rem 0; } figcaption { color: var(--faint); font-size: .875rem; }
.plot { display: block; width: 100%; min-width: 42rem; height: auto; background: var(--veil); }
.plot text { fill: var(--ink); font-size: 13px; }
.plot .strong { font-weight: bold; } .plot .grid { stroke: var(--line); stroke-width: 1; }
.plot .landed { stroke: var(--blue); stroke-width: 3; } .plot .refused { stroke: var(--odd); stroke-width: 3;
  stroke-dasharray: 3 2; } .plot .late { stroke: var(--bad); stroke-width: 3; }
.plot .sent { fill: var(--faint); opacity: .35; } .plot .answered { stroke: var(--ink); stroke-width: 2; }
"""
_VERDICTS = {
    "PASS": "Everything that was tried is as it must be.",
    "WARN": "Nothing that was tried is wrong; some things should be known.",
    "FAIL": "This storage cannot be trusted to shut a node out.",
    "SKIP": "Nothing was tried.",
}


def write(name: str, made: Json) -> Json:
    """Write the page of a complete report; the report, with where it is, or what is wrong about that."""
    problem: Notice | None = None
    try:
        _see_that_it_is_no_device(name)
        files.write(name, page(made).encode("utf-8", "replace"))
        os.chmod(name, 0o644)
    except OSError as error:
        problem = Notice("page-unwritable", {"answer": f"{error.strerror}: {name}"})
    said = {**made["found"], "page": {"file": name, "problem": told(problem) if problem else None}}
    what = {"found": said, "problems": [*made["problems"], *([told(problem)] if problem else [])],
            "warnings": made["warnings"], "unseen": made["unseen"]}  # fmt: skip
    return complete(made["subcommand"], what, made["time"], made["host"])


def _see_that_it_is_no_device(name: str) -> None:
    """What is written takes the place of what is there: of a file that may be, not of a disk, or of /dev/stdout.

    Raises OSError.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.lstat(name).st_mode):
            raise OSError(errno.EEXIST, "something else than a file is there", name)


def page(made: Json) -> str:
    """The page. Pure."""
    found = made["found"]
    title = escape(f"Pre-flight of {found['disk']}")
    parts = [
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><style>{_STYLE}</style></head><body><header><h1>{title}</h1>',
        f'<p class="verdict {found["verdict"]}">{found["verdict"]}: {_VERDICTS[found["verdict"]]}</p></header><main>',
        _about(made),
        *([f'<p class="FAIL">{escape(found["refused"]["text"])}</p>'] if found["refused"] else []),
        *(_steps(part, found) for part in dict.fromkeys(it["part"] for it in found["steps"])),
        *(_figure(it) for it in found["streams"]),
        _latencies(found["latencies"]),
    ]
    return "".join([*parts, "</main></body></html>\n"])


def _about(made: Json) -> str:
    found = made["found"]
    types = "not told" if found["types"] is None else ", ".join(found["types"]) or "none"
    rows = [("Identity", found["identity"] or "none"), ("Kind", found["kind"]), ("Reservation types", types)]
    rows += [(f"Node {it['node']}", f"Linux {it['kernel']}, {it['device']} over {', '.join(it['paths'])}")
             for it in found["nodes"]]  # fmt: skip
    rows += [("Tried", ", ".join(found["tried"])), ("Made", f"{made['time']} on {made['host']} by {made['program']}")]
    body = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(said)}</td></tr>' for name, said in rows)
    return f'<section><div class="wide"><table>{body}</table></div></section>'


def _steps(part: str, found: Json) -> str:
    rows = [
        f'<tr><td class="state {it["state"]}">{it["state"]}</td><td>{escape(it["title"])}<br>'
        f"<small>{escape(it['name'])}</small></td><td>{_seen(it)}</td></tr>"
        for it in found["steps"]
        if it["part"] == part
    ]
    head = '<tr><th scope="col">Result</th><th scope="col">Step</th><th scope="col">Seen</th></tr>'
    return (
        f'<section><h2>Steps: {escape(part)}</h2><div class="wide"><table>{head}{"".join(rows)}</table></div></section>'
    )


def _seen(step: Json) -> str:
    return "<br>".join(escape(it["text"]) for it in step["seen"])


def _figure(stream: Json) -> str:
    late = (
        f"{len(stream['landed_later'])} blocks landed after the answer"
        if stream["landed_later"]
        else "nothing landed later"
    )
    said = f"{stream['acknowledged']} writes were acknowledged, {stream['refused']} refused; {late}."
    return (f"<section><h2>A victim's writes: {escape(stream['name'])}</h2>"
            f'<figure><div class="wide">{picture(stream)}</div>'
            f"<figcaption>{escape(said)}</figcaption></figure></section>")  # fmt: skip


def _latencies(latencies: list[Json]) -> str:
    if not latencies:
        return ""
    head = "".join(f'<th scope="col" class="number">{it}</th>' for it in ("Count", "Min", "Median", "Max"))
    rows = [
        f'<tr><td>{escape(it["command"])}</td><td>{escape(it["node"])}</td><td class="number">{it["count"]}</td>'
        + "".join(f'<td class="number">{it[field] * 1000:.3f} ms</td>' for field in ("min", "median", "max"))
        + "</tr>"
        for it in latencies
    ]
    return (f'<section><h2>How long commands took</h2><div class="wide"><table><tr><th scope="col">Command</th>'
            f'<th scope="col">Node</th>{head}</tr>{"".join(rows)}</table></div></section>')  # fmt: skip
