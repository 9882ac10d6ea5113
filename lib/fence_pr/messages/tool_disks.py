"""What is said by the tool where it changes the disks of a fence device."""

from __future__ import annotations

TITLE = "The tool: disks of a fence device"
INTRO = "Said by `pr_fence` where it changes the disks of a fence device."

FAILURES = {
    "fence-device-unnamed": (
        "which fence device is meant is not clear[: the cluster has {choices}]",
        "name it with --fence-device",
        "Disks are changed of one fence device with fence_pr_ioctl. Nothing was changed.",
        "The cluster has none, or several.",
        "",
    ),
    "device-not-changeable": (
        "the disks of fence device {name} cannot be changed by themselves: {answer}",
        "change its configuration by hand, in a maintenance window",
        "Nothing was changed.",
        "Its option devices is not a single one of its own.",
        "",
    ),
    "disk-named-already": (
        "fence device {name} names it already",
        "",
        "There is nothing to do. Nothing was changed.",
        "It was added before.",
        "Look at its disks with `pr_fence show`.",
    ),
    "disk-not-named": (
        "fence device {name} does not name it; it names {disks}",
        "",
        "There is nothing to do. Nothing was changed.",
        "It was removed before, or another name was given for a disk that is not there.",
        "Name it as the fence device does. Where a call was ended early this node may still be registered there:"
        " `pr_fence repair leave DISK` takes it out.",
    ),
    "no-disk-left": (
        "fence device {name} would be left without a disk",
        "add another disk first, or delete the fence device",
        "A fence device without disks fences nobody. Nothing was changed.",
        "All of its disks were named.",
        "",
    ),
    "nodes-not-registered": (
        "these nodes are not registered there: {nodes}",
        "run 'on' for this disk on each of them, with the options of fence device {name}",
        "With this disk they could not be unfenced any more without a restart of what runs on them, and what runs there"
        " could not write to it. Nothing was changed.",
        "`on` was not run there for this disk, or its name leads to another disk on that node.",
        "Run `on` there. A node that is offline is registered when it joins: with --force it is not waited for.",
    ),
    "nodes-of-cluster-unknown": (
        "which nodes the cluster has, and their keys, is not known here",
        "name them: other_nodes, node_keys (see configure.md)",
        "So nobody can tell whether all of them are registered on the disk. Nothing was changed.",
        "The nodelist has addresses only, or keys are given.",
        "",
    ),
    "node-not-fenced-yet": (
        "these nodes are lost and have not been fenced yet: {nodes}",
        "wait until that is done; --force does it nevertheless",
        "A disk that is removed now would not be fenced with the others. Nothing was changed.",
        "A node was lost, and its fencing is under way or fails.",
        "Where a broken disk is the reason why fencing fails, --force lets the cluster fence without it. Make sure that"
        " nothing uses that disk.",
    ),
    "disk-unexamined": (
        "it cannot be examined: {answer}",
        "--force removes it nevertheless; whoever is registered there stays so",
        "Who is registered there, and whether it is in use, is not known. Nothing was changed.",
        "The disk is broken, or its paths are.",
        "",
    ),
    "would-restart": (
        "with these disks the cluster would do more than take them up: {actions}",
        "let the cluster come to rest and try again; if resources would move, give them a resource-stickiness",
        "crm_simulate says so. Nothing was changed.",
        "The fence device was changed before, which has not been taken up yet, or a node has not been unfenced.",
        "",
    ),
    "configuration-changed": (
        "somebody else has changed the cluster's configuration meanwhile; what was begun was taken back",
        "look at fence device {name}, and try again",
        "What the other one has changed is as it was made.",
        "Two people, or a program and a person, were at it at the same time.",
        "",
    ),
    "cluster-not-at-rest": (
        "the cluster's status changes too fast for a change of fence device {name} to get in between",
        "wait until the cluster has come to rest, and try again",
        "Each change is made from one version of the CIB to the next. What was begun was taken back.",
        "Nodes join or leave, or a resource agent writes an attribute all the time.",
        "",
    ),
    "step-without-end": (
        "the cluster has not come so far in time: {answer}",
        "look at it with crm_mon, and try again with a longer --wait",
        "What was begun was taken back.",
        "The cluster is busy, or a node does not answer.",
        "",
    ),
    "device-left-held": (
        "fence device {name} could not be changed, and may be left in maintenance mode: {answer}",
        "call this again; or remove what has 'by-pr_fence' in its id from the configuration",
        "It fences as before, with the disks of before, but nobody monitors it.",
        "The cluster did not take a change.",
        "",
    ),
    "change-unfinished": (
        "fence device {name} has its disks, but what was there for the change alone may be left: {answer}",
        "call this again as it was; or remove what has 'by-pr_fence' in its id from the configuration",
        "It fences with the disks of now. It may be bound to the node where it runs, and nodes may count as unfenced"
        " with the disks of before, too.",
        "Somebody else changed the configuration at the same time, or the cluster was busy or elected its DC.",
        "",
    ),
    "node-shut-out-elsewhere": (
        "these nodes are registered there, and not on other disks of fence device {name}: {nodes}",
        "reboot each of them and start the cluster there, or have it leave the disk ('pr_fence repair leave')",
        "The cluster may take such a node for fenced, and would not fence it here as well: it could write there.",
        "The node was fenced before this disk was added, or while it was.",
        "",
    ),
    "cluster-tool-failed": (
        "{program}: {answer}",
        "run this as root, where the cluster runs",
        "One of Pacemaker's own tools could not do what it was asked for. What was begun was taken back.",
        "The cluster does not run here, or its version does not know what was asked for.",
        "",
    ),
    "restarted-nevertheless": (
        "the fence device has its disks, but the cluster has done more, or is about to: {actions}",
        "look at the cluster with crm_mon, and at its log",
        "It may have nothing to do with the change.",
        "A node or a resource failed at the same time, or Pacemaker goes by something that is not known here.",
        "",
    ),
}

