"""The tables of docs/pr_fence.md."""

from __future__ import annotations

from fence_pr.tool import metrics, options, subcommands
from fence_pr.tool.preflight import steps as preflight_steps
from tests.cluster import doctor_faults


def parts() -> dict[str, list[str]]:
    """The rows of each table."""
    return {
        "subcommands": ["| call | what it is for |", "|---|---|", *map(_row, subcommands.SUBCOMMANDS)],
        "metrics": ["| metric | meaning |", "|---|---|", *(f"| `{it}` | {s} |" for it, s in metrics.HELP.items())],
        "faults": [
            "| what is wrong | call | what it says first |",
            "|---|---|---|",
            *map(_fault, doctor_faults.FAULTS),
        ],
        "steps": ["| step | part | what it answers |", "|---|---|---|", *map(_step, _every_step())],
        "exits": ["| exit code | meaning |", "|---|---|", *map(_exit, subcommands.EXITS)],
    }


def _every_step() -> tuple[preflight_steps.Step, ...]:
    call = ["preflight", "/dev/sda", "--with=node2", "--restart=x", "--relogin=x"]
    return preflight_steps.steps(options.parse(call))


def _step(it: preflight_steps.Step) -> str:
    return f"| {it.name} | {it.part} | {it.title} |"


def _exit(it: tuple[int, str]) -> str:
    code, meaning = it
    return f"| {code} | {meaning} |"


def _row(it: subcommands.Subcommand) -> str:
    words = it.words.replace("|", "\\|")
    return f"| **{it.name}** {words} | {it.help} |"


def _fault(it: doctor_faults.Fault) -> str:
    return f"| {it.what} | `{it.command}` | {it.line} |"
