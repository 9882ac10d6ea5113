"""The one table of actions and options: parsing, help, metadata and man page are all made from it. Data only."""

from __future__ import annotations

from .keys import HASH64, METHODS
from .record import Record

AGENT = "fence_pr_ioctl"
SHORTDESC = "Fence agent for shared disks with persistent reservations"
LONGDESC = """\
fence_pr_ioctl fences a failed node: it takes away the node's access to the shared disks. Every node registers a key \
of its own on every disk ('on', unfencing), one reservation lets only registered nodes write, and 'off' (fencing) \
removes the failed node's key and, where that harms nobody else, aborts its commands. It uses the kernel's persistent \
reservation ioctls and runs no helper program.
'off' reports success only when the disks themselves, read again afterwards, show on every configured disk that the \
node has no key, that this node still has its own, and that a reservation is in force. It never registers: a node that \
was fenced cannot fence its way back in.
Disks are SCSI disks, multipath maps over SCSI disks, and NVMe namespaces. \
Set the resource meta attribute provides=unfencing."""


ABORT_MODES = ABORT_AUTO, ABORT_REQUIRE, ABORT_NEVER = "auto", "require", "never"
DRAIN_MODES = DRAIN_NONE, DRAIN_RESET = "none", "reset"


class Action(Record):
    """name: canonical; aliases: other names that are understood; advertised: listed in the metadata."""

    name: str
    help: str
    aliases: tuple[str, ...] = ()
    advertised: bool = True


ACTIONS = (
    Action(
        "on", "unfence this node: register its key on every disk, and see that a reservation is in force", ("enable",)
    ),
    Action("off", "fence a node on every disk, and prove it", ("disable",)),
    Action("status", "ON (exit 0), OFF (exit 2), or an error (exit 1) if the disks differ or prove neither"),
    Action("monitor", "check that every disk can be read and has a suitable reservation"),
    Action("list", "the nodes that can be fenced, one per line"),
    Action("list-status", "the same, each with ON, OFF or UNKNOWN"),
    Action("metadata", "print the agent's metadata (XML)", ("meta-data",)),
    Action("manpage", "print the metadata with manual page markup"),
    Action("validate-all", "check the configuration without changing a disk"),
)
FENCING_ACTION = "off"
LISTS = ("list", "list-status")

FLAG, BOOLEAN, INTEGER, SECONDS, STRING, SELECT = "flag", "boolean", "integer", "second", "string", "select"


class Option(Record):
    """One option.

    name      as in the metadata and on standard input; the long form has - in place of _
    order     its place in help and metadata; PURPOSES says which places belong together
    kind      FLAG takes no argument on the command line and a boolean on standard input
    metavar   what the argument is called in the help
    aliases   other names that are understood
    former    one more such name, advertised as deprecated
    ignored   why the option is accepted but has no effect; "" if it has one
    """

    name: str
    kind: str
    help: str
    order: int
    short: str = ""
    default: str = ""
    metavar: str = ""
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    former: str = ""
    required: bool = False
    advertised: bool = True
    ignored: str = ""

    def long(self) -> str:
        """The long form, without dashes in front."""
        return self.name.replace("_", "-")

    def names(self) -> tuple[str, ...]:
        """Every name that is understood."""
        return (self.name, *self.aliases, *([self.former] if self.former else []))

    def purpose(self) -> str:
        """What the option is for: the heading that it stands under in the help."""
        return [purpose for first, purpose in PURPOSES if first <= self.order][-1]


_NO_HELPER = "no helper program is run"

