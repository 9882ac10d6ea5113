"""What is said by the tool alone."""

from __future__ import annotations

TITLE = "The tool"
INTRO = "Said by `pr_fence`."

_MEANT = "[ (did you mean '{near}'?)]"
_CORRECT = "Correct the call; `--help` says what it takes."
_SPELLING = "It is misspelt."

FAILURES = {
    "subcommand-missing": (
        "no subcommand: it is one of {choices}",
        "",
        "What is to be done was not said.",
        "The first word is missing.",
        _CORRECT,
    ),
    "subcommand-unrecognised": (
        f"no subcommand is called '{{value}}'{_MEANT}; there are {{choices}}",
        "",
        "There is no such subcommand.",
        _SPELLING,
        _CORRECT,
    ),
    "deed-unrecognised": (
        f"'{{subcommand}}' does not know '{{value}}'{_MEANT}; it knows {{choices}}",
        "",
        "The word behind the subcommand says what is to be done, and is none of those.",
        _SPELLING,
        _CORRECT,
    ),
    "word-missing": (
        "'{subcommand}' needs more words: {words}",
        "",
        "What the subcommand is about was not said.",
        "A word is missing, or was taken for the value of an option.",
        _CORRECT,
    ),
    "option-of-another-subcommand": (
        "option --{option} is none of '{subcommand}'",
        "",
        "The option is known, but not there.",
        "It stands behind another subcommand than its own.",
        _CORRECT,
    ),
    "message-unknown": (
        f"no message is like '{{value}}'{_MEANT}",
        "",
        "`explain` knows the messages of this version only, by their codes and by their sentences.",
        "The message is of another program or version, or too little of it was given.",
        "Give its whole line, or look it up in docs/messages.md.",
    ),
}

WARNINGS: dict[str, tuple[str, str, str, str, str]] = {}

STEPS = {
    "usage-of-tool": "'{program} --help' tells more",
}
