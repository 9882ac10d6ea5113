"""What came back from a disk, or did not."""

from __future__ import annotations

TITLE = "Disks and paths"
INTRO = "A disk was asked for something, and its answer was a failure, or none came."

_ANSWER = "{operation}: {answer}[ ({number})]"
_KERNEL_LOG = "the kernel's log (dmesg) may have the target's reason"
_ASK_AGAIN = "the node may be fenced by now: run 'off' again, which finds out; if this repeats, set abort=never"
_ABORT_MEANING = "Preempt-and-abort was sent, and its answer did not come. Most targets remove the key first."
_ABORT_REMEDY = (
    "Run `off` again (the cluster does): it reads the disk and sends nothing if the node is fenced. If it repeats:"
    " `abort=never`."
)

_DEAD = 'A disk that is dead for good must leave the cluster: "A disk that is dead" in [procedures.md](procedures.md).'

_REPLACED = "{operation}: leads to another disk: asked who it is it says {answer}, and the kernel has {known}"
_REPLACED_MEANING = "The name that this kernel has is another disk's. Nothing was changed."
_REPLACED_CAUSE = "The LUN was replaced, or given another number at the storage."
_REPLACED_REMEDY = (
    "Let the kernel look again, as the message says, or log out of the target and in again. Then look which disk the"
    " cluster needs."
)

