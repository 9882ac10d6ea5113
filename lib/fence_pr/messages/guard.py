"""What the guard finds, and what is wrong with its call or its threads."""

from __future__ import annotations

TITLE = "The guard"
INTRO = "Said by `pr_fence_guard`."

_VALUE = "option '{option}', value '{value}': "
_CORRECT = "Correct the option; `--help` says what it takes."

_WHY = "Another node fenced this one, because it was silent or cut off from the cluster."

FAILURES = {
    "this-node-fenced": (
        "this node was fenced: this node's key {own_key} is gone and the reservation keeps it out",
        "the log of the node that fenced it says why",
        "Two complete readings of a disk say so. What the guard does then is its option `--fenced`.",
        _WHY,
        "That node's log says why. The cluster lets this one in when it joins again.",
    ),
    "key-gone-beside-key-zero": (
        "this node's key {own_key} is gone, and a host is registered with key 0: it may be this one",
        "run 'on' here",
        "NVMe: nobody knows whether this node was fenced.",
        'A host was "unregistered" by replacing its key by 0.',
        "",
    ),
    "registered-with-other-key": (
        "this node is registered with another key, {standing}, and its own {own_key} is gone: it was not fenced",
        "run 'on' here, which puts its own key back or says why not",
        "This node can write. Another node's `off` finds the key that it removes gone, and this node still registered.",
        "Another program, such as LVM (vgchange --persist), has registered over this node's registration;"
        " or another machine has this node's initiator name or NVMe host identifier.",
        "Keep the other program off this disk, or give each machine its own names; then run `on` here.",
    ),
    "registered-with-zero": (
        "this node's key {own_key} is gone, and it is registered with key 0: it was not fenced",
        "run 'on' here",
        "NVMe: this node can write, and nobody can fence it, because no command removes key 0.",
        'This node was "unregistered" through the kernel, which replaces the key by 0.',
        "Run `on` here.",
    ),
    "protection-lost": (
        "this node's key {own_key} is gone, but nothing keeps anybody out: the target lost its registrations, or"
        " somebody cleared them",
        "stop the guards, then run 'on' on every node",
        "Nobody was fenced, and every node can write. What the guard does then is its option `--unprotected`.",
        "The storage lost its registrations, or somebody cleared them.",
        "Stop the guards, run `on` on every node, first where the disk is in use, start the guards.",
    ),
    "kept-out-after-loss": (
        "this node's key {own_key} is gone since the target lost its registrations, and the reservation that another"
        " node has taken since keeps this one out: nobody has fenced it",
        "run 'on' here",
        "This node cannot write until it is registered again; what the guard does meanwhile is its option"
        " `--unprotected`.",
        "The storage lost its registrations, and another node is registered again, this one not yet.",
        "Run `on` here. That is refused while the disk is in use: end that before, or reboot this node.",
    ),
    "seconds-out-of-range": (
        f"{_VALUE}must be from {{least:g}} to {{most:g}} seconds",
        "",
        "With such a time the guard would not be one.",
        "The value is too small or too large.",
        _CORRECT,
    ),
    "unreadable-too-soon": (
        f"{_VALUE}must be longer than the interval",
        "",
        "A healthy disk would count as unreadable between two checks.",
        "`unreadable_after` is not longer than `interval`.",
        _CORRECT,
    ),
    "register-without-reboot": (
        f"{_VALUE}needs fenced=reboot: a path that was registered too late must not live on",
        "",
        "Registering a path is a race against being fenced; whoever loses it must reboot.",
        "`returned_paths=register` was combined with another reaction.",
        "Set `fenced=reboot`, or `returned_paths=report`.",
    ),
    "thread-not-started": (
        "no thread for it: {answer}",
        "free memory or processes",
        "A path or disk is not watched until there is one.",
        "A limit of processes or memory is reached.",
        "",
    ),
    "fenced-with-a-path-registered": (
        "this node was fenced while a path of it was registered, which cannot be undone ({answer})",
        "the log of the node that fenced it says why",
        "With `returned_paths=register` this node lost the race against being fenced: over that path it may write.",
        _WHY,
        "The guard does what its option `--fenced` says, which is to reboot; else reset this node.",
    ),
    "path-withdrawn": (
        "{path} was registered, and unregistered at once: this node seems to be fenced",
        "the log of the node that fenced it says why",
        "With `returned_paths=register`: the path that answered before answered no more, or said that it is not"
        " registered.",
        f"{_WHY} Or that path failed just then.",
        "If this node was fenced, the guard says so next. If not, the path is registered when the other one answers.",
    ),
    "registered-on-no-path": (
        "key {own_key} is registered, but over none of this node's paths: no write can succeed",
        "run 'on' here",
        "The disk lists this node's key, but each path of this node says that it has no registration.",
        "All sessions to the target were made anew under other names.",
        "",
    ),
    "not-watched": (
        "not watched before 'on' has run here again: {answer}",
        "run 'on' here",
        "The guard does not know which key this node has on that disk.",
        "The state file is damaged, or its folder cannot be read.",
        "",
    ),
    "not-watched-anyway": (
        "there is no state file of that disk in {folder}, only of: {disks}",
        "give the disk's name as it is among these, if it is there",
        "`--forget`: nothing was changed. The guard does not watch that disk.",
        "`on` has not run for it since the machine started, or it was forgotten before.",
        "",
    ),
    "not-forgotten": (
        "still watched: {answer}",
        "fix the folder, and say it again",
        "`--forget`: the state file cannot be removed.",
        "The folder is read-only, or this user may not.",
        "",
    ),
    "reboot-failed": (
        "cannot reboot: neither {path} nor reboot(2) worked[, nor a signal to process 1: {answer}]",
        "reset this machine",
        "The guard wanted to reboot this machine, and nothing did. It tries again. Fenced disks refuse the writes.",
        "The guard does not run as root, or was started in a container or by another unit than its own.",
        "Reset the machine; run the guard by its own unit.",
    ),
    "reboot-left-to-process-1": (
        "cannot reboot: neither {path} nor reboot(2) worked; process 1 was told to",
        "reset this machine if it goes on",
        "systemd was asked to reboot at once, which may take longer. The guard tries again.",
        "The guard lacks CAP_SYS_BOOT, or `/proc/sys/kernel/sysrq` and `/proc` forbid it.",
        "Run the guard by its own unit.",
    ),
    "pacemaker-not-stopped": (
        "cannot stop Pacemaker: {command}[: {answer}][ ended with {exit_status}]",
        "stop it by hand",
        "`--fenced=stop`, or another option with `stop`: systemd was not told to. The guard tries again.",
        "systemctl is not there, or systemd does not answer.",
        "Stop Pacemaker, or reset this node.",
    ),
}

