"""What the disks say of nodes, and what came of it."""

from __future__ import annotations

TITLE = "Fencing: what the disks say"
INTRO = "Every disk could be asked, and what it says is not what was asked for."

_SINGLE_CAUSE = "Some other program holds the disk for one node alone."
_SINGLE_HINT = "release it where it is held; if that machine is gone for good, clear the disk (see procedures.md)"
_SINGLE_REMEDY = (
    'Find it by the key, and release it there. If that machine is gone for good: "A disk that one machine holds" in'
    " [procedures.md](procedures.md)."
)
_DIFFER = "the disks differ: run 'off' again, or 'on' there"
_DIFFER_CAUSE = "A fencing stopped half-way, or `on` did not reach every disk."
_DIFFER_REMEDY = "Fence the node again, or run `on` there."
_FOLDER = "The folder is full, read-only or gone."
_UNWRITTEN_CAUSE = (
    "LIO keeps registrations in files, below `/var/target/pr` or `/etc/target/pr`: full, read-only, gone."
)
_UNWRITTEN_REMEDY = (
    "Make the folder writable there. Then run `monitor` here: it makes the target write. Did it restart before:"
    " fence the node again."
)
FAILURES = {
    "own-key-missing": (
        "this node's key {own_key} is not registered",
        "it was fenced, or 'on' has not run here: run 'on' here",
        "A node that is not registered must not fence others.",
        "This node was fenced itself, or `on` has not run here.",
        "Run `on` here (the cluster does it when the node joins). If it was fenced, find out why first.",
    ),
    "no-keys": (
        "this node's key {own_key} is not registered, and nothing is reserved: every node can write",
        "the disk lost its registrations, or never had any: run 'on' here and on every other node",
        "Nobody was fenced, and nobody is kept out.",
        "The storage lost its registrations, somebody cleared them, or `on` has never run.",
        "Stop the guards, run `on` on every node, first where the disk is in use, start the guards.",
    ),
    "own-key-stale": (
        "this node's key {own_key} is registered, but not for this node as it is connected now: it can fence nobody"
        " there, and most targets refuse its writes",
        "the key is of a former session or of a dead path: run 'on' here (stonith_admin --unfence=NODE)",
        "`off` changes nothing then: it could win one disk and be stopped at the next.",
        "A session was logged out and in again, and the disk takes it for another initiator; or the registered path is"
        " dead, and the one that is left never was.",
        "Run `on` here. Is that refused: stop what runs here, and reboot.",
    ),
    "registrations-unwritten": (
        "the target cannot write its registrations down: {answer}; after its restart nodes that were fenced can write",
        "make room for the target's file, and let it write there; then run 'monitor' again",
        "`monitor`: an `off` here has noted it, and it still is so. The target answers as if all were well.",
        _UNWRITTEN_CAUSE,
        _UNWRITTEN_REMEDY,
    ),
    "own-key-gone": (
        "this node's key {own_key} is not registered any more",
        "it was fenced: stop what writes here, then run 'on' here",
        "Another node fenced this one; its writes fail.",
        "This node was silent, or cut off from the cluster.",
        "That node's log says why. The cluster lets this one in when it joins again.",
    ),
    "registrations-lost": (
        "this node's key {own_key} is not registered any more, and nothing is reserved: every node can write",
        "the disk lost its registrations, or somebody cleared them: run 'on' on every node",
        "Nobody was fenced, and nobody is kept out.",
        "The storage lost its registrations, or somebody cleared them.",
        "Stop the guards, run `on` on every node, first where the disk is in use, start the guards.",
    ),
    "nothing-reserved": (
        "nodes are registered but nothing is reserved: every node can write",
        "run 'on' on any node",
        "Keys alone keep nobody out.",
        "The reservation was released, or the storage lost it.",
        "",
    ),
    "can-write": (
        "{who} is not registered, but nothing is reserved: it can write",
        "run 'on' on a node that is to live",
        "The node has no key, but nothing keeps it out.",
        "The storage lost its reservation, or `on` has not run anywhere.",
        "Run `on` on a node that is to live; the cluster does it when a node joins.",
    ),
    "registered-here": (
        "{who} is registered",
        _DIFFER,
        "`status`: the node can write to this disk, and not to another one.",
        _DIFFER_CAUSE,
        _DIFFER_REMEDY,
    ),
    "fenced-here": (
        "{who} is fenced",
        _DIFFER,
        "`status`: the node cannot write to this disk, but to another one.",
        _DIFFER_CAUSE,
        _DIFFER_REMEDY,
    ),
    "not-fenced": (
        "{who} is not fenced",
        "run 'off' again",
        "Read again after the last step, the disk still has the node's key, or no reservation.",
        "The node was registered again at this moment, or the target did not do what it said.",
        "Run `off` again; if this repeats, do not trust the target.",
    ),
    "key-zero": (
        "a host is registered with key 0 and can write: it may be the node to fence",
        "an NVMe host that was unregistered by replacing its key: run 'on' there, or clear the disk",
        "NVMe: nobody knows which node this host is.",
        'A host was "unregistered" by replacing its key by 0.',
        "Run `on` on that node, or clear the namespace.",
    ),
    "key-vanished": (
        "key {own_key} was registered a moment ago and is gone",
        "this node may have been fenced just now: find out, then run 'on' again",
        "`on` does not bring a node back that another one fences at the same moment.",
        "Another node fenced this one, or the target did not do what it said.",
        "",
    ),
    "maybe-fenced": (
        "key {own_key} may have been registered a moment ago, is not there, and other registrations have changed",
        "this node may have been fenced just now: find out, then run 'on' again",
        "`on` does not bring a node back that another one may have fenced meanwhile.",
        "The answer to a REGISTER was lost, or a key of this node is gone. Another node fenced this one, or others came"
        " and went at that moment.",
        "",
    ),
    "not-rebooted": (
        "this node had registered here and has been kept out since, and the disk is in use: {users}",
        "reboot this node",
        "`on` presumes a reboot: what this node had written before, and has not landed, would land over newer data.",
        "This node was fenced, or the storage lost its registrations and another node came first; and `on` was run"
        " without a reboot, while something still uses the disk.",
        "Reboot this node. Or end what uses the disk, if nothing is left to be written.",
    ),
    "held-back": (
        "this node had registered here and has been kept out since; another disk is in use or does not answer",
        "reboot this node",
        "`on` presumes a reboot. Where nothing uses a disk it does without, but what this disk shows decides about"
        " others: so it is left as it is until these are let in, too.",
        "This node was fenced, and `on` was run without a reboot. Another disk is in use, or `on` failed there.",
        "Reboot this node. Or do what is said of the other disks, and run `on` again.",
    ),
    "held-by-one": (
        "the reservation in force is {type}, held with key {holder_key}: only its holder can write",
        _SINGLE_HINT,
        "Nodes cannot share such a reservation.",
        _SINGLE_CAUSE,
        _SINGLE_REMEDY,
    ),
    "victim-is-this-node": (
        "{who} is this node itself, and a node cannot fence itself",
        "check the options key and pcmk_host_map",
        "A node was told to fence itself.",
        "Two nodes have one key, or a name is mapped to the wrong node.",
        "Check `key` and `pcmk_host_map`.",
    ),
    "own-key-unknown": (
        "this node's key is unknown: 'on' has not run here since boot, and this machine is not in the nodelist of"
        " corosync.conf",
        "run 'on' here",
        "A node must know its own key to fence others.",
        "`on` has not run here since the machine started, and corosync.conf does not name this machine.",
        "Run `on` here.",
    ),
    "nothing-changed": (
        "nothing was changed on any disk",
        "fix what the other lines name, or fence from another node; a disk that no node will see again: take it out of"
        " the option devices",
        "A disk could not be used, or this node could not finish there, so nothing was begun.",
        "The other lines say which one, and why.",
        "Fix what the other lines name; another node may be able to fence. A disk that is lost for every node: see"
        " [procedures.md](procedures.md).",
    ),
    "fenced-on-some": (
        "{who} is fenced on only {done} of {disks} disks; it may still write to the others",
        "fix what the other lines name, and run 'off' again",
        "The node cannot write to some disks, and may write to the others.",
        "The other lines name these, and what failed there.",
        "Fix them; the next try begins with what is left.",
    ),
    "not-touched": (
        "not touched: {arbiter} is fenced first and decides who survives, and fencing it failed",
        "see that disk's own line",
        "The first disk decides which of two nodes that fence each other survives.",
        "Another node won there, or that disk failed.",
        "",
    ),
    "abort-refused": (
        "abort=require cannot be met: {answer}",
        "set abort=auto, which preempts without abort there",
        "`off` sends nothing to such a disk; `monitor` and `validate-all` fail, too.",
        "Preempt-and-abort on Linux's own SCSI target can take down the session of the node that sends it.",
        "Set `abort=auto`, which preempts without abort there and waits `settle_time`.",
    ),
    "on-elsewhere": (
        "'on' registers the node it runs on; this is {local}, not {node}",
        "run it on {node}",
        "A node is registered by itself alone.",
        "`on` was run by hand for another node, or the cluster does not run it on its target.",
        "",
    ),
    "nexus-of-another": (
        "this node's path is registered with key {key}[ of node {node}]: two nodes are one initiator to the disk",
        "give each its own initiator name, or its own virtual port (NPIV), and log in again",
        "Fencing one of the two would mean nothing. Nothing was replaced.",
        "`/etc/iscsi/initiatorname.iscsi` was cloned with the machine, or virtual machines share their host's port.",
        "Give each its own. A key that this node had itself, and nobody remembers: remove it from another node"
        " (`off` with `plug=0x…`).",
    ),
    "shared-host-identifier": (
        "this host's NVMe identifier is registered with key {key}[ of node {node}], which is not this node's: two nodes"
        " have one identifier",
        "give each its own in /etc/nvme/hostid and /etc/nvme/hostnqn, and connect again",
        "NVMe: two nodes are one host to the target; fencing one would mean nothing.",
        "`/etc/nvme/hostid` was cloned with the machine.",
        "Give each its own. A key that this node had itself, and nobody remembers: remove it from another node"
        " (`off` with `plug=0x…`).",
    ),
    "state-file-of-another": (
        "the state file in {folder} is of node {node}, and this is {local}",
        "run 'on' here again",
        "The state file of what this node registered was written under another node name.",
        "The node was renamed, or its machine cloned.",
        "",
    ),
    "state-file-unreadable": (
        "the state file cannot be read: {answer}",
        "run 'on' here again",
        "What this node registered cannot be known.",
        "The file is damaged, or its folder cannot be entered.",
        "",
    ),
    "state-file-unwritable": (
        "registered, but the state file in {folder} cannot be written: {answer}",
        "fix the folder, and run 'on' again",
        "The guard and later calls must know what was registered.",
        _FOLDER,
        "",
    ),
    "state-file-in-the-way": (
        "not registered, because the state file in {folder} cannot be removed: {answer}",
        "fix the folder, and run 'on' again",
        "The old state file would tell the guard that this node was fenced.",
        _FOLDER,
        "",
    ),
    "type-missing": (
        "the target has no reservation type '{type}'",
        "set the option type to one that it has",
        "`validate-all`: where nothing is reserved, `on` would fail.",
        "The target does not have all six types.",
        "",
    ),
    "nothing-to-list": (
        "no nodelist in corosync.conf and no devices: nothing to list",
        "give the option devices",
        "Nodes are known from corosync.conf, keys from the disks.",
        "Neither was given.",
        "",
    ),
}

