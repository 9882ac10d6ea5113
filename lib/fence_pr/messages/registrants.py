"""Whose keys stand on the disks."""

from __future__ import annotations

TITLE = "Whose keys they are"
INTRO = "A node is called fenced only if every key that stands on a disk is known to be another's."

_MADE = "this node registered {own_key}, but its name makes {made_key}: "
_MADE_HINT = (
    "set cluster_name and key_value as they were, or run 'on' on every healthy node; explicit keys are for all nodes or"
    " none"
)
_MADE_MEANING = "Names make other keys than when `on` ran here: nobody knows whose key is whose."
_MADE_CAUSE = (
    "`cluster_name` or `key_value` changed, with `key_value=id` a node was removed, `corosync.conf` is half written, or"
    " only this node has an explicit key."
)
_MADE_REMEDY = "Set it as it was, or run `on` on every node that is to live; explicit keys for all nodes or for none."
_UNKNOWN_CAUSE = (
    "A node whose `cluster_name` or `key_value` differs, one on no list, a removed one, or another program."
)
_UNKNOWN_HINT = (
    "look for it in /run/fence_pr_ioctl on every machine: it may be a healthy node's, whose cluster_name or key_value"
    " differs, or which other_nodes= or node_keys= must name; only if no machine has it, declare it (foreign_keys=) or"
    " remove it"
)
_UNKNOWN_REMEDY = (
    "Find out whose it is ([procedures.md](procedures.md)): to remove a node's key is to fence it. Only what no machine"
    " has may be declared or removed (`plug=0x…`)."
)
_FOLDER = "The folder is full, read-only or gone."

FAILURES = {
    "registered-otherwise": (
        "{node} is registered with {key}, its key with key_value={method}",
        "run 'on' there, or fence it with key_value={method}",
        "The node has a key of the old kind, and can write.",
        "`key_value` was changed, and `on` has not run there since.",
        "Run `on` there if it lives; else fence it by hand with that `key_value` ([procedures.md](procedures.md)). With"
        " `id` only if the nodelist has not changed since: else that may be another node's key.",
    ),
    "keys-changed": (
        f"{_MADE}which key {{node}} has cannot be told",
        _MADE_HINT,
        _MADE_MEANING,
        _MADE_CAUSE,
        _MADE_REMEDY,
    ),
    "registered-twice": (
        "{who} has another key here: {standing}; the target tells that its host is the same node's",
        "if that host is {node}, and no other node has this key in its /run/fence_pr_ioctl, fence the key: 'off' with"
        " plug=0x…",
        "One node has two keys: removing one of them would not keep it out. Nothing was changed.",
        "The cluster was renamed while a path was dead, or the node has a second session or host identifier.",
        "If the node lives, run `on` there: it removes its own old keys. Else make sure that no other node has the key"
        " ([procedures.md](procedures.md)), fence it by itself (`plug=0x…`), then the node again.",
    ),
    "may-be-registered": (
        "{who} is not registered, but nobody can tell that none of these is its key: {standing}",
        "look for it in /run/fence_pr_ioctl on every machine; if you know whose it is: other_nodes= or node_keys= for a"
        " node's, foreign_keys= for another program's",
        "A key stands on the disk that belongs to no known node. If the node has registered with it, it can write.",
        _UNKNOWN_CAUSE,
        _UNKNOWN_REMEDY,
    ),
    "keys-unexplained": (
        "no known node has these keys: {standing}; while they stand, a node that is not registered cannot be called"
        " fenced",
        _UNKNOWN_HINT,
        "`monitor` and `validate-all`: found in daylight, before a fencing must succeed.",
        _UNKNOWN_CAUSE,
        _UNKNOWN_REMEDY,
    ),
    "key-of-two-hosts": (
        "one key stands for two hosts: {standing}",
        "set key_value=hash64, or give each node a key of its own, and run 'on' on every healthy node",
        "Two nodes have registered one key: fencing one of them cannot be told from fencing the other.",
        "`key_value=id` with nodelists in different order, one key given to two nodes, or a cloned host identifier. Or"
        " one node, with a new adapter or initiator name, whose old registrations stand.",
        "`key_value=hash64` makes a key that no other node has. A node with a new adapter or name: fence it from"
        " another node, then run `on` there.",
    ),
    "key-of-another-node": (
        "the key of {who} stands for another node: {standing}",
        "set key_value=hash64, or give each node a key of its own, and run 'on' on every healthy node",
        "The key is registered from a host that is known to be another node. Nothing was changed.",
        "`key_value=id` with nodelists in different order, one key given to two nodes, or nodes that changed machines.",
        "`key_value=hash64` makes a key that no other node has. If machines have changed their nodes or initiators, and"
        " every node has its own key: remove what is remembered ([configure.md](configure.md)).",
    ),
    "keys-of-lvm": (
        "LVM keeps reservations of its own on this disk: {standing}",
        "keep one of the two off this disk: vgchange --persist stop, or another disk for fencing",
        "LVM's reservations replace the keys of this agent. A node would be fenced, or not, by whoever came last.",
        "A volume group on this disk was started with vgchange's option --persist start, or by lvmlockd.",
        "Stop them for that volume group (vgchange, option --persist stop), and switch them off there (setpersist).",
    ),
}