WARNINGS = {
    "forgotten": (
        "not watched any more",
        "on every node, before anything is done to its registrations; while the option devices names it, 'on' begins"
        " the watch again",
        "`--forget`: the disk's state file is removed, and the disk left alone.",
        "The disk leaves the cluster.",
        "Say it on every node ([procedures.md](procedures.md)).",
    ),
    "disk-unreadable": (
        "no complete answer for {seconds:.0f} s ({answer})",
        "look for this disk in the kernel's log",
        "Whether this node was fenced from that disk nobody can tell. What the guard does then is its option"
        " `--unreadable`.",
        "The disk or all its paths hang, fail or are gone.",
        "",
    ),
    "loss-not-noted": (
        "that its registrations were lost cannot be noted: {answer}",
        "run 'on' here before the guard is started anew",
        "A guard that is started anew would take this node for a fenced one as soon as another node has reserved the"
        " disk.",
        "`/run` is full or read-only.",
        "",
    ),
    "path-registered": (
        "{path} has returned without a registration: registered with {own_key}",
        "",
        "The guard registered a path, as `returned_paths=register` asks for.",
        "The path was dead when `on` ran, or its session was made anew.",
        "Nothing.",
    ),
    "path-refused": (
        "{path} is not registered: {answer}; it is registered with another key, or as another path",
        "run 'on' here",
        "`returned_paths=register`: the target refused to register this path. The guard does not ask again.",
        "Another key was registered over the path, or the target takes two paths for one.",
        "",
    ),
    "path-untold": (
        "whether {path} is registered cannot be told: {answer}",
        "the guard asks again; if this repeats, look into the kernel's log",
        "`returned_paths=register`: the path gave no proper answer.",
        "It is failing again, or its connection has just been made.",
        "",
    ),
    "witness-untold": (
        "{path} is not registered: {witness} could not be asked in time, or is not registered any more",
        "the guard asks again; if this repeats, look into the kernel's log",
        "`returned_paths=register`: a path is registered only while another one says that this node is not fenced.",
        "This node was fenced, stood still, or its other path fails.",
        "",
    ),
    "returned-paths-left": (
        "returned paths are not registered: {answer}",
        "free memory or processes, and run 'on' here",
        "`returned_paths=register` asks for it, but there is no thread for it.",
        "A limit of processes or memory is reached.",
        "",
    ),
}

STEPS = {
    "watch-begun": "watched, this node is registered with {own_key}",
    "watch-ended": "not watched any more, its state file in {folder} is gone",
    "key-not-listed": "this node's key {own_key} is not listed",
    "this-node-registered": "this node is registered (key {own_key})",
    "paths-registered": "{live} paths answer and are registered",
    "path-being-asked": "being asked",
    "rebooting": "rebooting at once",
    "pacemaker-stopping": "Pacemaker is being stopped",
    "watching": "watching {disks} disks",
    "nothing-to-watch": "nothing to watch before 'on' has run here",
}
