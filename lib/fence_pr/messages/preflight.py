"""What a pre-flight says of the call, and of its own way."""

from __future__ import annotations

TITLE = "Pre-flight"
INTRO = "Said by `preflight`, of the call and of its own way."

_CORRECT = "Correct the call; `--help` says what it takes."
_UNTRIED = "Nothing was written to the disk."

FAILURES = {
    "other-node-malformed": (
        "option '{option}', value '{value}': that is not the name or address of one node",
        "",
        "A remote shell could take it for something else.",
        "It is misspelt, or several nodes were named.",
        _CORRECT,
    ),
    "remote-shell-malformed": (
        "option '{option}', value '{value}': no shell would understand that: {answer}",
        "",
        "The remote shell is a command with its options.",
        "A quotation mark is missing.",
        _CORRECT,
    ),
    "option-needs-write": (
        "option --{option} is nothing without --write or --with",
        "",
        "It tries something that changes the disk.",
        "An option is missing.",
        _CORRECT,
    ),
    "step-unrecognised": (
        "option '{option}': this call has no step called '{value}'[ (did you mean '{near}'?)]; it has {choices}",
        "",
        "Only steps of the parts that the call asks for can be chosen.",
        "It is misspelt, or --write or --with is missing.",
        _CORRECT,
    ),
    "disk-used-here": (
        "it is in use: {users}",
        "end that first",
        f"A pre-flight overwrites a part of the disk. {_UNTRIED} No option does it nevertheless.",
        "It is mounted, or part of something else, or a program has it open for writing.",
        "",
    ),
    "disk-not-free": (
        "nothing is written to it: {reasons}",
        "if all that may be lost, say its identity with --yes={identity}",
        f"A pre-flight overwrites a part of the disk, and removes all registrations. {_UNTRIED}",
        "Somebody uses the disk, has used it, or may do so.",
        "",
    ),
    "keys-came-meanwhile": (
        "others have registered meanwhile: {keys}",
        "see whose they are; nothing of theirs was removed",
        "Somebody begins to use the disk while it is tried. The pre-flight stops, and takes only its own keys away.",
        "A node of a cluster joins there.",
        "",
    ),
    "disk-became-another": (
        "the name leads to another disk now: {identity}",
        "name the disk by its identity, such as /dev/disk/by-id/wwn-…",
        "Nothing is sent to that other disk. What was left on the first one, the next run with --write removes.",
        "The kernel gave the disk another name after its connection was made anew.",
        "",
    ),
    "disk-too-small": (
        "there is no room for blocks to try it with: {answer}",
        "name a larger disk",
        _UNTRIED,
        "The disk has less than four megabytes.",
        "",
    ),
    "blocks-unreadable": (
        "its blocks could not be read, or written: {answer}",
        "look in the kernel's log",
        "Registrations may work nevertheless.",
        "The disk is broken, read-only, or reserved for others.",
        "",
    ),
    "page-unwritable": (
        "the page cannot be written: {answer}",
        "name another file with --html",
        "The report itself is complete.",
        "Its folder is missing or read-only, or this user may not write there.",
        "",
    ),
    "operators-command-failed": (
        "'{command}' did not do its part: {answer}",
        "correct the command",
        "The step came to nothing.",
        "The command of --restart or --relogin failed.",
        "",
    ),
    "left-unclean": (
        "scratch keys may be left: {answer}",
        "run it with --write again: that removes them",
        "They keep others from writing where a reservation is left, too.",
        "The disk, or a node, did not answer any more.",
        "",
    ),
    "other-node-unreachable": (
        "{node}: {program}: {answer}",
        "see that the same program can be called there by this command",
        "What needs this node was not tried.",
        "The remote shell failed, or pr_fence is not installed there, or ended.",
        "",
    ),
    "other-node-silent": (
        "{node} does not say what came of '{operation}': {answer}",
        "look at the disk there; raise --timeout if it only is slow",
        "Its disk may hang. What that node has left on it, the next run with --write removes.",
        "The disk hangs, or the connection to the node is gone.",
        "",
    ),
}

WARNINGS = {
    "scratch-keys-removed": (
        "an earlier run had left scratch keys, which were removed: {keys}",
        "",
        "Nobody else uses such keys.",
        "It was killed, and what it did on the disk with it.",
        "Nothing.",
    ),
    "command-is-slow": (
        "{operation} of {node} took up to {answer}",
        "",
        "Fencing has a time limit, and a disk takes several commands.",
        "The target is busy, or tries something before it answers.",
        "Raise `power_timeout` and Pacemaker's limits.",
    ),
}

STEPS = {
    "left-clean": "no registration and no reservation is left",
    "step-needs": "{name} came to nothing",
    "step-not-reached": "it was not begun",
    "keys-are-registered": "keys are registered: {keys}",
    "disk-has-signature": "{name}",
    "fence-device-disk-unknown": "fence device {name} names {device}, of which nobody can tell whether it is this disk:"
    " {answer}",
    "disk-has-content": "something stands on it that nobody here knows",
    "signature-untold": "{program} does not say what stands on it: {answer}",
}