WARNINGS = {
    "keys-left": (
        "no known node has these keys, which can still write: {standing}",
        _UNKNOWN_HINT,
        "It is done, and a key is left that nobody knows: the next time it may stand in the way of a proof.",
        _UNKNOWN_CAUSE,
        f"{_UNKNOWN_REMEDY} `foreign=refuse` makes this a failure of `off`.",
    ),
    "keys-made-otherwise": (
        "this node is registered with {own_key}, and its name makes another key by now",
        "set cluster_name and key_value as they were, or run 'on' on every healthy node",
        "The keys that names made when `on` ran here are still understood: nodes can be fenced by either.",
        "The cluster was renamed in corosync.conf, or `key_value` was changed, and `on` has not run since.",
        "See [procedures.md](procedures.md) for how to rename a cluster and how to change `key_value`.",
    ),
    "disks-not-named": (
        "this node is registered on disks that this call does not name: {disks}",
        "name all disks in one fence device, or put the devices into one topology level",
        "A node that this call fences can still write to these disks.",
        "There are two fence devices, or a disk left the cluster: its state file stays until the next boot.",
        "Pacemaker runs one device of a node unless a topology level names both ([configure.md](configure.md))."
        " A disk that has left: let the guard forget it ([procedures.md](procedures.md)).",
    ),
    "bindings-unreadable": (
        "what is remembered of this disk cannot be read: {answer}",
        "the next 'on' or 'monitor' here writes it anew",
        "Fewer keys can be explained, so less can be proved.",
        "The file was cut off, belongs to another disk, or its folder cannot be entered.",
        "",
    ),
    "bindings-of-another": (
        "what is remembered of this disk was written by node {node}, and this is {local}: it is not used",
        "run 'on' here, which writes it anew",
        "Fewer keys can be explained, so less can be proved.",
        "The machine was cloned or renamed, or its files were copied.",
        "",
    ),
    "bindings-unwritable": (
        "what is to be remembered of this disk cannot be written: {answer}",
        "fix the folder",
        "After the next boot fewer keys can be explained, so less can be proved.",
        _FOLDER,
        "",
    ),
    "keys-unknown": (
        f"{_MADE}which keys the nodes have cannot be told",
        _MADE_HINT,
        f"`list-status` calls all nodes UNKNOWN. {_MADE_MEANING}",
        _MADE_CAUSE,
        _MADE_REMEDY,
    ),
}

STEPS = {
    "key-on-two-hosts": "one key stands for two hosts, which are taken for one node's: {standing}",
    "key-of-nobody": "{standing_key}[, of host {hosts}][, which is {nodes}]",
    "key-of-lvm": "{standing_key} (LVM's form)[, of host {hosts}][, which is {nodes}]",
    "key-of-fence-scsi": "{standing_key} (fence_scsi's form)[, of host {hosts}][, which is {nodes}]",
}