OPTIONS = (
    Option("action", STRING, "Fencing action", 1, "o", FENCING_ACTION, "action", aliases=("option",), required=True),
    Option("plug", STRING, "Node to act on: its name in corosync.conf, or its key (0x…)", 1, "n", "", "node",
           former="port", required=True),
    Option("devices", STRING, "Shared disks, separated by commas or blanks: paths such as /dev/disk/by-id/… or WWIDs."
           " All nodes must name the same disks, in any order", 1, "d", "", "list", required=True),
    Option("nodename", STRING, "Node to act on if no plug is given (sent by the cluster)", 1, "", "", "node",
           advertised=False),
    Option("node", STRING, "Node to act on, by its nodeid in corosync.conf, if nothing else names it (sent by"
           " dlm_controld)", 1, "", "", "nodeid", advertised=False),
    Option("key", STRING, "Key of the node to act on, hexadecimal, instead of the one made from its name", 1, "k", "",
           "key"),
    Option("key_value", SELECT, "How a node's name becomes its key: hash64 (64 bits of a cryptographic hash of cluster"
           " and node name), or as fence_scsi does it: hash, id", 2, "", HASH64, "method", METHODS),
    Option("cluster_name", STRING, "Name of the cluster, from which keys are made; by default the one in"
           " corosync.conf", 2, "", "",
           "name"),
    Option("other_nodes", STRING, "Nodes that corosync.conf does not name, separated by commas or blanks: Pacemaker"
           " Remote and guest nodes, or all nodes where the nodelist has addresses only; their keys are made from these"
           " names", 2, "", "", "names"),
    Option("node_keys", STRING, "The keys of all nodes, hexadecimal, for example 'node1:0x1;node2:0x2'; no key is made"
           " from a name then", 2, "", "", "pairs"),
    Option("foreign_keys", STRING, "Keys of other programs or clusters, hexadecimal, separated by commas or blanks:"
           " they are no node's", 2, "", "", "keys"),
    Option("type", SELECT, "Reservation to take where none is in force: auto, or registrants only (WERO, EARO), or all"
           " registrants (WEAR, EAAR); WE.. keeps other nodes from writing, EA.. from reading as well", 2, "",
           "auto", "type",
           ("auto", "WERO", "EARO", "WEAR", "EAAR")),
    Option("abort", SELECT, "Commands that a disk has accepted from the node: auto: abort them if the disk supports"
           " it and that harms nobody else, else preempt without abort and log that; require: fail instead; never: do"
           " not abort", 2, "", ABORT_AUTO, "mode", ABORT_MODES),
    Option("settle_time", SECONDS, "After a preempt without abort 'off' waits this long, for writes that the disk has"
           " accepted, before it reads the disk again; the time limit is extended by as much", 2, "", "1", "seconds"),
    Option("drain", SELECT, "Where nothing was aborted, reset a SCSI disk once, for all nodes, after the node's key has"
           " gone, so that nothing which the disk had accepted lands later: none or reset. It has a price, see"
           " configure.md", 2, "", DRAIN_NONE, "mode", DRAIN_MODES),
    Option("foreign", SELECT, "What to do about foreign keys, which belong to no node in corosync.conf and can still"
           " write: report them, or refuse to call a node fenced while there are any", 2, "", "report", "mode",
           ("report", "refuse")),
    Option("aptpl", FLAG, "Ask the disk to keep registrations over a power loss", 3, "a",
           ignored="the kernel always asks for it"),
    Option("readonly", FLAG, "Open disks read-only", 4, ignored="disks are always opened read-only"),
    Option("suppress_errors", FLAG, "Do not log errors", 5),
    Option("logfile", STRING, "Write standard error to this file, and standard output there, too", 6, "", "", "file"),
    Option("quiet", FLAG, "Do not log to standard error; syslog and the debug file are not affected", 50, "q"),
    Option("verbose", FLAG, "Log every step to standard error; may be repeated on the command line", 51, "v"),
    Option("verbose_level", INTEGER, "Verbosity: 0 failures only, 1 steps, 2 every command", 52, "", "", "level"),
    Option("debug_file", STRING, "Append all messages to this file; keep it off the fenced disks", 53, "D", "", "file",
           former="debug"),
    Option("version", FLAG, "Display version information and exit", 54, "V"),
    Option("help", FLAG, "Display help and exit", 55, "h"),
    Option("plug_separator", STRING, "Separator between plugs; only one node per call is accepted", 100, "",
           ",", "char"),
    Option("separator", STRING, "Separator in the output of 'list' and 'list-status'", 100, "C", ",", "char"),
    Option("delay", SECONDS, "Wait this long before fencing starts", 200, "H", "0", "seconds"),
    Option("disable_timeout", BOOLEAN, "Wait without limit, until the cluster ends the call; power_timeout does not"
           " apply. Unlike fence-agents, never the default", 200, "", "0", "true|false"),
    Option("login_timeout", SECONDS, "Time to log in", 200, "", "5", "seconds", ignored="disks need no login"),
    Option("shell_timeout", SECONDS, "Time for a prompt", 200, "", "3", "seconds", ignored="disks need no prompt"),
    Option("power_timeout", SECONDS, "Time limit for the whole action; if a disk hangs for longer the action"
           " fails and names it", 200, "", "20", "seconds"),
    Option("power_wait", SECONDS, "Wait this long after 'on' or 'off' before reading the disks again", 200, "", "0",
           "seconds"),
    Option("stonith_status_sleep", SECONDS, "Wait this long between attempts at 'on'", 200, "", "1",
           "seconds"),
    Option("retry_on", INTEGER, "How often to try 'on'", 201, "", "1", "attempts"),
    Option("corosync_conf", STRING, "Configuration file of corosync", 300, "", "/etc/corosync/corosync.conf", "path"),
    Option("mpath_register_method", SELECT, "Registration over several paths", 300, "", "", "method",
           ("multi", "single"), ignored="every path is registered by itself"),
    Option("corosync_cmap_path", STRING, "Path to corosync-cmapctl", 300, "", "", "path", ignored=_NO_HELPER),
    Option("sg_persist_path", STRING, "Path to sg_persist", 300, "", "", "path", ignored=_NO_HELPER),
    Option("sg_turs_path", STRING, "Path to sg_turs", 300, "", "", "path", ignored=_NO_HELPER),
    Option("mpathpersist_path", STRING, "Path to mpathpersist", 300, "", "", "path", ignored=_NO_HELPER),
    Option("sudo_path", STRING, "Path to sudo", 300, "", "", "path", ignored=_NO_HELPER),
    Option("use_sudo", FLAG, "Use sudo for helper programs", 300, aliases=("sudo",), ignored=_NO_HELPER),
    Option("store_path", STRING, "Folder for what this node registered", 300, "", "", "path",
           ignored="it is kept in /run/fence_pr_ioctl"),
    Option("vgs_path", STRING, "Path to vgs", 300, "", "", "path", ignored=_NO_HELPER),
)  # fmt: skip

# What the options are for, from this place in their order on.
PURPOSES = (
    (1, "Which node, which disks"),
    (2, "Keys and reservations"),
    (3, "What is said, and where"),
    (54, "About the agent"),
    (100, "Form of the lists"),
    (200, "Time"),
    (300, "Files"),
)
IGNORED = "Accepted without effect, for configurations of fence_scsi and fence_mpath"

# Sent by the cluster stack to every agent, and of no use here: agent and name by old cluster managers, fail_time by
# dlm_controld.
UNUSED_NAMES = ("agent", "name", "fail_time")
