"""What became of the writes that a disk had accepted, where no abort did it; drain=reset."""

from __future__ import annotations

TITLE = "Fencing: what a disk had accepted"
INTRO = "The node is fenced; whether what a disk had accepted before is over is another question."

_ACCEPTED_WRITES = "{answer}; the key is gone, but writes that the disk had accepted may still land"
_ACCEPTED_MEANING = "The node is fenced, but no answer to preempt-and-abort said that the abort is done."
_ACCEPTED_CAUSE = "The answer was lost on the way, or another node was faster."

FAILURES = {
    "abort-required": (
        _ACCEPTED_WRITES,
        "wait until they have landed, or set abort=auto",
        f"{_ACCEPTED_MEANING} With `abort=require` that is a failure.",
        _ACCEPTED_CAUSE,
        "Wait longer than the disk takes for a write; the next `off` finds the node fenced.",
    ),
}
WARNINGS = {
    "abort-unconfirmed": (
        _ACCEPTED_WRITES,
        "set settle_time longer than the disk takes for a write",
        _ACCEPTED_MEANING,
        _ACCEPTED_CAUSE,
        "None, if the writes cannot harm. `abort=require` makes this a failure.",
    ),
    "drain-unproved": (
        "drain=reset: {answer}; the key is gone, but writes that the disk had accepted may still land",
        "set settle_time longer than the disk takes for a write",
        "The node is fenced, but nothing proves that nothing is left: `off` waits `settle_time`, as without a reset.",
        "The message says why no reset was sent, or what came back.",
        "Raise `settle_time`; raise `power_timeout` where time was short ([configure.md](configure.md)).",
    ),
    "drain-impossible": (
        "drain=reset cannot be met: {answer}",
        "leave drain out, and set settle_time longer than the disk takes for a write",
        "`validate-all`: `off` would not reset this disk, and say so.",
        "Only a reset that the target itself carries out proves anything.",
        "",
    ),
}

STEPS = {
    "left-to-another": "another node removed the key meanwhile",
    "draining": "logical unit reset over {path}, for what the disk had accepted",
    "drain-only-of-scsi": "only a SCSI disk can be reset",
    "drain-by-no-network": "reached neither by iSCSI nor by Fibre Channel, so a reset may end before the target",
    "drain-left-to-another": "not reset, because the answer does not say that this call removed the key",
    "drain-too-late": "not reset, because less than half of the time limit was left",
}
