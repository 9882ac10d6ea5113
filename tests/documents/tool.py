"""The tables of docs/pr_fence.md."""

from __future__ import annotations

from fence_pr.tool import metrics, options, preflight_steps


def parts() -> dict[str, list[str]]:
    """The rows of each table."""
    return {
        "subcommands": ["| call | what it is for |", "|---|---|", *map(_row, options.SUBCOMMANDS)],
        "metrics": ["| metric | meaning |", "|---|---|", *(f"| `{it}` | {s} |" for it, s in metrics.HELP.items())],
        "steps": ["| step | part | what it answers |", "|---|---|---|", *map(_step, _every_step())],
        "exits": ["| exit code | meaning |", "|---|---|", *(f"| {code} | {said} |" for code, said in options.EXITS)],
    }


def _every_step() -> tuple[preflight_steps.Step, ...]:
    call = ["preflight", "/dev/sda", "--with=node2", "--restart=x", "--relogin=x"]
    return preflight_steps.steps(options.parse(call))


def _step(it: preflight_steps.Step) -> str:
    return f"| {it.name} | {it.part} | {it.title} |"


def _row(it: options.Subcommand) -> str:
    words = it.words.replace("|", "\\|")
    return f"| **{it.name}** {words} | {it.help} |"