FAILURES = {
    "reservation-conflict": (
        _ANSWER,
        "this node, or its path, may not be registered: run 'on' here",
        "The target refused the command with a reservation conflict.",
        "This node is not registered, or its path is not (a new iSCSI session is a new path).",
        "Run `on` here.",
    ),
    "own-key-unheeded": (
        "this node's key {own_key} is registered, and the target refuses this node as if it were not: it can fence"
        " nobody there, and not write[; the disk is in use: {users}]",
        "end what uses the disk here, and run 'on' here (stonith_admin --unfence=NODE)",
        "`off` changes nothing then: it could be stopped half-way. `on` registers this node anew where nothing here"
        " uses the disk.",
        "LIO has one mark for all sessions of an initiator, and clears it when the registration of a former one ends"
        " ([storage.md](storage.md)).",
        "Run `on` here. Does it say that the disk is in use: end that first, or reboot.",
    ),
    "reserved-by-older-command": (
        f"{_ANSWER}; another host has reserved the disk by the older command RESERVE(6), and does not share it",
        "find out which one, and release the disk there; if that host is gone for good, reset the LUN (see"
        " procedures.md)",
        "No persistent reservation keeps a host from reading registrations; only that command does.",
        "A backup program or an old cluster manager uses RESERVE and RELEASE.",
        'Keep it off this disk. If its host is gone for good: "A disk that one machine holds" in'
        " [procedures.md](procedures.md).",
    ),
    "not-supported": (
        _ANSWER,
        "use storage with persistent reservations, or switch them on there",
        "The target, the driver or the kernel does not have this function.",
        "It is the wrong kind of storage, or the function is switched off there.",
        "See [storage.md](storage.md).",
    ),
    "invalid-request": (
        _ANSWER,
        _KERNEL_LOG,
        "The target or the kernel refused the command as it was sent.",
        "The target lacks this function or type, or the disk is write-protected or taken away.",
        "",
    ),
    "not-permitted": (
        _ANSWER,
        "run as root (CAP_SYS_ADMIN and CAP_SYS_RAWIO)",
        "The kernel does not let this process send the command.",
        "It does not run as root, or root lacks the capabilities.",
        "",
    ),
    "path-failure": (
        _ANSWER,
        "check the connection to the storage",
        "The command did not reach the disk, or its answer was lost.",
        "A cable, switch, session or target failed. NVMe: the path died during the command, and there was no other.",
        f"Check cable, switch, session and target; the next try takes another path. {_DEAD}",
    ),
    "device-failure": (
        _ANSWER,
        _KERNEL_LOG,
        "The target answered with an error.",
        "It says more to the kernel. ASC=0x55 ASCQ=0x4, insufficient registration resources: it has no room for"
        " another registration.",
        "See the kernel's log. No room: remove foreign keys (see [storage.md](storage.md)), give fewer paths or"
        " initiators access, or raise the target's limit.",
    ),
    "unit-attention": (
        _ANSWER,
        "try again",
        "The target keeps saying that something changed, and did not carry the command out.",
        "Many events came at once: resets, changed registrations.",
        "",
    ),
    "incomplete-answer": (
        _ANSWER,
        "try again; if this repeats, suspect the target",
        "The answer was cut short or contradicts itself, so it is not believed.",
        "A mistake in the target or in a driver.",
        "If it repeats, look for newer firmware, and report it.",
    ),
    "registrations-unsettled": (
        "{operation}: registrations changed during each of {answer} reads over several paths",
        "find out who keeps registering",
        "The keys changed during every reading, so that no two paths told the same.",
        "Nodes, or some program, keep coming and going.",
        "",
    ),
    "not-settled": (
        "{operation}: not settled after {answer} rounds",
        "look into the other nodes' logs, and try again",
        "Every step was undone by somebody else before it could be seen.",
        "Other nodes, or another program, work on the same reservations.",
        "",
    ),
    "another-disk": (
        "{operation}: now leads to a different disk: {answer}",
        "check the connection to the storage, and try again",
        "Between two looks the device node was given to another disk. Nothing was sent to that one.",
        "Disks were attached or detached at this moment.",
        "",
    ),
    "disk-replaced": (
        _REPLACED,
        "let the kernel look again: echo 1 > /sys/block/{kernel_name}/device/rescan, or log out of the target and in"
        " again",
        _REPLACED_MEANING,
        _REPLACED_CAUSE,
        _REPLACED_REMEDY,
    ),
    "namespace-replaced": (
        _REPLACED,
        "let the kernel look again: nvme ns-rescan, or disconnect the controller and connect it again",
        _REPLACED_MEANING,
        _REPLACED_CAUSE,
        _REPLACED_REMEDY,
    ),
    "name-of-another-disk": (
        "{operation}: leads to another disk: asked who it is it says {answer}, which is not what {name} spells",
        "a link that udev has not renewed? Try udevadm trigger, or give the name that the disk has",
        "The name spells another disk's identity. Nothing was changed.",
        "udev has not renewed a link, or multipathd made the map of another disk's paths.",
        "Let udev make its links anew, or name the right disk.",
    ),
    "paths-contradict": (
        "{operation}: two paths lead to two disks, or to one that does not share reservations between its ports"
        " ({answer})",
        "give each LUN its own identifier, or set the storage up to share reservations",
        "Over one path of a map other keys or another reservation are told than over another. A fenced node could write"
        " over the other.",
        "Two LUNs have one identifier, or the heads of a storage do not share reservations.",
        "",
    ),
    "out-of-descriptors": (
        _ANSWER,
        "raise the limit of open files (ulimit -n, LimitNOFILE), or name fewer disks per call",
        "The device node could not be opened; nothing was sent.",
        "This process, or the system, has too many files open.",
        "",
    ),
    "out-of-memory": (
        _ANSWER,
        "free memory or raise its limit (MemoryMax of the unit), and try again",
        "The kernel had no memory for the command.",
        "The machine, or the limit of this process, is short of memory.",
        "",
    ),
    "no-persistence": (
        f"{_ANSWER}; the target cannot keep registrations over a power loss, which the kernel always asks for (APTPL)",
        "switch that on at the target, or use storage that can",
        "The target refuses every registration of the kernel's.",
        "It cannot persist reservations, or that is switched off there.",
        "",
    ),
    "no-answer-in-time": (
        "no answer in time",
        "look for this disk in the kernel's log",
        "The disk did not even answer a read. `off` changes nothing then: another node may be able to finish.",
        "The disk hangs: a lost connection, an overloaded or failed target.",
        f"See the kernel's log. {_DEAD}",
    ),
    "not-begun": (
        "not begun: {answer}",
        "free memory or processes, or raise their limit (ulimit -u, TasksMax of the unit), and try again",
        "The system had no more threads, and those that it had were busy with other disks.",
        "A limit of processes or memory is reached.",
        "",
    ),
    "too-late": (
        "{operation}: not sent, the time limit has passed",
        "see what used up the time",
        "The command was not sent, because nobody waits for its answer any more.",
        "Another disk, or an earlier command, took too long.",
        "",
    ),
    "caller-gone": (
        "nobody waits for the answer any more",
        "run it again",
        "The process that was to be told ended; no further step was taken.",
        "The agent was killed.",
        "",
    ),
    "no-answer": (
        "no answer to {operation}",
        "look for this disk in the kernel's log",
        "The disk named had not answered this command when the time limit passed.",
        "The disk hangs: a lost connection, an overloaded or failed target.",
        "Raise `power_timeout` only if the storage is merely slow.",
    ),
    "abort-unanswered": (
        "no answer to {operation}",
        _ASK_AGAIN,
        _ABORT_MEANING,
        "The disk hangs, or the target waits for what it aborts.",
        _ABORT_REMEDY,
    ),
    "abort-cut-off": (
        "{answer}; then {then}",
        _ASK_AGAIN,
        _ABORT_MEANING,
        "The connection broke, perhaps because of the abort.",
        _ABORT_REMEDY,
    ),
}

