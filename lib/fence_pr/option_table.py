"""The one table of actions and options: parsing, help, metadata and man page are all made from it. Data only."""

from __future__ import annotations

from .keys import HASH64, METHODS
from .record import Record

AGENT = "fence_pr_ioctl"
SHORTDESC = "Fence agent for shared disks with persistent reservations"
LONGDESC = """\
fence_pr_ioctl shuts a failed node out of shared disks. Every node registers a key of its own on every disk \
(action on, unfencing), one reservation lets only registered nodes write, and fencing (action off) removes the failed \
node's key and aborts its commands. It uses the kernel's persistent reservation ioctls and runs no helper program.
The action off reports success only when the disks themselves, read again afterwards, show on every configured disk \
that the node has no key, that this node still has its own, and that a reservation is in force. It never registers: \
a node that was fenced cannot fence its way back in.
Disks are SCSI disks, multipath maps over SCSI disks, and NVMe namespaces. \
Set the resource meta attribute provides=unfencing."""


ABORT_MODES = ABORT_AUTO, ABORT_REQUIRE, ABORT_NEVER = "auto", "require", "never"


class Action(Record):
    """name: canonical; aliases: other names that are understood; advertised: listed in the metadata."""

    name: str
    help: str
    aliases: tuple[str, ...] = ()
    advertised: bool = True


ACTIONS = (
    Action("on", "register this node's key on every disk and see that a reservation is in force", ("enable",)),
    Action("off", "shut a node out of every disk, and prove it", ("disable",)),
    Action("status", "ON (exit 0), OFF (exit 2), or an error (exit 1) if the disks differ or prove nothing"),
    Action("monitor", "check that every disk can be read and carries a fitting reservation"),
    Action("list", "the nodes that can be fenced, one a line"),
    Action("list-status", "the same with ON, OFF or UNKNOWN"),
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


_NO_HELPER = "no helper program is run"

OPTIONS = (
    Option("action", STRING, "Fencing action", 1, "o", FENCING_ACTION, "action", aliases=("option",), required=True),
    Option("plug", STRING, "Node to act on: its name in corosync.conf, or its key (0x…)", 1, "n", "", "node",
           former="port", required=True),
    Option("devices", STRING, "Shared disks, separated by commas or blanks: paths such as /dev/disk/by-id/… or WWIDs."
           " All nodes must name the same disks, in any order", 1, "d", "", "list", required=True),
    Option("nodename", STRING, "Node to act on, where no plug is given (the cluster sends it)", 1, "", "", "node",
           advertised=False),
    Option("node", STRING, "Node to act on by its nodeid in corosync.conf, where nothing else names it (dlm_controld"
           " sends it)", 1, "", "", "nodeid", advertised=False),
    Option("key", STRING, "Key of the node to act on, hexadecimal, in place of the one made from its name", 1, "k", "",
           "key"),
    Option("key_value", SELECT, "How a node's name becomes its key: hash64 (64 bits of a cryptographic hash of cluster"
           " and node name), or as fence_scsi does it: hash, id", 2, "", HASH64, "method", METHODS),
    Option("cluster_name", STRING, "Name of the cluster, for the keys; else the one in corosync.conf", 2, "", "",
           "name"),
    Option("type", SELECT, "Reservation to take where none is in force: auto, or registrants only (WERO, EARO), or all"
           " registrants (WEAR, EAAR); WE.. shuts out writes, EA.. reads as well", 2, "", "auto", "type",
           ("auto", "WERO", "EARO", "WEAR", "EAAR")),
    Option("abort", SELECT, "Abort the commands that a disk had accepted from the node: auto does so where the disk can"
           " and says in the log where it cannot, require fails there, never does not", 2, "", ABORT_AUTO, "mode",
           ABORT_MODES),
    Option("foreign", SELECT, "Registered keys that belong to no node of corosync.conf can still write: report them,"
           " or refuse to call a node fenced while there are any", 2, "", "report", "mode", ("report", "refuse")),
    Option("aptpl", FLAG, "Ask the disk to keep registrations over a power loss", 3, "a",
           ignored="the kernel always asks for it"),
    Option("readonly", FLAG, "Open disks read-only", 4, ignored="disks are always opened read-only"),
    Option("suppress_errors", FLAG, "Log no errors", 5),
    Option("logfile", STRING, "Write standard output and standard error to this file", 6, "", "", "file"),
    Option("quiet", FLAG, "Do not log to standard error; syslog and the debug file are not affected", 50, "q"),
    Option("verbose", FLAG, "Log every step to standard error; may be repeated on the command line", 51, "v"),
    Option("verbose_level", INTEGER, "Verbosity: 0 failures only, 1 steps, 2 every command", 52, "", "", "level"),
    Option("debug_file", STRING, "Append all messages to this file; keep it off the fenced disks", 53, "D", "", "file",
           former="debug"),
    Option("version", FLAG, "Display version information and exit", 54, "V"),
    Option("help", FLAG, "Display help and exit", 55, "h"),
    Option("plug_separator", STRING, "Separator of plugs; only one plug a call is accepted", 100, "", ",", "char"),
    Option("separator", STRING, "Separator in the output of list and list-status", 100, "C", ",", "char"),
    Option("delay", SECONDS, "Wait this long before fencing is started", 200, "H", "0", "seconds"),
    Option("disable_timeout", BOOLEAN, "Wait without limit; power_timeout does not apply", 200, "", "0", "true|false"),
    Option("login_timeout", SECONDS, "Time to log in", 200, "", "5", "seconds", ignored="disks need no login"),
    Option("shell_timeout", SECONDS, "Time for a prompt", 200, "", "3", "seconds", ignored="disks need no prompt"),
    Option("power_timeout", SECONDS, "Time limit of the whole action; a disk that hangs longer is named and the action"
           " fails", 200, "", "20", "seconds"),
    Option("power_wait", SECONDS, "Wait this long after on or off, before the disks are read again", 200, "", "0",
           "seconds"),
    Option("stonith_status_sleep", SECONDS, "Wait this long between attempts of the action on", 200, "", "1",
           "seconds"),
    Option("retry_on", INTEGER, "Attempts of the action on", 201, "", "1", "attempts"),
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

# Sent by the cluster stack to every agent, and of no use here: agent and name by old cluster managers, fail_time by
# dlm_controld.
UNUSED_NAMES = ("agent", "name", "fail_time")
