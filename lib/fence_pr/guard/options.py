"""The one table of the guard's options: parsing, help and manual page are made from it."""

from __future__ import annotations

from .. import command_line, options
from ..errors import UsageError
from ..option_table import FLAG, SECONDS, SELECT, STRING, Option
from ..record import Record
from .verdict import LOG, REACTIONS, REBOOT, REGISTER, REPORT, RETURNED_PATHS, Policy

GUARD = "pr_fence_guard"
SHORTDESC = "Act at once when this node has been fenced off its shared disks"
LONGDESC = """\
pr_fence_guard watches every disk on which 'on' of fence_pr_ioctl has registered this node since boot (the state files \
in /run/fence_pr_ioctl). Before the first 'on' there is nothing to watch, and it does nothing.
A node is fenced when, in two complete readings of one disk, its key is gone and a reservation keeps it out, no other \
path that answers lists the key, and the node is not registered with another key instead: that is asked by REGISTER \
from each listed key to itself, which changes nothing. \
A disk that cannot be read proves nothing, and a disk on which nothing is reserved keeps nobody out: each has \
an option of its own.
Before a disk leaves the cluster, take it out of the option devices and say --forget=disk on every node: what happens \
to its registrations afterwards resets nobody."""

# Calls, and what each is for.
EXAMPLES = (
    (f"systemctl enable --now {GUARD}", "Guard this node, now and whenever it starts: reboot it if it is fenced."),
    (f"{GUARD} --check", "Check every disk once; the exit status says what was found, 0: all is well."),
    (f"{GUARD} --fenced=log -v", "Only say what is found, here on the terminal."),
    (
        f"{GUARD} --forget=/dev/disk/by-id/wwn-0x60014051234567890123456789012345",
        "Watch this disk no more: it leaves the cluster.",
    ),
)

CHECK, TEST, REPAIR, RUN, HELP, VERSION = "check", "test", "repair", "run", "help", "version"
FORGET = "forget"

# The watchdog daemon calls what is in its test directory with these words.
_TEST_WORD, _REPAIR_WORD = TEST, REPAIR

OPTIONS = (
    Option("fenced", SELECT, "What to do when this node was fenced: log it, stop Pacemaker, or reboot at once, without"
           " writing anything back", 1, "", REBOOT, "action", REACTIONS),
    Option("unprotected", SELECT, "What to do when this node's key is gone but nothing is reserved: nobody is fenced,"
           " because the target lost its registrations or somebody cleared them", 2, "", LOG, "action", REACTIONS),
    Option("unreadable", SELECT, "What to do when a disk has given no complete answer for unreadable_after"
           " seconds", 3, "",
           LOG, "action", REACTIONS),
    Option("unreadable_after", SECONDS, "Time without a complete answer after which a disk is unreadable", 4, "", "30",
           "seconds"),
    Option("returned_paths", SELECT, "What to do about a working path of a multipath map that is not registered:"
           " report it, or register it while another path of this node is registered. Registering is a race against"
           " being fenced that cannot be won in every case, and needs fenced=reboot", 5, "", REPORT, "mode",
           RETURNED_PATHS),
    Option("interval", SECONDS, "Time between two checks of a disk", 6, "", "1", "seconds"),
    Option("confirm_after", SECONDS, "Time between the two readings that prove that this node was fenced", 7, "", "0.3",
           "seconds"),
    Option("path_interval", SECONDS, "Time between two checks of all paths", 8, "", "10", "seconds"),
    Option("check", FLAG, "Check every disk once and exit: 0 all is well or its option says log, 5 a disk or the state"
           " files cannot be read, 13 this process may not read them, 254 reboot. The watchdog daemon, which resets the"
           " machine for anything but 0, calls with the word test instead of --check: then 5 comes only if the option"
           " unreadable says more than log", 9),
    Option("forget", STRING, "Watch a disk no more, until 'on' is run for it again, and exit; a path, a WWID, or what"
           " the guard calls the disk, which may be gone. The disk itself is left alone", 10, "", "", "disk"),
    Option("verbose", FLAG, "Say on standard error what is found, also when all is well", 51, "v"),
    Option("version", FLAG, "Display version information and exit", 54, "V"),
    Option("help", FLAG, "Display help and exit", 55, "h"),
)  # fmt: skip


