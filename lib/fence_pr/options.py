"""From standard input or the command line to checked option values.

Nothing is done yet when anything here is wrong: a malformed call never fences.
"""

from __future__ import annotations

from .errors import MissingOption, UnreadableCall, UnrecognisedAction, UsageError
from .option_table import ACTIONS, BOOLEAN, FENCING_ACTION, FLAG, INTEGER, OPTIONS, SECONDS, SELECT, UNUSED_NAMES
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .option_table import Option

_TRUE, _FALSE = ("1", "yes", "on", "true"), ("0", "no", "off", "false")
_DOCUMENT_ACTIONS = ("metadata", "manpage")
_DISK_ACTIONS = ("on", "off", "status", "monitor", "list-status", "validate-all")
_NODE_ACTIONS = ("on", "off", "status")
MOST_INPUT_BYTES = 1 << 20
_MOST_DEVICES = 1024
_MOST_WARNINGS = 20
_MOST_DIGITS = 9
_NODEID_DIGITS = 10


class Options(Record):
    """Checked values: every option of the table by name, defaults filled in, flags as "1" or "0".

    warnings  what was accepted but has no effect, for the log
    """

    values: dict[str, str]
    warnings: tuple[str, ...] = ()

    def text(self, name: str) -> str:
        """The value as it was given, or the default."""
        return self.values[name]

    def flag(self, name: str) -> bool:
        """The value of a boolean option."""
        return self.values[name].lower() in _TRUE

    def seconds(self, name: str) -> float:
        """The value of an option that is a time, in seconds."""
        return float(self.values[name])

    def action(self) -> str:
        """The canonical name of the action, or of what --help and --version ask for."""
        for document in ("help", "version"):
            if self.flag(document):
                return document
        return canonical_action(self.values["action"])

    def plug(self) -> str:
        """The node to act on; "" if none was named."""
        return self.values["plug"] or self.values["nodename"]

    def devices(self) -> tuple[str, ...]:
        """The disks' names in the order given."""
        return tuple(self.values["devices"].replace(",", " ").split())

    def verbosity(self) -> int:
        """0: failures only, 1: steps, 2: every command."""
        level = self.values["verbose_level"]
        return int(level) if level else int(self.values["verbose"])


def from_stdin(data: bytes) -> Options:
    """Options from `name=value` lines. Raises UsageError for anything that cannot be meant."""
    if len(data) > MOST_INPUT_BYTES:
        raise UsageError("standard input", f"{len(data)} bytes", f"more than {MOST_INPUT_BYTES} bytes")
    known = _names()
    given: dict[str, str] = {}
    names: dict[str, str] = {}
    unknown: list[str] = []
    for raw in data.decode("utf-8", "surrogateescape").split("\n"):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        name = name.rstrip().replace("-", "_")
        if not equals or not name:
            raise UnreadableCall("standard input", line, f"'{line[:80]}' is no line of the form name=value")
        if name in known:
            option, value = known[name].name, _unquoted(value.strip())
            before = given.get(option, "")
            if before and value and before != value and names[option] != name:
                # Pacemaker adds its own plug or port to what the resource has, in no order.
                raise UsageError(name, value, f"contradicts {names[option]}, which is {before}")
            given[option], names[option] = value, name
        elif name not in UNUSED_NAMES:
            unknown.append(name)
    if "action" not in given and unknown:
        # Without an action line the call would fence. A misspelt one must not.
        problem = f"unknown option '{unknown[0]}', and no action was given ({FENCING_ACTION} is the default)"
        raise UnreadableCall(unknown[0], "", problem)
    warnings = [f"unknown option '{name}' ignored" for name in unknown[:_MOST_WARNINGS]]
    more = len(unknown) - len(warnings)
    return check(given, (*warnings, *([f"{more} more unknown options ignored"] if more else [])))


