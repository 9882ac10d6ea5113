"""What is wrong with a call, or the agent's own process."""

from __future__ import annotations

TITLE = "Calls"
INTRO = "A malformed call never fences: where an option is wrong, nothing was done."

_VALUE = "option '{option}', value '{value}': "
_MEANT = "[ (did you mean '{near}'?)]"
_CORRECT = "Correct the option; `--help` says what it takes."
_SPELLING = "It is misspelt, or of another agent."
_REFUSED = "The value is none that the option takes."
_LIMIT = (
    "free memory, processes or files, or raise their limit (ulimit; MemoryMax, TasksMax, LimitNOFILE of the unit), and"
    " try again"
)

FAILURES = {
    "plug-missing": (
        "You have to enter plug number or machine identification",
        "",
        "`on`, `off` and `status` are about a node, and none was named.",
        "The option `plug` is missing.",
        _CORRECT,
    ),
    "devices-missing": (
        "No devices: the option devices is missing or empty",
        "",
        "The action works on disks, and none was named.",
        "The option `devices` is missing.",
        _CORRECT,
    ),
    "one-node": (
        f"{_VALUE}one node per call",
        "",
        "The plug has a separator in it.",
        "Several nodes were named.",
        "Call once for each node; a name with the separator in it needs another `plug_separator`.",
    ),
    "too-many-devices": (f"{_VALUE}{{count}} names, at most {{most}}", "", _REFUSED, "A list went wrong.", _CORRECT),
    "limit-zero": (
        f"{_VALUE}must be more than 0 seconds",
        "",
        _REFUSED,
        "0 does not switch it off.",
        "Set `disable_timeout`.",
    ),
    "input-too-long": (
        f"{_VALUE}more than {{most}} bytes",
        "",
        "Standard input is longer than any call.",
        "A wrong file was handed in.",
        "Look at the caller.",
    ),
    "line-malformed": (
        "'{value}' is not of the form name=value",
        "",
        "A line of standard input cannot be read.",
        "The equals sign is missing, or what stands before it.",
        "Look at the caller.",
    ),
    "option-contradiction": (
        f"{_VALUE}contradicts {{other}}, which is {{before}}",
        "",
        "Two names of one option have different values.",
        "Pacemaker adds its own `plug` or `port` to what the resource has.",
        "Take it out of the resource.",
    ),
    "option-unknown-without-action": (
        f"unknown option '{{option}}'{_MEANT}, and no action was given ('{{default}}' is the default)",
        "",
        "The line with the action may be the misspelt one, so nothing was done.",
        _SPELLING,
        _CORRECT,
    ),
    "argument-unexpected": (
        "unexpected argument '{value}' (options begin with a dash, a value with blanks is quoted)",
        "",
        "A word of the command line is neither an option nor a value.",
        "A dash or quotes are missing.",
        _CORRECT,
    ),
    "action-unrecognised": (
        f"Unrecognised action '{{value}}'{_MEANT}",
        "",
        "There is no such action.",
        "It is misspelt, or of another agent (`reboot` is none: the cluster makes it from `off` and `on`).",
        _CORRECT,
    ),
    "option-takes-no-value": (
        "option --{option} does not take an argument",
        "",
        "A flag was given a value.",
        "On the command line flags have none.",
        _CORRECT,
    ),
    "option-ambiguous": (
        "option --{option} is not a unique prefix",
        "",
        "The shortened name could be several options.",
        "It is too short.",
        _CORRECT,
    ),
    "option-unrecognised": (
        f"option {{option}} is not recognised{_MEANT}",
        "",
        "There is no such option.",
        _SPELLING,
        _CORRECT,
    ),
    "option-needs-value": (
        "option {option} requires an argument",
        "",
        "The value is missing.",
        "The command line ends behind the option.",
        _CORRECT,
    ),
    "value-with-nul": (
        f"{_VALUE}contains a NUL character",
        "",
        _REFUSED,
        "The caller is broken.",
        "Look at the caller.",
    ),
    "not-a-nodeid": (f"{_VALUE}is not the nodeid of a node", "", _REFUSED, "It is no number.", _CORRECT),
    "not-a-number": (f"{_VALUE}is not a whole number", "", _REFUSED, "It is no number, or too long.", _CORRECT),
    "not-seconds": (f"{_VALUE}is not a number of seconds", "", _REFUSED, "It has a unit, or is no number.", _CORRECT),
    "not-a-choice": (f"{_VALUE}is none of {{choices}}{_MEANT}", "", _REFUSED, _SPELLING, _CORRECT),
    "not-a-boolean": (f"{_VALUE}is neither true nor false", "", _REFUSED, _SPELLING, _CORRECT),
    "file-is-a-disk": (
        f"{_VALUE}is a disk, not a file",
        "",
        "It would have been written over.",
        "The wrong name was given.",
        "Name a file.",
    ),
    "stream-closed": (
        f"{_VALUE}is closed, and /dev/null cannot take its place: {{answer}}",
        "",
        "A disk could have been opened in the place of standard output, and written to.",
        "The caller closed a standard stream, and /dev/null is broken.",
        "Fix `/dev/null`.",
    ),
    "input-unreadable": (
        "standard input cannot be read: {answer}",
        "",
        "The options could not be read.",
        "Standard input is no file or pipe.",
        "Look at the caller.",
    ),
    "timed-out": (
        "Timed out {waiting} after {seconds:.1f} s",
        "the disks that gave no answer are named; raise power_timeout only if the storage is merely slow",
        "The time limit passed first. The other lines name each disk and the command that it did not answer.",
        "A disk hung longer than `power_timeout`.",
        "Look at the kernel's log of that disk. Raise the limit only if the storage is merely slow.",
    ),
    "not-started": (
        "cannot start the process that works on the disks: {answer}",
        _LIMIT,
        "Nothing was done.",
        "A limit of processes, memory or files is reached.",
        "",
    ),
    "machine-lacks": (
        "cannot go on: {answer}",
        _LIMIT,
        "This machine could not do what comes next. What is done by then is done: a repetition goes on from there.",
        "A limit of memory or files is reached.",
        "",
    ),
    "output-unwritable": (
        "what was asked for cannot be written to standard output",
        "look at the caller",
        "`list` could not print: the exit code alone would be a lie.",
        "The caller closed its end, or a disk is full.",
        "",
    ),
    "internal-error": (
        "internal error: {answer}",
        "",
        "The agent failed in a way that it was not made for.",
        "A mistake in this program, or the process that works on the disks was killed.",
        "Report it, with all lines; run the action again.",
    ),
}

