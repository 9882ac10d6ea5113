"""The one table of the guard's options: parsing, help and manual page are made from it."""

from __future__ import annotations

from . import options
from .errors import UnreadableCall, UsageError
from .guard_plan import LOG, REACTIONS, REBOOT, REGISTER, REPORT, RETURNED_PATHS, Policy
from .option_table import FLAG, SECONDS, SELECT, Option
from .record import Record

GUARD = "pr_fence_guard"
SHORTDESC = "Act at once when this node has been fenced off its shared disks"
LONGDESC = """\
pr_fence_guard watches every disk on which the action on of fence_pr_ioctl registered this node since it \
started (the files in /run/fence_pr_ioctl). Before the first on there is nothing to watch, and it does nothing.
A node is fenced when, in two complete readings of one disk, its key is gone and a reservation shuts it out. \
A disk that cannot be read proves nothing, and a disk on which nothing is reserved shuts nobody out: for both there \
are options of their own.
To take a registration away on purpose (a disk that leaves the cluster), stop the guard first, or remove the disk's \
file from /run/fence_pr_ioctl."""

CHECK, REPAIR, RUN, HELP, VERSION = "check", "repair", "run", "help", "version"

# The watchdog daemon calls what is in its test directory with these words.
_TEST_WORD, _REPAIR_WORD = "test", "repair"

OPTIONS = (
    Option("fenced", SELECT, "What to do when this node was fenced: log it, stop Pacemaker, or reboot at once, without"
           " writing anything back", 1, "", REBOOT, "action", REACTIONS),
    Option("unprotected", SELECT, "What to do when this node's key is gone but nothing is reserved: nobody is shut out,"
           " because the target lost its registrations or somebody cleared them", 2, "", LOG, "action", REACTIONS),
    Option("unreadable", SELECT, "What to do when a disk gave no complete answer for the time unreadable_after", 3, "",
           LOG, "action", REACTIONS),
    Option("unreadable_after", SECONDS, "Time without a complete answer after which a disk is unreadable", 4, "", "30",
           "seconds"),
    Option("returned_paths", SELECT, "What to do about a path of a multipath map that lives without a registration:"
           " report it, or register it while another path of this node is registered. Registering is a race against"
           " being fenced that cannot be won in every case, and needs fenced=reboot", 5, "", REPORT, "mode",
           RETURNED_PATHS),
    Option("interval", SECONDS, "Time between two checks of a disk", 6, "", "1", "seconds"),
    Option("confirm_after", SECONDS, "Time between the two readings that prove that this node was fenced", 7, "", "0.3",
           "seconds"),
    Option("path_interval", SECONDS, "Time between two checks of all paths", 8, "", "10", "seconds"),
    Option("check", FLAG, "Check every disk once and exit: 0 all is well or its option says log, 5 a disk is unreadable"
           " and its option says more than log, 254 reboot (the watchdog daemon resets the machine then)", 9),
    Option("verbose", FLAG, "Say on standard error what is found, also when all is well", 51, "v"),
    Option("version", FLAG, "Display version information and exit", 54, "V"),
    Option("help", FLAG, "Display help and exit", 55, "h"),
)  # fmt: skip


class Settings(Record):
    """What the command line asks for.

    mode        RUN, CHECK, REPAIR, HELP or VERSION
    code        REPAIR: the exit status of the check that failed
    """

    mode: str
    policy: Policy
    register: bool
    interval: float
    confirm_after: float
    path_interval: float
    verbose: bool
    code: int = 0


def parse(arguments: list[str]) -> Settings:
    """The settings that a command line (without the program's name) asks for. Raises UsageError."""
    import getopt

    longs = {option.long(): option for option in OPTIONS}
    shorts = {option.short: option for option in OPTIONS if option.short}
    try:
        pairs, words = getopt.gnu_getopt(
            arguments, "".join(shorts), [name + ("" if option.kind == FLAG else "=") for name, option in longs.items()]
        )
    except getopt.GetoptError as error:
        raise UnreadableCall(error.opt, "", error.msg) from error
    values = {option.name: option.default or "0" for option in OPTIONS}
    for dashed, value in pairs:
        option = longs[dashed[2:]] if dashed.startswith("--") else shorts[dashed[1:]]
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
    )


def _mode(values: dict[str, str], words: list[str]) -> tuple[str, int]:
    for mode in (HELP, VERSION):
        if values[mode] == "1":
            return mode, 0
    if words[:1] == [_REPAIR_WORD]:
        code = words[1] if len(words) > 1 else ""
        return REPAIR, int(code) if code.isascii() and code.isdigit() and 0 < int(code) < 256 else 1
    if words not in ([], [_TEST_WORD]):
        raise UnreadableCall("command line", words[0], options.unexpected(words[0]))
    return CHECK if words or values["check"] == "1" else RUN, 0


def _refuse(values: dict[str, str]) -> None:
    """Settings with which the guard would not be one."""
    for name, least, most in (("interval", 0.01, 60.0), ("path_interval", 0.01, 3600.0), ("confirm_after", 0.0, 60.0)):
        if not least <= float(values[name]) <= most:
            raise UsageError(name, values[name], f"must be from {least:g} to {most:g} seconds")
    if float(values["unreadable_after"]) <= float(values["interval"]):
        raise UsageError("unreadable_after", values["unreadable_after"], "must be longer than the interval")
    if values["returned_paths"] == REGISTER and values["fenced"] != REBOOT:
        problem = f"needs fenced={REBOOT}: a path that was registered too late must not live on"
        raise UsageError("returned_paths", REGISTER, problem)


def help_text() -> str:
    """What --help prints."""
    from .metadata import usage, wrapped

    lines = [SHORTDESC, "Usage:", f"\t{GUARD} [options]", "Options:"]
    for option in OPTIONS:
        default = f" (default {option.default})" if option.default else ""
        choices = f": {', '.join(option.choices)}" if option.choices else ""
        lines += wrapped(usage(option), option.help + choices + default)
    return "\n".join(lines)
