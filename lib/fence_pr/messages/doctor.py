"""What is said by `pr_fence doctor` alone."""

from __future__ import annotations

TITLE = "The doctor"
INTRO = "Said by `pr_fence doctor`, which says much of what the agent says, too."

_BY_HAND = "The configuration was written by hand, or for another agent."

FAILURES = {
    "fencing-disabled": (
        "the cluster fences nobody: its option {option} is {value}",
        "set it to true",
        "A failed node is never fenced, whatever else is configured.",
        "It was switched off while the cluster was set up, and left so.",
        "",
    ),
    "fence-device-missing": (
        "the cluster has no fence device with fence_pr_ioctl[; it has {others}]",
        "configure one",
        "Nobody registers on any disk, and nobody is fenced there.",
        "It was never configured, or removed.",
        "See [configure.md](configure.md).",
    ),
    "fence-device-off": (
        "fence device {device} is switched off: its target-role is {value}",
        "enable it, as by 'pcs stonith enable'",
        "Pacemaker does not use a fence device that is to be stopped.",
        "It was stopped or disabled by hand, for maintenance.",
        "",
    ),
    "fence-device-banned": (
        "node {node} may not use fence device {device}: the cluster can neither register it nor fence from there",
        "remove the constraint",
        "Constraints give the fence device a score below 0 on the node; where symmetric-cluster is false, any that"
        " allows it there is missing.",
        "A ban was left over, or meant to say on which node its monitor runs.",
        "",
    ),
    "unfencing-missing": (
        "fence device {device} lacks provides=unfencing: the cluster registers no node, so none can fence",
        "set the meta attribute provides=unfencing",
        "`on` never runs. The cluster starts its resources on nodes that are not registered.",
        "crmsh does not set it by itself; pcs does.",
        "",
    ),
    "plug-in-resource": (
        "fence device {device} has the option {option}={value}, which holds for one node alone",
        "take it out of the fence device",
        "The cluster tells the agent which node to fence, each time; what stands in the resource contradicts that, or"
        " gives every node the same key.",
        _BY_HAND,
        "",
    ),
    "host-unlisted": (
        "nobody fences node {node}: it is in no list of nodes of a fence device, such as {device}",
        "add it to pcmk_host_list, or leave that out",
        "The cluster knows no fence device for the node, so fencing fails at once.",
        "A node was added or renamed, or its name is misspelt there.",
        "",
    ),
    "disks-not-covered": (
        "node {node} is not fenced on {disks}: no fence device that lists it names these",
        "let one fence device name all disks, and list all nodes",
        "The cluster calls the node fenced, and it still writes to those disks.",
        "Two fence devices have disks, or nodes, of their own.",
        "",
    ),
    "level-device-unknown": (
        "a topology level names {device}, which is no fence device of this cluster[ (did you mean '{near}'?)]",
        "correct the level",
        "A level succeeds only if each of its fence devices does, so this one never does.",
        "The name is misspelt, or the fence device was renamed or removed.",
        "",
    ),
    "fence-devices-without-level": (
        "fence devices {devices} name different disks, and Pacemaker is content with one of them; so for {nodes}",
        "let one fence device name all disks, or join them in one topology level",
        "The node is called fenced, and still writes to the other fence devices' disks.",
        "A second fence device was added for more disks.",
        'See [configure.md](configure.md), "Several fence devices".',
    ),
    "level-orders-differ": (
        "topology levels name the same fence devices in different orders: {values}",
        "name them in one order for every node",
        "Two nodes that fence each other can each win one of them, and then both are out.",
        "The levels were written by hand.",
        "",
    ),
    "time-limit-too-short": (
        "fence device {device}: Pacemaker waits {seconds} s for '{action}', and the agent may take {limit} s",
        "set {option} to {least}, or lower power_timeout",
        "Pacemaker kills the agent before that says which disk does not answer, and has no time for another try.",
        "power_timeout was raised, or Pacemaker's limit lowered.",
        'See [configure.md](configure.md), "Time limits".',
    ),
    "node-not-in-nodelist": (
        "node {node} is a member of the cluster, and not in corosync.conf, which lists {nodes}: 'off' refuses it",
        "make corosync.conf the same on all nodes, with the names that Pacemaker uses",
        "The agent fences no node whose name it does not know.",
        "corosync.conf was changed on other nodes only, or names the node otherwise.",
        "",
    ),
    "remote-node-unknown": (
        "fence device {device} does not know remote node {node}: 'off' refuses it",
        "name it in other_nodes",
        "Remote and guest nodes are on no nodelist, so the agent must be told of them.",
        "A remote node was added.",
        'See [configure.md](configure.md), "Pacemaker Remote and guest nodes".',
    ),
    "resource-reserves": (
        "resource {resource} ({agent}) places reservations of its own on {device}",
        "remove the resource: the fence device's reservation is enough",
        "Two programs register and release on one disk. What one of them sets up the other takes away.",
        "The disk was guarded by that resource before there was a fence device.",
        "",
    ),
    "member-not-registered": (
        "node {node} is a member of the cluster, and not registered there: it cannot write, and can fence nobody",
        "reboot the node, and start the cluster there; its 'on' registers it",
        "The node was fenced and has rejoined without a reboot, or `on` failed or never ran there.",
        "A split that healed by itself, or unfencing that is not configured.",
        "",
    ),
    "removal-noted": (
        "the target could not write down that a node was fenced, as 'off' has noted here: after its restart that node"
        " can write",
        "make room where the target keeps its registrations, and run the agent's 'monitor', which asks it again",
        "The registration that was removed is still in the target's own file.",
        "The disk on which the target keeps its state is full or read-only.",
        "",
    ),
    "guard-confined": (
        "SELinux keeps the guard from the disks where the watchdog daemon starts it: {path} is a link",
        "put a copy of /usr/share/fence_pr_ioctl/watchdog.d/pr_fence_guard there in place of the link, or install the"
        " policy module",
        "The daemon's own domain may not open disks; a script there has another domain, by its label.",
        "SELinux is enforcing.",
        "",
    ),
    "dlm-confined": (
        "SELinux keeps the agent from the disks where dlm_controld calls it: {path} names it",
        "install the policy module, or let Pacemaker fence in its place (without fence_all in dlm.conf)",
        "dlm_controld's domain may not open disks.",
        "SELinux is enforcing.",
        "",
    ),
    "fence-device-failed": (
        "'{action}' of fence device {device} failed on node {node}[: {answer}]",
        "put right what is told before this, then clean up (crm_resource --cleanup)",
        "As long as a fence device's `on` has failed the cluster starts no resources.",
        "What the agent said then is behind the colon, and in that node's log.",
        "",
    ),
    "node-unclean": (
        "node {node} is lost, and has not been fenced yet",
        "put right what is told before this, if anything is; then ask again",
        "What ran on the node is not started elsewhere until it is fenced.",
        "Its fencing is under way, fails, or was never begun, as without a quorum.",
        "",
    ),
    "fencing-failed": (
        "'{action}' of node {node} failed[ at {at}][: {answer}]",
        "put right what is told before this, if anything is; a success ends this message, or stonith_admin --cleanup",
        "The last fencing, or unfencing, of the node came to nothing.",
        "What is told before this, or what has passed by now. What the agent said is in the log of the node that ran"
        " it.",
        "",
    ),
}

