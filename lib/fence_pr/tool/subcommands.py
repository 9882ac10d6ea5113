"""The one table of the tool's subcommands: parsing, help, manual page and completion are made from it. Data only."""

from __future__ import annotations

from .. import option_table
from ..option_table import FLAG, SECONDS, STRING, Option
from ..record import Record

TOOL = "pr_fence"
SHORTDESC = "Look at shared disks with persistent reservations, and put them right"
LONGDESC = """\
pr_fence is for the person at the shell, beside the fence agent fence_pr_ioctl, and uses the same code: what it says \
of a disk that disk has just said, over every path that answers.
A disk that hangs never hangs pr_fence: what does not answer within --timeout is named, and the rest is told. \
It works for any user as far as the rights go, and says what it could not see. Commands to disks need root.
Every subcommand takes --json: one JSON object of a documented form, which the text is made from."""

EXIT_FINE, EXIT_WRONG, EXIT_CALL, EXIT_UNEXAMINED = range(4)
EXITS = (
    (EXIT_FINE, "Everything that was looked at is fine, or what was asked for is done."),
    (EXIT_WRONG, "Something is wrong; what that is, is told."),
    (EXIT_CALL, "The call is wrong; nothing was done."),
    (EXIT_UNEXAMINED, "Nothing wrong was found, but something could not be examined."),
)

DISKS, DOCTOR, EXPLAIN, METRICS = "disks", "doctor", "explain", "metrics"
PLAN, PREFLIGHT, REPAIR, SHOW = "plan", "preflight", "repair", "show"
_MAP = "/dev/mapper/mpatha"
_DISK = "/dev/disk/by-id/wwn-0x60014051234567890123456789012345"


class Subcommand(Record):
    """One subcommand.

    words    what follows it, as the help shows it
    least    how many words it needs
    most     how many it takes; None: any number
    help     what it is for, in a line
    more     what else is to know, in paragraphs
    options  those that it takes, beside COMMON
    kind     what completion offers for a word: disks, nodes or text
    deeds    what the first word may be; () if it may be anything
    behind   what completion offers behind the first word, where that is one of deeds; "" for the same as elsewhere
    examples calls, and what each is for
    """

    name: str
    words: str
    least: int
    most: int | None
    help: str
    more: str
    examples: tuple[tuple[str, str], ...]
    options: tuple[Option, ...] = ()
    kind: str = "text"
    deeds: tuple[str, ...] = ()
    behind: str = ""


JSON = Option("json", FLAG, "Print one JSON object in place of text; its form: docs/pr_fence.md, and the JSON schema"
              " that is installed with it", 50)  # fmt: skip
COMMON = (
    JSON,
    Option("version", FLAG, "Display version information and exit", 54, "V"),
    Option("help", FLAG, "Display help and exit; behind a subcommand: that one's", 55, "h"),
)


def _of_agent(name: str) -> Option:
    """The agent's option of this name: what means the same is one option."""
    return next(option for option in option_table.OPTIONS if option.name == name)


# How names make keys, as the agent is told it.
_KEYS = "key_value", "cluster_name", "other_nodes", "node_keys", "foreign_keys", "corosync_conf"
KEYS = tuple(map(_of_agent, _KEYS))
FENCE_DEVICE = Option("fence_device", STRING, "Id of the cluster's fence device whose disks and options hold; by"
                      " default all of them, and for disks that are named the only one", 1, "", "", "id",
                      aliases=("device",))  # fmt: skip
FORCE = Option("force", FLAG, "Do it although the disk is in use or cannot be read, this node is the last to leave, or"
               " a node that is offline is not registered", 3)  # fmt: skip
TIMEOUT = Option("timeout", SECONDS, "Time limit; a disk that does not answer within it is named", 40, "", "10",
                 "seconds")  # fmt: skip
YES = Option("yes", STRING, "The disk's identity, as 'show' tells it: do it without asking", 2, "", "",
             "identity")  # fmt: skip
WITH = Option("with", STRING, "Ask these nodes, too, by names or addresses that the remote shell understands", 1,
              "", "", "nodes")  # fmt: skip
RSH = Option("rsh", STRING, "Remote shell, with its options: it is called with a node and a command line, as ssh"
             " is", 2, "", "ssh -o BatchMode=yes -o ConnectTimeout=5", "command")  # fmt: skip

