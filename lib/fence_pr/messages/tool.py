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
    "node-name-malformed": (
        "option '{option}', value '{value}': this can be no node's name",
        "",
        "It would be taken for something else by the remote shell.",
        _SPELLING,
        _CORRECT,
    ),
    "command-malformed": (
        "option '{option}', value '{value}': no command: {answer}",
        "",
        "A shell could not read it either.",
        "A quote is missing.",
        _CORRECT,
    ),
    "fence-device-unknown": (
        "option '{option}', value '{value}': the cluster has no such fence device of this agent[; it has {choices}]",
        "",
        "The name is not the id of a fence device with fence_pr_ioctl in the cluster's configuration, as far as that"
        " could be read.",
        _SPELLING,
        "Name one that is told, or the disks themselves.",
    ),
    "disks-unknown": (
        "no disk is named, and no fence device of this agent is known to the cluster here",
        "name the disks, or call this where the cluster runs",
        "Which disks are meant nobody can tell.",
        "The cluster does not run here, or has no fence device with fence_pr_ioctl.",
        "",
    ),
    "disk-in-use": (
        "it is in use: {users}",
        "end that first; --force does it nevertheless",
        "Repairing would take a disk away that the cluster, or this machine, works with. Nothing was changed.",
        "A fence device names the disk, known nodes are registered, or it is mounted or open for writing here.",
        "Stop what uses it, and take the disk out of the fence device ([procedures.md](procedures.md)).",
    ),
    "identity-unconfirmed": (
        "its identity was not confirmed: it is {identity}[, and not '{value}']",
        "",
        "What cannot be taken back is done only to a disk whose identity somebody has typed. Nothing was changed.",
        "There was no terminal to ask on, or another identity was given.",
        "Look at the disk's identity; if it is the one that is meant, say it with `--yes`.",
    ),
    "not-registered-here": (
        "this node's key {own_key} is not registered: there is nothing to leave",
        "look at the disk with 'pr_fence show'",
        "Nothing was changed.",
        "This node was fenced there, has left before, or `on` has never run.",
        "",
    ),
    "last-to-leave": (
        "no other node is registered: with this registration the reservation ends, and every node can write",
        "let another node join first; --force does it nevertheless",
        "A reservation lasts only as long as a registration. Nothing was changed.",
        "All other nodes have left or were fenced.",
        "",
    ),
    "not-handed-over": (
        "the reservation could not be handed over to the other registrants: {answer}; this node is still registered",
        "fence this node from another one in place of leaving: 'off' there takes the reservation over",
        "Leaving would have ended the reservation for a moment, in which whoever was fenced could write.",
        "The target does not let a holder change the type of its own reservation.",
        "",
    ),
    "still-there": (
        "it is not done: {answer}",
        "look at the disk with 'pr_fence show', and repair it from a node whose paths all answer",
        "After the last command the disk was read again, and what was to go is still there.",
        "A dead path keeps a registration, or another node registered meanwhile.",
        "",
    ),
    "metrics-unwritable": (
        "the metrics cannot be written: {answer}",
        "name another file with --output",
        "The file is as it was.",
        "Its folder is missing or read-only, or this user may not write there.",
        "",
    ),
    "holder-is-another": (
        "the reservation is not held alone with key {key}: it is {type}[, held with {holder_key}]",
        "name the key that holds it; who holds a reservation among registrants is fenced with 'off'",
        "`release` ends a reservation that nodes cannot share. Nothing was changed.",
        "Another key was meant, or the reservation has ended meanwhile.",
        "",
    ),
    "message-unknown": (
        f"no message is like '{{value}}'{_MEANT}",
        "",
        "`explain` knows the messages of this version only, by their codes and by their sentences.",
        "The message is of another program or version, or too little of it was given.",
        "Give its whole line, or look it up in docs/messages.md.",
    ),
}

WARNINGS = {
    "cib-unread": (
        "the cluster's configuration could not be read: {program}: {answer}",
        "start the cluster here, or name the disks, and run this as root or as a member of haclient",
        "Which disks the cluster has, and how names make keys there, is not known.",
        "The cluster does not run here, or this user may not read its configuration.",
        "",
    ),
    "nexus-told-otherwise": (
        "the target tells that this node's registration with {own_key} is of another session or path: 'off' would ask"
        " by REGISTER whether that is so, and be refused there if it is",
        "run 'on' here",
        "A plan does not send that REGISTER. Targets number ports differently: their word alone decides nothing.",
        "This node's session was made anew since `on` ran, or the path with the registration is dead.",
        "",
    ),
    "not-root": (
        "this user is not root: commands to disks, and what this node remembers of them, need root",
        "run this as root",
        "What is told is what an ordinary user can see.",
        "Only root may send such commands and read the files of this agent.",
        "",
    ),
    "nothing-in-time": (
        "nothing came of it within the time limit, and no disk was being waited for",
        "raise --timeout",
        "The process that does the work was still busy.",
        "The machine is overloaded, or Pacemaker's tool does not answer.",
        "",
    ),
    "command-forbidden": (
        "{operation} was not sent: this call only reads",
        "report this",
        "`pr_fence` sends nothing but reads where it only looks, whatever its code asks for.",
        "A mistake in this program. The disk is as it was.",
        "",
    ),
}

STEPS = {
    "nexus-asked-by-register": "ask, by REGISTER from {own_key} to itself, whether that is this path's registration",
    "named-by-fence-device": "fence device {name} names it",
    "nodes-are-registered": "nodes of the cluster are registered: {nodes}",
    "unregistering": "unregister {own_key}",
    "handing-over": "preempt {own_key} with itself, {type}: all registrants hold the reservation",
    "clearing": "clear with {own_key}",
    "releasing": "release with {own_key}, {type}",
    "taking-over": "preempt {holder_key} with {own_key}, {type}",
    "multipathd-told": "have multipathd register the paths that return, with {own_key}",
    "usage-of-tool": "'{program} --help' tells more",
}