WARNINGS = {
    "host-unknown": (
        "fence device {device} lists {node}, which is no node of this cluster[ (did you mean '{near}'?)]",
        "correct pcmk_host_list or pcmk_host_map",
        "The entry does nothing.",
        "The name is misspelt, or the node was renamed or removed.",
        "",
    ),
    "fence-device-unmanaged": (
        "fence device {device} is not managed, by {option}={value}: the cluster fences with it, and does not look"
        " whether it works",
        "take that out; if 'pr_fence disks' has left it (an id with 'by-pr_fence'), call that again as it was",
        "Its monitor does not run.",
        "It was set for maintenance, or a change of its disks by pr_fence was ended early.",
        "",
    ),
    "fence-device-bound": (
        "fence device {device} is bound to a node, as 'pr_fence disks' leaves it where it is ended early",
        "call that again as it was; or remove the constraint",
        "The fence device's monitor prefers that node.",
        "The call was killed, or could not undo this.",
        "",
    ),
    "nodes-without-names": (
        "corosync.conf gives these nodes addresses and no names: {addresses}",
        "give each a name there, or name all nodes in other_nodes",
        "Pacemaker calls them by their host names, which nobody else can know. Their keys are not known either.",
        "crmsh wrote nodelists without names for years.",
        'See [configure.md](configure.md), "Names".',
    ),
    "guard-missing": (
        "pr_fence_guard does not run: where this node is fenced and does not learn of it, it lives on with what it has"
        " in memory",
        "start it: 'systemctl enable --now pr_fence_guard'",
        "Fencing keeps the node's writes away; it does not stop the node.",
        "The guard was not enabled after the installation, or it was stopped.",
        "",
    ),
    "multipath-key-missing": (
        "multipathd registers no path that returns: it has no reservation_key",
        "set 'reservation_key file' in the section defaults of /etc/multipath.conf",
        "A path that was dead when `on` ran stays without a registration, and writes over it fail.",
        "multipath.conf is as it was installed.",
        "",
    ),
    "multipath-key-fixed": (
        "multipathd registers paths that return with a key of its own: reservation_key is {value} in {path}",
        "set 'reservation_key file' there",
        "A path with another key than the node's is a foreign key to the others, and fencing does not remove it.",
        "The setting is fence_mpath's.",
        "",
    ),
    "lvm-key-set": (
        "LVM has a reservation key of its own: pr_key is set in {path}",
        "leave it out, and see that no volume group on these disks has --setpersist",
        "vgchange --persist registers that key in place of this node's, and the node cannot be fenced then.",
        "LVM was set up to place reservations itself.",
        "",
    ),
    "disk-of-two-agents": (
        "fence device {resource} ({agent}) names the disk {device}, too",
        "after a migration remove it",
        "Two agents register keys of their own there. Side by side they work only for a migration, as described.",
        "A migration that is not at its end.",
        "See [migrate.md](migrate.md).",
    ),
    "resource-guarded-by-another": (
        "resource {resource} uses {device}, which fence device {guard} guards, and no fence device of this agent",
        "see that both fence devices are in one topology level, or name the disk here",
        "A node that this agent's fence device alone has fenced can still write there.",
        "The resource's disks are spread over two agents.",
        "",
    ),
    "resource-disk-unfenced": (
        "resource {resource} uses {device}, which no fence device names",
        "add the disk to the fence device, unless it is this machine's own",
        "A node that was fenced can still write there.",
        "A disk was added for the resource, and not for fencing.",
        "",
    ),
    "disk-unused": (
        "the disk serves only fencing, as far as the cluster's resources and {nodes} tell",
        "name the disks that hold the data",
        "To fence a node on a disk without data protects no data.",
        "A small disk was made for fencing, as for SBD; or the data's disks were left out.",
        "",
    ),
    "cluster-missing": (
        "there is no cluster here: no {path}, and none of Pacemaker's tools",
        "run this on a node of the cluster, or name disks",
        "Nothing could be examined.",
        "Another machine was meant, or nothing is installed yet.",
        "",
    ),
    "status-unread": (
        "what the cluster does could not be read: {program}: {answer}",
        "start the cluster here, and run this as root or as a member of haclient",
        "Who is a member, and what fencing did last, is not known.",
        "The cluster does not run here, or this user may not ask it.",
        "",
    ),
    "history-unread": (
        "which fencings failed could not be read: {answer}",
        "look at it with 'stonith_admin --history'",
        "What fencing did last is not known.",
        "The cluster's fencer did not answer in time, or just starts.",
        "",
    ),
}

STEPS: dict[str, str] = {}