WARNINGS = {
    "device-not-running": (
        "fence device {name} has its disks, but has not been started in time",
        "look at it with crm_mon",
        "The cluster can fence with it nevertheless.",
        "Its monitor takes long, or fails: the failure is in the cluster's log.",
        "",
    ),
    "others-to-leave": (
        "these nodes are still registered there: {nodes}",
        "run 'pr_fence repair leave' for it on each of them, with --force on the last one",
        "The disk is no fence device's any more: a node that is fenced keeps its registration there, and can write.",
        "A node can leave a disk by itself only: whoever removed its key would have its guard take it for fenced.",
        "",
    ),
    "not-left": (
        "this node stays registered there: {answer}",
        "look at the disk with 'pr_fence show'; 'pr_fence repair leave' takes this node out",
        "The fence device does not name the disk any more, and fencing does not cover it.",
        "The disk does not answer, this node is the last one there, or another fence device names it.",
        "",
    ),
}

STEPS = {
    "set-by-template": "its option devices is none of its own",
    "set-more-than-once": "its option devices is set more than once, or by a rule",
    "device-cloned": "it is a clone",
    "digests-missing": "it tells no digests",
    "digest-added": "have each node count as unfenced with the new disks as well: {nodes}",
    "digest-alone": "have each node count as unfenced with these disks only: {nodes}",
    "device-held": "hold fence device {name}, as in maintenance mode",
    "device-forgotten": "have all nodes forget how they started fence device {name}",
    "disks-set": "fence device {name} gets the disks {disks}, and is held no more",
    "device-released": "let fence device {name} be anywhere again",
    "goes-on-unwatched": "what was begun with the cluster goes on, unwatched; call this again as it was in a minute",
    "taking-back": "take back what was begun with fence device {name}",
}