SUBCOMMANDS: tuple[Subcommand, ...] = (
    Subcommand(
        SHOW, "[DISK…]", 0, None,
        "disks and nodes at a glance: who is registered, what is reserved, paths, foreign keys, and what 'status' says",
        "A table of disks and nodes, and then each disk: its identity and kind; paths that are live, dead, or without"
        " this node's registration; who is registered, and how often; the reservation, its holder, whether it is kept"
        " over power loss; and where a node is neither ON nor OFF, why.\n"
        "Without DISK: the disks of the cluster's fence devices, as cibadmin tells them, else every disk of this"
        " machine that can be reserved. Names make keys as the only fence device says, or the options here. A foreign"
        " key is one that nothing here explains.\n"
        "Nothing is changed: reads are all that is sent.",
        (
            (f"{TOOL} {SHOW}", "The cluster's disks, or this machine's."),
            (f"{TOOL} {SHOW} --watch", "The same, drawn anew until Ctrl-C."),
            (f"{TOOL} {SHOW} {_DISK} --json", "One disk, for a program."),
        ),
        (
            FENCE_DEVICE, *KEYS, TIMEOUT,
            Option("watch", FLAG, "Draw anew until the tool is interrupted; with --json a line each time", 41, "w"),
            Option("interval", SECONDS, "Time between two drawings of --watch", 42, "", "2", "seconds"),
        ),
        kind="disks",
    ),
    Subcommand(
        DOCTOR, "[DISK…]", 0, None,
        "from \"fencing failed\" to the cause: what is wrong with the cluster's fencing, the cause of the rest first",
        "Reads corosync.conf, the cluster's configuration and its history of fencing (by cibadmin and crm_mon), the"
        " disks and their paths, what the agent's 'monitor' and 'validate-all' say of them, the files of this agent,"
        " the guard, and settings of multipathd, LVM and SELinux. Each finding is told with its severity, what shows"
        " it, and what to do.\n"
        "--with asks other nodes, too: the same program runs there, over ssh or what --rsh names, and what differs"
        " between the nodes is told: the cluster's and the nodes' names, keys, disks, host identifiers, orders,"
        " versions.\n"
        "Nothing is changed: reads are all that is sent.",
        (
            (f"{TOOL} {DOCTOR}", "What is wrong, as far as this node can see."),
            (f"{TOOL} {DOCTOR} --with=node2,node3", "The same of three nodes, and what differs between them."),
            (f'{TOOL} {DOCTOR} --with=node2 --rsh="ssh -p 2222"', "Over ssh as it is set up here."),
        ),
        (
            WITH, RSH, FENCE_DEVICE, *KEYS, TIMEOUT,
        ),
        kind="disks",
    ),
    Subcommand(
        PLAN, "on|off NODE [DISK…]", 2, None,
        "what the agent's 'on' or 'off' would do now on this node, step by step, and what it would say",
        "The agent's own code runs, on disks that are read and then only imagined to be changed: so the steps are those"
        " that it would take, in its order. The disk that is named first decides, as in 'off' itself.\n"
        "Without DISK: the disks of the cluster's fence devices, a call for each.\n"
        "Nothing is changed, and nothing is sent that could: what 'off' would ask by a REGISTER that changes nothing is"
        " told as a step. The exit status is 1 if the action would fail. What changes after this look is not known.",
        (
            (f"{TOOL} {PLAN} off node2", "Could this node fence node2, and what would that take?"),
            (f"{TOOL} {PLAN} on node1 {_DISK}", "What would register this node, node1, there?"),
        ),
        (FENCE_DEVICE, *map(_of_agent, ("key", "type", "abort", "foreign")), *KEYS, TIMEOUT),
        kind="disks", deeds=("on", "off"), behind="nodes",
    ),
    Subcommand(
        REPAIR, "leave|clear|release DISK", 2, 2,
        "put a disk right: this node leaves it, all registrations go, or a dead host's reservation ends",
        "leave: this node goes out in order. It hands the reservation over to the other registrants if it holds it,"
        " forgets the state file that the guard goes by, and unregisters; at no moment whoever was shut out can write."
        " Refused to the last registrant.\n"
        "clear: all registrations and the reservation go, of a disk that no cluster uses.\n"
        "release: the reservation that a dead host holds alone (write exclusive, or exclusive access) ends, and its"
        " registration goes. --holder names its key. Make sure first that the host is switched off.\n"
        "Each shows what stands there, and does nothing before the disk's identity was typed, on the terminal or with"
        " --yes. Each refuses while the cluster or this machine uses the disk. And each reads the disk afterwards: the"
        " exit status is 0 only if that shows that it is done.",
        (
            (f"{TOOL} {REPAIR} leave {_DISK}", "Take this node out, after its identity was typed."),
            (f"{TOOL} {REPAIR} clear {_MAP} --yes=naa.60014051234567890123456789012345", "For a script."),
            (f"{TOOL} {REPAIR} release {_DISK} --holder=0x77", "A machine with this key is gone for good."),
        ),
        (
            YES,
            FORCE,
            Option("holder", STRING, "release: the key that holds the reservation, hexadecimal", 4, "", "", "key"),
            FENCE_DEVICE, *KEYS, TIMEOUT,
        ),
        kind="disks", deeds=("leave", "clear", "release"),
    ),
    Subcommand(
        DISKS, "add|remove DISK…", 2, None,
        "other disks for a fence device of the running cluster, without restarting a resource",
        "add: refused unless every node of the cluster is registered on the disk, as it itself says: run the agent's"
        " 'on' for it on each node before, with the options of the fence device.\n"
        "remove: and then this node leaves the disk, as by 'repair leave'. The nodes that must do the same are told."
        " Refused while this machine uses the disk, or a node waits to be fenced.\n"
        "The cluster's configuration, and all by which Pacemaker could tell that nodes were unfenced with other disks,"
        " change together. Before anything is changed crm_simulate is asked what the cluster would do; afterwards that"
        " nothing was started or stopped but the fence device's monitor is proved by what the cluster has on record. A"
        " change by somebody else meanwhile is never overwritten.",
        (
            (f"{TOOL} {DISKS} add {_DISK} --device=shared", "All nodes are registered there by now."),
            (f"{TOOL} {DISKS} remove {_DISK}", "Of the only fence device."),
        ),
        (
            FORCE, FENCE_DEVICE, *KEYS, TIMEOUT,
            Option("wait", SECONDS, "Time that the cluster has to take the change up", 40, "", "60", "seconds"),
        ),
        kind="disks", deeds=("add", "remove"),
    ),
    Subcommand(
        PREFLIGHT, "DISK", 1, 1,
        "can this storage be trusted to shut a node out? It is tried, before anybody's data are on it",
        "By itself it only reads: who the disk is, its paths, what its target says it can do.\n"
        "--write tries with this node what the target says, with scratch keys: registrations, each reservation type,"
        " writes under it, each path, and a preempt over another path than the holder's.\n"
        "--with tries with two nodes whether who is shut out is shut out (from reading, too, under the types that say"
        " so), and fences one of them in the middle of a stream of writes, each block of which bears its number:"
        " nothing of it may land afterwards. The same program must be there, called pr_fence, and root.\n"
        "What it registers it takes away, also where it is interrupted; what it cannot take away since it was killed"
        " the next run with --write removes. What stands in the megabyte in the middle of the disk is written back at"
        " the end, but is lost where it is killed.\n"
        "It does not write to a disk with others' keys, with anything on it (a file system, LVM, a partition table, or"
        " what nobody knows), or that a fence device names, unless its identity was typed, on the terminal or with"
        " --yes: then all registrations go. It never writes to one that is mounted or open for writing.",
        (
            (f"{TOOL} {PREFLIGHT} {_DISK}", "What the target says; harms nobody."),
            (f"{TOOL} {PREFLIGHT} {_MAP} --with=node2 --html=report.html", "All of it, as a page to hand on."),
            (f"{TOOL} {PREFLIGHT} {_MAP} --write --only=restart --restart=./restart",
             "Are they kept?"),
        ),
        (
            WITH, RSH,
            Option("write", FLAG, "Try it with this node", 1),
            Option("other_disk", STRING, "What the other node calls the disk, if not the same", 2, "", "", "disk"),
            YES,
            Option("only", STRING, "Only these steps, by their names, separated by commas, and those that they need", 4,
                   "", "", "steps"),
            Option("settle", SECONDS, "How long it is watched after an abort whether something lands later", 4, "",
                   "5", "seconds"),
            Option("restart", STRING, "Try whether registrations outlive a restart of the target, which this shell"
                   " command brings about, or waits for", 5, "", "", "command"),
            Option("relogin", STRING, "The same for a connection of this node that is made anew", 5, "", "",
                   "command"),
            Option("html", STRING, "Write the report to this file, too, as a page that needs nothing else", 6, "", "",
                   "file"),
            Option("other_end", FLAG, "What --with calls on the other node: do what standard input says", 42),
            TIMEOUT,
        ),
        kind="disks",
    ),
    Subcommand(
        METRICS, "[DISK…]", 0, None,
        "what show reads, as numbers for Prometheus (OpenMetrics), and how the last on and off on this node ended",
        "On standard output, or with --output in a file for the node exporter's textfile collector, which is replaced"
        " as a whole. The timer pr_fence_metrics.timer does that once a minute. Alert rules are installed with it.\n"
        "What is wrong goes to standard error.",
        (
            (f"{TOOL} {METRICS}", "On standard output."),
            (f"{TOOL} {METRICS} --output=/var/lib/prometheus/node-exporter/pr_fence.prom", "For the node exporter."),
        ),
        (
            Option("output", STRING, "Write to this file in place of standard output", 2, "", "", "file"),
            FENCE_DEVICE, *KEYS, TIMEOUT,
        ),
        kind="disks",
    ),
    Subcommand(
        EXPLAIN, "CODE… | TEXT", 1, None,
        "what a message of fence_pr_ioctl, pr_fence_guard or pr_fence means, where it comes from, and what to do",
        "A message is named by its code, as docs/messages.md lists it, or by its text, as it stands in a log, with or"
        " without what stands before it there.",
        (
            (f"{TOOL} {EXPLAIN} own-key-missing", "By its code."),
            (f'{TOOL} {EXPLAIN} "Failed: /dev/sdb: nodes are registered but nothing is reserved"', "By its text."),
        ),
    ),
)  # fmt: skip
