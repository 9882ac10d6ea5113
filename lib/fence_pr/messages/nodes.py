"""What is wrong with nodes and keys, as a call and corosync.conf give them."""

from __future__ import annotations

TITLE = "Nodes and keys"
INTRO = "Nothing was done. Which node is meant, and which key is its own, must be certain before a disk is touched."

_VALUE = "option '{option}', value '{value}': "
_MEANT = "[ (did you mean '{near}'?)]"
_CORRECT = "Correct the option; `--help` says what it takes."
_NAMED = "set the option cluster_name, or give a key"
_REFUSED = "The value is none that the option takes."

FAILURES = {
    "key-malformed": (
        f"{_VALUE}is not a reservation key (a hexadecimal number of up to 16 digits)",
        "",
        _REFUSED,
        "It has another letter in it, or too many digits.",
        _CORRECT,
    ),
    "key-is-zero": (f"{_VALUE}a reservation key cannot be 0", "", _REFUSED, "0 means: no registration.", _CORRECT),
    "key-contradiction": (
        f"{_VALUE}contradicts the option key, which is {{key}}",
        "",
        "Two keys were given for one node.",
        "`plug` is a key, and `key` another one.",
        _CORRECT,
    ),
    "node-key-malformed": (
        f"{_VALUE}'{{pair}}' is not of the form node:key",
        "",
        _REFUSED,
        "The colon is missing, or what stands before it.",
        "Write it like `node1:0x1;node2:0x2`.",
    ),
    "node-keys-equal": (
        f"{_VALUE}node {{node}} has the same key {{key}} as node {{other}}",
        "",
        "Fencing one would fence both.",
        "A pair was copied.",
        "Give each node its own key.",
    ),
    "node-listed-twice": (
        f"{_VALUE}node {{node}} is there twice",
        "",
        "One node would have two keys, or it could be either of two. Names that differ only by case count as one.",
        "A name was copied.",
        _CORRECT,
    ),
    "node-name-is-key": (
        f"{_VALUE}'{{node}}' is a key, not the name of a node",
        "",
        "Whatever begins with `0x` is taken for a key, so no call could name that node.",
        "A key was written in the place of a name.",
        _CORRECT,
    ),
    "foreign-key-is-nodes": (
        f"{_VALUE}key {{key}} is a node's",
        "",
        "A key was declared to be no node's, and the same call gives it to a node.",
        "A node's key was taken for another program's.",
        "Take it out of `foreign_keys`, or give the node another key.",
    ),
    "plug-is-key-and-node": (
        f"{_VALUE}is a key and the name of a node; give the node's key with the option key",
        "",
        "The name can be read both ways.",
        "A node is called like a key.",
        "Set `key`.",
    ),
    "key-of-another": (
        f"{_VALUE}is the key of node {{node}}, not of {{plug}}",
        "",
        "The key of one node was given, and the name of another.",
        "`key` was left over in the resource, or `pcmk_host_map` is wrong.",
        _CORRECT,
    ),
    "other-nodes-by-id": (
        f"{_VALUE}with key_value=id only nodes of the nodelist have keys",
        "",
        "With `key_value=id` a key is made from the node's place in the nodelist, and these nodes have none.",
        "The two options do not go together.",
        "Set `node_keys` for all nodes, or another `key_value`.",
    ),
    "nodename-contradiction": (
        f"{_VALUE}is node {{node}}, and nodename is {{nodename}}",
        "",
        "The cluster asked for one node, and the resource names another.",
        "`plug` was left over in the resource, or `pcmk_host_map` is wrong.",
        "Take `plug` out of the resource; the cluster sends the node's name itself.",
    ),
    "nodeid-contradiction": (
        f"{_VALUE}is {{node}} in corosync.conf, and the plug is {{plug}}",
        "",
        "Two nodes were named.",
        "`node` is the nodeid of another node than `plug`.",
        _CORRECT,
    ),
    "node-not-listed": (
        f"node {{node}}: not known[ ({{nodes}})]{_MEANT}[ (a key is written 0x{{digits}})]",
        "check the spelling, or name it in other_nodes",
        "There is no such node in corosync.conf, nor in `other_nodes` or `node_keys`.",
        "It is misspelt, was removed from the cluster, or is a Pacemaker Remote or guest node.",
        "Check the spelling; name remote and guest nodes, and a removed one that is to be fenced, in `other_nodes`.",
    ),
    "node-spelt-otherwise": (
        "node {node}: known as '{near}'",
        "write it so",
        "The cluster takes both spellings for one node, but they make two keys.",
        "Upper and lower case were mixed.",
        "Write the name as in corosync.conf, on all nodes.",
    ),
    "node-by-address": (
        f"node {{node}}: an address names no node{_MEANT}",
        "name it as crm_node -l does",
        "Pacemaker calls a node by its name, or its host name, never by an address, and the key is made from that.",
        "An address was given.",
        "",
    ),
    "node-without-key": (
        "node {node}: not in the option node_keys[ ({nodes})]",
        "give every node its key there",
        "Where `node_keys` is set no key is made from a name.",
        "The node was added to the cluster, or is misspelt.",
        "Name every node in `node_keys`.",
    ),
    "entry-without-name": (
        "the node with the address {address} has no name in corosync.conf, which key_value=id needs",
        "give it one, or set key_value=hash64",
        "With `key_value=id` a key is made from a place in the nodelist, and nobody can tell whose place that is.",
        "The nodelist has addresses only.",
        "",
    ),
    "node-without-position": (
        "node {node}: not in the nodelist of corosync.conf, which key_value=id counts on",
        "set key_value=hash64, or add the node to the nodelist",
        "With `key_value=id` a key is made from the node's place in the nodelist.",
        "The node is not on the list.",
        "",
    ),
    "names-unknown": (
        "corosync.conf does not name every node, so the list would not be whole",
        "set pcmk_host_list, or name the nodes in corosync.conf",
        "The cluster would take nodes that are not on the list for ones that cannot be fenced.",
        "The nodelist has addresses only, and the nodes are called by their host names.",
        "",
    ),
    "nodeid-unknown": (
        "node {node}: no node of corosync.conf has this nodeid and a name",
        "check the nodeids and names in corosync.conf",
        "There is no such node, or it is not known what it is called.",
        "Nodeids or names are not set, or the node was removed.",
        "",
    ),
    "node-twice": (
        "node {node}: is twice in the nodelist of corosync.conf",
        "give each node its own name",
        "Two nodes would have one key.",
        "A section of the nodelist was copied.",
        "",
    ),
    "key-twice": (
        "node {node}: has the same key {key} as node {other}",
        "use another key_value",
        "Fencing one would fence both.",
        "The 16 bits of `hash` or `id` are the same by chance.",
        "",
    ),
    "cluster-name-missing": (
        "no cluster name in corosync.conf",
        _NAMED,
        "Keys are made from the cluster's name.",
        "corosync.conf has no `cluster_name`.",
        "Fix corosync.conf, or set `cluster_name`.",
    ),
    "digest-missing": (
        "this Python has no {name}, which keys are made with",
        "give every node's key in the option node_keys",
        "No key can be made from a name.",
        "The interpreter was built without it, or the system's policy for cryptography forbids it for every purpose.",
        "Give keys (`node_keys`), or use an interpreter that has it.",
    ),
    "corosync-conf-missing": (
        "there is no {path}",
        _NAMED,
        "Keys are made from the cluster's name.",
        "This machine is in no cluster, or corosync.conf is elsewhere.",
        "Set `cluster_name`.",
    ),
    "corosync-conf-unreadable": (
        "{path} cannot be read: {answer}",
        "fix the file",
        "Which nodes there are, and their keys, cannot be known.",
        "It is no file, too large, or its disk fails.",
        "",
    ),
}

WARNINGS: dict[str, tuple[str, str, str, str, str]] = {}

STEPS: dict[str, str] = {}