class Settings(Record):
    """What the command line asks for.

    mode        RUN, CHECK, TEST, REPAIR, FORGET, HELP or VERSION; TEST is the watchdog daemon's CHECK
    code        REPAIR: the exit status of the check that failed
    disk        FORGET: which one
    """

    mode: str
    policy: Policy
    register: bool
    interval: float
    confirm_after: float
    path_interval: float
    verbose: bool
    code: int = 0
    disk: str = ""


def parse(arguments: list[str]) -> Settings:
    """The settings that a command line (without the program's name) asks for. Raises UsageError."""
    pairs, words = command_line.read(arguments, OPTIONS)
    values = {option.name: option.default or ("" if option.kind == STRING else "0") for option in OPTIONS}
    for option, value in pairs:
        if option.kind == STRING and not value:
            raise UsageError("option-needs-value", option=f"--{option.name}")
        values[option.name] = "1" if option.kind == FLAG else options.checked(option, value)
    return _settings(values, words)


def _settings(values: dict[str, str], words: list[str]) -> Settings:
    mode, code = _mode(values, words)
    _refuse(values)
    after = float(values["unreadable_after"])
    return Settings(
        mode=mode,
        policy=Policy(values["fenced"], values["unprotected"], values["unreadable"], after),
        register=values["returned_paths"] == REGISTER,
        interval=float(values["interval"]),
        confirm_after=float(values["confirm_after"]),
        path_interval=float(values["path_interval"]),
        verbose=values["verbose"] == "1",
        code=code,
        disk=values["forget"] if mode == FORGET else "",
    )


def _mode(values: dict[str, str], words: list[str]) -> tuple[str, int]:
    for mode in (HELP, VERSION):
        if values[mode] == "1":
            return mode, 0
    if words[:1] == [_REPAIR_WORD]:
        code = words[1] if len(words) > 1 else ""
        return REPAIR, int(code) if code.isascii() and code.isdigit() and 0 < int(code) < 256 else 1
    if words not in ([], [_TEST_WORD]):
        raise UsageError("argument-unexpected", value=words[0])
    if words:
        return TEST, 0
    if values["forget"]:
        return FORGET, 0
    return CHECK if values["check"] == "1" else RUN, 0


def _refuse(values: dict[str, str]) -> None:
    """Settings with which the guard would not be one."""
    for name, least, most in (("interval", 0.01, 60.0), ("path_interval", 0.01, 3600.0), ("confirm_after", 0.0, 60.0)):
        if not least <= float(values[name]) <= most:
            raise UsageError("seconds-out-of-range", option=name, value=values[name], least=least, most=most)
    if float(values["unreadable_after"]) <= float(values["interval"]):
        raise UsageError("unreadable-too-soon", option="unreadable_after", value=values["unreadable_after"])
    if values["returned_paths"] == REGISTER and values["fenced"] != REBOOT:
        raise UsageError("register-without-reboot", option="returned_paths", value=REGISTER)


def help_text() -> str:
    """What --help prints."""
    from ..metadata import usage, wrapped

    lines = ["Examples:"]
    for command, meaning in EXAMPLES:
        lines += [f"   {command}", f"      {meaning}"]
    lines += ["", "Usage:", f"   {GUARD} [options]", "", "Options:"]
    for option in OPTIONS:
        default = f" (default {option.default})" if option.default else ""
        choices = f": {', '.join(option.choices)}" if option.choices else ""
        lines += wrapped(usage(option), option.help + choices + default)
    return "\n".join(lines)
