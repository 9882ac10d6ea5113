"""The tables of docs/pr_fence.md."""

from __future__ import annotations

from fence_pr.tool import metrics, options
from tests.cluster import doctor_faults


def parts() -> dict[str, list[str]]:
    """The rows of each table."""
    return {
        "subcommands": ["| call | what it is for |", "|---|---|", *map(_row, options.SUBCOMMANDS)],
        "metrics": ["| metric | meaning |", "|---|---|", *(f"| `{it}` | {s} |" for it, s in metrics.HELP.items())],
        "faults": [
            "| what is wrong | call | what it says first |",
            "|---|---|---|",
            *map(_fault, doctor_faults.FAULTS),
        ],
        "exits": ["| exit code | meaning |", "|---|---|", *(f"| {code} | {said} |" for code, said in options.EXITS)],
    }


def _row(it: options.Subcommand) -> str:
    words = it.words.replace("|", "\\|")
    return f"| **{it.name}** {words} | {it.help} |"


def _fault(it: doctor_faults.Fault) -> str:
    return f"| {it.what} | `{it.command}` | {it.line} |"