def from_argv(arguments: list[str]) -> Options:
    """Options from the command line, without the program's name. Raises UsageError."""
    import getopt

    shorts = "".join(option.short + ("" if option.kind == FLAG else ":") for option in OPTIONS if option.short)
    longs: dict[str, Option] = {}
    for option in OPTIONS:
        for name in option.names():
            for spelling in (name, name.replace("_", "-")):
                longs[spelling] = option
    try:
        pairs, rest = getopt.gnu_getopt(
            arguments, shorts, [name + ("" if option.kind == FLAG else "=") for name, option in longs.items()]
        )
    except getopt.GetoptError as error:
        raise UnreadableCall(error.opt, "", error.msg) from error
    if rest:
        raise UnreadableCall("command line", rest[0], unexpected(rest[0]))
    by_short = {option.short: option for option in OPTIONS if option.short}
    given: dict[str, str] = {}
    for dashed, value in pairs:
        option = longs[dashed[2:]] if dashed.startswith("--") else by_short[dashed[1:]]
        given[option.name] = str(int(given.get(option.name, "0")) + 1) if option.kind == FLAG else value
    for option in OPTIONS:
        if option.kind == FLAG and option.name != "verbose" and option.name in given:
            given[option.name] = "1"
    return check(given)


def unexpected(word: str) -> str:
    """What is wrong with a word of the command line that is no option and no option's value."""
    return f"unexpected argument '{word}' (options begin with a dash, a value with blanks is quoted)"


def check(given: dict[str, str], warnings: tuple[str, ...] = ()) -> Options:
    """Fill in defaults and judge every value, and the call as a whole. Raises UsageError."""
    for option in OPTIONS:
        if option.name in given:
            given[option.name] = checked(option, given[option.name])
            if option.ignored:
                warnings += (f"option '{option.name}' has no effect: {option.ignored}",)
    defaults = {option.name: option.default or ("0" if option.kind == FLAG else "") for option in OPTIONS}
    options = Options({**defaults, **given}, warnings)
    _check_call(options)
    return options


def _check_call(options: Options) -> None:
    action = options.action()
    if action in ("help", "version", *_DOCUMENT_ACTIONS):
        return
    plug, separator = options.plug(), options.text("plug_separator")
    if action in _NODE_ACTIONS and not (plug or options.text("key") or options.text("node")):
        raise MissingOption("plug", "You have to enter plug number or machine identification")
    if separator and separator in plug:
        raise UsageError("plug", plug, "only one node a call")
    if action in _DISK_ACTIONS and not options.devices():
        raise MissingOption("devices", "No devices: the option devices is missing or empty")
    if len(options.devices()) > _MOST_DEVICES:
        raise UsageError("devices", options.text("devices"), f"{len(options.devices())} names, at most {_MOST_DEVICES}")
    if options.seconds("power_timeout") <= 0 and not options.flag("disable_timeout"):
        raise UsageError("power_timeout", options.text("power_timeout"), "must be more than 0 seconds")


def canonical_action(text: str) -> str:
    """The action that `text` means. Raises UnrecognisedAction."""
    wanted = text.lower()
    for action in ACTIONS:
        if wanted in (action.name, *action.aliases):
            return action.name
    raise UnrecognisedAction(text)


def _names() -> dict[str, Option]:
    return {name: option for option in OPTIONS for name in option.names()}


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' else value


def checked(option: Option, value: str) -> str:
    """The value in its canonical form. Raises UsageError naming option and value."""
    if "\0" in value:
        raise UsageError(option.name, value.replace("\0", "\\0"), "contains a NUL character")
    if option.name == "action":
        return canonical_action(value)
    if option.name == "node" and not _is_number(value, _NODEID_DIGITS):
        raise UsageError(option.name, value, "is not the nodeid of a node")
    if option.kind in (FLAG, BOOLEAN):
        return _checked_boolean(option, value)
    if option.kind == INTEGER and not _is_number(value):
        raise UsageError(option.name, value, "is not a whole number")
    if option.kind == SECONDS and not _is_seconds(value):
        raise UsageError(option.name, value, "is not a number of seconds")
    if option.kind == SELECT:
        for choice in option.choices:
            if value.lower() == choice.lower():
                return choice
        raise UsageError(option.name, value, f"is none of {', '.join(option.choices)}")
    return value


def _checked_boolean(option: Option, value: str) -> str:
    if value.lower() in _TRUE:
        return "1"
    if value.lower() in _FALSE:
        return "0"
    if option.name == "verbose" and _is_number(value):
        return value
    raise UsageError(option.name, value, "is neither true nor false")


def _is_seconds(value: str) -> bool:
    whole, point, fraction = value.partition(".")
    return _is_number(whole) and (not point or _is_number(fraction))


def _is_number(value: str, most_digits: int = _MOST_DIGITS) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= most_digits