WARNINGS = {
    "former-key-needed": (
        "this node's former {keys} is left: without it the target would refuse this node, which uses the disk: {users}",
        "end what uses the disk here, and run 'on' here",
        "While the former key stands this node can write, and cannot be fenced with `registered-twice`.",
        "The key was changed while the disk was in use, and a registration of a former session was there. LIO forgets"
        " with it that the present one is registered ([storage.md](storage.md)).",
        "",
    ),
    "registered-blindly": (
        "registered in place of whatever key stood there, because the disk does not tell which one that was",
        "if another node is not registered now, both have one initiator name or one path: give each its own, and run"
        " 'on' on both",
        "The target refused to register this node beside the key that it had, and that key is none of those listed.",
        "The target does not follow the standard, or registrations changed at this moment.",
        "See whether `status` says ON of the other nodes.",
    ),
    "identity-weak": (
        "the disk has no worldwide unique name, only a model and a serial number ({identity}): another disk may have"
        " the same, and it cannot be used beside other disks",
        "give it an NAA, EUI-64 or UUID at the storage",
        "Nobody can tell this disk from another one for certain.",
        "The disk says no more than its model and serial number, which makers repeat.",
        "",
    ),
    "name-of-this-boot": (
        "a name of the kernel's own: on another node, or after the next boot, it may be another disk",
        "name the disk by a path below /dev/disk/by-id, /dev/mapper or by its WWID",
        "The kernel numbers disks as it finds them, each node in its own order.",
        "`devices` has a name like /dev/sdb, /dev/nvme0n1 or /dev/dm-0.",
        "",
    ),
    "path-dead": (
        "path {path} does not answer: {answer}",
        "fix it, then run 'on' here",
        "One path of a multipath map is dead; the others do the work.",
        "A cable, switch, session or port failed.",
        "",
    ),
    "paths-unregistered": (
        "{live} paths answer, but this node is registered {registrations} times",
        "run 'on' here, unless the target shares one registration between its ports",
        "Writes over a path without a registration fail.",
        "The path was dead when `on` ran, and has returned.",
        "",
    ),
    "host-identifier-untold": (
        "this host has not told the controller an identifier (NVMe feature 81h): a reset of the controller makes it"
        " forget this node's registration",
        "after such a reset run 'on' here",
        "NVMe over PCIe: after a reset of the controller this node is fenced until the next `on`.",
        "Linux tells no identifier to PCIe controllers.",
        "Nothing to do now; after a reset of the controller run `on`.",
    ),
    "persistence-missing": (
        "the target cannot keep registrations over a power loss, which the kernel always asks for (APTPL)",
        "switch that on at the target, or use storage that can",
        "'on' will fail there: such a target refuses every registration of the kernel's.",
        "It cannot persist reservations, or that is switched off there.",
        "",
    ),
    "multipathd-missing": (
        "multipathd does not run ({answer}): a path that returns is not registered before the next 'on'",
        "start multipathd, or run 'on' here when a path returns",
        "Nobody registers a path that returns; writes over it fail.",
        "multipathd is not started, or not installed.",
        "",
    ),
    "multipathd-silent": (
        "multipathd did not answer '{operation}': {answer}",
        "run 'on' here when a path returns",
        "multipathd may not register a path that returns.",
        "It is busy, or hangs on a disk.",
        "See its log; start it again, then run `on`.",
    ),
    "multipathd-refused": (
        "multipathd answered '{operation}' with: {answer}",
        "set reservation_key in multipath.conf to file, or run 'on' here when a path returns",
        "multipathd will not register a path that returns.",
        "It cannot keep this key: in multipath.conf `reservation_key` is another one, or missing.",
        "",
    ),
}

STEPS = {
    "registering-anew": "{own_key} is registered, and the target does not go by it: end that, and register it again",
    "asked-again": "{answer}; this may pass: it is tried again for a while",
    "abort-harm-of-lio": (
        "the target is LIO ({sign}), whose preempt-and-abort can take down the session of the node that sends it"
    ),
    "lio-by-vendor": "vendor {vendor}",
    "lio-by-company": "company identifier {company}",
    "lio-by-serial-number": "an identifier made from the serial number as LIO makes it",
}