WARNINGS = {
    "limit-needs-more": (
        "'off' may take {seconds} s, after which Pacemaker tries a second time only if it waits for {least} s or more;"
        " it waits for {usual} s unless told otherwise",
        "set pcmk_off_timeout to {least}, unless it is longer already",
        "The cluster begins no other try after 70 % of the time that it has for 'off'.",
        "`power_timeout`, `power_wait` or `settle_time` is long. The agent is not told `pcmk_off_timeout`.",
        'See [configure.md](configure.md), "Time limits".',
    ),
    "file-unopened": (
        f"{_VALUE}no messages are written there: {{answer}}",
        "name another file",
        "The file that the option names cannot be written. The action goes on without it.",
        "Its folder is missing or read-only, its disk hangs, or it is a link, which is not followed, or a pipe that"
        " nobody reads.",
        "",
    ),
    "file-not-served": (
        f"{_VALUE}no messages are written there: {{answer}}",
        "raise the limit that is named, or free what it counts",
        "Each such file is written by a process of its own, and there was no room for one. The action goes on without.",
        "This machine, or the unit of Pacemaker, is short of processes, files or memory.",
        "",
    ),
    "option-without-effect": (
        "option '{option}' has no effect: {reason}",
        "leave it out",
        "The option is accepted, and does nothing.",
        "The configuration is one of fence_scsi or fence_mpath.",
        "",
    ),
    "option-unknown": (
        f"unknown option '{{option}}' ignored{_MEANT}",
        "leave it out",
        "The option does nothing.",
        _SPELLING,
        "",
    ),
    "options-unknown": (
        "{count} more unknown options ignored",
        "leave them out",
        "The options do nothing.",
        "They are of another agent.",
        "",
    ),
}

STEPS = {
    "usage": "Please use '-h' for usage",
    "prompt": "Reading options from standard input: one name=value a line, Ctrl-D ends (-h for usage)",
    "waiting-to-power": "waiting to power {action}",
    "waiting": "waiting for '{action}'",
    "child-killed": "the process that works on the disks was killed",
    "child-unintelligible": "the process that works on the disks answered nonsense",
}
