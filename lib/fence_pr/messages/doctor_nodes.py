"""What is said by `pr_fence doctor` where it asks several nodes."""

from __future__ import annotations

TITLE = "The doctor, of several nodes"
INTRO = "Said by `pr_fence doctor --with=NODE`, which asks other nodes and compares them."

FAILURES = {
    "cluster-names-differ": (
        "the nodes do not agree on the cluster's name, from which keys are made: {values}",
        "make corosync.conf the same on all nodes, and restart the cluster on those that change",
        "A node's key is another one than the others take it for, so nobody can fence it.",
        "The cluster was renamed on some nodes only. Corosync itself does not mind.",
        "",
    ),
    "nodelists-differ": (
        "the nodes do not agree on who the nodes are: {values}",
        "make corosync.conf the same on all nodes",
        "A node that is missing in another one's list cannot be fenced from there.",
        "A node was added, removed or renamed on some nodes only.",
        "",
    ),
    "nodelist-orders-differ": (
        "with key_value=id a key is a place in the nodelist, and the lists' orders differ: {values}",
        "put the nodes in one order on all of them, with the cluster stopped everywhere",
        "Two nodes have one key, or a key is another node's elsewhere: the wrong one would be fenced.",
        "The nodelist was written by hand on each node.",
        "",
    ),
    "name-leads-elsewhere": (
        "the name leads to different disks: {values}",
        "name the disk by its identity (/dev/disk/by-id/wwn-…) on all nodes",
        "Nodes reserve and fence on different disks.",
        "Names of the kernel, aliases of maps and links by path may mean another disk on each node.",
        "",
    ),
    "own-keys-equal": (
        "nodes {nodes} are registered with one key, {value}",
        "give each node a key of its own, and run 'on' again on all",
        "Fencing one of them would shut both out, or neither.",
        "key_value=id with different nodelists, or node_keys that differ from node to node.",
        "",
    ),
    "registrations-differ": (
        "the nodes see different registrations on one disk: {values}",
        "see that all paths of all nodes lead to one disk that shares registrations between its ports",
        "What one node preempts there is not removed where the other one looks.",
        "Two heads of an array that do not share reservations, two disks with one identity; or a node was fenced or"
        " joined between two looks: ask again.",
        "",
    ),
    "node-names-equal": (
        "more than one machine takes itself for node {node}",
        "give each its own host name, and name and address in the nodelist of corosync.conf",
        "Both register with one key, so fencing one of them would shut both out, or neither.",
        "The machine was cloned, or corosync.conf names it by an address that both have.",
        "",
    ),
    "host-identifiers-equal": (
        "nodes {nodes} are one host to the storage: {value}",
        "give each node its own iSCSI initiator name (/etc/iscsi/initiatorname.iscsi) or NVMe host identifier"
        " (/etc/nvme/hostid), and log in again",
        "Each overwrites the other's registration, and fencing one does not keep it out.",
        "The machine was cloned.",
        "",
    ),
}

WARNINGS = {
    "machines-alike": (
        "nodes {nodes} have one machine-id",
        "give each its own ('systemd-machine-id-setup'), and check what else the clone has kept",
        "One of them was made as a copy of the other. Host identifiers and state may be copies, too.",
        "The machine was cloned.",
        "",
    ),
    "versions-differ": (
        "the nodes have different versions: {values}",
        "bring all to one version",
        "Versions work side by side, but one may know more than the other.",
        "An update that is not at its end.",
        "",
    ),
    "node-unasked": (
        "node {node} could not be asked: {answer}",
        "try the command by hand: {command}",
        "What is told is what the other nodes see.",
        "The node is down, does not let this user in without a password, or has no pr_fence.",
        "",
    ),
    "node-unintelligible": (
        "the answer of node {node} is none of pr_fence's: {answer}",
        "try the command by hand: {command}",
        "What is told is what the other nodes see.",
        "Its version has no such subcommand, or the remote shell prints something of its own.",
        "",
    ),
}

STEPS: dict[str, str] = {}