WARNINGS = {
    "removal-unwritten": (
        "{who} is fenced, but the target could not write that down: {answer}; after its restart the key is back, and"
        " the node can write",
        "do not restart the target before 'monitor' is well again; make room for its file",
        "The node is out now, and for as long as the target runs. `monitor` fails until the target has written.",
        _UNWRITTEN_CAUSE,
        _UNWRITTEN_REMEDY,
    ),
    "abort-missing": (
        "{unaborted} of {disks} disks: no abort confirmed; waited {seconds:g} s (settle_time), but slower writes"
        " accepted before may still land",
        "set settle_time longer than the disk takes for a write",
        "Fenced, and said with the success: on these disks nothing ended the writes that the storage had accepted.",
        'The log says why ("without abort").',
        "None, if the storage carries a write out within that time; else raise `settle_time`"
        " ([configure.md](configure.md)).",
    ),
    "only-holder-writes": (
        "the reservation in force is {type}: only its holder can write",
        _SINGLE_HINT,
        "Fenced, but the other nodes cannot write either.",
        _SINGLE_CAUSE,
        _SINGLE_REMEDY,
    ),
    "type-differs": (
        "the reservation in force is {type}, and the option type asks for {wanted}",
        "to change it, stop the cluster, release the reservation, and run 'on' on every node; or set type as it is",
        "Nodes can be fenced all the same. Whether a fenced one can still read depends on the type in force.",
        "The reservation was there before the option was set: what is in force is never replaced while nodes work.",
        "",
    ),
    "not-unfenced": (
        "this node's key {own_key} is not registered",
        "run 'on' here if this node is to write",
        "`monitor`: the disks are well, but this node cannot fence others.",
        "`on` has not run here since the machine started.",
        "",
    ),
    "not-unfenced-anew": (
        "this node's key {own_key} is registered for a former session of this node only",
        "run 'on' here if this node is to write",
        "`monitor`: the disks are well, but this node cannot fence others.",
        "The machine has started since, and `on` has not run here.",
        "",
    ),
    "not-known-here": (
        "this node's key is unknown: no node can be fenced from here",
        "run 'on' here if this node is to write",
        "`monitor`: the disks are well, but this node cannot fence others.",
        "`on` has not run here since the machine started, and corosync.conf does not name this machine.",
        "",
    ),
}

STEPS = {
    "paths-tell": "{told}",
    "disk-says": "registered keys: {keys}; reservation: {type}",
    "disk-says-nothing-registered": "registered keys: none; reservation: {type}",
    "untouched": "not begun",
    "waiting-for-disks": "this machine has just started: waiting for {disks}",
    "type-untold": "no such type",
    "registering": "register {own_key}",
    "replacing-former-key": "replace this node's former key {key}",
    "reserving": "reserve with {own_key}, {type}",
    "preempting": "preempt {victim_key} with {own_key}, {type}",
    "preempting-with-abort": "{step}, with abort",
    "preempting-without-abort": "{step}, without abort: {answer}",
    "preempting-former-key": "{step}, this node's former key",
    "abort-not-wanted": "abort=never",
    "abort-avoided": "'off' preempts without abort there: {answer}",
    "nexus-untold": "{answer}; whether this node is registered over its path is not told",
    "written-untold": "{answer}; whether the target has written that down is not told",
    "hosts-untold": "{answer}; whose registrations these are is not told",
    "capabilities-untold": "{answer}; the target need not say what it can do",
    "persistence-inactive": "registrations do not survive a power loss of the target",
}
